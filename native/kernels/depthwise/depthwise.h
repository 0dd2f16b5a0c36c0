// DEPTHWISE_CONV_2D with one filter a channel, row by row, bit for bit as TFLite's builtin kernels (not XNNPACK's).
#ifndef REPBNN_KERNELS_DEPTHWISE_DEPTHWISE_H_
#define REPBNN_KERNELS_DEPTHWISE_DEPTHWISE_H_

#include "base/cpu.h"
#include "base/maps.h"

namespace repbnn {

struct DepthwiseGeometry {
  int in_height = 0, in_width = 0, channels = 0;
  int filter_height = 1, filter_width = 1;
  int stride_height = 1, stride_width = 1;
  int dilation_height = 1, dilation_width = 1;
  int pad_top = 0, pad_left = 0;
};

// `filter` is [filter_height][filter_width][channels]; `bias` has a value a channel, or is null for zeros.
struct Depthwise {
  DepthwiseGeometry geometry;
  const float* filter = nullptr;
  const float* bias = nullptr;
  float lo = 0.0f, hi = 0.0f;  // clamp of the result; none when they are infinite
};

// Output rows [y0, y1), columns [x0, x1): from the bias on, tap after tap is multiplied, then added. Taps outside the
// map do not count.
void depthwise_conv2d(Isa isa, const Depthwise& conv, const FloatMap& in, const FloatMap& out, int y0, int y1, int x0,
                      int x1);

}  // namespace repbnn

#endif  // REPBNN_KERNELS_DEPTHWISE_DEPTHWISE_H_
