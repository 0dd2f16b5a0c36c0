// The reference: one value at a time.
#include "kernels/depthwise/row.h"

namespace repbnn {
namespace {

float value(const DepthwiseRow& row, int x, int channel) {
  const Depthwise& conv = *row.conv;
  const DepthwiseGeometry& g = conv.geometry;
  float sum = conv.bias != nullptr ? conv.bias[channel] : 0.0f;
  for (int ky = 0; ky < g.filter_height; ++ky) {
    for (int kx = 0; kx < g.filter_width; ++kx) {
      const int iy = row.y * g.stride_height - g.pad_top + ky * g.dilation_height;
      const int ix = x * g.stride_width - g.pad_left + kx * g.dilation_width;
      if (iy < 0 || iy >= g.in_height || ix < 0 || ix >= g.in_width) continue;
      const float product =
          row.in->at(iy, ix)[channel] * conv.filter[(ky * g.filter_width + kx) * g.channels + channel];
      sum += product;
    }
  }
  sum = sum < conv.lo ? conv.lo : sum;
  return conv.hi < sum ? conv.hi : sum;
}

void scalar_row(const DepthwiseRow& row) {
  for (int x = row.x0; x < row.x1; ++x) {
    for (int c = 0; c < row.conv->geometry.channels; ++c) row.out->at(row.y, x)[c] = value(row, x, c);
  }
}

}  // namespace

const DepthwiseFunction kScalarDepthwise = scalar_row;

}  // namespace repbnn
