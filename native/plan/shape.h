// Shape inference, and with it the proof that an operator can be run: nothing of an operator is believed before it
// passed here.
#pragma once

#include <string>

#include "plan/graph.h"

namespace repbnn {

// Check `op` against the types and shapes of its inputs, then write the shapes of its outputs and what follows from
// them (padding, groups). Returns the reason when it can't be run, else an empty string.
std::string infer(Graph& graph, Op& op);

// infer() over all operators in order.
std::string infer_all(Graph& graph);

}  // namespace repbnn
