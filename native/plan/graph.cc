#include "plan/graph.h"

namespace repbnn {

void connect(Graph& graph) {
  for (Tensor& tensor : graph.tensors) {
    tensor.producer = -1;
    tensor.consumers.clear();
  }
  for (int i = 0; i < static_cast<int>(graph.ops.size()); ++i) {
    for (int t : graph.ops[i].inputs) {
      if (t >= 0) graph.tensors[t].consumers.push_back(i);
    }
    for (int t : graph.ops[i].outputs) graph.tensors[t].producer = i;
  }
}

bool pads_sums(const Graph& graph, const Op& op) {
  const bool plain = graph.out(op).type == Type::kFloat32 && op.activation == Activation::kNone;
  return op.window.padding == Padding::kSameZero && !plain;
}

const char* name_of(OpKind kind) {
  switch (kind) {
    case OpKind::kQuantize: return "LceQuantize";
    case OpKind::kDequantize: return "LceDequantize";
    case OpKind::kBconv2d: return "LceBconv2d";
    case OpKind::kBMaxPool2d: return "LceBMaxPool2d";
    case OpKind::kConcat: return "CONCATENATION";
    case OpKind::kAdd: return "ADD";
    case OpKind::kSub: return "SUB";
    case OpKind::kMul: return "MUL";
    case OpKind::kPrelu: return "PRELU";
    case OpKind::kRelu: return "RELU";
    case OpKind::kPad: return "PAD";
    case OpKind::kReshape: return "RESHAPE";
    case OpKind::kAveragePool: return "AVERAGE_POOL_2D";
    case OpKind::kMaxPool: return "MAX_POOL_2D";
    case OpKind::kMean: return "MEAN";
    case OpKind::kDepthwiseConv2d: return "DEPTHWISE_CONV_2D";
    case OpKind::kSplit: return "SPLIT";
    case OpKind::kStridedSlice: return "STRIDED_SLICE";
  }
  return "?";
}

}  // namespace repbnn
