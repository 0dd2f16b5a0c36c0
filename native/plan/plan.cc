#include "plan/plan.h"

#include "plan/fused.h"
#include "plan/shape.h"

namespace repbnn {
namespace {

// Whether an operand of another rank than the result's is spread along other axes than it seems: [n, C] added to
// [n, h, n, C] goes along the columns, and is not one row for each image.
bool spreads_images(const Graph& graph) {
  for (const Op& op : graph.ops) {
    if (op.kind != OpKind::kAdd && op.kind != OpKind::kSub && op.kind != OpKind::kMul) continue;
    for (int t : op.inputs) {
      const Tensor& operand = graph.tensors[t];
      if (operand.constant == nullptr && operand.dims.size() != graph.out(op).dims.size()) return true;
    }
  }
  return false;
}

// The same graph for one image. False when its inputs or outputs do not all lead with the same number of images.
bool split_images(const Graph& graph, Graph* one, int* images) {
  *images = 0;
  for (int t : graph.inputs) {
    const std::vector<int32_t>& dims = graph.tensors[t].dims;
    if (dims.empty() || (*images != 0 && dims[0] != *images)) return false;
    *images = dims[0];
  }
  if (*images == 0) return false;
  *one = graph;
  if (*images == 1) return true;
  if (spreads_images(graph)) return false;
  for (int t : one->inputs) one->tensors[t].dims[0] = 1;
  if (!infer_all(*one).empty()) return false;
  for (int t : graph.outputs) {
    std::vector<int32_t> dims = one->tensors[t].dims;
    if (dims.empty() || dims[0] != 1) return false;
    dims[0] = *images;
    if (dims != graph.tensors[t].dims) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<Plan> make_plan(const Graph& graph, const PlanOptions& options) {
  Graph one;
  int images;
  if (options.fusion && split_images(graph, &one, &images)) {
    std::unique_ptr<FusedPlan> plan = FusedPlan::create(std::move(one), images, options);
    if (plan != nullptr) return plan;
  }
  return make_unfused_plan(graph, options);
}

}  // namespace repbnn
