#include <algorithm>

#include "plan/fuser.h"

namespace repbnn {
namespace {

int32_t width_of(const Tensor& tensor) { return tensor.channels(); }

std::vector<float> slice(const std::vector<float>& values, int from, int count) {
  if (values.empty()) return {};
  return std::vector<float>(values.begin() + from, values.begin() + from + count);
}

// Zeros or more around each image only; they are +1 to a sign, and so are the zero bits around a packed map.
bool is_spatial_pad(const Graph& graph, const Op& op) {
  return op.kind == OpKind::kPad && graph.out(op).dims.size() == 4 && op.begin[0] == 0 && op.end[0] == 0 &&
         op.begin[3] == 0 && op.end[3] == 0 && !(op.fill < 0.0f);
}

}  // namespace

// A sign of the current value, or of MUL, ADD and PAD by constants that only the sign reads: they leave the value
// alone.
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

}  // namespace repbnn
