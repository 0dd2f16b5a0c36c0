// What the implementations of the pointwise machine share.
#ifndef REPBNN_KERNELS_POINTWISE_TILE_H_
#define REPBNN_KERNELS_POINTWISE_TILE_H_

#include "base/streaming.h"
#include "kernels/pointwise/pointwise.h"

namespace repbnn {

// Pixels (y, x) .. (y, x + pixels - 1) of one group of 16 lanes. `source`: lane 0 of the first pixel.
struct PointwiseTile {
  const PackedProgram* program;
  const Bindings* bindings;
  const float* source;
  ptrdiff_t source_stride;
  int group, y, x, pixels;

  REPBNN_INLINE int lanes() const {
    const int left = program->lanes_total() - group * kLanes;
    return left < kLanes ? left : kLanes;
  }
};

// What run_pointwise is given.
struct PointwiseArea {
  const PackedProgram* program;
  const FloatMap* source;
  const Bindings* bindings;
  int y0, y1, x0, x1;
};
// On an area, in streaming mode.
extern const StreamingWork kSme2Pointwise;

using RunTile = void (*)(const PointwiseTile& tile);

void pointwise_scalar(const PointwiseTile& tile);
void pointwise_avx2(const PointwiseTile& tile);
void pointwise_avx512(const PointwiseTile& tile);
void pointwise_neon(const PointwiseTile& tile);

// The tile function of a built instruction set; scalar's for one that this build lacks.
RunTile pointwise_tile(Isa isa);

// Lane 0's address of channel `channel` in pixel `pixel`, unless modulo wraps inside the lanes: see wraps().
REPBNN_INLINE ptrdiff_t channel_of(const FloatMap& map, int channel) {
  return map.modulo ? channel % map.modulo : channel;
}
REPBNN_INLINE bool wraps(const FloatMap& map, int channel, int lanes) {
  return map.modulo != 0 && channel % map.modulo + lanes > map.modulo;
}

// Writes `lanes` bits of `mask` as channels channel.. of the pixel at `pixel`. Full 16-bit pieces are stored whole; any
// other position is merged into its words. Behind the map's last channel the word is cleared.
REPBNN_INLINE void store_bits(const BitMap& map, uint32_t* pixel, int channel, uint32_t mask, int lanes) {
  const int bit = map.channel_offset + channel;
  const bool last = bit + lanes >= map.channels;
  if (bit % kLanes == 0 && (lanes == kLanes || last)) {
    mask &= (1u << lanes) - 1;
    if (last && bit % kWordBits == 0) {
      pixel[bit / kWordBits] = mask;
    } else {
      const uint16_t half = static_cast<uint16_t>(mask);
      __builtin_memcpy(reinterpret_cast<char*>(pixel) + bit / 8, &half, sizeof(half));  // little-endian
    }
    return;
  }
  const int shift = bit % kWordBits;
  const uint64_t field = ((uint64_t{1} << lanes) - 1) << shift;
  const uint64_t value = (static_cast<uint64_t>(mask) << shift) & field;
  uint32_t* word = pixel + bit / kWordBits;
  word[0] = (word[0] & ~static_cast<uint32_t>(field)) | static_cast<uint32_t>(value);
  if (field >> kWordBits) {
    word[1] = (word[1] & ~static_cast<uint32_t>(field >> kWordBits)) | static_cast<uint32_t>(value >> kWordBits);
  }
  const int end = (bit + lanes) % kWordBits;
  if (last && end != 0) pixel[(bit + lanes) / kWordBits] &= (1u << end) - 1;
}

REPBNN_INLINE int8_t to_int8(float v) {
  if (!(v > -128.0f)) return -128;  // NaN too: the builtin's own answer is undefined
  if (v >= 127.0f) return 127;
  const int whole = static_cast<int>(v);
  const float rest = v - static_cast<float>(whole);
  return static_cast<int8_t>(whole + (rest >= 0.5f) - (rest <= -0.5f));
}

}  // namespace repbnn

#endif  // REPBNN_KERNELS_POINTWISE_TILE_H_
