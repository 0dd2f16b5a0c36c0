// What code compiled against musl's headers calls, under the names that Android's C library has for it.
#include <android/log.h>

extern int* __errno(void);
extern _Noreturn void abort(void);

int* __errno_location(void) { return __errno(); }

_Noreturn void __assert_fail(const char* expression, const char* file, int line, const char* function) {
  __android_log_print(ANDROID_LOG_FATAL, "repbnn", "%s:%d: %s: %s", file, line, function, expression);
  abort();
}
