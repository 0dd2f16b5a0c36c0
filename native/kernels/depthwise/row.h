// One output row of depthwise.h, implemented for each instruction set.
#ifndef REPBNN_KERNELS_DEPTHWISE_ROW_H_
#define REPBNN_KERNELS_DEPTHWISE_ROW_H_

#include "kernels/depthwise/depthwise.h"

namespace repbnn {

struct DepthwiseRow {
  const Depthwise* conv;
  const FloatMap* in;
  const FloatMap* out;
  int y, x0, x1;
};

// The taps [begin, end) of a filter whose first one lies at `from` and that stand inside [0, size).
struct Taps {
  int begin, end;
};
REPBNN_INLINE Taps taps_inside(int from, int count, int dilation, int size) {
  Taps taps = {from < 0 ? (-from + dilation - 1) / dilation : 0, count};
  if (from + (count - 1) * dilation >= size) taps.end = from >= size ? 0 : (size - 1 - from) / dilation + 1;
  return taps;
}

using DepthwiseFunction = void (*)(const DepthwiseRow& row);
extern const DepthwiseFunction kScalarDepthwise, kAvx2Depthwise, kAvx512Depthwise, kNeonDepthwise;

}  // namespace repbnn

#endif  // REPBNN_KERNELS_DEPTHWISE_ROW_H_
