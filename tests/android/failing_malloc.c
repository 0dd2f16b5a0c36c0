/* Preloaded into a JVM: lets one allocation fail that librepbnn_delegate.so or librepbnn_jni.so makes on the thread of a
   test. The JVM's own allocations are left alone: it would end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <jni.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

static __thread int left __attribute__((tls_model("initial-exec"))) = -1;

struct search {
  const char *address;
  int found;
};

static int look(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  struct search *search = data;
  if (strstr(info->dlpi_name, "librepbnn_") == NULL) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    const char *start = (const char *)(info->dlpi_addr + part->p_vaddr);
    if (part->p_type == PT_LOAD && search->address >= start && search->address < start + part->p_memsz) search->found = 1;
  }
  return search->found;
}

static int fails(const void *caller) {
  if (left < 0) return 0;
  struct search search = {caller, 0};
  dl_iterate_phdr(look, &search);
  return search.found && left-- == 0;
}

void *malloc(size_t bytes) { return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(bytes); }

void *aligned_alloc(size_t alignment, size_t bytes) {
  return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
  if (fails(__builtin_return_address(0))) return ENOMEM;
  *memory = __libc_memalign(alignment, bytes);
  return *memory != NULL ? 0 : ENOMEM;
}

JNIEXPORT jint JNICALL Java_org_repbnn_Allocations_failAt(JNIEnv *env, jclass class, jint which) {
  (void)env;
  (void)class;
  const int before = left;
  left = which;
  return before;
}
