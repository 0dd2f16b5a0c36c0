// Which nodes of a network the delegate takes, and why not the others.
#pragma once

#include <string>
#include <vector>

#include "delegate/abi.h"

namespace repbnn {

struct NodeClaim {
  int node = 0;
  std::string op;
  bool lce = false;
  bool claimed = false;
  std::string reason;  // of a refusal
};

// One entry for each node of the execution plan, in its order. False with a sentence when the runtime does not answer
// as expected.
bool choose_nodes(TfLiteContext* context, std::vector<NodeClaim>* claims, std::string* error);

// {"nodes": [...], ...} for the `explain` option.
std::string explain_json(const std::vector<NodeClaim>& claims, int partitions, const std::string& implementation,
                         int threads);

}  // namespace repbnn
