#include "delegate/flexbuffer.h"

#include <cstring>

namespace repbnn {
namespace {

enum FlexType : uint8_t { kInt = 1, kUInt = 2, kIndirectInt = 6, kIndirectUInt = 7, kMap = 9, kBool = 26 };

bool is_width(unsigned width) { return width == 1 || width == 2 || width == 4 || width == 8; }

int64_t sign_extend(uint64_t value, unsigned width) {
  const unsigned unused = 64 - 8 * width;
  return static_cast<int64_t>(value << unused) >> unused;
}

}  // namespace

bool FlexMap::read_unsigned(size_t at, unsigned width, uint64_t* value) const {
  if (!is_width(width) || at > size_ || width > size_ - at) return false;
  uint64_t result = 0;
  for (unsigned i = 0; i < width; ++i) result |= static_cast<uint64_t>(data_[at + i]) << (8 * i);
  *value = result;
  return true;
}

// An offset points backwards from where it stands.
bool FlexMap::follow(size_t at, unsigned width, size_t* target) const {
  uint64_t offset;
  if (!read_unsigned(at, width, &offset) || offset > at) return false;
  *target = at - static_cast<size_t>(offset);
  return true;
}

bool FlexMap::open(const void* data, size_t size) {
  *this = FlexMap();
  if (data == nullptr || size < 3) return false;
  data_ = static_cast<const uint8_t*>(data);
  size_ = size;
  const unsigned root_width = data_[size - 1];
  const uint8_t root_type = data_[size - 2];
  if (!is_width(root_width) || root_type >> 2 != kMap || size - 2 < root_width) return false;
  if (!follow(size - 2 - root_width, root_width, &values_)) return false;
  width_ = 1u << (root_type & 3);

  // In front of a map's values stand: the offset of its keys, the width of a key's offset, the number of entries.
  const size_t prefix = 3 * static_cast<size_t>(width_);
  uint64_t count, key_width, key_count;
  if (values_ < prefix || !read_unsigned(values_ - width_, width_, &count) ||
      !read_unsigned(values_ - 2 * width_, width_, &key_width) || !follow(values_ - prefix, width_, &keys_) ||
      key_width > 8 || !is_width(static_cast<unsigned>(key_width))) {
    return false;
  }
  key_width_ = static_cast<unsigned>(key_width);
  if (count > size_ || values_ + count * (width_ + 1) > size_) return false;  // values, then one type byte each
  if (keys_ < key_width_ || !read_unsigned(keys_ - key_width_, key_width_, &key_count) || key_count != count ||
      keys_ > size_ || count * key_width_ > size_ - keys_) {
    return false;
  }
  count_ = static_cast<size_t>(count);
  return true;
}

bool FlexMap::key_equals(size_t index, const char* key) const {
  size_t at;
  if (!follow(keys_ + index * key_width_, key_width_, &at)) return false;
  const size_t length = std::strlen(key) + 1;  // with the final zero
  return length <= size_ - at && std::memcmp(data_ + at, key, length) == 0;
}

bool FlexMap::get(const char* key, int32_t* value) const {
  for (size_t i = 0; i < count_; ++i) {
    if (!key_equals(i, key)) continue;
    const uint8_t type = data_[values_ + count_ * width_ + i];
    size_t at = values_ + i * width_;
    unsigned width = width_;
    const uint8_t kind = type >> 2;
    if (kind == kIndirectInt || kind == kIndirectUInt) {
      if (!follow(at, width_, &at)) return false;
      width = 1u << (type & 3);
    } else if (kind != kInt && kind != kUInt && kind != kBool) {
      return false;
    }
    uint64_t raw;
    if (!read_unsigned(at, width, &raw)) return false;
    const bool is_signed = kind == kInt || kind == kIndirectInt;
    if (!is_signed && raw > INT32_MAX) return false;
    const int64_t number = is_signed ? sign_extend(raw, width) : static_cast<int64_t>(raw);
    if (number < INT32_MIN || number > INT32_MAX) return false;
    *value = static_cast<int32_t>(number);
    return true;
  }
  return false;
}

}  // namespace repbnn
