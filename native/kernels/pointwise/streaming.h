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

using Quad = svfloat32x4_t;

// One operation on each of a quad's vectors.
#define REPBNN_EACH(f)                                                                                   \
  svcreate4(f(svget4(v, 0), svget4(w, 0)), f(svget4(v, 1), svget4(w, 1)), f(svget4(v, 2), svget4(w, 2)), \
            f(svget4(v, 3), svget4(w, 3)))

REPBNN_STREAMING_INLINE Quad mul(Quad v, Quad w) REPBNN_STREAMING {
#define REPBNN_MUL(a, b) svmul_x(svptrue_b32(), a, b)
  return REPBNN_EACH(REPBNN_MUL);
}
REPBNN_STREAMING_INLINE Quad add(Quad v, Quad w) REPBNN_STREAMING {
#define REPBNN_ADD(a, b) svadd_x(svptrue_b32(), a, b)
  return REPBNN_EACH(REPBNN_ADD);
}
// Maximum and minimum instructions treat NaN and signed zeros otherwise: compare and select.
REPBNN_STREAMING_INLINE Quad raised(Quad v, float lo) REPBNN_STREAMING {
#define REPBNN_RAISE(a, b) svsel(svcmplt(svptrue_b32(), a, b), b, a)
  const svfloat32_t bound = svdup_f32(lo);
  const Quad w = svcreate4(bound, bound, bound, bound);
  return REPBNN_EACH(REPBNN_RAISE);
}
REPBNN_STREAMING_INLINE Quad lowered(Quad v, float hi) REPBNN_STREAMING {
#define REPBNN_LOWER(a, b) svsel(svcmplt(svptrue_b32(), b, a), b, a)
  const svfloat32_t bound = svdup_f32(hi);
  const Quad w = svcreate4(bound, bound, bound, bound);
  return REPBNN_EACH(REPBNN_LOWER);
}

REPBNN_STREAMING_INLINE Quad of_all(float v) REPBNN_STREAMING {
  const svfloat32_t all = svdup_f32(v);
  return svcreate4(all, all, all, all);
}
REPBNN_STREAMING_INLINE Quad divided(Quad v, Quad w) REPBNN_STREAMING {
#define REPBNN_DIVIDE(a, b) svdiv_x(svptrue_b32(), a, b)
  return REPBNN_EACH(REPBNN_DIVIDE);
}

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
