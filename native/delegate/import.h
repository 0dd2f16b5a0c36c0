// From the runtime's nodes to our graph: types, constants, options. What infer() can check is left to it.
#pragma once

#include <string>
#include <vector>

#include "delegate/abi.h"
#include "plan/graph.h"

namespace repbnn {

class Importer {
 public:
  Importer(TfLiteContext* context, Graph* graph) : context_(context), graph_(graph) {}

  // Append the node to the graph. Returns the reason when it is not one that can be run, and then appends no operator.
  std::string add(int node_index, const TfLiteNode& node, const TfLiteRegistration& registration);

  // The graph's tensor for a tensor of the runtime; -1 when no imported node touched it.
  int find(int runtime_tensor) const {
    return runtime_tensor >= 0 && runtime_tensor < static_cast<int>(index_.size()) ? index_[runtime_tensor] : -1;
  }

 private:
  std::string operands(const TfLiteNode& node, Op* op);
  std::string tensor(int runtime_tensor, bool packed, int* index);

  TfLiteContext* context_;
  Graph* graph_;
  std::vector<int> index_;  // runtime tensor -> graph tensor
};

// The operator's name as the field writes it: "LceBconv2d", "ADD", "builtin 999".
std::string op_name(const TfLiteRegistration& registration);

bool is_lce(const TfLiteRegistration& registration);

}  // namespace repbnn
