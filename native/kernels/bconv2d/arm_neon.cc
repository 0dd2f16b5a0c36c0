// NEON, armv8-a: 16 filters in the 32-bit lanes of four registers, the activations' words broadcast. The sums stay in
// the byte lanes of their filter's word for up to 31 steps and are added up across the word at the end, so no step
// moves anything across lanes and short reductions cost little more than long ones.
//
// The loops are written out: the compiler's own keep too many values alive and spill their sums (95 instructions a step
// where these have 72). Instructions that depend on each other stand about four apart, for cores that run in order.
#include "kernels/vector/arm_neon.h"

#include "kernels/bconv2d/kernel.h"

namespace repbnn {
namespace {

#include "kernels/bconv2d/finish.inl"

constexpr int kBlockSteps = 31;  // a step adds at most 8 to a byte

// `rows` rows (of taps) x `words` words, at most kBlockSteps in all. in[row] + offset is the first word of the first
// pixel, the next pixel lies `pixel_step` further on, the weights of the next row `weight_gap` behind the last one
// read; all three count bytes. The sums are added to `counts` when `more` is set, else stored.
struct Block {
  const uint32_t* const* in;
  ptrdiff_t offset, pixel_step, weight_gap;
  int64_t rows, words, more;
  const uint32_t* weight;
  int32_t* counts;
};

#define REPBNN_CLEAR(a, b, c, d) "movi " a ".4s, #0\n movi " b ".4s, #0\n movi " c ".4s, #0\n movi " d ".4s, #0\n"
#define REPBNN_CLEAR_SUMS                  \
  REPBNN_CLEAR("v16", "v17", "v18", "v19") \
  REPBNN_CLEAR("v20", "v21", "v22", "v23") \
  REPBNN_CLEAR("v24", "v25", "v26", "v27") REPBNN_CLEAR("v28", "v29", "v30", "v31")

#define REPBNN_SUM_REGISTERS \
  "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"

// Four vectors of 16-bit sums h to int32 at `counts`, which moves on: stored, or added to what is there.
#define REPBNN_STORE_FOUR(h0, h1, h2, h3)                                                           \
  "uaddlp v0.4s, " h0 ".8h\n uaddlp v1.4s, " h1 ".8h\n uaddlp v2.4s, " h2 ".8h\n uaddlp v3.4s, " h3 \
  ".8h\n"                                                                                           \
  "st1 {v0.4s, v1.4s, v2.4s, v3.4s}, [%[counts]], #64\n"
#define REPBNN_ADD_FOUR(h0, h1, h2, h3)                                                             \
  "ld1 {v0.4s, v1.4s, v2.4s, v3.4s}, [%[counts]]\n"                                                 \
  "uadalp v0.4s, " h0 ".8h\n uadalp v1.4s, " h1 ".8h\n uadalp v2.4s, " h2 ".8h\n uadalp v3.4s, " h3 \
  ".8h\n"                                                                                           \
  "st1 {v0.4s, v1.4s, v2.4s, v3.4s}, [%[counts]], #64\n"

// ---- Plain: xor, count, add.

// One activation word, in V, against 16 filters, in v0 to v3.
#define REPBNN_PLAIN_PIXEL(V, s0, s1, s2, s3)        \
  "eor v8.16b, " V ".16b, v0.16b\n eor v9.16b, " V   \
  ".16b, v1.16b\n"                                   \
  "eor v10.16b, " V ".16b, v2.16b\n eor v11.16b, " V \
  ".16b, v3.16b\n"                                   \
  "cnt v8.16b, v8.16b\n cnt v9.16b, v9.16b\n"        \
  "cnt v10.16b, v10.16b\n cnt v11.16b, v11.16b\n"    \
  "add " s0 ".16b, " s0                              \
  ".16b, v8.16b\n"                                   \
  "add " s1 ".16b, " s1                              \
  ".16b, v9.16b\n"                                   \
  "add " s2 ".16b, " s2                              \
  ".16b, v10.16b\n"                                  \
  "add " s3 ".16b, " s3 ".16b, v11.16b\n"

#define REPBNN_WIDEN(a, b, c, d)                     \
  "uaddlp " a ".8h, " a ".16b\n uaddlp " b ".8h, " b \
  ".16b\n"                                           \
  "uaddlp " c ".8h, " c ".16b\n uaddlp " d ".8h, " d ".16b\n"
#define REPBNN_PLAIN_STORE(a, b, c, d) REPBNN_WIDEN(a, b, c, d) REPBNN_STORE_FOUR(a, b, c, d)
#define REPBNN_PLAIN_ADD(a, b, c, d) REPBNN_WIDEN(a, b, c, d) REPBNN_ADD_FOUR(a, b, c, d)

#define REPBNN_FIRST(x) x("v16", "v17", "v18", "v19")
#define REPBNN_SECOND(x) x("v20", "v21", "v22", "v23")
#define REPBNN_THIRD(x) x("v24", "v25", "v26", "v27")
#define REPBNN_FOURTH(x) x("v28", "v29", "v30", "v31")

#define REPBNN_SUM_PLAIN(ADDRESSES, LOADS, PIXELS, PARTS)                                                             \
  __asm__ volatile(REPBNN_CLEAR_SUMS                                                                                  \
                   "0:\n ldr x9, [%[in]], #8\n mov x13, %[words]\n add x9, x9, %[offset]\n" ADDRESSES "1:\n" LOADS    \
                   "ld1 {v0.4s, v1.4s, v2.4s, v3.4s}, [%[weight]], #64\n"                                             \
                   "subs x13, x13, #1\n" PIXELS                                                                       \
                   "b.ne 1b\n"                                                                                        \
                   "subs %[rows], %[rows], #1\n add %[weight], %[weight], %[gap]\n b.ne 0b\n"                         \
                   "cbnz %[more], 2f\n" PARTS(REPBNN_PLAIN_STORE) "b 3f\n 2:\n" PARTS(REPBNN_PLAIN_ADD) "3:\n"        \
                   : [in] "+r"(in), [weight] "+r"(weight), [rows] "+r"(rows), [counts] "+r"(counts)                   \
                   : [offset] "r"(b.offset), [step] "r"(b.pixel_step), [words] "r"(b.words), [gap] "r"(b.weight_gap), \
                     [more] "r"(b.more)                                                                               \
                   : "x9", "x10", "x11", "x12", "x13", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9",    \
                     "v10", "v11", REPBNN_SUM_REGISTERS, "cc", "memory")

#define REPBNN_NEXT(to, from) "add " to ", " from ", %[step]\n"
#define REPBNN_WORD(v, x) "ld1r {" v ".4s}, [" x "], #4\n"
#define REPBNN_PIXEL_1 REPBNN_PLAIN_PIXEL("v4", "v16", "v17", "v18", "v19")
#define REPBNN_PIXEL_2 REPBNN_PIXEL_1 REPBNN_PLAIN_PIXEL("v5", "v20", "v21", "v22", "v23")
#define REPBNN_PIXEL_3 REPBNN_PIXEL_2 REPBNN_PLAIN_PIXEL("v6", "v24", "v25", "v26", "v27")
#define REPBNN_PIXEL_4 REPBNN_PIXEL_3 REPBNN_PLAIN_PIXEL("v7", "v28", "v29", "v30", "v31")
#define REPBNN_LOAD_1 REPBNN_WORD("v4", "x9")
#define REPBNN_LOAD_2 REPBNN_LOAD_1 REPBNN_WORD("v5", "x10")
#define REPBNN_LOAD_3 REPBNN_LOAD_2 REPBNN_WORD("v6", "x11")
#define REPBNN_LOAD_4 REPBNN_LOAD_3 REPBNN_WORD("v7", "x12")
#define REPBNN_AT_2 REPBNN_NEXT("x10", "x9")
#define REPBNN_AT_3 REPBNN_AT_2 REPBNN_NEXT("x11", "x10")
#define REPBNN_AT_4 REPBNN_AT_3 REPBNN_NEXT("x12", "x11")
#define REPBNN_PARTS_1(x) REPBNN_FIRST(x)
#define REPBNN_PARTS_2(x) REPBNN_PARTS_1(x) REPBNN_SECOND(x)
#define REPBNN_PARTS_3(x) REPBNN_PARTS_2(x) REPBNN_THIRD(x)
#define REPBNN_PARTS_4(x) REPBNN_PARTS_3(x) REPBNN_FOURTH(x)

// `pixels` x 16 filters; with four pixels 3.44 instructions for 128 bits.
REPBNN_INLINE void sum_plain(const Block& b, int pixels) {
  const uint32_t* const* in = b.in;
  const uint32_t* weight = b.weight;
  int64_t rows = b.rows;
  int32_t* counts = b.counts;
  if (pixels == 4) {
    REPBNN_SUM_PLAIN(REPBNN_AT_4, REPBNN_LOAD_4, REPBNN_PIXEL_4, REPBNN_PARTS_4);
  } else if (pixels == 3) {
    REPBNN_SUM_PLAIN(REPBNN_AT_3, REPBNN_LOAD_3, REPBNN_PIXEL_3, REPBNN_PARTS_3);
  } else if (pixels == 2) {
    REPBNN_SUM_PLAIN(REPBNN_AT_2, REPBNN_LOAD_2, REPBNN_PIXEL_2, REPBNN_PARTS_2);
  } else {
    REPBNN_SUM_PLAIN("", REPBNN_LOAD_1, REPBNN_PIXEL_1, REPBNN_PARTS_1);
  }
}

// ---- Triples: carry-save over the three kx taps without a three-operand logic. With d = t0 ^ t1 (one xor, from the
// pair) and n = ~(t0 ^ t1 ^ t2) (one xor, from the triple and inverted weights) the majority is d ? n : t0, one
// bit-select. Eight operations for three words instead of nine:
//   popcounts = (bits - popcount(n)) + 2 * popcount(majority).
// The derived map holds the word, its pair and its triple side by side, which one instruction loads and broadcasts.

// Two pixels against the four filters of w0, w2, w3, which are used up. Activations of the first pixel in v6 (word), v7
// (pair), v8 (triple), of the second in v9, v10, v11.
#define REPBNN_TRIPLE_2(w0, w2, w3, n0, n1, k0, k1)                                      \
  "eor v12.16b, " w0 ".16b, v6.16b\n eor v13.16b, " w2 ".16b, v7.16b\n eor v14.16b, " w3 \
  ".16b, v8.16b\n"                                                                       \
  "eor " w0 ".16b, " w0 ".16b, v9.16b\n eor " w2 ".16b, " w2                             \
  ".16b, v10.16b\n"                                                                      \
  "eor " w3 ".16b, " w3                                                                  \
  ".16b, v11.16b\n"                                                                      \
  "bsl v13.16b, v14.16b, v12.16b\n cnt v14.16b, v14.16b\n"                               \
  "bsl " w2 ".16b, " w3 ".16b, " w0 ".16b\n cnt " w3 ".16b, " w3                         \
  ".16b\n"                                                                               \
  "cnt v13.16b, v13.16b\n add " n0 ".16b, " n0                                           \
  ".16b, v14.16b\n"                                                                      \
  "cnt " w2 ".16b, " w2 ".16b\n add " n1 ".16b, " n1 ".16b, " w3                         \
  ".16b\n"                                                                               \
  "add " k0 ".16b, " k0 ".16b, v13.16b\n add " k1 ".16b, " k1 ".16b, " w2 ".16b\n"
#define REPBNN_TRIPLE_1(w0, w2, w3, n0, n1, k0, k1)                                      \
  "eor v12.16b, " w0 ".16b, v6.16b\n eor v13.16b, " w2 ".16b, v7.16b\n eor v14.16b, " w3 \
  ".16b, v8.16b\n"                                                                       \
  "bsl v13.16b, v14.16b, v12.16b\n cnt v14.16b, v14.16b\n cnt v13.16b, v13.16b\n"        \
  "add " n0 ".16b, " n0 ".16b, v14.16b\n add " k0 ".16b, " k0 ".16b, v13.16b\n"

// Byte sums n and k of four filters to 16-bit sums in k: (8 * steps - n) + 2 k. v15: 8 * steps in every byte.
#define REPBNN_COMBINE(n, k)                                \
  "sub " n ".16b, v15.16b, " n ".16b\n uaddlp " k ".8h, " k \
  ".16b\n"                                                  \
  "add " k ".8h, " k ".8h, " k ".8h\n uadalp " k ".8h, " n ".16b\n"
#define REPBNN_COMBINE_FIRST \
  REPBNN_COMBINE("v16", "v24") REPBNN_COMBINE("v17", "v25") REPBNN_COMBINE("v18", "v26") REPBNN_COMBINE("v19", "v27")
#define REPBNN_COMBINE_SECOND \
  REPBNN_COMBINE("v20", "v28") REPBNN_COMBINE("v21", "v29") REPBNN_COMBINE("v22", "v30") REPBNN_COMBINE("v23", "v31")

#define REPBNN_WEIGHTS(a, b, c) "ld1 {" a ".4s, " b ".4s, " c ".4s}, [%[weight]], #48\n"

#define REPBNN_SUM_TRIPLE(ADDRESS, LOAD, PART, COMBINE, PARTS) \
  __asm__ volatile(REPBNN_CLEAR_SUMS                                                                                \
                   "dup v15.16b, %w[bits]\n"                                                                        \
                   "0:\n ldr x9, [%[in]], #8\n mov x11, %[words]\n add x9, x9, %[offset]\n" ADDRESS                \
                   "1:\n"                                                                                           \
                   "ld3r {v6.4s, v7.4s, v8.4s}, [x9], #12\n" REPBNN_WEIGHTS("v0", "v1", "v2") LOAD                  \
                   REPBNN_WEIGHTS("v3", "v4", "v5") PART("v0", "v1", "v2", "v16", "v20", "v24", "v28")              \
                   REPBNN_WEIGHTS("v0", "v1", "v2") PART("v3", "v4", "v5", "v17", "v21", "v25", "v29")              \
                   REPBNN_WEIGHTS("v3", "v4", "v5") "subs x11, x11, #1\n"                                           \
                   PART("v0", "v1", "v2", "v18", "v22", "v26", "v30")                                               \
                   PART("v3", "v4", "v5", "v19", "v23", "v27", "v31")                                               \
                   "b.ne 1b\n"                                                                                      \
                   "subs %[rows], %[rows], #1\n add %[weight], %[weight], %[gap]\n b.ne 0b\n" COMBINE               \
                   "cbnz %[more], 2f\n" PARTS(REPBNN_STORE_FOUR) "b 3f\n 2:\n" PARTS(REPBNN_ADD_FOUR) "3:\n"        \
                   : [in] "+r"(in), [weight] "+r"(weight), [rows] "+r"(rows), [counts] "+r"(counts)                 \
                   : [offset] "r"(b.offset), [step] "r"(b.pixel_step), [words] "r"(b.words), [gap] "r"(b.weight_gap), \
                     [more] "r"(b.more), [bits] "r"(8 * b.rows * b.words)                                           \
                   : "x9", "x10", "x11", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",  \
                     "v12", "v13", "v14", "v15", REPBNN_SUM_REGISTERS, "cc", "memory")

#define REPBNN_MAJORITY_1(x) REPBNN_THIRD(x)
#define REPBNN_MAJORITY_2(x) REPBNN_THIRD(x) REPBNN_FOURTH(x)

// `pixels` x 16 filters; with two pixels 3.0 instructions for 128 bits.
REPBNN_INLINE void sum_triple(const Block& b, int pixels) {
  const uint32_t* const* in = b.in;
  const uint32_t* weight = b.weight;
  int64_t rows = b.rows;
  int32_t* counts = b.counts;
  if (pixels == 2) {
    REPBNN_SUM_TRIPLE(REPBNN_NEXT("x10", "x9"), "ld3r {v9.4s, v10.4s, v11.4s}, [x10], #12\n", REPBNN_TRIPLE_2,
                      REPBNN_COMBINE_FIRST REPBNN_COMBINE_SECOND, REPBNN_MAJORITY_2);
  } else {
    REPBNN_SUM_TRIPLE("", "", REPBNN_TRIPLE_1, REPBNN_COMBINE_FIRST, REPBNN_MAJORITY_1);
  }
}

// ----

// A strip's pixels against all rows x a range of words: a range is short enough that no byte sum overflows.
using SumTile = void (*)(const Block&, int pixels);

// The tiles of a strip for one block of rows and words.
template <SumTile kSum, int kWidest>
REPBNN_INLINE void sum_tiles(Block b, int pixels, ptrdiff_t pixel_step) {
  // Equal widths, give or take one, where that leaves no small rest; pairs and a single one otherwise.
  const int tiles = (pixels + kWidest - 1) / kWidest;
  for (int left = tiles; left > 0; --left) {
    const int width = kWidest == 2 ? (pixels < 2 ? 1 : 2) : (pixels + left - 1) / left;
    kSum(b, width);
    b.offset += width * pixel_step;
    b.counts += width * kLanes;
    pixels -= width;
  }
}

// in_words, weight_words: words of the input and of the weights that one step reads for a pixel and for 16 filters.
template <SumTile kSum, int kWidest>
void sum_strip(Block b, int pixels, int in_words, int weight_words) {
  const int64_t rows = b.rows, words = b.words;
  if (rows * words <= kBlockSteps) return sum_tiles<kSum, kWidest>(b, pixels, b.pixel_step);
  const bool by_row = rows > kBlockSteps;  // very high kernels: a row at a time
  const int64_t most = by_row ? kBlockSteps : kBlockSteps / rows;
  const int64_t ranges = (words + most - 1) / most;
  if (by_row) b.rows = 1;
  for (int64_t row = 0; row < (by_row ? rows : 1); ++row, ++b.in) {
    Block range = b;
    for (int64_t i = 0, done = 0; i < ranges; ++i, done += range.words) {
      range.words = words * (i + 1) / ranges - done;
      range.weight = b.weight + done * weight_words;
      range.weight_gap = (words - range.words) * weight_words * 4;
      range.offset = b.offset + done * in_words * 4;
      sum_tiles<kSum, kWidest>(range, pixels, b.pixel_step);
      range.more = 1;
    }
    b.weight += words * weight_words;
    b.more = 1;
  }
}

}  // namespace

const IsaFunctions kNeonFunctions = {transform_strip<Neon>, threshold_strip<Neon>, derive_row};

void count_neon_plain(const BitStrip& s) {
  Block b{s.rows, s.offset * 4, s.pixel_step * 4, 0, s.kernel_height, s.words, 0, s.weights, s.counts};
  if (s.kernel_width == 1) return sum_strip<sum_plain, 4>(b, s.pixels, 1, kLanes);
  b.rows = 1;
  for (int ky = 0; ky < s.kernel_height; ++ky, ++b.in) {
    for (int kx = 0; kx < s.kernel_width; ++kx, b.weight += s.words * kLanes) {
      b.offset = (s.offset + kx * s.tap_step) * 4;
      sum_strip<sum_plain, 4>(b, s.pixels, 1, kLanes);
      b.more = 1;
    }
  }
}

void count_neon_triple(const BitStrip& s) {
  const Block b{s.rows, s.offset * 4, s.pixel_step * 4, 0, s.kernel_height, s.words, 0, s.weights, s.counts};
  sum_strip<sum_triple, 2>(b, s.pixels, 3, 3 * kLanes);
}

}  // namespace repbnn
