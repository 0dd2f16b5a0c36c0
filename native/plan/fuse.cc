#include "plan/fuser.h"

namespace repbnn {
namespace {

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

Steps make_steps(const Graph& graph) {
  Steps steps = Fuser(graph, true).run();
  return slices_repeat(steps) ? std::move(steps) : Fuser(graph, false).run();
}

}  // namespace repbnn
