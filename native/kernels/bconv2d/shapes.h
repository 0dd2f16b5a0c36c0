// The 31 binary convolutions of Rep-ReActNet-A at 224 x 224, beta 2, that benchmarks and counts run.
#ifndef REPBNN_KERNELS_BCONV2D_SHAPES_H_
#define REPBNN_KERNELS_BCONV2D_SHAPES_H_

#include <vector>

#include "kernels/bconv2d/bconv2d.h"

namespace repbnn {

struct NamedShape {
  int block, branches;  // branches: equal 1x1 convolutions side by side where the channels double
  Bconv2dGeometry geometry;
};

inline std::vector<NamedShape> rep_reactnet_shapes() {
  constexpr int kBlocks = 13, kBeta = 2;
  constexpr int kWidths[kBlocks + 1] = {32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024};
  constexpr int kStrides[kBlocks] = {1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1};
  std::vector<NamedShape> shapes;
  int size = 112;
  for (int block = 0; block < kBlocks; ++block) {
    const int width = kWidths[block], stride = kStrides[block], in = size;
    size /= stride;
    const int channels = kBeta * width, filters = width / kBeta;
    // TensorFlow's SAME on an even map: a stride of 2 pads below and to the right only.
    const int pad = stride == 1 ? 1 : 0;
    shapes.push_back({block, 1, {in, in, channels, filters, 3, 3, stride, stride, 1, 1, pad, pad, size, size}});
    shapes.push_back(
        {block, kWidths[block + 1] / width, {size, size, channels, filters, 1, 1, 1, 1, 1, 1, 0, 0, size, size}});
  }
  return shapes;
}

}  // namespace repbnn

#endif  // REPBNN_KERNELS_BCONV2D_SHAPES_H_
