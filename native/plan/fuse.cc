#include <algorithm>

#include "plan/chain.h"
#include "plan/step.h"

namespace repbnn {
namespace {

int32_t width_of(const Tensor& tensor) { return tensor.channels(); }

std::vector<float> slice(const std::vector<float>& values, int from, int count) {
  if (values.empty()) return {};
  return std::vector<float>(values.begin() + from, values.begin() + from + count);
}

class Fuser {
 public:
  Fuser(const Graph& graph, bool views_repeat) : graph_(graph), views_repeat_(views_repeat) {
    done_.assign(graph.ops.size(), false);
    available_.assign(graph.tensors.size(), false);
    waiting_.resize(graph.ops.size());
    result_.views.resize(graph.tensors.size());
    for (size_t t = 0; t < graph.tensors.size(); ++t) {
      available_[t] = graph.tensors[t].is_input || graph.tensors[t].constant != nullptr;
    }
  }

  Steps run() {
    for (int i = 0; i < static_cast<int>(graph_.ops.size()); ++i) {
      if (!done_[i]) start(i);
    }
    return std::move(result_);
  }

 private:
  void start(int i);
  bool start_bconv2d(int i);
  bool start_view(int i);
  bool may_repeat_as_view(const Op& op) const;
  bool start_pool(int i);
  bool start_pointwise(int i);
  bool start_concat(int i);
  void start_reference(int i);

  void extend(Chain& chain);
  std::vector<int> take_signs(Chain& chain);
  bool take_sign(Chain& chain, int consumer);
  bool take_pointwise(Chain& chain, int consumer);
  bool take_repetition(Chain& chain, int consumer);
  bool take_crop(Chain& chain, int consumer);
  bool wait_for_siblings(Chain& chain, int consumer);
  bool can_wait(const Chain& chain, int consumer) const;
  void join_siblings(int consumer);
  void add_step(Chain& chain, const ChainStep& step);
  void store(Chain& chain);
  void finish(Chain& chain);
  void emit(const Chain& chain, const Part& part);
  int only_consumer(int tensor) const;
  bool is_channel_concat(const Op& op) const {
    return op.kind == OpKind::kConcat && graph_.out(op).dims.size() == 4 && op.axis == 3;
  }

  const Graph& graph_;
  const bool views_repeat_;  // a map beside itself is a view, not a copy
  Steps result_;
  std::vector<bool> done_;       // operators whose work a step does, or a chain on its way
  std::vector<bool> available_;  // tensors that steps so far have written
  // For a concatenation: the chains that end in each of its inputs and wait for the others.
  std::vector<std::vector<Chain>> waiting_;
};

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
  const bool zero = op.window.padding == Padding::kSameZero;
  const Tensor& out = graph_.out(op);
  if (op.window.kernel_h > 64 || out.type == Type::kInt8) return false;
  if (out.type == Type::kBits) {
    if (zero || op.groups != 1 || op.activation != Activation::kNone) return false;
    Step step;
    step.form = StepForm::kBconv2d;
    step.op = i;
    step.ops = {i};
    step.source = op.inputs[0];
    step.result = op.outputs[0];
    step.height = out.dims[1], step.width = out.dims[2];
    MapUse use;
    use.tensor = op.outputs[0], use.written = true;
    step.bits.push_back(use);
    done_[i] = available_[op.outputs[0]] = true;
    result_.steps.push_back(std::move(step));
    return true;
  }
  if (zero && op.activation != Activation::kNone) return false;
  done_[i] = true;
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

// Programs can read a map as its own repetition, pools cannot.
bool Fuser::may_repeat_as_view(const Op& op) const {
  for (int t : op.inputs) {
    if (t != op.inputs[0]) return false;
  }
  for (int consumer : graph_.out(op).consumers) {
    const OpKind kind = graph_.ops[consumer].kind;
    if (kind == OpKind::kAveragePool || kind == OpKind::kMaxPool) return false;
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
  if (op.kind == OpKind::kAveragePool) {
    step.form = StepForm::kAveragePool;
  } else if (op.kind == OpKind::kMaxPool) {
    step.form = StepForm::kMaxPool;
  } else if (op.kind == OpKind::kBMaxPool2d) {
    step.form = StepForm::kBMaxPool;
  } else if (op.kind == OpKind::kDequantize && graph_.out(op).type == Type::kFloat32 && graph_.out(op).dims.size() == 4) {
    step.form = StepForm::kUnpack;
  } else {
    return false;
  }
  step.op = i;
  step.ops = {i};
  step.source = op.inputs[0];
  step.result = op.outputs[0];
  step.height = graph_.out(op).dims[1], step.width = graph_.out(op).dims[2];
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

// Zeros around each image only; they are +1 to a sign, and so are the zero bits around a packed map.
bool is_spatial_pad(const Graph& graph, const Op& op) {
  return op.kind == OpKind::kPad && graph.out(op).dims.size() == 4 && op.begin[0] == 0 && op.end[0] == 0 &&
         op.begin[3] == 0 && op.end[3] == 0;
}

// A sign of the current value, or of MUL, ADD and PAD by constants that only the sign reads: they leave the value alone.
bool Fuser::take_sign(Chain& chain, int consumer) {
  if (!chain.has_room()) return false;
  ChainStep sign;
  sign.kind = StepKind::kSign;
  std::vector<int> ops;
  int operand = chain.tensor;
  bool padded = false;
  while (graph_.ops[consumer].kind != OpKind::kQuantize) {
    const Op& op = graph_.ops[consumer];
    Pointwise pointwise;
    if (done_[consumer] || padded) return false;
    if (is_spatial_pad(graph_, op)) {
      padded = true;
      sign.map.y = op.begin[1], sign.map.x = op.begin[2];
    } else if (sign.kind != StepKind::kSign || !pointwise_of(graph_, op, operand, available_, &pointwise) ||
               pointwise.steps.size() != 1) {
      return false;
    } else if (pointwise.steps[0].kind == StepKind::kMul && ops.empty()) {
      sign.vector = std::move(pointwise.steps[0].vector);
    } else if (pointwise.steps[0].kind == StepKind::kAdd) {
      sign.kind = ops.empty() ? StepKind::kSignAdd : StepKind::kSignMulAdd;
      (ops.empty() ? sign.vector : sign.vector2) = std::move(pointwise.steps[0].vector);
    } else {
      return false;
    }
    ops.push_back(consumer);
    operand = op.outputs[0];
    consumer = only_consumer(operand);
    if (consumer < 0) return false;
  }
  sign.map.tensor = graph_.ops[consumer].outputs[0];
  const bool scale_alone = sign.kind == StepKind::kSign && !sign.vector.empty();
  // The runtime's memory has no zeros of its own around the image.
  if (done_[consumer] || scale_alone || (padded && graph_.tensors[sign.map.tensor].is_output)) return false;
  ops.push_back(consumer);
  add_step(chain, sign);
  for (int i : ops) {
    done_[i] = true;
    for (Part& part : chain.parts) part.ops.push_back(i);
  }
  available_[sign.map.tensor] = true;
  return true;
}

// A crop at the end of both axes, of what the convolution has just summed: the rest is never computed.
bool Fuser::take_crop(Chain& chain, int consumer) {
  const Op& op = graph_.ops[consumer];
  if (done_[consumer] || op.kind != OpKind::kStridedSlice || chain.parts.size() != 1) return false;
  Part& part = chain.parts[0];
  if (part.conv < 0 || !part.steps.empty() || part.copies != 1) return false;
  for (int d = 0; d < 4; ++d) {
    if (op.begin[d] != 0 || op.stride[d] != 1) return false;
  }
  if (graph_.out(op).dims[3] != part.lanes) return false;
  part.ops.push_back(consumer);
  done_[consumer] = true;
  chain.tensor = op.outputs[0];
  return true;
}

// Takes every sign of the current value; returns the operators that are left to read it.
std::vector<int> Fuser::take_signs(Chain& chain) {
  std::vector<int> left;
  for (int consumer : graph_.tensors[chain.tensor].consumers) {
    if (!done_[consumer] && !take_sign(chain, consumer)) left.push_back(consumer);
  }
  return left;
}

void Fuser::add_step(Chain& chain, const ChainStep& step) {
  for (Part& part : chain.parts) {
    ChainStep own = step;
    own.vector = slice(step.vector, part.offset, part.channels());
    own.vector2 = slice(step.vector2, part.offset, part.channels());
    own.map.channel += part.offset;
    part.steps.push_back(std::move(own));
  }
}

void Fuser::store(Chain& chain) {
  if (available_[chain.tensor]) return;  // it started here
  ChainStep step;
  step.kind = StepKind::kStore;
  step.map.tensor = chain.tensor;
  add_step(chain, step);
  available_[chain.tensor] = true;
}

bool Fuser::take_pointwise(Chain& chain, int consumer) {
  Pointwise pointwise;
  if (done_[consumer] || !chain.has_room()) return false;
  if (!pointwise_of(graph_, graph_.ops[consumer], chain.tensor, available_, &pointwise)) return false;
  for (const ChainStep& step : pointwise.steps) add_step(chain, step);
  for (Part& part : chain.parts) part.ops.push_back(consumer);
  done_[consumer] = true;
  chain.tensor = graph_.ops[consumer].outputs[0];
  return true;
}

// RepConv's repeat: the value beside itself. What was done so far is done once for every copy.
bool Fuser::take_repetition(Chain& chain, int consumer) {
  const Op& op = graph_.ops[consumer];
  if (done_[consumer] || !is_channel_concat(op) || op.inputs.size() < 2 || chain.parts.size() != 1) return false;
  Part& part = chain.parts[0];
  if (part.copies != 1 || part.conv < 0) return false;
  for (int t : op.inputs) {
    if (t != chain.tensor) return false;
  }
  for (const ChainStep& step : part.steps) {
    if (step.map.tensor >= 0) return false;
  }
  part.copies = static_cast<int>(op.inputs.size());
  for (ChainStep& step : part.steps) {
    for (std::vector<float>* vector : {&step.vector, &step.vector2}) {
      const std::vector<float> once = *vector;
      for (int copy = 1; copy < part.copies; ++copy) vector->insert(vector->end(), once.begin(), once.end());
    }
  }
  part.ops.push_back(consumer);
  done_[consumer] = true;
  chain.tensor = op.outputs[0];
  return true;
}

// A chain can wait for the other inputs of a concatenation when nobody needs anything of it before.
bool Fuser::can_wait(const Chain& chain, int consumer) const {
  const Op& op = graph_.ops[consumer];
  if (done_[consumer] || !is_channel_concat(op) || chain.writes() || available_[chain.tensor]) return false;
  if (only_consumer(chain.tensor) != consumer) return false;
  return std::all_of(op.inputs.begin(), op.inputs.end(), [&](int t) { return graph_.tensors[t].constant == nullptr; });
}

bool Fuser::wait_for_siblings(Chain& chain, int consumer) {
  if (!can_wait(chain, consumer)) return false;
  waiting_[consumer].push_back(std::move(chain));
  return true;
}

void Fuser::join_siblings(int consumer) {
  const Op& op = graph_.ops[consumer];
  Chain joined;
  joined.tensor = op.outputs[0];
  int offset = 0;
  for (int t : op.inputs) {
    auto& chains = waiting_[consumer];
    const auto found = std::find_if(chains.begin(), chains.end(), [&](const Chain& c) { return c.tensor == t; });
    if (found != chains.end()) {
      for (Part& part : found->parts) {
        part.offset += offset;
        joined.parts.push_back(std::move(part));
      }
      chains.erase(found);
    } else {
      Part part;
      part.source = t;
      part.lanes = width_of(graph_.tensors[t]);
      part.offset = offset;
      joined.parts.push_back(std::move(part));
    }
    offset += width_of(graph_.tensors[t]);
  }
  for (Part& part : joined.parts) part.ops.push_back(consumer);
  done_[consumer] = true;
  extend(joined);
}

// Follow the value from operator to operator as far as the rules go, then emit the steps.
void Fuser::extend(Chain& chain) {
  while (true) {
    std::vector<int> left = take_signs(chain);
    bool moved = false;
    for (size_t k = 0; k < left.size() && !moved; ++k) {
      const int consumer = left[k];
      const bool others = left.size() > 1 || graph_.tensors[chain.tensor].is_output;
      // All uses by a repetition are one operator.
      const bool only = std::count(left.begin(), left.end(), consumer) == static_cast<long>(left.size()) &&
                        !graph_.tensors[chain.tensor].is_output;
      if (only && (take_repetition(chain, consumer) || take_crop(chain, consumer))) {
        moved = true;
      } else if (only && wait_for_siblings(chain, consumer)) {
        return;
      } else {
        Pointwise unused;
        if (done_[consumer] || !chain.has_room() ||
            !pointwise_of(graph_, graph_.ops[consumer], chain.tensor, available_, &unused)) {
          continue;
        }
        if (others) store(chain);
        moved = take_pointwise(chain, consumer);
      }
    }
    if (moved) continue;
    if (!left.empty() || graph_.tensors[chain.tensor].is_output) store(chain);
    return finish(chain);
  }
}

void Fuser::finish(Chain& chain) {
  for (const Part& part : chain.parts) {
    if (part.writes()) emit(chain, part);
  }
}

int index_of(std::vector<MapUse>& uses, const MapUse& use) {
  for (size_t i = 0; i < uses.size(); ++i) {
    if (uses[i] == use) {
      uses[i].written = uses[i].written || use.written;
      return static_cast<int>(i);
    }
  }
  uses.push_back(use);
  return static_cast<int>(uses.size()) - 1;
}

void Fuser::emit(const Chain& chain, const Part& part) {
  Step step;
  step.height = graph_.tensors[chain.tensor].dims[1];
  step.width = graph_.tensors[chain.tensor].dims[2];
  step.form = part.conv >= 0 ? StepForm::kBconv2d : StepForm::kPointwise;
  step.op = part.conv;
  step.group = part.group;
  step.ops = part.ops;
  step.source = part.conv >= 0 ? graph_.ops[part.conv].inputs[0] : part.source;
  step.copies = part.copies;
  step.program = Program(part.channels());
  for (const ChainStep& s : part.steps) {
    MapUse use = s.map;
    use.written = s.kind != StepKind::kAddMap && s.kind != StepKind::kMulMap;
    const bool sign = s.kind == StepKind::kSign || s.kind == StepKind::kSignAdd || s.kind == StepKind::kSignMulAdd;
    const int map = use.tensor < 0 ? -1 : index_of(sign ? step.bits : step.floats, use);
    switch (s.kind) {
      case StepKind::kMul: step.program.mul(s.vector.data()); break;
      case StepKind::kAdd: step.program.add(s.vector.data()); break;
      case StepKind::kPrelu: step.program.prelu(s.vector.data()); break;
      case StepKind::kClamp: step.program.clamp(s.lo, s.hi); break;
      case StepKind::kAddMap: step.program.add_map(map); break;
      case StepKind::kMulMap: step.program.mul_map(map); break;
      case StepKind::kStore: step.program.store(map); break;
      case StepKind::kSign: step.program.sign(map); break;
      case StepKind::kSignAdd: step.program.sign_add(s.vector.data(), map); break;
      case StepKind::kSignMulAdd: step.program.sign_mul_add(s.vector.data(), s.vector2.data(), map); break;
      default: break;
    }
  }
  result_.steps.push_back(std::move(step));
}

// Whether every slice of a repeated map starts where the map does: otherwise no FloatMap can say where it lies.
bool slices_repeat(const Steps& steps) {
  for (const Step& step : steps.steps) {
    for (const MapUse& use : step.floats) {
      const View& view = steps.views[use.tensor];
      if (view.modulo != 0 && use.channel % view.modulo != 0) return false;
    }
  }
  return true;
}

}  // namespace

Steps make_steps(const Graph& graph) {
  Steps steps = Fuser(graph, true).run();
  return slices_repeat(steps) ? std::move(steps) : Fuser(graph, false).run();
}

}  // namespace repbnn
