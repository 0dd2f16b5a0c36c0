// NEON, armv8-a: 16 filters in the 32-bit lanes of four registers, the activations' words broadcast. The sums stay in
// the byte lanes of their filter's word for up to 31 steps and are added up across the word once at the end, so no step
// moves anything across lanes and short reductions cost little more than long ones.
#include "kernels/vector/arm_neon.h"

#include "kernels/bconv2d/kernel.h"

namespace repbnn {
namespace {

#include "kernels/bconv2d/finish.inl"

constexpr int kBlockSteps = 31;  // a step adds at most 8 to a byte
constexpr int kPlainPixels = 4, kTriplePixels = 2;

// The inner loops are written out: the compiler's own keep too many values alive and spill their sums (95 against 78
// instructions a step). Instructions that depend on each other stand four apart, for cores that run in order.

// One activation word, in V, against 16 filters, in v0 to v3: xor, count, add.
#define REPBNN_PLAIN_PIXEL(V, s0, s1, s2, s3) \
  "eor v8.16b, " V ", v0.16b\n"               \
  "eor v9.16b, " V ", v1.16b\n"               \
  "eor v10.16b, " V ", v2.16b\n"              \
  "eor v11.16b, " V ", v3.16b\n"              \
  "cnt v8.16b, v8.16b\n"                      \
  "cnt v9.16b, v9.16b\n"                      \
  "cnt v10.16b, v10.16b\n"                    \
  "cnt v11.16b, v11.16b\n"                    \
  "add " s0 ".16b, " s0 ".16b, v8.16b\n"      \
  "add " s1 ".16b, " s1 ".16b, v9.16b\n"      \
  "add " s2 ".16b, " s2 ".16b, v10.16b\n"     \
  "add " s3 ".16b, " s3 ".16b, v11.16b\n"

#define REPBNN_CLEAR_SUMS                                                                                          \
  "movi v16.4s, #0\n movi v17.4s, #0\n movi v18.4s, #0\n movi v19.4s, #0\n"                                        \
  "movi v20.4s, #0\n movi v21.4s, #0\n movi v22.4s, #0\n movi v23.4s, #0\n"                                        \
  "movi v24.4s, #0\n movi v25.4s, #0\n movi v26.4s, #0\n movi v27.4s, #0\n"                                        \
  "movi v28.4s, #0\n movi v29.4s, #0\n movi v30.4s, #0\n movi v31.4s, #0\n"

#define REPBNN_STORE_SUMS                                                                                          \
  "stp q16, q17, [%[out]]\n stp q18, q19, [%[out], #32]\n stp q20, q21, [%[out], #64]\n"                           \
  "stp q22, q23, [%[out], #96]\n stp q24, q25, [%[out], #128]\n stp q26, q27, [%[out], #160]\n"                    \
  "stp q28, q29, [%[out], #192]\n stp q30, q31, [%[out], #224]\n"

#define REPBNN_SUM_REGISTERS                                                                                       \
  "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"

// A block of `rows` rows (of taps) x `words` words, at most kBlockSteps in all. `in[row]` + offset: the first word of
// the first pixel; offset and pixel_step count bytes.
struct Block {
  const uint32_t* const* in;
  const uint32_t *const *pairs, *const *triples;
  ptrdiff_t offset, pixel_step;
  int64_t rows, words;
  const uint32_t* weight;
};

// out[4 * pixel + part]: 4 pixels x 16 filters; 3.5 instructions for 128 bits.
REPBNN_INLINE void sum_plain(const Block& block, uint8x16_t* out) {
  const uint32_t* const* in = block.in;
  const uint32_t* weight = block.weight;
  int64_t rows = block.rows;
  __asm__ volatile(
      REPBNN_CLEAR_SUMS
      "0:\n"
      "ldr x9, [%[in]], #8\n"
      "mov x13, %[words]\n"
      "add x9, x9, %[offset]\n"
      "add x10, x9, %[step]\n"
      "add x11, x10, %[step]\n"
      "add x12, x11, %[step]\n"
      "1:\n"
      "ld1r {v4.4s}, [x9], #4\n"
      "ldp q0, q1, [%[weight]], #32\n"
      "ld1r {v5.4s}, [x10], #4\n"
      "ldp q2, q3, [%[weight]], #32\n"
      "ld1r {v6.4s}, [x11], #4\n"
      "ld1r {v7.4s}, [x12], #4\n"
      "subs x13, x13, #1\n"
      REPBNN_PLAIN_PIXEL("v4.16b", "v16", "v17", "v18", "v19")
      REPBNN_PLAIN_PIXEL("v5.16b", "v20", "v21", "v22", "v23")
      REPBNN_PLAIN_PIXEL("v6.16b", "v24", "v25", "v26", "v27")
      REPBNN_PLAIN_PIXEL("v7.16b", "v28", "v29", "v30", "v31")
      "b.ne 1b\n"
      "subs %[rows], %[rows], #1\n"
      "b.ne 0b\n"
      REPBNN_STORE_SUMS
      : [in] "+r"(in), [weight] "+r"(weight), [rows] "+r"(rows)
      : [offset] "r"(block.offset), [step] "r"(block.pixel_step), [words] "r"(block.words), [out] "r"(out)
      : "x9", "x10", "x11", "x12", "x13", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",
        REPBNN_SUM_REGISTERS, "cc", "memory");
}

// Carry-save over the three kx taps without a three-operand logic: with d = t0 ^ t1 (one xor, from the derived map of
// pairs) and n = ~(t0 ^ t1 ^ t2) (one xor, from the derived map of triples and inverted weights), the majority is
// d ? n : t0, one bit-select. Eight operations for three words instead of nine:
// popcounts = (bits - popcount(n)) + 2 * popcount(majority).
//
// Two pixels against four filters, whose three weight words w0, w2, w3 are used up. Activations of the first pixel in
// v6 (tap 0), v7 (pair), v8 (triple), of the second in v9, v10, v11.
#define REPBNN_TRIPLE_PART(w0, w2, w3, n0, n1, k0, k1) \
  "eor v12.16b, " w0 ".16b, v6.16b\n"                  \
  "eor v13.16b, " w2 ".16b, v7.16b\n"                  \
  "eor v14.16b, " w3 ".16b, v8.16b\n"                  \
  "eor " w0 ".16b, " w0 ".16b, v9.16b\n"               \
  "eor " w2 ".16b, " w2 ".16b, v10.16b\n"              \
  "eor " w3 ".16b, " w3 ".16b, v11.16b\n"              \
  "bsl v13.16b, v14.16b, v12.16b\n"                    \
  "cnt v14.16b, v14.16b\n"                             \
  "bsl " w2 ".16b, " w3 ".16b, " w0 ".16b\n"           \
  "cnt " w3 ".16b, " w3 ".16b\n"                       \
  "cnt v13.16b, v13.16b\n"                             \
  "add " n0 ".16b, " n0 ".16b, v14.16b\n"              \
  "cnt " w2 ".16b, " w2 ".16b\n"                       \
  "add " n1 ".16b, " n1 ".16b, " w3 ".16b\n"           \
  "add " k0 ".16b, " k0 ".16b, v13.16b\n"              \
  "add " k1 ".16b, " k1 ".16b, " w2 ".16b\n"

// out[4 * pixel + part]: popcounts of n, out[8 + 4 * pixel + part]: of the majority; 2 pixels x 16 filters. 3.25
// instructions for 128 bits.
REPBNN_INLINE void sum_triple(const Block& block, uint8x16_t* out) {
  const uint32_t *const *in = block.in, *const *pairs = block.pairs, *const *triples = block.triples;
  const uint32_t* weight = block.weight;
  int64_t rows = block.rows;
  __asm__ volatile(
      REPBNN_CLEAR_SUMS
      "0:\n"
      "ldr x9, [%[in]], #8\n"
      "ldr x10, [%[pairs]], #8\n"
      "ldr x11, [%[triples]], #8\n"
      "mov x15, %[words]\n"
      "add x9, x9, %[offset]\n"
      "add x10, x10, %[offset]\n"
      "add x11, x11, %[offset]\n"
      "add x12, x9, %[step]\n"
      "add x13, x10, %[step]\n"
      "add x14, x11, %[step]\n"
      "1:\n"
      "ldp q0, q1, [%[weight]], #32\n"
      "ld1r {v6.4s}, [x9], #4\n"
      "ldp q2, q3, [%[weight]], #32\n"
      "ld1r {v7.4s}, [x10], #4\n"
      "ld1r {v8.4s}, [x11], #4\n"
      "ld1r {v9.4s}, [x12], #4\n"
      "ld1r {v10.4s}, [x13], #4\n"
      "ld1r {v11.4s}, [x14], #4\n"
      "ldp q4, q5, [%[weight]], #32\n"
      REPBNN_TRIPLE_PART("v0", "v1", "v2", "v16", "v20", "v24", "v28")
      "ldp q0, q1, [%[weight]], #32\n"
      REPBNN_TRIPLE_PART("v3", "v4", "v5", "v17", "v21", "v25", "v29")
      "ldp q2, q3, [%[weight]], #32\n"
      "ldp q4, q5, [%[weight]], #32\n"
      "subs x15, x15, #1\n"
      REPBNN_TRIPLE_PART("v0", "v1", "v2", "v18", "v22", "v26", "v30")
      REPBNN_TRIPLE_PART("v3", "v4", "v5", "v19", "v23", "v27", "v31")
      "b.ne 1b\n"
      "subs %[rows], %[rows], #1\n"
      "b.ne 0b\n"
      REPBNN_STORE_SUMS
      : [in] "+r"(in), [pairs] "+r"(pairs), [triples] "+r"(triples), [weight] "+r"(weight), [rows] "+r"(rows)
      : [offset] "r"(block.offset), [step] "r"(block.pixel_step), [words] "r"(block.words), [out] "r"(out)
      : "x9", "x10", "x11", "x12", "x13", "x14", "x15", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9",
        "v10", "v11", "v12", "v13", "v14", REPBNN_SUM_REGISTERS, "cc", "memory");
}

// Calls run(block) for pieces of at most kBlockSteps steps: as many whole rows as fit, or parts of one.
template <typename Run>
REPBNN_INLINE void for_each_block(Block block, int weight_words, Run run) {
  const int64_t rows = block.rows, words = block.words;
  if (words <= kBlockSteps) {
    const int64_t most = kBlockSteps / words;
    for (int64_t done = 0; done < rows; done += block.rows) {
      block.rows = rows - done < most ? rows - done : most;
      run(block);
      block.in += block.rows;
      block.pairs += block.rows;
      block.triples += block.rows;
      block.weight += block.rows * words * weight_words;
    }
    return;
  }
  const ptrdiff_t offset = block.offset;
  block.rows = 1;
  for (int64_t row = 0; row < rows; ++row, ++block.in, ++block.pairs, ++block.triples) {
    for (int64_t done = 0; done < words; done += block.words) {
      block.words = words - done < kBlockSteps ? words - done : kBlockSteps;
      block.offset = offset + done * 4;
      run(block);
      block.weight += block.words * weight_words;
    }
  }
}

REPBNN_INLINE Block block_of(const BitStrip& s, int first, int pixels_left) {
  // The last pixels of a row are counted with a step of 0: the same pixel several times, and one result kept.
  Block block{s.rows[0], s.rows[2], s.rows[1], first * s.pixel_step * 4, 0, s.kernel_height, s.words, s.weights};
  if (pixels_left > 1) block.pixel_step = s.pixel_step * 4;
  return block;
}

// Up to four pixels from `first` on.
void count_plain_block(const BitStrip& s, int first, int pixels) {
  uint16x8_t wide[4 * kPlainPixels] = {};
  uint8x16_t sums[4 * kPlainPixels];
  Block block = block_of(s, first, pixels);
  auto add = [&](const Block& piece) {
    sum_plain(piece, sums);
    _Pragma("GCC unroll 16") for (int i = 0; i < 16; ++i) wide[i] = vpadalq_u8(wide[i], sums[i]);
  };
  if (s.kernel_width == 1) {
    for_each_block(block, kLanes, add);
  } else {
    block.rows = 1;
    for (int ky = 0; ky < s.kernel_height; ++ky, ++block.in) {
      for (int kx = 0; kx < s.kernel_width; ++kx, block.weight += s.words * kLanes) {
        block.offset = (first * s.pixel_step + kx * s.tap_step) * 4;
        for_each_block(block, kLanes, add);
      }
    }
  }
  for (int i = 0; i < 4 * pixels; ++i) {
    vst1q_s32(s.counts + first * kLanes + 4 * i, vreinterpretq_s32_u32(vpaddlq_u16(wide[i])));
  }
}

void count_triple_block(const BitStrip& s, int first, int pixels) {
  uint16x8_t wide[16] = {};
  uint8x16_t sums[16];
  for_each_block(block_of(s, first, pixels), 3 * kLanes, [&](const Block& piece) {
    sum_triple(piece, sums);
    _Pragma("GCC unroll 16") for (int i = 0; i < 16; ++i) wide[i] = vpadalq_u8(wide[i], sums[i]);
  });
  const int32x4_t bits = vdupq_n_s32(s.kernel_height * s.words * kWordBits);
  for (int i = 0; i < 4 * pixels; ++i) {
    const int32x4_t zeros = vreinterpretq_s32_u32(vpaddlq_u16(wide[i]));
    const int32x4_t twos = vreinterpretq_s32_u32(vpaddlq_u16(wide[8 + i]));
    vst1q_s32(s.counts + first * kLanes + 4 * i, vaddq_s32(vsubq_s32(bits, zeros), vshlq_n_s32(twos, 1)));
  }
}

}  // namespace

const IsaFunctions kNeonFunctions = {transform_strip<Neon>, threshold_strip<Neon>, derive_row};

// Tiles of `tile` pixels; the last one goes back over pixels that are already counted, which changes nothing.
template <typename Count>
REPBNN_INLINE void count_tiles(const BitStrip& strip, int tile, Count count) {
  int first = 0;
  for (; strip.pixels - first >= tile; first += tile) count(strip, first, tile);
  if (first == strip.pixels) return;
  if (first > 0) return count(strip, strip.pixels - tile, tile);
  for (; first < strip.pixels; ++first) count(strip, first, 1);
}

void count_neon_plain(const BitStrip& strip) { count_tiles(strip, kPlainPixels, count_plain_block); }
void count_neon_triple(const BitStrip& strip) { count_tiles(strip, kTriplePixels, count_triple_block); }

}  // namespace repbnn
