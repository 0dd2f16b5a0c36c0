// How a graph is run: prepared once for its shapes, then run any number of times.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/pool.h"
#include "plan/graph.h"

namespace repbnn {

struct PlanOptions {
  Isa isa = Isa::kScalar;
  bool fusion = true;
  ThreadPool* pool = nullptr;  // outlives the plan; never null
  bool profile = false;
  int64_t large_map =
      512 << 10;  // bytes: maps from here on pass from step to step in rows; half of a small second cache
};

class Plan {
 public:
  virtual ~Plan() = default;

  // The dense memory of each of Graph::inputs and Graph::outputs, in their order. Never allocates, never throws.
  virtual void run(const void* const* inputs, void* const* outputs) = 0;

  // What it does, step by step, as a JSON array; with profiling, the time each step took.
  virtual std::string describe() const = 0;

  // Memory that the plan holds: weights in its own layout, maps, scratch.
  virtual size_t memory_bytes() const = 0;
};

// The plan for a graph that infer_all() accepted; `graph` outlives it. Throws std::bad_alloc only.
std::unique_ptr<Plan> make_plan(const Graph& graph, const PlanOptions& options);

// One operator after another, each in its plainest form: what every other plan must equal, bit for bit.
std::unique_ptr<Plan> make_unfused_plan(const Graph& graph, const PlanOptions& options);

}  // namespace repbnn
