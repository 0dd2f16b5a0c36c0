#include "plan/reference.h"

#include <algorithm>
#include <limits>

namespace repbnn {
namespace {

// Steps of an operand for each dimension of the result: 0 where it is broadcast.
struct Strides {
  int64_t step[kMaxRank] = {0};
  Strides(const std::vector<int32_t>& operand, const std::vector<int32_t>& result) {
    int64_t stride = 1;
    const size_t shift = result.size() - operand.size();
    for (size_t d = operand.size(); d-- > 0;) {
      step[d + shift] = operand[d] == 1 ? 0 : stride;
      stride *= operand[d];
    }
  }
};

// Calls row(a offset, b offset, result offset, a step, b step, length) for each innermost run of the result.
template <typename Row>
void for_each_row(const std::vector<int32_t>& dims, const Strides& a, const Strides& b, Row row) {
  const int rank = static_cast<int>(dims.size());
  const int32_t length = rank == 0 ? 1 : dims[rank - 1];
  int64_t rows = 1;
  for (int d = 0; d + 1 < rank; ++d) rows *= dims[d];
  for (int64_t r = 0; r < rows; ++r) {
    int64_t rest = r, at_a = 0, at_b = 0;
    for (int d = rank - 2; d >= 0; --d) {
      const int64_t index = rest % dims[d];
      rest /= dims[d];
      at_a += index * a.step[d];
      at_b += index * b.step[d];
    }
    row(at_a, at_b, r * length, rank == 0 ? 0 : a.step[rank - 1], rank == 0 ? 0 : b.step[rank - 1], length);
  }
}

template <typename F>
void broadcast(const Graph& graph, const Op& op, Buffers& buffers, F f) {
  const std::vector<int32_t>& dims = graph.out(op).dims;
  const float* a = buffers.floats(op.inputs[0]);
  const float* b = buffers.floats(op.inputs[1]);
  float* out = buffers.floats(op.outputs[0]);
  for_each_row(dims, Strides(graph.in(op, 0).dims, dims), Strides(graph.in(op, 1).dims, dims),
               [&](int64_t ia, int64_t ib, int64_t io, int64_t sa, int64_t sb, int32_t n) {
                 for (int32_t i = 0; i < n; ++i) out[io + i] = f(a[ia + i * sa], b[ib + i * sb]);
               });
}

void activate(const Graph& graph, const Op& op, const float* in, Buffers& buffers) {
  const float lo = op.activation == Activation::kReluN1To1 ? -1.0f : 0.0f;
  // Alone, RELU has no upper bound; fused, the builtin kernels clamp to the largest float.
  const float top =
      op.kind == OpKind::kRelu ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::max();
  const float hi = op.activation == Activation::kRelu ? top : op.activation == Activation::kRelu6 ? 6.0f : 1.0f;
  float* out = buffers.floats(op.outputs[0]);
  const int64_t count = graph.out(op).elements();
  for (int64_t i = 0; i < count; ++i) out[i] = std::min(std::max(in[i], lo), hi);
}

}  // namespace

void run_reference(const Graph& graph, const Op& op, Buffers& buffers) {
  switch (op.kind) {
    case OpKind::kBconv2d: return run_bconv2d_reference(graph, op, buffers);
    case OpKind::kQuantize:
    case OpKind::kDequantize:
    case OpKind::kBMaxPool2d: return run_signs_reference(graph, op, buffers);
    case OpKind::kAveragePool:
    case OpKind::kMaxPool:
    case OpKind::kMean:
    case OpKind::kDepthwiseConv2d: return run_window_reference(graph, op, buffers);
    case OpKind::kConcat:
    case OpKind::kSplit:
    case OpKind::kStridedSlice:
    case OpKind::kPad:
    case OpKind::kReshape: return run_layout_reference(graph, op, buffers);
    case OpKind::kAdd: broadcast(graph, op, buffers, [](float a, float b) { return a + b; }); break;
    case OpKind::kSub: broadcast(graph, op, buffers, [](float a, float b) { return a - b; }); break;
    case OpKind::kMul: broadcast(graph, op, buffers, [](float a, float b) { return a * b; }); break;
    case OpKind::kPrelu:
      return broadcast(graph, op, buffers, [](float v, float slope) { return v >= 0.0f ? v : v * slope; });
    case OpKind::kRelu: return activate(graph, op, buffers.floats(op.inputs[0]), buffers);
  }
  if (op.activation != Activation::kNone) activate(graph, op, buffers.floats(op.outputs[0]), buffers);
}

}  // namespace repbnn
