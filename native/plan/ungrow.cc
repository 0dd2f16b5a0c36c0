#include "plan/ungrow.h"

#include <algorithm>

namespace repbnn {
namespace {

// The operator that alone reads `tensor`, when it is of this kind and reads it first; else -1.
int sole_reader(const Graph& graph, int tensor, OpKind kind) {
  const Tensor& t = graph.tensors[tensor];
  if (t.is_output || t.consumers.size() != 1) return -1;
  const Op& op = graph.ops[t.consumers[0]];
  return op.kind == kind && op.inputs[0] == tensor ? t.consumers[0] : -1;
}

bool adds_at_the_end_only(const Graph& graph, const Op& pad) {
  const Tensor& in = graph.in(pad, 0);
  if (in.type != Type::kFloat32 || in.dims.size() != 4 || in.constant != nullptr) return false;
  const bool front = std::any_of(pad.begin, pad.begin + 4, [](int32_t n) { return n != 0; });
  return !front && pad.end[0] == 0 && pad.end[3] == 0;
}

bool crops_the_end_only(const Graph& graph, const Op& slice) {
  const Tensor& in = graph.in(slice, 0);
  const Tensor& out = graph.out(slice);
  if (out.dims.size() != 4 || out.dims[0] != in.dims[0] || out.dims[3] != in.dims[3]) return false;
  for (int d = 0; d < 4; ++d) {
    if (slice.begin[d] != 0 || slice.stride[d] != 1) return false;
  }
  return true;
}

bool reads_past(int32_t size, int32_t kept, int32_t stride, int32_t pad, int32_t extent) {
  return (kept - 1) * stride - pad + extent > size;
}

struct Grown {
  int pad, quantize, conv, slice;
};

bool find(const Graph& graph, int pad, Grown* grown) {
  grown->pad = pad;
  if (graph.ops[pad].kind != OpKind::kPad || !adds_at_the_end_only(graph, graph.ops[pad])) return false;
  grown->quantize = sole_reader(graph, graph.ops[pad].outputs[0], OpKind::kQuantize);
  if (grown->quantize < 0) return false;
  grown->conv = sole_reader(graph, graph.ops[grown->quantize].outputs[0], OpKind::kBconv2d);
  if (grown->conv < 0 || graph.ops[grown->conv].window.padding != Padding::kSameZero) return false;
  grown->slice = sole_reader(graph, graph.ops[grown->conv].outputs[0], OpKind::kStridedSlice);
  if (grown->slice < 0 || !crops_the_end_only(graph, graph.ops[grown->slice])) return false;
  const Window& w = graph.ops[grown->conv].window;
  const std::vector<int32_t>& size = graph.in(graph.ops[pad], 0).dims;
  const std::vector<int32_t>& kept = graph.out(graph.ops[grown->slice]).dims;
  return !reads_past(size[1], kept[1], w.stride_h, w.pad_top, w.extent_h()) &&
         !reads_past(size[2], kept[2], w.stride_w, w.pad_left, w.extent_w());
}

}  // namespace

void ungrow(Graph& graph) {
  std::vector<bool> gone(graph.ops.size(), false);
  for (int i = 0; i < static_cast<int>(graph.ops.size()); ++i) {
    Grown grown;
    if (!find(graph, i, &grown)) continue;
    const int map = graph.ops[grown.pad].inputs[0];
    Op& quantize = graph.ops[grown.quantize];
    std::vector<int32_t>& packed = graph.tensors[quantize.outputs[0]].dims;
    quantize.inputs[0] = map;
    packed[1] = graph.tensors[map].dims[1];
    packed[2] = graph.tensors[map].dims[2];
    graph.ops[grown.conv].outputs[0] = graph.ops[grown.slice].outputs[0];
    gone[grown.pad] = gone[grown.slice] = true;
  }
  int kept = 0;
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    if (gone[i]) continue;
    if (kept != static_cast<int>(i)) graph.ops[kept] = std::move(graph.ops[i]);
    ++kept;
  }
  graph.ops.resize(kept);
  connect(graph);
}

}  // namespace repbnn
