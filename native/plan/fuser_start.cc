#include <algorithm>

#include "plan/fuser.h"

namespace repbnn {
namespace {

int32_t width_of(const Tensor& tensor) { return tensor.channels(); }

}  // namespace

// The only operator that reads a tensor, when it reads it once and nobody outside does; else -1.
int Fuser::only_consumer(int tensor) const {
  const Tensor& t = graph_.tensors[tensor];
  return t.is_output || t.consumers.size() != 1 ? -1 : t.consumers[0];
}

void Fuser::start(int i) {
  if (start_bconv2d(i) || start_view(i) || start_pool(i) || start_concat(i) || start_pointwise(i)) return;
  start_reference(i);
}

bool Fuser::start_bconv2d(int i) {
  const Op& op = graph_.ops[i];
  if (op.kind != OpKind::kBconv2d) return false;
  const Tensor& out = graph_.out(op);
  if (op.window.kernel_h > 64) return false;
  // Kernels correct the counts of a border by half sums.
  if (pads_sums(graph_, op) && op.channels_in / op.groups % 2 != 0) return false;
  if (out.type == Type::kBits && op.activation != Activation::kNone) return false;
  if (out.type == Type::kInt8 && !out.is_output && out.consumers.empty()) return false;
  done_[i] = true;
  if (out.type != Type::kFloat32) {
    for (int group = 0; group < op.groups; ++group) emit_ending(i, group);
    available_[op.outputs[0]] = true;
    return true;
  }
  Chain chain;
  chain.tensor = op.outputs[0];
  for (int group = 0; group < op.groups; ++group) {
    Part part;
    part.conv = i;
    part.group = group;
    part.lanes = width_of(out) / op.groups;
    part.offset = group * part.lanes;
    part.ops.push_back(i);
    chain.parts.push_back(std::move(part));
  }
  extend(chain);
  return true;
}

// A convolution, or a group of one, that nothing follows: bits by thresholds, or int8.
void Fuser::emit_ending(int i, int group) {
  const Op& op = graph_.ops[i];
  const Tensor& out = graph_.out(op);
  const int filters = graph_.in(op, 1).dims[0] / op.groups;
  Step step;
  step.form = StepForm::kBconv2d;
  step.op = i;
  step.group = group;
  step.ops = {i};
  step.source = op.inputs[0];
  step.result = op.outputs[0];
  step.height = out.dims[1], step.width = out.dims[2];
  if (out.type == Type::kBits) {
    MapUse use;
    use.tensor = op.outputs[0], use.written = true, use.channel = group * filters;
    step.bits.push_back(use);
  } else {
    step.program = Program(filters).store_int8(0);
  }
  result_.steps.push_back(std::move(step));
}

// Programs can read a map as its own repetition, pools cannot.
bool Fuser::may_repeat_as_view(const Op& op) const {
  for (int t : op.inputs) {
    if (t != op.inputs[0]) return false;
  }
  for (int consumer : graph_.out(op).consumers) {
    const OpKind kind = graph_.ops[consumer].kind;
    if (kind == OpKind::kAveragePool || kind == OpKind::kMaxPool || kind == OpKind::kMean ||
        kind == OpKind::kDepthwiseConv2d) {
      return false;
    }
  }
  return views_repeat_;
}

// What costs nothing: a map beside itself, a crop, a split along the channels, another name for the same map.
bool Fuser::start_view(int i) {
  const Op& op = graph_.ops[i];
  if (op.kind == OpKind::kConcat && !may_repeat_as_view(op)) return false;
  const int source = op.inputs[op.kind == OpKind::kSplit ? 1 : 0];
  const Tensor& in = graph_.tensors[source];
  if (in.type != Type::kFloat32 || in.dims.size() != 4 || in.constant != nullptr || !available_[source]) return false;
  for (int t : op.outputs) {
    if (graph_.tensors[t].is_output) return false;
  }
  View view;
  view.base = source;
  if (op.kind == OpKind::kConcat && op.axis == 3 && op.inputs.size() > 1 && result_.views[source].base < 0) {
    view.modulo = width_of(in);
  } else if (op.kind == OpKind::kStridedSlice) {
    if (op.begin[0] != 0 || op.stride[0] != 1 || op.stride[3] != 1) return false;
    view.y0 = op.begin[1], view.x0 = op.begin[2], view.channel = op.begin[3];
    view.stride_y = op.stride[1], view.stride_x = op.stride[2];
  } else if (op.kind != OpKind::kSplit || op.axis != 3) {
    return false;
  }
  const View& under = result_.views[source];
  if (under.base >= 0) {  // a view of a view is a view of the map below
    if (under.modulo != 0 || view.modulo != 0) return false;
    view.base = under.base;
    view.y0 = under.y0 + view.y0 * under.stride_y, view.x0 = under.x0 + view.x0 * under.stride_x;
    view.stride_y *= under.stride_y, view.stride_x *= under.stride_x;
    view.channel += under.channel;
  }
  done_[i] = true;
  for (int t : op.outputs) {
    result_.views[t] = view;
    available_[t] = true;
    view.channel += width_of(graph_.tensors[t]);
  }
  return true;
}

bool Fuser::start_pool(int i) {
  const Op& op = graph_.ops[i];
  Step step;
  if (op.kind == OpKind::kAveragePool || op.kind == OpKind::kMean) {
    step.form = StepForm::kAveragePool;
  } else if (op.kind == OpKind::kMaxPool) {
    step.form = StepForm::kMaxPool;
  } else if (op.kind == OpKind::kDepthwiseConv2d && graph_.in(op, 0).dims[3] == graph_.out(op).dims[3]) {
    step.form = StepForm::kDepthwise;
  } else if (op.kind == OpKind::kBMaxPool2d) {
    step.form = StepForm::kBMaxPool;
  } else if (op.kind == OpKind::kDequantize && graph_.out(op).type == Type::kFloat32 &&
             graph_.out(op).dims.size() == 4) {
    step.form = StepForm::kUnpack;
  } else {
    return false;
  }
  step.op = i;
  step.ops = {i};
  step.source = op.inputs[0];
  step.result = op.outputs[0];
  const bool mean = op.kind == OpKind::kMean;
  step.height = mean ? 1 : graph_.out(op).dims[1], step.width = mean ? 1 : graph_.out(op).dims[2];
  done_[i] = available_[op.outputs[0]] = true;
  result_.steps.push_back(std::move(step));
  return true;
}

void Fuser::start_reference(int i) {
  Step step;
  step.op = i;
  step.ops = {i};
  done_[i] = true;
  for (int t : graph_.ops[i].outputs) available_[t] = true;
  result_.steps.push_back(std::move(step));
}

// A pass over a map that is there, for what its writer could not do.
bool Fuser::start_pointwise(int i) {
  const Op& op = graph_.ops[i];
  for (int t : op.inputs) {
    if (t < 0) continue;
    const Tensor& in = graph_.tensors[t];
    if (in.type != Type::kFloat32 || in.dims.size() != 4 || in.constant != nullptr || !available_[t]) continue;
    Pointwise unused;
    if (op.kind != OpKind::kQuantize && !pointwise_of(graph_, op, t, available_, &unused)) continue;
    Chain chain;
    chain.tensor = t;
    chain.parts.resize(1);
    chain.parts[0].source = t;
    chain.parts[0].lanes = width_of(in);
    extend(chain);
    if (done_[i]) return true;
  }
  return false;
}

// A concatenation whose inputs did not all arrive by waiting: copy those that are there.
bool Fuser::start_concat(int i) {
  const Op& op = graph_.ops[i];
  if (!is_channel_concat(op)) return false;
  for (int t : op.inputs) {
    if (!available_[t]) continue;
    if (graph_.tensors[t].constant != nullptr) return false;
  }
  join_siblings(i);
  return true;
}

}  // namespace repbnn
