// Memory on a cache line's boundary, zeroed.
#ifndef REPBNN_BASE_ALIGNED_H_
#define REPBNN_BASE_ALIGNED_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/inline.h"

namespace repbnn {

constexpr size_t kCacheLine = 64;

// Owns `count` elements of a trivial type, zeroed and touched (a first touch inside a timed call costs a page fault).
// The only failure is std::bad_alloc.
template <typename T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t count);
  AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    AlignedBuffer taken(std::move(other));
    swap(taken);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer();

  REPBNN_INLINE T* data() { return data_; }
  REPBNN_INLINE const T* data() const { return data_; }
  size_t size() const { return count_; }
  T& operator[](size_t index) { return data_[index]; }
  const T& operator[](size_t index) const { return data_[index]; }

 private:
  void swap(AlignedBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
  }
  T* data_ = nullptr;
  size_t count_ = 0;
};

// bytes, zeroed, at a cache line's boundary; throws std::bad_alloc. Freed by aligned_release.
void* aligned_acquire(size_t bytes);
void aligned_release(void* memory);

template <typename T>
AlignedBuffer<T>::AlignedBuffer(size_t count)
    : data_(static_cast<T*>(aligned_acquire(count <= SIZE_MAX / sizeof(T) ? count * sizeof(T) : SIZE_MAX))),
      count_(count) {}

template <typename T>
AlignedBuffer<T>::~AlignedBuffer() {
  aligned_release(data_);
}

}  // namespace repbnn

#endif  // REPBNN_BASE_ALIGNED_H_
