/* What Android's x86-64 libraries, TensorFlow Lite's and ours, ask of bionic and glibc lacks: preloaded into a desktop JVM,
   for tests. Layouts that differ (FILE, the numbers of sysconf) are translated; nothing else is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kBionicFileSize = 152, kStandardFiles = 3 };

char __sF[kStandardFiles * kBionicFileSize]; /* bionic's stdin, stdout and stderr: only their addresses are used */

int *__errno(void) { return &errno; }

size_t __strlen_chk(const char *text, size_t size) {
  const size_t length = strlen(text);
  if (length >= size) abort();
  return length;
}

int __system_property_get(const char *name, char *value) {
  value[0] = '\0';
  if (strcmp(name, "ro.build.version.sdk") == 0) strcpy(value, "34");
  return (int)strlen(value);
}

void android_set_abort_message(const char *message) { fprintf(stderr, "abort: %s\n", message); }

int __android_log_write(int priority, const char *tag, const char *text) {
  (void)priority;
  return fprintf(stderr, "[%s] %s\n", tag, text);
}

int __android_log_vprint(int priority, const char *tag, const char *format, va_list arguments) {
  char line[1024];
  vsnprintf(line, sizeof line, format, arguments);
  return __android_log_write(priority, tag, line);
}

int __android_log_print(int priority, const char *tag, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int written = __android_log_vprint(priority, tag, format, arguments);
  va_end(arguments);
  return written;
}

/* The patched library calls this in place of sysconf: bionic numbers its names in another way. */
long bysconf(int name) {
  switch (name) {
    case 0x61: return sysconf(_SC_NPROCESSORS_ONLN);
    case 0x60: return sysconf(_SC_NPROCESSORS_CONF);
    case 0x27:
    case 0x28: return sysconf(_SC_PAGESIZE);
    default: return -1;
  }
}

static FILE *ours(FILE *file) {
  const char *at = (const char *)file;
  if (at < __sF || at >= __sF + sizeof __sF) return file;
  const long index = (at - __sF) / kBionicFileSize;
  return index == 0 ? stdin : index == 1 ? stdout : stderr;
}

#define NEXT(name)                \
  static __typeof__(name) *next;  \
  if (next == NULL) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

int vfprintf(FILE *file, const char *format, va_list arguments) {
  NEXT(vfprintf);
  return next(ours(file), format, arguments);
}

int fprintf(FILE *file, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int written = vfprintf(file, format, arguments);
  va_end(arguments);
  return written;
}

size_t fwrite(const void *data, size_t size, size_t count, FILE *file) {
  NEXT(fwrite);
  return next(data, size, count, ours(file));
}

int fputc(int character, FILE *file) {
  NEXT(fputc);
  return next(character, ours(file));
}

int fflush(FILE *file) {
  NEXT(fflush);
  return next(file != NULL ? ours(file) : file);
}

int fileno(FILE *file) {
  NEXT(fileno);
  return next(ours(file));
}
