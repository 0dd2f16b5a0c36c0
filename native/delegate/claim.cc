#include "delegate/claim.h"

#include "base/text.h"
#include "delegate/import.h"
#include "delegate/version.h"

namespace repbnn {
namespace {

// Operators that are cheap to run with a neighbour, and so are taken beside a taken one.
bool follows_neighbour(OpKind kind) {
  switch (kind) {
    case OpKind::kConcat:
    case OpKind::kAdd:
    case OpKind::kSub:
    case OpKind::kMul:
    case OpKind::kPrelu:
    case OpKind::kRelu: return true;
    default: return false;
  }
}

bool overlaps(const Op& pool) {
  return pool.window.stride_h < pool.window.kernel_h || pool.window.stride_w < pool.window.kernel_w;
}

// Operators that shrink what a taken one before them writes: the larger map then need not leave the partition.
bool follows_writer(OpKind kind) {
  return kind == OpKind::kAveragePool || kind == OpKind::kMaxPool || kind == OpKind::kMean ||
         kind == OpKind::kDepthwiseConv2d;
}

bool is_binary(OpKind kind) {
  return kind == OpKind::kQuantize || kind == OpKind::kDequantize || kind == OpKind::kBconv2d ||
         kind == OpKind::kBMaxPool2d;
}

// For each operator, whether a binary one stands before (behind) it along operators that can be run.
std::vector<bool> reach(const Graph& graph, bool forwards) {
  const int count = static_cast<int>(graph.ops.size());
  std::vector<bool> reached(count, false);
  for (int k = 0; k < count; ++k) {
    const int i = forwards ? k : count - 1 - k;
    const Op& op = graph.ops[i];
    bool found = is_binary(op.kind);
    if (forwards) {
      for (int t : op.inputs)
        found = found || (t >= 0 && graph.tensors[t].producer >= 0 && reached[graph.tensors[t].producer]);
    } else {
      for (int t : op.outputs) {
        for (int consumer : graph.tensors[t].consumers) found = found || reached[consumer];
      }
    }
    reached[i] = found;
  }
  return reached;
}

// Whether an operator of the stem goes with what it feeds: a pad before a sign is free, a maximum has no last bits to
// differ in, and what is done to each value goes along. But a pool whose windows overlap starts a pass of its own, and
// the runtime is as fast with what stands before it.
bool follows_reader(const Op& op, const Op& reader) {
  if (op.kind == OpKind::kPad || op.kind == OpKind::kMaxPool) return true;
  return follows_neighbour(op.kind) && !(reader.kind == OpKind::kMaxPool && overlaps(reader));
}

// What stands between two binary operators, or beside the last of them on the way to where both paths meet again; at
// the ends, what follows its neighbour, from operator to operator. Nothing is taken by itself.
std::vector<bool> take(const Graph& graph) {
  const std::vector<bool> before = reach(graph, true), behind = reach(graph, false);
  std::vector<bool> taken(graph.ops.size(), false);
  const auto wanted = [&](size_t i) {
    const Op& op = graph.ops[i];
    bool wants = before[i] && behind[i];
    for (int t : op.inputs) {
      const int writer = t < 0 ? -1 : graph.tensors[t].producer;
      wants = wants || (writer >= 0 && taken[writer] && (follows_neighbour(op.kind) || follows_writer(op.kind)));
    }
    for (int t : op.outputs) {
      for (int reader : graph.tensors[t].consumers) {
        wants = wants || (taken[reader] && (before[i] || follows_reader(op, graph.ops[reader])));
      }
    }
    return wants;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < graph.ops.size(); ++i) {
      if (!taken[i] && wanted(i)) taken[i] = changed = true;
    }
    for (size_t i = graph.ops.size(); i-- > 0;) {
      if (!taken[i] && wanted(i)) taken[i] = changed = true;
    }
  }
  return taken;
}

}  // namespace

bool choose_nodes(TfLiteContext* context, std::vector<NodeClaim>* claims, std::string* error) {
  TfLiteIntArray* plan = nullptr;
  if (context->GetExecutionPlan(context, &plan) != kTfLiteOk || plan == nullptr || plan->size < 0) {
    return *error = "the runtime gave no execution plan", false;
  }
  const std::vector<int> order(plan->data, plan->data + plan->size);
  Graph graph;
  Importer importer(context, &graph);
  std::vector<int> claim_of_op;
  for (int node_index : order) {
    TfLiteNode* node = nullptr;
    TfLiteRegistration* registration = nullptr;
    if (context->GetNodeAndRegistration(context, node_index, &node, &registration) != kTfLiteOk || node == nullptr ||
        registration == nullptr) {
      return *error = format("the runtime has no node %d", node_index), false;
    }
    NodeClaim claim;
    claim.node = node_index;
    claim.op = op_name(*registration);
    claim.lce = is_lce(*registration);
    claim.reason =
        node->delegate != nullptr ? "another delegate has it" : importer.add(node_index, *node, *registration);
    if (claim.reason.empty()) claim_of_op.push_back(static_cast<int>(claims->size()));
    claims->push_back(std::move(claim));
  }
  connect(graph);
  const std::vector<bool> taken = take(graph);
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    NodeClaim& claim = (*claims)[claim_of_op[i]];
    claim.claimed = taken[i];
    if (!claim.claimed) claim.reason = "it does not stand between binary layers";
  }
  return true;
}

std::string explain_json(const std::vector<NodeClaim>& claims, int partitions, const std::string& implementation,
                         int threads) {
  std::string nodes;
  for (const NodeClaim& claim : claims) {
    nodes += format("%s\n  {\"node\": %d, \"op\": %s, \"claimed\": %s, \"reason\": %s}", nodes.empty() ? "" : ",",
                    claim.node, json_quote(claim.op).c_str(), claim.claimed ? "true" : "false",
                    claim.claimed ? "null" : json_quote(claim.reason).c_str());
  }
  return format(
             "{\"schema\": \"repbnn.explain/1\", \"version\": \"%s\", \"implementation\": %s, \"num_threads\": %d, "
             "\"partitions\": %d, \"nodes\": [",
             kVersion, json_quote(implementation).c_str(), threads, partitions) +
         nodes + "\n]}\n";
}

}  // namespace repbnn
