// Builds small graphs for tests, with constants that it owns.
#pragma once

#include <cmath>
#include <deque>
#include <random>
#include <vector>

#include "plan/graph.h"
#include "plan/shape.h"

namespace repbnn {

class GraphBuilder {
 public:
  explicit GraphBuilder(unsigned seed) : random_(seed) {}

  Graph graph;

  int tensor(Type type, std::vector<int32_t> dims, const void* constant = nullptr) {
    Tensor t;
    t.type = type;
    t.dims = std::move(dims);
    t.constant = constant;
    graph.tensors.push_back(t);
    return static_cast<int>(graph.tensors.size()) - 1;
  }

  int input(std::vector<int32_t> dims, Type type = Type::kFloat32) {
    const int t = tensor(type, std::move(dims));
    graph.tensors[t].is_input = true;
    graph.inputs.push_back(t);
    return t;
  }

  void output(int t) {
    if (graph.tensors[t].is_output || graph.tensors[t].is_input) return;
    graph.tensors[t].is_output = true;
    graph.outputs.push_back(t);
  }

  int floats(std::vector<int32_t> dims, float mean = 0.0f, float deviation = 1.0f) {
    int64_t count = 1;
    for (int32_t d : dims) count *= d;
    std::normal_distribution<float> normal(mean, deviation);
    std::vector<float>& values = floats_.emplace_back(count);
    for (float& v : values) v = normal(random_);
    return tensor(Type::kFloat32, std::move(dims), values.data());
  }

  int integers(std::vector<int32_t> values) {
    const int32_t count = static_cast<int32_t>(values.size());
    return tensor(Type::kInt32, {count}, integers_.emplace_back(std::move(values)).data());
  }

  int op(OpKind kind, std::vector<int> inputs, Type type = Type::kFloat32) {
    Op op;
    op.kind = kind;
    op.inputs = std::move(inputs);
    return add(op, type);
  }

  // Appends the operator and a tensor for its result, whose shape is inferred. -1 when it is refused.
  int add(Op op, Type type = Type::kFloat32) {
    op.node = static_cast<int>(graph.ops.size());
    op.outputs = {tensor(type, {})};
    if (type == Type::kInt8) graph.tensors.back().scale = 0.03f, graph.tensors.back().zero_point = -7;
    last_error = infer(graph, op);
    if (!last_error.empty()) {
      graph.tensors.pop_back();
      return -1;
    }
    graph.ops.push_back(op);
    return op.outputs[0];
  }

  int quantize(int t) { return op(OpKind::kQuantize, {t}, Type::kBits); }
  int add_constant(int t) { return op(OpKind::kAdd, {t, floats({channels(t)}, 0.0f, 0.3f)}); }
  int mul_constant(int t) { return op(OpKind::kMul, {t, floats({channels(t)}, 1.0f, 0.3f)}); }
  int prelu(int t) { return op(OpKind::kPrelu, {t, floats({1, 1, channels(t)}, 0.25f, 0.1f)}); }
  int relu(int t, Activation activation = Activation::kRelu) {
    Op op;
    op.kind = OpKind::kRelu;
    op.inputs = {t};
    op.activation = activation;
    return add(op);
  }
  int concat(std::vector<int> inputs, int axis = 3) {
    Op op;
    op.kind = OpKind::kConcat;
    op.inputs = std::move(inputs);
    op.axis = axis;
    return add(op);
  }

  struct Conv {
    int32_t filters = 16, kernel = 3, stride = 1, dilation = 1, groups = 1;
    Padding padding = Padding::kSameOne;
    Activation activation = Activation::kNone;
    Type output = Type::kFloat32;
  };
  // `in_channels` signs a pixel come from `bits`.
  int bconv2d(int bits, int32_t in_channels, const Conv& conv) {
    const int32_t words = graph.tensors[bits].dims[3] / conv.groups;
    const int64_t count = int64_t{conv.filters} * conv.kernel * conv.kernel * words;
    std::vector<int32_t>& weights = integers_.emplace_back(count);
    for (int64_t i = 0; i < count; ++i) {
      uint32_t word = static_cast<uint32_t>(random_());
      const int32_t used = in_channels / conv.groups - static_cast<int32_t>(i % words) * 32;
      if (used < 32) word &= (1u << used) - 1;
      weights[i] = static_cast<int32_t>(word);
    }
    Op op;
    op.kind = OpKind::kBconv2d;
    op.channels_in = in_channels;
    op.window.stride_h = op.window.stride_w = conv.stride;
    op.window.dilation_h = op.window.dilation_w = conv.dilation;
    op.window.padding = conv.padding;
    op.activation = conv.activation;
    const float scale = 1.0f / std::sqrt(static_cast<float>(in_channels * conv.kernel * conv.kernel / conv.groups));
    op.inputs = {bits, tensor(Type::kBits, {conv.filters, conv.kernel, conv.kernel, words}, weights.data())};
    if (conv.output == Type::kBits) {
      const int32_t half = in_channels / conv.groups * conv.kernel * conv.kernel / 2;
      std::vector<int32_t> thresholds(conv.filters);
      for (int32_t& t : thresholds) t = half + static_cast<int32_t>(random_() % 9) - 4;
      op.inputs.insert(op.inputs.end(), {-1, -1, integers(thresholds)});
    } else {
      op.inputs.insert(op.inputs.end(),
                       {floats({conv.filters}, scale, 0.2f * scale), floats({conv.filters}, 0.0f, 0.1f), -1});
    }
    return add(op, conv.output);
  }

  int pool(OpKind kind, int t, int32_t kernel, int32_t stride, Padding padding,
           Activation activation = Activation::kNone) {
    Op op;
    op.kind = kind;
    op.inputs = {t};
    op.window.kernel_h = op.window.kernel_w = kernel;
    op.window.stride_h = op.window.stride_w = stride;
    op.window.padding = padding;
    op.activation = activation;
    return add(op, kind == OpKind::kBMaxPool2d ? Type::kBits : Type::kFloat32);
  }

  // Of each image's rows and columns: [n, C], or [n, 1, 1, C] with keep_dims.
  int mean(int t, bool keep_dims) {
    Op op;
    op.kind = OpKind::kMean;
    op.keep_dims = keep_dims;
    op.inputs = {t, integers({chance(50) ? 1 : -3, 2})};
    return add(op);
  }

  int depthwise(int t, int32_t kernel, int32_t stride, Padding padding, int32_t multiplier = 1, int32_t dilation = 1,
                Activation activation = Activation::kNone) {
    const int32_t filters = channels(t) * multiplier;
    Op op;
    op.kind = OpKind::kDepthwiseConv2d;
    op.inputs = {t, floats({1, kernel, kernel, filters}, 0.0f, 0.5f)};
    if (chance(80)) op.inputs.push_back(floats({filters}));
    op.window.stride_h = op.window.stride_w = stride;
    op.window.dilation_h = op.window.dilation_w = dilation;
    op.window.padding = padding;
    op.activation = activation;
    return add(op);
  }

  int32_t channels(int t) const { return graph.tensors[t].channels(); }
  unsigned pick(unsigned count) { return static_cast<unsigned>(random_() % count); }
  bool chance(int percent) { return static_cast<int>(pick(100)) < percent; }
  std::mt19937& random() { return random_; }

  std::string last_error;

 private:
  std::mt19937 random_;
  std::deque<std::vector<float>> floats_;
  std::deque<std::vector<int32_t>> integers_;
};

}  // namespace repbnn
