#include "kernels/pool/pool.h"

#include <algorithm>

#include "kernels/pool/rows.h"

namespace repbnn {
namespace {

const PoolFunctions& functions_of(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2: return kAvx2Pool;
    case Isa::kAvx512Vpopcntdq: return kAvx512Pool;
#elif defined(__aarch64__)
    case Isa::kSme2:
    case Isa::kSme2Neon:
    case Isa::kNeon: return kNeonPool;
#endif
    default: return kScalarPool;
  }
}

// The part of a window of `filter` positions from `from` on that lies inside [0, size).
struct Inside {
  int begin, end;
};
Inside inside(int from, int filter, int size) { return {std::max(from, 0), std::min(from + filter, size)}; }

void pool_rows(void (*pool)(const PoolRow&), PoolRow row, int y0, int y1) {
  const PoolGeometry& g = *row.geometry;
  for (row.y = y0; row.y < y1; ++row.y) {
    const Inside rows = inside(row.y * g.stride_height - g.pad_top, g.filter_height, g.in_height);
    row.top = rows.begin;
    row.bottom = rows.end;
    pool(row);
  }
}

#if defined(REPBNN_SME2)
void pool_streaming(PoolArea area) { in_streaming_mode(kSme2Pool, &area); }
#endif

void sign_rows(void (*convert)(const SignRow&), SignRow row, int y0, int y1) {
  for (row.y = y0; row.y < y1; ++row.y) convert(row);
}

}  // namespace

void average_pool(Isa isa, const PoolGeometry& geometry, const FloatMap& in, const FloatMap& out, float lo, float hi,
                  int y0, int y1, int x0, int x1) {
#if defined(REPBNN_SME2)
  if (isa == Isa::kSme2) return pool_streaming({&geometry, &in, &out, &lo, &hi, y0, y1, x0, x1, true});
#endif
  pool_rows(functions_of(isa).average, {&geometry, &in, &out, lo, hi, 0, x0, x1, 0, 0}, y0, y1);
}

void max_pool(Isa isa, const PoolGeometry& geometry, const FloatMap& in, const FloatMap& out, float lo, float hi,
              int y0, int y1, int x0, int x1) {
#if defined(REPBNN_SME2)
  if (isa == Isa::kSme2) return pool_streaming({&geometry, &in, &out, &lo, &hi, y0, y1, x0, x1, false});
#endif
  pool_rows(functions_of(isa).maximum, {&geometry, &in, &out, lo, hi, 0, x0, x1, 0, 0}, y0, y1);
}

// Whole words anyway: one form for every instruction set.
void binary_max_pool(Isa, const PoolGeometry& g, const BitMap& in, const BitMap& out, int y0, int y1, int x0, int x1) {
  const int words = words_of(g.channels);
  for (int y = y0; y < y1; ++y) {
    const Inside rows = inside(y * g.stride_height - g.pad_top, g.filter_height, g.in_height);
    for (int x = x0; x < x1; ++x) {
      const Inside columns = inside(x * g.stride_width - g.pad_left, g.filter_width, g.in_width);
      uint32_t* to = out.at(y, x);
      std::fill(to, to + words, ~0u);
      for (int iy = rows.begin; iy < rows.end; ++iy) {
        for (int ix = columns.begin; ix < columns.end; ++ix) {
          const uint32_t* from = in.at(iy, ix);
          for (int w = 0; w < words; ++w) to[w] &= from[w];
        }
      }
    }
  }
}

void unpack_signs(Isa isa, int channels, const BitMap& in, const FloatMap& out, int y0, int y1, int x0, int x1) {
  sign_rows(functions_of(isa).unpack, {channels, &out, &in, 0, x0, x1}, y0, y1);
}

void pack_signs(Isa isa, int channels, const FloatMap& in, const BitMap& out, int y0, int y1, int x0, int x1) {
  sign_rows(functions_of(isa).pack, {channels, &in, &out, 0, x0, x1}, y0, y1);
}

void pack_signs_int8(int channels, int zero_point, const Int8Map& in, const BitMap& out, int y0, int y1, int x0,
                     int x1) {
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x) {
      const int8_t* from = in.at(y, x);
      uint32_t* to = out.at(y, x);
      std::fill(to, to + words_of(channels), 0);
      for (int c = 0; c < channels; ++c) {
        to[c / kWordBits] |= static_cast<uint32_t>(from[c] < zero_point) << (c % kWordBits);
      }
    }
  }
}

}  // namespace repbnn
