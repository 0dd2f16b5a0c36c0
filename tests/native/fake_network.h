// A Rep block as LCE writes it, offered through the fake runtime.
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

  explicit FakeNetwork(bool guarded = true, int size = 5) : runtime(guarded) {
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
    output = runtime.tensor(kTfLiteFloat32, {1, size, size, 64});
    const int relu = runtime.tensor(kTfLiteFloat32, {1, size, size, 64});
    quantize_node = runtime.add(kTfLiteBuiltinCustom, "LceQuantize", {input}, {packed});
    conv_node = runtime.add(kTfLiteBuiltinCustom, "LceBconv2d", {packed, filter, multiplier, bias, -1}, {sums}, nullptr,
                            flex_map(conv_options()));
    runtime.add(kTfLiteBuiltinConcatenation, nullptr, {sums, sums, sums, sums}, {repeated}, &repeat);
    runtime.add(kTfLiteBuiltinMul, nullptr, {repeated, runtime.constant(kTfLiteFloat32, {64}, ones)}, {scaled}, &plain);
    runtime.add(kTfLiteBuiltinAdd, nullptr, {scaled, input}, {added}, &plain);
    runtime.add(kTfLiteBuiltinPrelu, nullptr, {added, runtime.constant(kTfLiteFloat32, {1, 1, 64}, slopes)}, {output});
    relu_node = runtime.add(999, nullptr, {output}, {relu});  // what no delegate knows
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
