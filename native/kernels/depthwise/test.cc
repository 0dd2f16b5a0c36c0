#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/depthwise/depthwise.h"
#include "kernels/testing/guarded.h"
#include "kernels/testing/random.h"

namespace repbnn {
namespace {

std::vector<Isa> built() {
  std::vector<Isa> isas;
  for (Isa isa : {Isa::kNeon, Isa::kAvx2, Isa::kAvx512Vpopcntdq}) {
    if (isa_built(isa)) isas.push_back(isa);
  }
  return isas;
}

class DepthwiseTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!cpu_supports(GetParam())) GTEST_SKIP() << "this processor lacks " << isa_name(GetParam());
  }
};
INSTANTIATE_TEST_SUITE_P(Isas, DepthwiseTest, testing::ValuesIn(built()),
                         [](const auto& info) { return isa_name(info.param); });

FloatMap float_map(Guarded<float>* memory, int height, int width, int channels, int extra) {
  FloatMap map;
  map.pixel_stride = channels + extra;
  map.row_pitch = map.pixel_stride * width;
  map.data = memory->place(map.row_pitch * height - extra);
  return map;
}

int out_size(int in, int filter, int dilation, int stride, int pad) {
  return (in + 2 * pad - (filter - 1) * dilation - 1) / stride + 1;
}

Depthwise draw(Random& random, int* out_height, int* out_width) {
  Depthwise conv;
  DepthwiseGeometry& g = conv.geometry;
  do {
    g.in_height = random.in(1, 9), g.in_width = random.in(1, 9), g.channels = random.in(1, 70);
    g.filter_height = random.in(1, 5), g.filter_width = random.one_in(2) ? g.filter_height : random.in(1, 4);
    g.stride_height = random.in(1, 3), g.stride_width = random.in(1, 3);
    g.dilation_height = random.one_in(3) ? 2 : 1, g.dilation_width = random.one_in(3) ? 3 : 1;
    g.pad_top = random.in(0, (g.filter_height - 1) * g.dilation_height);
    g.pad_left = random.in(0, (g.filter_width - 1) * g.dilation_width);
    *out_height = out_size(g.in_height, g.filter_height, g.dilation_height, g.stride_height, g.pad_top);
    *out_width = out_size(g.in_width, g.filter_width, g.dilation_width, g.stride_width, g.pad_left);
  } while (*out_height < 1 || *out_width < 1);
  conv.lo = random.one_in(2) ? -INFINITY : 0.0f;
  conv.hi = random.one_in(2) ? INFINITY : 6.0f;
  return conv;
}

// Against the scalar form, in every bit; taps wholly outside the map and pads wider than it are among the cases.
TEST_P(DepthwiseTest, EqualsScalar) {
  Random random(21);
  for (int i = case_count(2000); i > 0; --i) {
    int height, width;
    Depthwise conv = draw(random, &height, &width);
    const DepthwiseGeometry& g = conv.geometry;
    Guarded<float> in_memory, filter_memory, bias_memory, expected_memory, actual_memory;
    const FloatMap in = float_map(&in_memory, g.in_height, g.in_width, g.channels, random.in(0, 3));
    for (int y = 0; y < g.in_height; ++y) {
      for (int x = 0; x < g.in_width; ++x) {
        for (int c = 0; c < g.channels; ++c) in.at(y, x)[c] = random.special();
      }
    }
    const int taps = g.filter_height * g.filter_width * g.channels;
    float* filter = filter_memory.place(taps);
    for (int k = 0; k < taps; ++k) filter[k] = random.real(-2, 2);
    float* bias = bias_memory.place(g.channels);
    for (int c = 0; c < g.channels; ++c) bias[c] = random.real(-2, 2);
    conv.filter = filter;
    conv.bias = random.one_in(4) ? nullptr : bias;
    const FloatMap expected = float_map(&expected_memory, height, width, g.channels, 0);
    const FloatMap actual = float_map(&actual_memory, height, width, g.channels, 0);
    depthwise_conv2d(Isa::kScalar, conv, in, expected, 0, height, 0, width);
    const int y1 = random.in(0, height);
    depthwise_conv2d(GetParam(), conv, in, actual, 0, y1, 0, width);
    depthwise_conv2d(GetParam(), conv, in, actual, y1, height, 0, width);
    for (int k = 0; k < height * width * g.channels; ++k) {
      const float a = expected.data[k], b = actual.data[k];
      ASSERT_TRUE(std::memcmp(&a, &b, sizeof a) == 0 || (std::isnan(a) && std::isnan(b))) << a << " became " << b;
    }
  }
}

}  // namespace
}  // namespace repbnn
