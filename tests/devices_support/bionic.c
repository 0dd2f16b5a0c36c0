// liblog.so for tests: what Android's C library has and musl's lacks, so that Android's programs and libraries run on
// musl's loader: arm64's under qemu-aarch64, x86_64's as they are. Preloaded, hence asked before musl where both define a
// name.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Android's arm64 code reads its stack guard at tp + 40, where musl lays the first module's thread-local variables: this
// library's, which nobody writes. The first ones are read, so all of them are kept.
_Thread_local volatile char guard_slots[256];
__attribute__((constructor)) static void keep_guard_slots(void) { guard_slots[255] = 0; }

int* __errno(void) { return &errno; }

extern int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(void),
                             void (*fini)(void), void (*loader_fini)(void));
void __libc_init(void* arguments, void (*unused)(void), int (*main)(int, char**, char**), const void* arrays) {
  __libc_start_main(main, (int)*(long*)arguments, (char**)arguments + 1, 0, 0, 0);
  abort();
}

// The numbers of Android's <bits/sysconf.h>.
long sysconf(int name) {
  switch (name) {
    case 0x27:
    case 0x28:
      return 4096;
    case 0x60:
    case 0x61:
      return 2;
  }
  errno = EINVAL;
  return -1;
}

// -- the fortified calls ---------------------------------------------------------------------------------------------
static void check(size_t wanted, size_t there) {
  if (wanted > there) abort();
}
void* __memmove_chk(void* to, const void* from, size_t count, size_t there) {
  check(count, there);
  return memmove(to, from, count);
}
ssize_t __read_chk(int file, void* to, size_t count, size_t there) {
  check(count, there);
  return read(file, to, count);
}
size_t __strlen_chk(const char* text, size_t there) {
  const size_t length = strlen(text);
  check(length + 1, there);
  return length;
}
int __open_2(const char* path, int flags) { return open(path, flags); }
int __vsnprintf_chk(char* to, size_t count, int flags, size_t there, const char* format, va_list arguments) {
  (void)flags;
  check(count, there);
  return vsnprintf(to, count, format, arguments);
}

// -- locales: there is one ---------------------------------------------------------------------------------------------
long long strtoll_l(const char* text, char** end, int base, locale_t locale) {
  (void)locale;
  return strtoll(text, end, base);
}
unsigned long long strtoull_l(const char* text, char** end, int base, locale_t locale) {
  (void)locale;
  return strtoull(text, end, base);
}

// -- the log and the properties ------------------------------------------------------------------------------------------
int __android_log_write(int priority, const char* tag, const char* text) {
  return dprintf(2, "[%d] %s: %s\n", priority, tag, text);
}
int __android_log_vprint(int priority, const char* tag, const char* format, va_list arguments) {
  char text[4096];
  vsnprintf(text, sizeof(text), format, arguments);
  return __android_log_write(priority, tag, text);
}
int __android_log_print(int priority, const char* tag, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int written = __android_log_vprint(priority, tag, format, arguments);
  va_end(arguments);
  return written;
}
void android_set_abort_message(const char* text) { dprintf(2, "abort: %s\n", text); }
int __system_property_get(const char* name, char* value) {
  strcpy(value, strcmp(name, "ro.build.version.sdk") == 0 ? "34" : "");
  return (int)strlen(value);
}

// -- the standard streams: &__sF[0..2] there, pointers here ----------------------------------------------------------------
enum { kFileBytes = 152 };
char __sF[3 * kFileBytes];
static FILE* stream(FILE* file) {
  const char* at = (const char*)file;
  if (at < __sF || at >= __sF + sizeof(__sF)) return file;
  FILE* const ours[] = {stdin, stdout, stderr};
  return ours[(at - __sF) / kFileBytes];
}
#define NEXT(name)                  \
  static __typeof__(name)* next;    \
  if (next == 0) next = dlsym(RTLD_NEXT, #name)
int vfprintf(FILE* file, const char* format, va_list arguments) {
  NEXT(vfprintf);
  return next(stream(file), format, arguments);
}
int fprintf(FILE* file, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int written = vfprintf(file, format, arguments);
  va_end(arguments);
  return written;
}
size_t fwrite(const void* from, size_t size, size_t count, FILE* file) {
  NEXT(fwrite);
  return next(from, size, count, stream(file));
}
int fputc(int c, FILE* file) {
  NEXT(fputc);
  return next(c, stream(file));
}
int fflush(FILE* file) {
  NEXT(fflush);
  return next(file != 0 ? stream(file) : 0);
}
int fileno(FILE* file) {
  NEXT(fileno);
  return next(stream(file));
}
