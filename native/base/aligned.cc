#include "base/aligned.h"

#include <cstring>
#include <new>

namespace repbnn {

void* aligned_acquire(size_t bytes) {
  if (bytes == 0) return nullptr;
  // More than there is: operator new refuses it in its own way, with or without exceptions.
  const size_t lines = bytes > SIZE_MAX - kCacheLine ? SIZE_MAX / kCacheLine : (bytes + kCacheLine - 1) / kCacheLine;
  const size_t rounded = lines * kCacheLine;
  // The throwing operator new, so that whoever replaces it (a test that fails each allocation) is asked here too.
  void* memory = ::operator new(rounded, std::align_val_t(kCacheLine));
  std::memset(memory, 0, rounded);
  return memory;
}

void aligned_release(void* memory) {
  if (memory != nullptr) ::operator delete(memory, std::align_val_t(kCacheLine));
}

}  // namespace repbnn
