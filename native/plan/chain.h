// A chain: one value on its way through the operators that treat every pixel alike. Private to make_steps.
#pragma once

#include <vector>

#include "plan/graph.h"
#include "plan/step.h"

namespace repbnn {

// One step of a program, before its maps have numbers.
struct ChainStep {
  StepKind kind;
  std::vector<float> vector, vector2;  // a value for each channel of the part
  float lo = 0.0f, hi = 0.0f;
  MapUse map;
};

// A slice of a chain's channels, computed by one step.
struct Part {
  int conv = -1;  // operator that it starts from, and which of its groups, or
  int group = 0;
  int source = -1;  // the map that it starts from
  int lanes = 0;
  int copies = 1;
  int offset = 0;  // first channel of the chain's tensor
  std::vector<ChainStep> steps;
  std::vector<int> ops;

  int channels() const { return lanes * copies; }
  bool writes() const;
  // Room for another step and another map of every kind.
  bool has_room() const;
};

struct Chain {
  std::vector<Part> parts;
  int tensor = -1;  // what the values are now

  bool writes() const;
  bool has_room() const;
};

// How an operator acts on each value of one of its operands, if it does so the same way at every pixel.
struct Pointwise {
  std::vector<ChainStep> steps;  // vectors over all channels of the operand
};

// The program of operator `op` on its operand `tensor`, the other operand being a constant or a map that `available`
// says is there. False when it is none.
bool pointwise_of(const Graph& graph, const Op& op, int tensor, const std::vector<bool>& available, Pointwise* result);

}  // namespace repbnn
