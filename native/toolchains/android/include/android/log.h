// The part of Android's log that we call, with its documented values.
#pragma once

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ANDROID_LOG_INFO = 4, ANDROID_LOG_WARN = 5, ANDROID_LOG_ERROR = 6, ANDROID_LOG_FATAL = 7 };

int __android_log_print(int priority, const char* tag, const char* format, ...) __attribute__((format(printf, 3, 4)));
int __android_log_vprint(int priority, const char* tag, const char* format, va_list arguments);
int __android_log_write(int priority, const char* tag, const char* text);

#ifdef __cplusplus
}
#endif
