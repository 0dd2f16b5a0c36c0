// Random networks of everything that the delegate claims, in the orders that converters write and in others.
#pragma once

#include "graph_builder.h"

namespace repbnn {

class RandomNetwork {
 public:
  explicit RandomNetwork(unsigned seed) : b(seed) {
    static const int32_t sizes[] = {1, 2, 4, 5, 7, 8, 14, 15, 17, 30};
    static const int32_t depths[] = {1, 8, 16, 31, 32, 33, 48, 64, 96, 130};
    current_ = b.input({1, sizes[b.pick(10)], sizes[b.pick(10)], depths[b.pick(10)]});
    maps_.push_back(current_);
    if (b.chance(30)) keep(b.concat(std::vector<int>(2 + b.pick(2), current_)));
    const int blocks = 2 + static_cast<int>(b.pick(5));
    for (int i = 0; i < blocks; ++i) block();
    b.output(current_);
    for (int t : maps_) {
      if (b.chance(10)) b.output(t);
    }
    if (b.graph.outputs.empty()) b.output(b.add_constant(current_));
    connect(b.graph);
  }

  GraphBuilder b;

 private:
  void keep(int t) {
    if (t < 0 || b.graph.tensors[t].elements() > 400000) return;
    current_ = t;
    maps_.push_back(t);
  }

  void block() {
    switch (b.pick(13)) {
      case 12: return excite();
      case 11:
        return keep(b.depthwise(current_, 1 + b.pick(4), 1 + b.pick(2), any_padding(), b.chance(80) ? 1 : 2,
                                b.chance(80) ? 1 : 2, any_activation()));
      case 10: return grow_and_crop();
      case 0:
        return keep(b.pool(b.chance(70) ? OpKind::kAveragePool : OpKind::kMaxPool, current_, 1 + b.pick(3),
                           1 + b.pick(2), any_padding(), any_activation()));
      case 1: return keep(b.concat({current_, same_size_map()}));
      case 2: return crop_or_pad();
      case 3: return packed_chain();
      default: return binary_layer();
    }
  }

  Padding any_padding() {
    static const Padding all[] = {Padding::kSameZero, Padding::kSameOne, Padding::kValid};
    return all[b.pick(3)];
  }

  Activation any_activation() { return b.chance(80) ? Activation::kNone : static_cast<Activation>(b.pick(4)); }

  int same_size_map() {
    for (int tries = 0; tries < 8; ++tries) {
      const int t = maps_[b.pick(static_cast<unsigned>(maps_.size()))];
      const auto &a = b.graph.tensors[t].dims, &c = b.graph.tensors[current_].dims;
      if (a[1] == c[1] && a[2] == c[2]) return t;
    }
    return current_;
  }

  GraphBuilder::Conv any_conv() {
    static const int32_t filters[] = {1, 8, 16, 20, 32, 33, 48, 64};
    GraphBuilder::Conv conv;
    conv.filters = filters[b.pick(8)];
    conv.kernel = b.chance(40) ? 1 : b.chance(80) ? 3 : 2 + static_cast<int32_t>(b.pick(4));
    conv.stride = b.chance(75) ? 1 : 2;
    conv.dilation = b.chance(90) ? 1 : 2;
    conv.padding = any_padding();
    conv.activation = b.chance(90) ? Activation::kNone : Activation::kRelu6;
    if (b.channels(current_) % 64 == 0 && b.chance(20)) {
      conv.groups = 2;
      conv.filters = 32;
    }
    return conv;
  }

  int signs(int t) {
    if (b.chance(25)) t = b.mul_constant(t);
    if (b.chance(60)) t = b.add_constant(t);
    return b.quantize(t);
  }

  void binary_layer() {
    const int32_t channels = b.channels(current_);
    const int packed = signs(current_);
    std::vector<int> branches;
    const GraphBuilder::Conv conv = any_conv();
    for (unsigned i = b.chance(25) ? 2 : 1; i > 0; --i) {
      int t = b.bconv2d(packed, channels, conv);
      if (t < 0) return;
      if (b.chance(50)) t = b.concat(std::vector<int>(2 + 2 * b.pick(2), t));
      branches.push_back(pointwise(t));
    }
    keep(branches.size() == 1 ? branches[0] : pointwise(b.concat(branches)));
  }

  int pointwise(int t) {
    for (unsigned i = b.pick(6); i > 0; --i) t = pointwise_step(t);
    return t;
  }

  int pointwise_step(int t) {
    int next = -1;
    switch (b.pick(8)) {
      case 0: next = b.mul_constant(t); break;
      case 1: next = b.prelu(t); break;
      case 2: next = b.relu(t, static_cast<Activation>(1 + b.pick(3))); break;
      case 3:
        next = b.op(OpKind::kSub,
                    b.chance(50) ? std::vector<int>{t, b.floats({b.channels(t)})} : std::vector<int>{b.floats({1}), t});
        break;
      case 4:
      case 5: {
        const int other = maps_[b.pick(static_cast<unsigned>(maps_.size()))];
        if (b.graph.tensors[other].dims != b.graph.tensors[t].dims || other == t) break;
        static const OpKind kinds[] = {OpKind::kAdd, OpKind::kAdd, OpKind::kMul, OpKind::kSub};
        next = b.op(kinds[b.pick(4)], b.chance(50) ? std::vector<int>{t, other} : std::vector<int>{other, t});
        break;
      }
      default: next = b.add_constant(t); break;
    }
    if (next < 0) next = b.add_constant(t);
    if (b.chance(15)) maps_.push_back(next);
    return next;
  }

  void packed_chain() {
    int32_t channels = b.channels(current_);
    int packed = signs(current_);
    GraphBuilder::Conv conv = any_conv();
    conv.output = Type::kBits;
    conv.groups = 1;
    if (b.chance(50)) {
      const int pooled = b.pool(OpKind::kBMaxPool2d, packed, 2, 2, any_padding());
      if (pooled >= 0) packed = pooled;
    }
    const int next = b.bconv2d(packed, channels, conv);
    if (next >= 0) packed = next, channels = conv.filters;
    if (b.chance(50)) {
      Op op;
      op.kind = OpKind::kDequantize;
      op.inputs = {packed};
      op.node = static_cast<int>(b.graph.ops.size());
      std::vector<int32_t> dims = b.graph.tensors[packed].dims;
      dims[3] = channels;
      op.outputs = {b.tensor(Type::kFloat32, dims)};
      if (!infer(b.graph, op).empty()) return;
      b.graph.ops.push_back(op);
      return keep(op.outputs[0]);
    }
    keep(pointwise(b.bconv2d(packed, channels, GraphBuilder::Conv())));
  }

  int binary_behind(int t) { return b.bconv2d(b.quantize(t), b.channels(t), GraphBuilder::Conv()); }

  // Each channel times its own mean, before or behind a binary layer, as squeeze-and-excite does.
  void excite() {
    const int mean = b.mean(current_, b.chance(50));
    if (b.chance(20)) b.output(mean);
    const int t = b.bconv2d(signs(current_), b.channels(current_), same_shape_conv());
    keep(pointwise(b.op(b.chance(80) ? OpKind::kMul : OpKind::kAdd,
                        b.chance(50) ? std::vector<int>{t, mean} : std::vector<int>{mean, t})));
  }

  GraphBuilder::Conv same_shape_conv() {
    GraphBuilder::Conv conv;
    conv.filters = b.channels(current_);
    return conv;
  }

  // A stride-2 convolution with symmetric padding, as importers spell it: one more row and column, and off again.
  void grow_and_crop() {
    const std::vector<int32_t> dims = b.graph.tensors[current_].dims;
    Op pad;
    pad.kind = OpKind::kPad;
    const int32_t before = b.chance(30);
    const int pairs = b.integers({0, 0, before, 1, before, 1, 0, 0});
    b.graph.tensors[pairs].dims = {4, 2};
    pad.inputs = {b.add_constant(current_), pairs};
    GraphBuilder::Conv conv;
    conv.kernel = b.chance(80) ? 3 : 1;
    conv.stride = conv.kernel == 3 ? 2 : 1;
    conv.padding = any_padding();
    const int t = b.bconv2d(b.quantize(b.add(pad)), dims[3], conv);
    if (t < 0) return;
    const std::vector<int32_t> out = b.graph.tensors[t].dims;
    Op crop;
    crop.kind = OpKind::kStridedSlice;
    crop.inputs = {t, b.integers({0, 0, 0, 0}),
                   b.integers({1, std::max(out[1] - 1, 1), std::max(out[2] - 1, 1), out[3]}), b.integers({1, 1, 1, 1})};
    const int cropped = b.add(crop);
    if (cropped < 0) return;
    keep(pointwise(b.concat({cropped, cropped, cropped, cropped})));
  }

  void crop_or_pad() {
    const std::vector<int32_t> dims = b.graph.tensors[current_].dims;
    if (b.chance(50)) {
      Op op;
      op.kind = OpKind::kPad;
      const int pairs = b.integers({0, 0, static_cast<int32_t>(b.pick(2)), static_cast<int32_t>(b.pick(3)), 0,
                                    static_cast<int32_t>(b.pick(2)), 0, static_cast<int32_t>(b.chance(20))});
      b.graph.tensors[pairs].dims = {4, 2};
      op.inputs = {current_, pairs};
      if (b.chance(40)) op.inputs.push_back(b.floats({}));
      return keep(b.chance(50) ? b.add(op) : binary_behind(b.add(op)));
    }
    Op op;
    op.kind = OpKind::kStridedSlice;
    const int32_t stride = 1 + static_cast<int32_t>(b.pick(2));
    op.inputs = {current_, b.integers({0, static_cast<int32_t>(b.pick(2)), 0, static_cast<int32_t>(b.chance(20))}),
                 b.integers({1, dims[1], std::max(dims[2] - 1, 1), dims[3]}), b.integers({1, stride, stride, 1})};
    keep(b.add(op));
  }

  std::vector<int> maps_;
  int current_ = -1;
};

}  // namespace repbnn
