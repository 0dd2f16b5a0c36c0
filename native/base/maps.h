// How kernels see feature maps: views over memory that the plan owns. NHWC, one image.
#ifndef REPBNN_BASE_MAPS_H_
#define REPBNN_BASE_MAPS_H_

#include <cstddef>
#include <cstdint>

#include "base/inline.h"

namespace repbnn {

constexpr int kWordBits = 32;

// Words that hold `channels` signs. Bit i of word w is channel 32 w + i; 1 means -1. Bits past the last channel are 0.
constexpr int words_of(int channels) { return (channels + kWordBits - 1) / kWordBits; }

// Rows may be negative (the border), so a ring's mask is applied to the 32-bit number and the sign is kept.
REPBNN_INLINE ptrdiff_t masked_row(int row, uint32_t mask) {
  return static_cast<int32_t>(static_cast<uint32_t>(row) & mask);
}

// A float map. Pixel (y, x), channel c lies at
//   data + ((y - y_base) & row_mask) * row_pitch + (x - x_base) * pixel_stride + (modulo ? c % modulo : c)
// so one view serves whole maps (mask ~0), rings of 2^n rows (mask 2^n - 1), tile scratch (y_base, x_base), channel
// slices of a wider map (data moved by the first channel), values that are the same for every pixel (pitch and stride
// 0), subsampled reads (doubled strides), and a map that stands for its own repetition (modulo, for the stem).
// Strides count floats. A pixel stride that is a multiple of 4 KiB costs 4 times as much: pad it by 16 floats.
struct FloatMap {
  float* data = nullptr;
  ptrdiff_t row_pitch = 0;
  ptrdiff_t pixel_stride = 0;
  int y_base = 0;
  int x_base = 0;
  uint32_t row_mask = ~0u;
  int modulo = 0;  // 0: none. Must be a multiple of 16 to be fast; any value is right.

  REPBNN_INLINE float* at(int y, int x) const {
    return data + masked_row(y - y_base, row_mask) * row_pitch + static_cast<ptrdiff_t>(x - x_base) * pixel_stride;
  }
};

// A bitpacked map. `data` is pixel (0, 0) of the image itself; the border that padding needs lies around it, in the
// same memory, zero bits (+1). Strides count 32-bit words. `channel_offset`: the first channel that a writer's channel
// 0 goes to (concatenation); fast when it is a multiple of 16. `channels`: of the whole map; whoever writes the last
// channel also clears the bits behind it in its word.
struct BitMap {
  uint32_t* data = nullptr;
  ptrdiff_t row_pitch = 0;
  ptrdiff_t pixel_stride = 0;
  int channels = 0;
  int channel_offset = 0;
  int y_base = 0;
  int x_base = 0;
  uint32_t row_mask = ~0u;

  REPBNN_INLINE uint32_t* at(int y, int x) const {
    return data + masked_row(y - y_base, row_mask) * row_pitch + static_cast<ptrdiff_t>(x - x_base) * pixel_stride;
  }
};

// An int8 map, for int8 outputs. Strides count bytes.
struct Int8Map {
  int8_t* data = nullptr;
  ptrdiff_t row_pitch = 0;
  ptrdiff_t pixel_stride = 0;
  int y_base = 0;
  int x_base = 0;

  REPBNN_INLINE int8_t* at(int y, int x) const {
    return data + static_cast<ptrdiff_t>(y - y_base) * row_pitch + static_cast<ptrdiff_t>(x - x_base) * pixel_stride;
  }
};

}  // namespace repbnn

#endif  // REPBNN_BASE_MAPS_H_
