// In front of libunwind's sources: its last words go to Android's log. Its stderr is an object of another name there.
#pragma once

#ifndef __ASSEMBLER__
#include <android/log.h>
#include <stdio.h>

#define fprintf(stream, ...) __android_log_print(ANDROID_LOG_FATAL, "repbnn", __VA_ARGS__)
#define fflush(stream) ((void)0)
#endif
