// What C++ without RTTI asks of a C++ library beside libc++abi's exceptions: memory, guards of local statics, the ends.
#include <android/log.h>
#include <pthread.h>

#include <cstdarg>
#include <cstdlib>
#include <new>

namespace {

void* acquire(size_t bytes, size_t alignment) {
  void* memory = nullptr;
  if (alignment <= alignof(max_align_t)) return std::malloc(bytes > 0 ? bytes : 1);
  return posix_memalign(&memory, alignment, bytes > 0 ? bytes : alignment) == 0 ? memory : nullptr;
}

void* acquire_or_throw(size_t bytes, size_t alignment) {
  void* memory = acquire(bytes, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(size_t bytes) { return acquire_or_throw(bytes, 1); }
void* operator new[](size_t bytes) { return acquire_or_throw(bytes, 1); }
void* operator new(size_t bytes, std::align_val_t a) { return acquire_or_throw(bytes, static_cast<size_t>(a)); }
void* operator new[](size_t bytes, std::align_val_t a) { return acquire_or_throw(bytes, static_cast<size_t>(a)); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return acquire(bytes, 1); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return acquire(bytes, 1); }
void* operator new(size_t bytes, std::align_val_t a, const std::nothrow_t&) noexcept {
  return acquire(bytes, static_cast<size_t>(a));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace std {
const nothrow_t nothrow{};
}

extern "C" {

[[noreturn]] void __cxa_pure_virtual() { std::abort(); }
[[noreturn]] void __cxa_deleted_virtual() { std::abort(); }

// Guards of local statics. The first byte says that the static is made, the second that somebody is making it; the lock
// is not held meanwhile, so an initialiser may make other statics.
static pthread_mutex_t guards = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t made = PTHREAD_COND_INITIALIZER;

int __cxa_guard_acquire(unsigned char* guard) {
  if (__atomic_load_n(guard, __ATOMIC_ACQUIRE) != 0) return 0;
  pthread_mutex_lock(&guards);
  while (guard[0] == 0 && guard[1] != 0) pthread_cond_wait(&made, &guards);
  const bool ours = guard[0] == 0;
  if (ours) guard[1] = 1;
  pthread_mutex_unlock(&guards);
  return ours ? 1 : 0;
}

void __cxa_guard_release(unsigned char* guard) {
  pthread_mutex_lock(&guards);
  guard[1] = 0;
  __atomic_store_n(guard, 1, __ATOMIC_RELEASE);
  pthread_cond_broadcast(&made);
  pthread_mutex_unlock(&guards);
}

// The initialiser threw: whoever comes next makes the static.
void __cxa_guard_abort(unsigned char* guard) {
  pthread_mutex_lock(&guards);
  guard[1] = 0;
  pthread_cond_broadcast(&made);
  pthread_mutex_unlock(&guards);
}

// libc++abi's last word.
[[noreturn]] __attribute__((visibility("hidden"))) void __abort_message(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  __android_log_vprint(ANDROID_LOG_FATAL, "repbnn", format, arguments);
  va_end(arguments);
  std::abort();
}

}  // extern "C"

// libc++'s last word, when a check of its own fails.
namespace std {
inline namespace __1 {
[[noreturn]] void __libcpp_verbose_abort(const char* format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  __android_log_vprint(ANDROID_LOG_FATAL, "repbnn", format, arguments);
  va_end(arguments);
  std::abort();
}
}  // namespace __1
}  // namespace std
