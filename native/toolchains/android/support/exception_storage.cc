// Each thread's exceptions, in place of libc++abi's own storage: that one needs thread-local storage, or leaves a key
// behind whose destructor is gone once the library is unloaded, and a thread that ends later would call it.
#include <pthread.h>

#include "abort_message.h"
#include "cxa_exception.h"
#include "fallback_malloc.h"

namespace __cxxabiv1 {
namespace {

pthread_once_t once = PTHREAD_ONCE_INIT;
pthread_key_t key;
bool has_key = false;

void make_key() { has_key = pthread_key_create(&key, __free_with_fallback) == 0; }

__attribute__((destructor)) void delete_key() {
  if (has_key) pthread_key_delete(key);
}

}  // namespace

extern "C" {

__cxa_eh_globals* __cxa_get_globals_fast() {
  if (pthread_once(&once, make_key) != 0 || !has_key) __abort_message("no key for exceptions");
  return static_cast<__cxa_eh_globals*>(pthread_getspecific(key));
}

// Made when a thread first throws, most likely for want of memory: the fallback has some put by.
__cxa_eh_globals* __cxa_get_globals() {
  __cxa_eh_globals* globals = __cxa_get_globals_fast();
  if (globals != nullptr) return globals;
  globals = static_cast<__cxa_eh_globals*>(__calloc_with_fallback(1, sizeof(__cxa_eh_globals)));
  if (globals == nullptr || pthread_setspecific(key, globals) != 0) __abort_message("no memory for exceptions");
  return globals;
}

}  // extern "C"
}  // namespace __cxxabiv1
