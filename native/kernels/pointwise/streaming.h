// Programs in streaming mode: a quad, four vectors of neighbouring channels, at a time. Included by SME2's files alone.
#ifndef REPBNN_KERNELS_POINTWISE_STREAMING_H_
#define REPBNN_KERNELS_POINTWISE_STREAMING_H_

#include <arm_sme.h>

#include "kernels/pointwise/tile.h"

namespace repbnn {

// Every function behind in_streaming_mode: sharing ZA, even where it is not used, it saves and restores nothing.
#define REPBNN_STREAMING __arm_streaming __arm_inout("za")
#define REPBNN_STREAMING_INLINE inline __attribute__((always_inline))

// Pixels (y, x) .. (y, x + pixels - 1) of a quad.
struct StreamingTile {
  const PackedProgram* program;  // packed by quads
  const Bindings* bindings;
  const float* vectors;  // the program's, of this quad
  const float* source;   // of the first pixel
  ptrdiff_t source_stride;
  int source_vectors;     // 4, 2 or 1: so many vectors lie at a pixel's source, and repeat until they are four
  int channel, channels;  // the quad's first channel and how many it has
  int y, x, pixels;
};
void pointwise_sme2(const StreamingTile& tile) REPBNN_STREAMING;

namespace {

// Four vectors of bits as one predicate of a bit a lane.
REPBNN_STREAMING_INLINE svbool_t joined(svbool_t a, svbool_t b, svbool_t c, svbool_t d) REPBNN_STREAMING {
  return svuzp1_b8(svuzp1_b16(a, b), svuzp1_b16(c, d));
}

// No intrinsic stores a predicate.
REPBNN_STREAMING_INLINE void store_predicate(void* to, svbool_t bits) REPBNN_STREAMING {
  __asm__ volatile("str %1, [%0]" ::"r"(to), "Upa"(bits) : "memory");
}

// Bits of a quad to channels channel.. of the pixel at `pixel`.
REPBNN_STREAMING_INLINE void store_quad_bits(const BitMap& map, uint32_t* pixel, int channel, int channels,
                                             svbool_t bits) REPBNN_STREAMING {
  const int quad = 4 * static_cast<int>(svcntw()), bit = map.channel_offset + channel;
  const bool clears = bit + channels >= map.channels && (bit + channels) % kWordBits != 0;
  if (channels == quad && bit % 8 == 0 && !clears) {
    return store_predicate(reinterpret_cast<char*>(pixel) + bit / 8, bits);
  }
  uint16_t pieces[16];
  store_predicate(pieces, bits);
  for (int i = 0; i < channels; i += kLanes) {
    store_bits(map, pixel, channel + i, pieces[i / kLanes], channels - i < kLanes ? channels - i : kLanes);
  }
}

}  // namespace
}  // namespace repbnn

#endif  // REPBNN_KERNELS_POINTWISE_STREAMING_H_
