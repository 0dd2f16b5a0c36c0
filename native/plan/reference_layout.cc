#include <algorithm>
#include <cstring>

#include "plan/reference.h"

namespace repbnn {
namespace {

int64_t product(const std::vector<int32_t>& dims, size_t from, size_t to) {
  int64_t n = 1;
  for (size_t i = from; i < to; ++i) n *= dims[i];
  return n;
}

void concat(const Graph& graph, const Op& op, Buffers& buffers) {
  const Tensor& out = graph.out(op);
  const int64_t rows = product(out.dims, 0, op.axis), inner = product(out.dims, op.axis + 1, out.dims.size());
  float* result = buffers.floats(op.outputs[0]);
  for (int64_t row = 0; row < rows; ++row) {
    for (int t : op.inputs) {
      const int64_t length = graph.tensors[t].dims[op.axis] * inner;
      std::memcpy(result, buffers.floats(t) + row * length, length * sizeof(float));
      result += length;
    }
  }
}

void split(const Graph& graph, const Op& op, Buffers& buffers) {
  const Tensor& in = graph.in(op, 1);
  const int64_t rows = product(in.dims, 0, op.axis), inner = product(in.dims, op.axis + 1, in.dims.size());
  const float* source = buffers.floats(op.inputs[1]);
  for (int64_t row = 0; row < rows; ++row) {
    for (int t : op.outputs) {
      const int64_t length = graph.tensors[t].dims[op.axis] * inner;
      std::memcpy(buffers.floats(t) + row * length, source, length * sizeof(float));
      source += length;
    }
  }
}

// Walks the result of a slice, or the inner part of a pad, in runs of elements that lie side by side on both sides.
// `begin` and `stride` are those of the larger side, whose dims are `outer`.
template <typename Visit>
void for_each_inner(const std::vector<int32_t>& outer, const std::vector<int32_t>& inner, const int32_t* begin,
                    const int32_t* stride, Visit visit) {
  const size_t rank = inner.size();
  int32_t index[kMaxRank] = {0};
  const int64_t count = product(inner, 0, rank);
  const bool whole_rows = rank > 0 && stride[rank - 1] == 1;
  const int64_t length = whole_rows ? inner[rank - 1] : 1;
  for (int64_t i = 0; i < count; i += length) {
    int64_t at = 0;
    for (size_t d = 0; d < rank; ++d) at = at * outer[d] + begin[d] + int64_t{index[d]} * stride[d];
    visit(at, i, length);
    for (size_t d = whole_rows ? rank - 1 : rank; d-- > 0;) {
      if (++index[d] < inner[d]) break;
      index[d] = 0;
    }
  }
}

void strided_slice(const Graph& graph, const Op& op, Buffers& buffers) {
  const float* source = buffers.floats(op.inputs[0]);
  float* result = buffers.floats(op.outputs[0]);
  for_each_inner(graph.in(op, 0).dims, graph.out(op).dims, op.begin, op.stride,
                 [&](int64_t outer, int64_t inner, int64_t length) {
                   std::memcpy(result + inner, source + outer, length * sizeof(float));
                 });
}

void pad(const Graph& graph, const Op& op, Buffers& buffers) {
  static const int32_t ones[kMaxRank] = {1, 1, 1, 1, 1};
  const float* source = buffers.floats(op.inputs[0]);
  float* result = buffers.floats(op.outputs[0]);
  std::fill_n(result, graph.out(op).elements(), op.fill);
  for_each_inner(graph.out(op).dims, graph.in(op, 0).dims, op.begin, ones,
                 [&](int64_t outer, int64_t inner, int64_t length) {
                   std::memcpy(result + outer, source + inner, length * sizeof(float));
                 });
}

}  // namespace

void run_layout_reference(const Graph& graph, const Op& op, Buffers& buffers) {
  switch (op.kind) {
    case OpKind::kConcat: return concat(graph, op, buffers);
    case OpKind::kSplit: return split(graph, op, buffers);
    case OpKind::kStridedSlice: return strided_slice(graph, op, buffers);
    case OpKind::kPad: return pad(graph, op, buffers);
    default: break;
  }
  const size_t bytes = static_cast<size_t>(graph.out(op).bytes());
  if (buffers.data[op.outputs[0]] != buffers.data[op.inputs[0]]) {
    std::memcpy(buffers.data[op.outputs[0]], buffers.data[op.inputs[0]], bytes);
  }
}

}  // namespace repbnn
