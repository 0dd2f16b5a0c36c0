// AVX2, which has no popcount of its own. From 32 filters on a table for each activation nibble: filters lie in the
// byte lanes, and one shuffle by the filters' nibble looks up popcount(activation ^ filter) at once. Below that the
// classic form: 32-bit lanes, xor, and the popcount of each byte by two shuffles.
#include "kernels/vector/x86_avx2.h"

#include "kernels/bconv2d/kernel.h"

namespace repbnn {
namespace {

#include "kernels/bconv2d/finish.inl"

#define REPBNN_EACH_PIXEL _Pragma("GCC unroll 4") for (int p = 0; p < P; ++p)
#define REPBNN_EACH_PART _Pragma("GCC unroll 2") for (int q = 0; q < Q; ++q)

constexpr int kFlush = 31;  // steps that add at most 8 to a byte before it could overflow

REPBNN_INLINE __m256i load(const void* from) { return _mm256_load_si256(static_cast<const __m256i*>(from)); }
REPBNN_INLINE void store(void* to, __m256i v) { _mm256_store_si256(static_cast<__m256i*>(to), v); }

// low[b][i] = popcount((b & 15) ^ (i & 15)), high[b][i] = popcount((b >> 4) ^ (i & 15)): the tables of activation b.
struct Tables {
  alignas(32) uint8_t low[256][32];
  alignas(32) uint8_t high[256][32];
};

constexpr int bits_of(int v) { return (v & 1) + (v >> 1 & 1) + (v >> 2 & 1) + (v >> 3 & 1); }

constexpr Tables make_tables() {
  Tables tables{};
  for (int b = 0; b < 256; ++b) {
    for (int i = 0; i < 32; ++i) {
      tables.low[b][i] = static_cast<uint8_t>(bits_of((b & 15) ^ (i & 15)));
      tables.high[b][i] = static_cast<uint8_t>(bits_of((b >> 4) ^ (i & 15)));
    }
  }
  return tables;
}

alignas(64) constexpr Tables kTables = make_tables();

// P pixels x Q parts of 32 filters: byte sums in registers, flushed to 16-bit sums, widened at the end.
template <int P, int Q>
struct TableTile {
  __m256i sum[P][Q];
  alignas(32) uint16_t wide[P][Q * 32];
  int left = kFlush;

  REPBNN_INLINE void clear() {
    REPBNN_EACH_PIXEL REPBNN_EACH_PART sum[p][q] = _mm256_setzero_si256();
    left = kFlush;
  }
  REPBNN_INLINE void start() {
    clear();
    REPBNN_EACH_PIXEL REPBNN_EACH_PART {
      store(&wide[p][q * 32], _mm256_setzero_si256());
      store(&wide[p][q * 32 + 16], _mm256_setzero_si256());
    }
  }
  REPBNN_INLINE void flush() {
    REPBNN_EACH_PIXEL REPBNN_EACH_PART {
      uint16_t* to = &wide[p][q * 32];
      store(to, _mm256_add_epi16(load(to), _mm256_cvtepu8_epi16(_mm256_castsi256_si128(sum[p][q]))));
      store(to + 16, _mm256_add_epi16(load(to + 16), _mm256_cvtepu8_epi16(_mm256_extracti128_si256(sum[p][q], 1))));
    }
    clear();
  }
  // Byte `byte` of each pixel's words against 32 * Q filters' bytes at `weight`, whose parts lie `part` bytes apart.
  REPBNN_INLINE void step(const uint8_t* in, ptrdiff_t pixel_step, const uint8_t* weight, size_t part) {
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i low[Q], high[Q];
    REPBNN_EACH_PART {
      const __m256i w = load(weight + q * part);
      low[q] = _mm256_and_si256(w, nibble);
      high[q] = _mm256_and_si256(_mm256_srli_epi16(w, 4), nibble);
    }
    REPBNN_EACH_PIXEL {
      const size_t b = in[p * pixel_step];
      const __m256i low_table = load(kTables.low[b]), high_table = load(kTables.high[b]);
      REPBNN_EACH_PART {
        const __m256i both =
            _mm256_add_epi8(_mm256_shuffle_epi8(low_table, low[q]), _mm256_shuffle_epi8(high_table, high[q]));
        sum[p][q] = _mm256_add_epi8(sum[p][q], both);
      }
    }
  }
  REPBNN_INLINE void finish(int32_t* counts) {
    flush();
    for (int p = 0; p < P; ++p) {
      for (int i = 0; i < Q * 32; i += 8) {
        const __m128i eight = _mm_load_si128(reinterpret_cast<const __m128i*>(&wide[p][i]));
        store(counts + p * Q * 32 + i, _mm256_cvtepu16_epi32(eight));
      }
    }
  }
};

template <int P, int Q>
void count_table(const BitStrip& s, int first) {
  TableTile<P, Q> tile;
  tile.start();
  const uint8_t* weight = reinterpret_cast<const uint8_t*>(s.weights);
  const int bytes = s.words * 4;
  const size_t part = static_cast<size_t>(32) * s.kernel_height * s.kernel_width * bytes;
  const ptrdiff_t pixel_step = s.pixel_step * 4;
  for (int ky = 0; ky < s.kernel_height; ++ky) {
    for (int kx = 0; kx < s.kernel_width; ++kx) {
      const uint8_t* in =
          reinterpret_cast<const uint8_t*>(s.rows[ky] + s.offset + first * s.pixel_step + kx * s.tap_step);
      for (int i = 0; i < bytes;) {
        const int end = bytes - i < tile.left ? bytes : i + tile.left;
        tile.left -= end - i;
        for (; i < end; ++i, weight += 32) tile.step(in + i, pixel_step, weight, part);
        if (tile.left == 0) tile.flush();
      }
    }
  }
  tile.finish(s.counts + first * Q * 32);
}

// The popcount of each byte.
REPBNN_INLINE __m256i byte_popcounts(__m256i v) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i table =
      _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(v, nibble)),
                         _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)));
}

// P pixels x 16 filters in 32-bit lanes.
template <int P>
struct ClassicTile {
  static constexpr int Q = 2;
  __m256i sum[P][Q];
  alignas(32) int32_t wide[P][kLanes];
  int left = kFlush;

  REPBNN_INLINE void clear() {
    REPBNN_EACH_PIXEL REPBNN_EACH_PART sum[p][q] = _mm256_setzero_si256();
    left = kFlush;
  }
  REPBNN_INLINE void start() {
    clear();
    REPBNN_EACH_PIXEL REPBNN_EACH_PART store(&wide[p][q * 8], _mm256_setzero_si256());
  }
  REPBNN_INLINE void flush() {
    REPBNN_EACH_PIXEL REPBNN_EACH_PART {
      const __m256i pairs = _mm256_maddubs_epi16(sum[p][q], _mm256_set1_epi8(1));
      const __m256i lanes = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
      store(&wide[p][q * 8], _mm256_add_epi32(load(&wide[p][q * 8]), lanes));
    }
    clear();
  }
  REPBNN_INLINE void step(const uint32_t* in, ptrdiff_t pixel_step, const uint32_t* weight) {
    const __m256i w[Q] = {load(weight), load(weight + 8)};
    REPBNN_EACH_PIXEL {
      const __m256i a = _mm256_set1_epi32(static_cast<int>(in[p * pixel_step]));
      REPBNN_EACH_PART sum[p][q] = _mm256_add_epi8(sum[p][q], byte_popcounts(_mm256_xor_si256(a, w[q])));
    }
  }
  REPBNN_INLINE void finish(int32_t* counts) {
    flush();
    REPBNN_EACH_PIXEL REPBNN_EACH_PART store(counts + p * kLanes + q * 8, load(&wide[p][q * 8]));
  }
};

template <int P>
void count_classic(const BitStrip& s, int first) {
  ClassicTile<P> tile;
  tile.start();
  const uint32_t* weight = s.weights;
  for (int ky = 0; ky < s.kernel_height; ++ky) {
    for (int kx = 0; kx < s.kernel_width; ++kx) {
      const uint32_t* in = s.rows[ky] + s.offset + first * s.pixel_step + kx * s.tap_step;
      for (int i = 0; i < s.words;) {
        const int end = s.words - i < tile.left ? s.words : i + tile.left;
        tile.left -= end - i;
        for (; i < end; ++i, weight += kLanes) tile.step(in + i, s.pixel_step, weight);
        if (tile.left == 0) tile.flush();
      }
    }
  }
  tile.finish(s.counts + first * kLanes);
}

using CountTile = void (*)(const BitStrip&, int first);
// By the number of pixels; a map has fewer than four only when it is that narrow.
constexpr CountTile kTable[] = {count_table<1, 2>, count_table<2, 2>, count_table<3, 2>, count_table<4, 2>};
constexpr CountTile kHalfTable[] = {count_table<1, 1>, count_table<2, 1>, count_table<3, 1>, count_table<4, 1>};
constexpr CountTile kClassic[] = {count_classic<1>, count_classic<2>, count_classic<3>, count_classic<4>};

void count_tiles(const CountTile (&tiles)[4], const BitStrip& strip) {
  if (strip.pixels < 4) return tiles[strip.pixels - 1](strip, 0);
  int first = 0;
  for (; strip.pixels - first >= 4; first += 4) tiles[3](strip, first);
  // The last tile goes back over pixels that are already counted, which changes nothing.
  if (first < strip.pixels) tiles[3](strip, strip.pixels - 4);
}

}  // namespace

const IsaFunctions kAvx2Functions = {transform_strip<Avx2>, threshold_strip<Avx2>, derive_row};

void count_avx2_table(const BitStrip& strip) { count_tiles(kTable, strip); }
void count_avx2_half_table(const BitStrip& strip) { count_tiles(kHalfTable, strip); }
void count_avx2_classic(const BitStrip& strip) { count_tiles(kClassic, strip); }

}  // namespace repbnn
