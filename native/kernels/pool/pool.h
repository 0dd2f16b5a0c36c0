// Pools, sign packing and unpacking, row by row, bit for bit as TFLite's builtin kernels (not XNNPACK's) and LCE's.
#ifndef REPBNN_KERNELS_POOL_POOL_H_
#define REPBNN_KERNELS_POOL_POOL_H_

#include "base/cpu.h"
#include "base/maps.h"

namespace repbnn {

struct PoolGeometry {
  int in_height = 0, in_width = 0, channels = 0;
  int filter_height = 1, filter_width = 1;
  int stride_height = 1, stride_width = 1;
  int pad_top = 0, pad_left = 0;
  int out_height = 0, out_width = 0;
};

// Output rows [y0, y1), columns [x0, x1) of an average pool: the window's values inside the map are added one after
// another, row by row, starting from 0.0f, then divided by their count, then clamped (lo, hi as StepKind::kClamp).
// Window positions outside the map do not count. `in` and `out` may be rings or tiles.
void average_pool(Isa isa, const PoolGeometry& geometry, const FloatMap& in, const FloatMap& out, float lo, float hi,
                  int y0, int y1, int x0, int x1);

// The same for a maximum pool: std::max(most, v) from the lowest finite float on, so NaN never wins.
void max_pool(Isa isa, const PoolGeometry& geometry, const FloatMap& in, const FloatMap& out, float lo, float hi,
              int y0, int y1, int x0, int x1);

// LceBMaxPool2d: the maximum of signs is the bitwise and of the words. Positions outside the map do not count.
void binary_max_pool(Isa isa, const PoolGeometry& geometry, const BitMap& in, const BitMap& out, int y0, int y1, int x0,
                     int x1);

// LceDequantize: +1.0f for bit 0, -1.0f for bit 1, of rows [y0, y1) x columns [x0, x1).
void unpack_signs(Isa isa, int channels, const BitMap& in, const FloatMap& out, int y0, int y1, int x0, int x1);

// LceQuantize: bit = v < 0 (-0.0, NaN and -NaN give 0). Bits behind the last channel are cleared.
void pack_signs(Isa isa, int channels, const FloatMap& in, const BitMap& out, int y0, int y1, int x0, int x1);

// LceQuantize of an int8 map: bit = v < zero_point.
void pack_signs_int8(int channels, int zero_point, const Int8Map& in, const BitMap& out, int y0, int y1, int x0,
                     int x1);

}  // namespace repbnn

#endif  // REPBNN_KERNELS_POOL_POOL_H_
