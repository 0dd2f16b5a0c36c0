// AVX-512 with VPOPCNTDQ: 16 filters in the 32-bit lanes of a register, the activations' words broadcast from memory.
#include "kernels/vector/x86_avx512.h"

#include "kernels/bconv2d/kernel.h"

namespace repbnn {
namespace {

#include "kernels/bconv2d/finish.inl"

#define REPBNN_EACH_PIXEL _Pragma("GCC unroll 16") for (int p = 0; p < P; ++p)

// Addresses of up to 14 equally spaced pixels from five pointers: base + {0, 1, 2, 4} * step reaches the rest, so the
// loop keeps its addresses in general registers. The empty statement hides their relation from the compiler, which
// would otherwise keep one pointer for each pixel, and spill.
template <int P>
struct PixelPointers {
  const uint32_t* base[5];
  ptrdiff_t step;

  REPBNN_INLINE PixelPointers(const uint32_t* first, ptrdiff_t pixel_step) : step(pixel_step) {
    _Pragma("GCC unroll 5") for (int i = 0; i < 5; ++i) {
      base[i] = first + (3 * i < P ? 3 * i : 0) * step;
      __asm__("" : "+r"(base[i]));
    }
  }
  REPBNN_INLINE __m512i broadcast(int pixel, ptrdiff_t word) const {
    constexpr int kBase[14] = {0, 0, 0, 1, 0, 1, 2, 1, 2, 3, 2, 1, 4, 3};
    const int from = kBase[pixel];
    return _mm512_set1_epi32(static_cast<int>(base[from][(pixel - 3 * from) * step + word]));
  }
  REPBNN_INLINE void advance(int words) {
    _Pragma("GCC unroll 5") for (int i = 0; i < 5; ++i) {
      if (3 * i < P) base[i] += words;
    }
  }
};

// sum += v, in the register it is in: left to itself the compiler adds elsewhere and moves the sum back (2%).
REPBNN_INLINE void accumulate(__m512i& sum, __m512i v) { __asm__("vpaddd %1, %0, %0" : "+v"(sum) : "v"(v)); }

template <int P>
void count_plain(const BitStrip& s, int first) {
  __m512i sum[P];
  REPBNN_EACH_PIXEL sum[p] = _mm512_setzero_si512();
  const uint32_t* weight = s.weights;
  for (int ky = 0; ky < s.kernel_height; ++ky) {
    for (int kx = 0; kx < s.kernel_width; ++kx) {
      PixelPointers<P> in(s.rows[ky] + s.offset + first * s.pixel_step + kx * s.tap_step, s.pixel_step);
      for (int i = 0; i < s.words; ++i) {
        const __m512i w = _mm512_load_si512(weight);
        weight += kLanes;
        REPBNN_EACH_PIXEL { accumulate(sum[p], _mm512_popcnt_epi32(_mm512_xor_si512(w, in.broadcast(p, 0)))); }
        in.advance(1);
      }
    }
  }
  REPBNN_EACH_PIXEL _mm512_store_si512(s.counts + (first + p) * kLanes, sum[p]);
}

// Into the second cache: the first holds the weights in use.
REPBNN_INLINE void prefetch(const uint32_t* line) { _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T1); }

// Carry-save along the reduction, two words at a time: `parity` is the exclusive or of all bits so far, each step's
// majority of (parity, t0, t1) counts twice. Xor is linear, so parity ^ t0 ^ t1 takes one operation of the derived
// words, and t1 itself is never formed: the majority is t0 where t0 and t1 agree, the old parity elsewhere. 5
// operations for two words, where counting each takes 6.
template <int P>
void count_pairs(const BitStrip& s, int first) {
  constexpr int kXor = 0x96, kMajority = 0xD4;  // the latter of (t0, old parity, new parity)
  __m512i parity[P], twos[P];
  REPBNN_EACH_PIXEL parity[p] = twos[p] = _mm512_setzero_si512();
  const uint32_t *weight = s.weights, *ahead = *s.ahead;
  for (int ky = 0; ky < s.kernel_height; ++ky) {
    for (int kx = 0; kx < s.kernel_width; ++kx) {
      PixelPointers<P> in(s.rows[ky] + s.offset + first * s.pixel_step + kx * s.tap_step, s.pixel_step);
      for (int i = 0; i < s.words; i += 2) {
        const __m512i w0 = _mm512_load_si512(weight), w1 = _mm512_load_si512(weight + kLanes);
        prefetch(ahead);
        weight += 2 * kLanes;
        ahead += kLanes;
        REPBNN_EACH_PIXEL {
          const __m512i t0 = _mm512_xor_si512(w0, in.broadcast(p, 0));
          const __m512i next = _mm512_ternarylogic_epi32(in.broadcast(p, 1), parity[p], w1, kXor);
          accumulate(twos[p], _mm512_popcnt_epi32(_mm512_ternarylogic_epi32(t0, parity[p], next, kMajority)));
          parity[p] = next;
        }
        in.advance(2);
      }
    }
  }
  REPBNN_EACH_PIXEL {
    const __m512i ones = _mm512_popcnt_epi32(parity[p]);
    _mm512_store_si512(s.counts + (first + p) * kLanes, _mm512_add_epi32(ones, _mm512_add_epi32(twos[p], twos[p])));
  }
  *s.ahead = ahead;
}

using CountTile = void (*)(const BitStrip&, int first);
constexpr CountTile kPlain[] = {count_plain<1>,  count_plain<2>,  count_plain<3>,  count_plain<4>, count_plain<5>,
                                count_plain<6>,  count_plain<7>,  count_plain<8>,  count_plain<9>, count_plain<10>,
                                count_plain<11>, count_plain<12>, count_plain<13>, count_plain<14>};
constexpr CountTile kPairs[] = {count_pairs<1>, count_pairs<2>, count_pairs<3>, count_pairs<4>,
                                count_pairs<5>, count_pairs<6>, count_pairs<7>, count_pairs<8>};

// Tiles of equal width, give or take one.
template <int kWidest>
void count_tiles(const CountTile (&tiles)[kWidest], const BitStrip& strip) {
  const int count = (strip.pixels + kWidest - 1) / kWidest;
  for (int i = 0, first = 0; i < count; ++i) {
    const int pixels = strip.pixels * (i + 1) / count - first;
    tiles[pixels - 1](strip, first);
    first += pixels;
  }
}

}  // namespace

const IsaFunctions kAvx512Functions = {transform_strip<Avx512>, threshold_strip<Avx512>, derive_row};

void count_avx512_plain(const BitStrip& strip) { count_tiles(kPlain, strip); }
void count_avx512_pairs(const BitStrip& strip) { count_tiles(kPairs, strip); }

}  // namespace repbnn
