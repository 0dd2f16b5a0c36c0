// A Rep block as LCE writes it, offered through the fake runtime; wide: with the float operators that may stand in one.
#pragma once

#include <random>

#include "fake_runtime.h"

namespace repbnn {

struct FakeNetwork {
  FakeRuntime runtime;
  int input, packed, filter, multiplier, bias, sums, output;
  int quantize_node, conv_node, relu_node;
  TfLiteConcatenationParams repeat{3, kTfLiteActNone};
  TfLiteArithmeticParams plain{kTfLiteActNone};
  TfLiteReducerParams drop_axes{false};
  TfLiteDepthwiseConvParams depthwise{kTfLitePaddingSame, 1, 1, 1, kTfLiteActRelu6, 1, 1};
  TfLitePoolParams halve{kTfLitePaddingValid, 2, 2, 2, 2, kTfLiteActNone};
  // Of a wide one.
  int axes = -1, taps = -1, pairs = -1, fill = -1;

  static std::vector<std::pair<std::string, int32_t>> conv_options() {
    return {{"channels_in", 64},
            {"dilation_height_factor", 1},
            {"dilation_width_factor", 1},
            {"fused_activation_function", 0},
            {"pad_values", 1},
            {"padding", 0},
            {"stride_height", 1},
            {"stride_width", 1}};
  }

  explicit FakeNetwork(bool guarded = true, int size = 5, bool wide = false) : runtime(guarded) {
    std::mt19937 random(1);
    std::vector<int32_t> weights(16 * 3 * 3 * 2);
    for (int32_t& w : weights) w = static_cast<int32_t>(random());
    const std::vector<float> ones(64, 1.25f), slopes(64, 0.25f), small(16, 0.01f);
    input = runtime.tensor(kTfLiteFloat32, {1, size, size, 64});
    packed = runtime.tensor(kTfLiteInt32, {1, size, size, 2});
    filter = runtime.constant(kTfLiteInt32, {16, 3, 3, 2}, weights);
    multiplier = runtime.constant(kTfLiteFloat32, {16}, small);
    bias = runtime.constant(kTfLiteFloat32, {16}, small);
    sums = runtime.tensor(kTfLiteFloat32, {1, size, size, 16});
    const int repeated = runtime.tensor(kTfLiteFloat32, {1, size, size, 64});
    const int scaled = runtime.tensor(kTfLiteFloat32, {1, size, size, 64});
    const int added = runtime.tensor(kTfLiteFloat32, {1, size, size, 64});
    const int sloped = output = runtime.tensor(kTfLiteFloat32, {1, size, size, 64});
    quantize_node = runtime.add(kTfLiteBuiltinCustom, "LceQuantize", {input}, {packed});
    conv_node = runtime.add(kTfLiteBuiltinCustom, "LceBconv2d", {packed, filter, multiplier, bias, -1}, {sums}, nullptr,
                            flex_map(conv_options()));
    runtime.add(kTfLiteBuiltinConcatenation, nullptr, {sums, sums, sums, sums}, {repeated}, &repeat);
    runtime.add(kTfLiteBuiltinMul, nullptr, {repeated, runtime.constant(kTfLiteFloat32, {64}, ones)}, {scaled}, &plain);
    runtime.add(kTfLiteBuiltinAdd, nullptr, {scaled, input}, {added}, &plain);
    runtime.add(kTfLiteBuiltinPrelu, nullptr, {added, runtime.constant(kTfLiteFloat32, {1, 1, 64}, slopes)}, {sloped});
    if (wide) widen(size);
    std::vector<int> dims;
    for (int d = 0; d < 4; ++d) dims.push_back(runtime.at(output).dims->data[d]);
    relu_node = runtime.add(999, nullptr, {output}, {runtime.tensor(kTfLiteFloat32, dims)});  // what no delegate knows
  }

  // Each channel times its mean, a depthwise convolution, a pad of ones, a sign, a pool of signs.
  void widen(int size) {
    const auto map = [&](int side) { return runtime.tensor(kTfLiteFloat32, {1, side, side, 64}); };
    const int mean = runtime.tensor(kTfLiteFloat32, {1, 64}), excited = map(size), filtered = map(size),
              padded = map(size + 3), signs = runtime.tensor(kTfLiteInt32, {1, size + 3, size + 3, 2}),
              unpacked = map(size + 3), pooled = map((size + 3) / 2);
    axes = runtime.constant(kTfLiteInt32, {2}, std::vector<int32_t>{1, -2});
    taps = runtime.constant(kTfLiteFloat32, {1, 3, 3, 64}, std::vector<float>(9 * 64, 0.5f));
    pairs = runtime.constant(kTfLiteInt32, {4, 2}, std::vector<int32_t>{0, 0, 1, 2, 2, 1, 0, 0});
    fill = runtime.constant(kTfLiteFloat32, {}, std::vector<float>{1.0f});
    runtime.add(kTfLiteBuiltinMean, nullptr, {output, axes}, {mean}, &drop_axes);
    runtime.add(kTfLiteBuiltinMul, nullptr, {output, mean}, {excited}, &plain);
    runtime.add(kTfLiteBuiltinDepthwiseConv2d, nullptr, {excited, taps, -1}, {filtered}, &depthwise);
    runtime.add(kTfLiteBuiltinPadv2, nullptr, {filtered, pairs, fill}, {padded});
    runtime.add(kTfLiteBuiltinCustom, "LceQuantize", {padded}, {signs});
    runtime.add(kTfLiteBuiltinCustom, "LceDequantize", {signs}, {unpacked});
    runtime.add(kTfLiteBuiltinAveragePool2d, nullptr, {unpacked}, {pooled}, &halve);
    output = pooled;
  }

  void fill_input() {
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    const TfLiteTensor& t = runtime.at(input);
    for (size_t i = 0; i < t.bytes / sizeof(float); ++i) static_cast<float*>(t.data)[i] = normal(random);
  }

  std::vector<float> result() {
    const TfLiteTensor& t = runtime.at(output);
    const auto* values = static_cast<const float*>(t.data);
    return std::vector<float>(values, values + t.bytes / sizeof(float));
  }
};

}  // namespace repbnn
