// Memory whose last byte lies before a page that nothing may touch: a kernel that reads past a buffer's end dies here.
#ifndef REPBNN_KERNELS_TESTING_GUARDED_H_
#define REPBNN_KERNELS_TESTING_GUARDED_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace repbnn {

// A region that is placed anew for each case: `place` puts `count` elements right before the upper guard page, or, with
// at_start, right behind the lower one.
template <typename T>
class Guarded {
 public:
  Guarded() = default;
  ~Guarded() {
    if (memory_ != nullptr) munmap(memory_, bytes_ + 2 * page());
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* place(size_t count, bool at_start = false) {
    grow(count * sizeof(T));
    char* first = memory_ + page();
    data_ = reinterpret_cast<T*>(at_start ? first : first + bytes_ - count * sizeof(T));
    std::memset(static_cast<void*>(data_), 0, count * sizeof(T));
    return data_;
  }
  T* data() const { return data_; }

 private:
  static size_t page() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

  void grow(size_t bytes) {
    if (memory_ != nullptr && bytes <= bytes_) return;
    if (memory_ != nullptr) munmap(memory_, bytes_ + 2 * page());
    bytes_ = (bytes * 2 / page() + 1) * page();
    void* memory = mmap(nullptr, bytes_ + 2 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("mmap");
      std::abort();
    }
    memory_ = static_cast<char*>(memory);
    mprotect(memory_, page(), PROT_NONE);
    mprotect(memory_ + page() + bytes_, page(), PROT_NONE);
  }

  char* memory_ = nullptr;
  size_t bytes_ = 0;
  T* data_ = nullptr;
};

}  // namespace repbnn

#endif  // REPBNN_KERNELS_TESTING_GUARDED_H_
