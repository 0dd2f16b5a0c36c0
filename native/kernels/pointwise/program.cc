#include <cstring>

#include "kernels/pointwise/pointwise.h"

namespace repbnn {
namespace {

// Programs that chains.inc compiles whole, as strings of their steps.
struct Chain {
  int length;
  StepKind kinds[kMaxSteps];
};

template <typename... Kinds>
constexpr Chain chain_of(Kinds... kinds) {
  return Chain{sizeof...(kinds), {kinds...}};
}

constexpr Chain kChains[] = {
#define REPBNN_CHAIN(...) chain_of(__VA_ARGS__),
#include "kernels/pointwise/chains.inc"
#undef REPBNN_CHAIN
};

bool is_sign(StepKind kind) {
  return kind == StepKind::kSign || kind == StepKind::kSignAdd || kind == StepKind::kSignMulAdd;
}

// The steps with every store before the signs it stands behind: a sign leaves the value alone and writes other memory,
// so the two commute, and one order is enough for chains.inc.
std::vector<const Program::Step*> in_order(const Program& program) {
  std::vector<const Program::Step*> steps;
  for (const Program::Step& step : program.steps()) {
    auto at = steps.end();
    if (step.kind == StepKind::kStore) {
      while (at != steps.begin() && is_sign((*(at - 1))->kind)) --at;
    }
    steps.insert(at, &step);
  }
  return steps;
}

}  // namespace

Program& Program::push(StepKind kind, const float* vector, const float* vector2, int map) {
  Step step{kind, map, 0.0f, 0.0f, {}, {}};
  if (vector != nullptr) step.vector.assign(vector, vector + channels_);
  if (vector2 != nullptr) step.vector2.assign(vector2, vector2 + channels_);
  steps_.push_back(std::move(step));
  return *this;
}

Program& Program::clamp(float lo, float hi) {
  push(StepKind::kClamp, nullptr, nullptr, 0);
  steps_.back().lo = lo;
  steps_.back().hi = hi;
  return *this;
}

PackedProgram::PackedProgram(const Program& program, int copies, int width) : width_(width) {
  if (copies < 1 || program.channels() < 1 || program.channels() % copies != 0) return;
  if (program.steps().size() > kMaxSteps) return;
  copies_ = copies;
  lanes_total_ = program.channels() / copies;
  const std::vector<const Program::Step*> steps = in_order(program);
  for (const Program::Step* step : steps) {
    if (step->map < 0 || step->map >= kMaxMaps) return;
    ops_[op_count_++] = Op{step->kind, static_cast<uint8_t>(step->map), step->lo, step->hi};
    vector_count_ += !step->vector.empty();
    vector_count_ += !step->vector2.empty();
  }
  find_chain();
  const int groups = (lanes_total_ + width - 1) / width;
  vectors_ = AlignedBuffer<float>(static_cast<size_t>(groups) * copies * vector_count_ * width);
  float* out = vectors_.data();
  for (int group = 0; group < groups; ++group) {
    const int lanes = lanes_total_ - group * width < width ? lanes_total_ - group * width : width;
    for (int copy = 0; copy < copies; ++copy) {
      const int channel = copy * lanes_total_ + group * width;
      for (const Program::Step* step : steps) {
        for (const std::vector<float>* vector : {&step->vector, &step->vector2}) {
          if (vector->empty()) continue;
          std::memcpy(out, vector->data() + channel, lanes * sizeof(float));
          out += width;
        }
      }
    }
  }
  valid_ = true;
}

void PackedProgram::find_chain() {
  for (int i = 0; i < static_cast<int>(sizeof(kChains) / sizeof(kChains[0])); ++i) {
    bool equal = kChains[i].length == op_count_;
    for (int k = 0; equal && k < op_count_; ++k) equal = kChains[i].kinds[k] == ops_[k].kind;
    if (equal) chain_ = i;
  }
}

}  // namespace repbnn
