// What a fused plan is made of: steps, each the work of one or many operators in one pass over the pixels.
#pragma once

#include <string>
#include <vector>

#include "kernels/pointwise/pointwise.h"
#include "plan/graph.h"

namespace repbnn {

// How a tensor that is never written lies inside another one. Pixel (y, x), channel c of the view is pixel
// (y0 + y * stride_y, x0 + x * stride_x), channel (channel + c) % modulo of `base`.
struct View {
  int base = -1;  // tensor; -1: the tensor is no view
  int y0 = 0, x0 = 0, stride_y = 1, stride_x = 1;
  int channel = 0;
  int modulo = 0;  // 0: none

  bool same_pixels() const { return y0 == 0 && x0 == 0 && stride_y == 1 && stride_x == 1; }
};

enum class StepForm : uint8_t {
  kBconv2d,      // a binary convolution and the program behind it
  kPointwise,    // a program over a float map
  kAveragePool,  // and a mean of rows and columns
  kMaxPool,
  kBMaxPool,
  kDepthwise,  // a filter a channel
  kUnpack,     // packed signs to floats
  kReference,  // any other operator, in its plainest form
};

// A map that a step's program reads or writes: channels from `channel` on of a tensor.
struct MapUse {
  int tensor = -1;
  int channel = 0;
  bool written = false;
  int y = 0, x = 0;  // where in it the step's first pixel lies: inside a padded map

  bool operator==(const MapUse& other) const {
    return tensor == other.tensor && channel == other.channel && y == other.y && x == other.x;
  }
};

struct Step {
  StepForm form = StepForm::kReference;
  int op = -1;                // the operator that the form is named after; -1 for kPointwise
  std::vector<int> ops;       // every operator whose work this step does
  int source = -1;            // tensor that the form reads; a reference step reads its operator's own
  int result = -1;            // tensor that a pool or kUnpack writes, or kBconv2d by thresholds
  int group = 0;              // of a grouped convolution: each group is a step
  int height = 0, width = 0;  // of what it computes; 0 for a reference step
  int copies = 1;
  Program program{0};
  std::vector<MapUse> floats;  // Bindings::floats
  std::vector<MapUse> bits;    // Bindings::bits, all written
};

// Every tensor that a step reads, without constants; through views, the maps below.
template <typename Visit>
void for_each_read(const Graph& graph, const Step& step, Visit visit) {
  if (step.form == StepForm::kReference) {
    for (int t : graph.ops[step.op].inputs) {
      if (t >= 0 && graph.tensors[t].constant == nullptr) visit(t);
    }
    return;
  }
  visit(step.source);
  for (const MapUse& use : step.floats) {
    if (!use.written && graph.tensors[use.tensor].constant == nullptr) visit(use.tensor);
  }
}

template <typename Visit>
void for_each_write(const Graph& graph, const Step& step, Visit visit) {
  if (step.form == StepForm::kReference) {
    for (int t : graph.ops[step.op].outputs) visit(t);
    return;
  }
  if (step.result >= 0) visit(step.result);
  for (const MapUse& use : step.floats) {
    if (use.written) visit(use.tensor);
  }
  for (const MapUse& use : step.bits) visit(use.tensor);
}

struct Steps {
  std::vector<Step> steps;
  std::vector<View> views;  // one for each tensor of the graph
};

// Cover every operator of a graph whose maps have one image by steps, in an order in which each reads only what is
// there. Which operators merge into which step follows from these rules alone:
//   - a binary convolution carries on through what is done to each of its values: constants of a channel, maps that
//     are already there, PRELU and RELU, its repetition, the concatenation with its siblings;
//   - a crop behind a convolution is not computed, a pad of zeros before a sign is the border that memory has anyway;
//   - a value is stored only when somebody else reads it; a sign is taken from the value while it is in a register;
//   - what does not fit, and whatever the kernels refuse, runs by itself.
Steps make_steps(const Graph& graph);

}  // namespace repbnn
