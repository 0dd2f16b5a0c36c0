#include "plan/chain.h"

#include <algorithm>
#include <limits>

namespace repbnn {
namespace {

bool is_write(StepKind kind) {
  return kind == StepKind::kStore || kind == StepKind::kSign || kind == StepKind::kSignAdd ||
         kind == StepKind::kSignMulAdd;
}

ChainStep vector_step(StepKind kind, std::vector<float> vector) {
  ChainStep step;
  step.kind = kind;
  step.vector = std::move(vector);
  return step;
}

ChainStep map_step(StepKind kind, int tensor) {
  ChainStep step;
  step.kind = kind;
  step.map.tensor = tensor;
  return step;
}

// The values of a constant along the channels, when it has no other extent. False when it has.
bool per_channel(const Tensor& constant, int32_t channels, std::vector<float>* values) {
  if (constant.constant == nullptr || constant.type != Type::kFloat32) return false;
  const int64_t count = constant.elements();
  if (count != 1 && (count != channels || constant.channels() != channels)) return false;
  values->resize(channels);
  for (int32_t c = 0; c < channels; ++c) (*values)[c] = constant.floats()[count == 1 ? 0 : c];
  return true;
}

// A map of the operand's own shape, or one pixel of it that serves all.
bool is_map_for(const Tensor& other, const Tensor& operand) {
  if (other.type != Type::kFloat32 || other.channels() != operand.channels()) return false;
  return other.dims == operand.dims || (other.is_pixel() && other.dims.size() <= 4);
}

void add_activation(Activation activation, bool alone, std::vector<ChainStep>* steps) {
  if (activation == Activation::kNone) return;
  ChainStep step;
  step.kind = StepKind::kClamp;
  step.lo = activation == Activation::kReluN1To1 ? -1.0f : 0.0f;
  step.hi = activation == Activation::kRelu
                ? (alone ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::max())
            : activation == Activation::kRelu6 ? 6.0f
                                               : 1.0f;
  steps->push_back(step);
}

bool arithmetic(const Graph& graph, const Op& op, int tensor, const std::vector<bool>& available, Pointwise* result) {
  if (op.inputs[0] == op.inputs[1]) return false;
  const bool first = op.inputs[0] == tensor;
  const int other_index = op.inputs[first ? 1 : 0];
  const Tensor& operand = graph.tensors[tensor];
  const Tensor& other = graph.tensors[other_index];
  std::vector<float> values;
  const bool constant = per_channel(other, operand.channels(), &values);
  if (!constant && !(available[other_index] && is_map_for(other, operand))) return false;
  std::vector<ChainStep>& steps = result->steps;
  if (op.kind == OpKind::kMul) {
    steps.push_back(constant ? vector_step(StepKind::kMul, values) : map_step(StepKind::kMulMap, other_index));
  } else {
    if (op.kind == OpKind::kSub && first) {
      // x - b is x + -b in every bit; of a map there is no negated one.
      if (!constant) return false;
      for (float& value : values) value = -value;
    } else if (op.kind == OpKind::kSub) {
      steps.push_back(vector_step(StepKind::kMul, std::vector<float>(operand.channels(), -1.0f)));  // b - x
    }
    steps.push_back(constant ? vector_step(StepKind::kAdd, values) : map_step(StepKind::kAddMap, other_index));
  }
  return true;
}

}  // namespace

bool Part::writes() const {
  return std::any_of(steps.begin(), steps.end(), [](const ChainStep& step) { return is_write(step.kind); });
}

bool Part::has_room() const {
  int floats = 0, bits = 0;
  for (const ChainStep& step : steps) {
    const bool sign =
        step.kind == StepKind::kSign || step.kind == StepKind::kSignAdd || step.kind == StepKind::kSignMulAdd;
    bits += sign;
    floats += step.map.tensor >= 0 && !sign;
  }
  return static_cast<int>(steps.size()) + 4 < kMaxSteps && floats + 1 < kMaxMaps && bits + 1 < kMaxMaps;
}

bool Chain::writes() const {
  return std::any_of(parts.begin(), parts.end(), [](const Part& part) { return part.writes(); });
}

bool Chain::has_room() const {
  return std::all_of(parts.begin(), parts.end(), [](const Part& part) { return part.has_room(); });
}

bool pointwise_of(const Graph& graph, const Op& op, int tensor, const std::vector<bool>& available, Pointwise* result) {
  const Tensor& operand = graph.tensors[tensor];
  if (operand.dims.size() != 4 || operand.type != Type::kFloat32) return false;
  if (op.outputs.size() != 1 || graph.out(op).dims != operand.dims) return false;
  result->steps.clear();
  switch (op.kind) {
    case OpKind::kAdd:
    case OpKind::kSub:
    case OpKind::kMul:
      if (!arithmetic(graph, op, tensor, available, result)) return false;
      break;
    case OpKind::kPrelu: {
      std::vector<float> slopes;
      if (op.inputs[0] != tensor || !per_channel(graph.in(op, 1), operand.channels(), &slopes)) return false;
      result->steps.push_back(vector_step(StepKind::kPrelu, slopes));
      break;
    }
    case OpKind::kRelu: break;
    default: return false;
  }
  add_activation(op.activation, op.kind == OpKind::kRelu, &result->steps);
  return true;
}

}  // namespace repbnn
