// Reads the one form of FlexBuffer that custom options have: a map from names to integers.
//
// The bytes come from a file that nobody checked, so every offset is verified before it is followed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace repbnn {

class FlexMap {
 public:
  // False when `size` bytes at `data` are no well-formed FlexBuffer map.
  bool open(const void* data, size_t size);

  // The integer under `key`. False when it is missing, no integer, or does not fit 32 bits.
  bool get(const char* key, int32_t* value) const;

  size_t size() const { return count_; }

 private:
  bool read_unsigned(size_t at, unsigned width, uint64_t* value) const;
  bool follow(size_t at, unsigned width, size_t* target) const;
  bool key_equals(size_t index, const char* key) const;

  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t count_ = 0;        // entries
  size_t values_ = 0;       // where the values start
  unsigned width_ = 0;      // bytes of one value
  size_t keys_ = 0;         // where the offsets of the keys start
  unsigned key_width_ = 0;  // bytes of one such offset
};

}  // namespace repbnn
