#include "plan/plan.h"

namespace repbnn {

std::unique_ptr<Plan> make_plan(const Graph& graph, const PlanOptions& options) {
  return make_unfused_plan(graph, options);
}

}  // namespace repbnn
