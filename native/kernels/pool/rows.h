// One output row of each operation of pool.h, implemented for each instruction set.
#ifndef REPBNN_KERNELS_POOL_ROWS_H_
#define REPBNN_KERNELS_POOL_ROWS_H_

#include "base/streaming.h"
#include "kernels/pool/pool.h"

namespace repbnn {

// Output row y, columns [x0, x1); input rows [top, bottom) are the window's rows inside the map.
struct PoolRow {
  const PoolGeometry* geometry;
  const FloatMap* in;
  const FloatMap* out;
  float lo, hi;
  int y, x0, x1, top, bottom;
};

// Rows [y0, y1) of a pool, on which kSme2Pool works in streaming mode.
struct PoolArea {
  const PoolGeometry* geometry;
  const FloatMap* in;
  const FloatMap* out;
  const float *lo, *hi;  // one each; not values, so that whoever has no vector registers can hand them on
  int y0, y1, x0, x1;
  bool average;
};
extern const StreamingWork kSme2Pool;

struct SignRow {
  int channels;
  const FloatMap* floats;
  const BitMap* bits;
  int y, x0, x1;
};

struct PoolFunctions {
  void (*average)(const PoolRow& row);
  void (*maximum)(const PoolRow& row);
  void (*pack)(const SignRow& row);
  void (*unpack)(const SignRow& row);
};
extern const PoolFunctions kScalarPool, kAvx2Pool, kAvx512Pool, kNeonPool;

}  // namespace repbnn

#endif  // REPBNN_KERNELS_POOL_ROWS_H_
