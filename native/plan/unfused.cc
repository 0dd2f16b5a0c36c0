#include <time.h>

#include <algorithm>
#include <cstring>

#include "base/aligned.h"
#include "base/text.h"
#include "plan/arena.h"
#include "plan/plan.h"
#include "plan/reference.h"

namespace repbnn {
namespace {

double seconds_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Values that many processors take a hundred times as long for.
int64_t count_denormals(const float* values, int64_t count) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, &values[i], sizeof bits);
    found += (bits & 0x7f800000u) == 0 && (bits & 0x007fffffu) != 0;
  }
  return found;
}

class UnfusedPlan final : public Plan {
 public:
  UnfusedPlan(const Graph& graph, const PlanOptions& options) : graph_(graph), profile_(options.profile) {
    buffers_.data.assign(graph.tensors.size(), nullptr);
    seconds_.assign(graph.ops.size(), 0.0);
    denormals_.assign(graph.ops.size(), 0);
    std::vector<int> owners;
    std::vector<Lifetime> lifetimes = inner_tensors(&owners);
    arena_ = AlignedBuffer<uint8_t>(place(lifetimes));
    for (size_t i = 0; i < owners.size(); ++i) buffers_.data[owners[i]] = arena_.data() + lifetimes[i].offset;
    for (size_t t = 0; t < graph.tensors.size(); ++t) {
      if (graph.tensors[t].constant != nullptr) buffers_.data[t] = const_cast<void*>(graph.tensors[t].constant);
    }
  }

  void run(const void* const* inputs, void* const* outputs) override {
    for (size_t i = 0; i < graph_.inputs.size(); ++i) buffers_.data[graph_.inputs[i]] = const_cast<void*>(inputs[i]);
    for (size_t i = 0; i < graph_.outputs.size(); ++i) buffers_.data[graph_.outputs[i]] = outputs[i];
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      const double start = profile_ ? seconds_now() : 0.0;
      run_reference(graph_, graph_.ops[i], buffers_);
      if (!profile_) continue;
      seconds_[i] += seconds_now() - start;
      look_at(graph_.ops[i], &denormals_[i]);
    }
    ++runs_;
  }

  std::string describe() const override {
    std::string steps;
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      steps += format("%s{\"step\": \"%s\", \"nodes\": [%d], \"form\": \"reference\"", i ? ", " : "",
                      name_of(graph_.ops[i].kind), graph_.ops[i].node);
      if (profile_ && runs_ > 0) {
        steps += format(", \"mean_ms\": %.6f, \"denormals\": %lld", 1e3 * seconds_[i] / runs_,
                        static_cast<long long>(denormals_[i]));
      }
      steps += "}";
    }
    return "[" + steps + "]";
  }

  size_t memory_bytes() const override { return arena_.size(); }

 private:
  // Count the denormals of a step's maps; those of the run that had most are told.
  void look_at(const Op& op, int64_t* most) const {
    int64_t found = 0;
    for (int t : op.outputs) {
      const Tensor& tensor = graph_.tensors[t];
      if (tensor.type != Type::kFloat32) continue;
      found += count_denormals(static_cast<const float*>(buffers_.data[t]), tensor.elements());
    }
    *most = std::max(*most, found);
  }

  // Tensors that neither the runtime nor the model holds, from the step that writes them to the last that reads them.
  std::vector<Lifetime> inner_tensors(std::vector<int>* owners) const {
    std::vector<Lifetime> lifetimes;
    for (size_t t = 0; t < graph_.tensors.size(); ++t) {
      const Tensor& tensor = graph_.tensors[t];
      if (tensor.producer < 0 || tensor.is_output) continue;
      const int last = tensor.consumers.empty() ? tensor.producer : tensor.consumers.back();
      lifetimes.push_back({static_cast<size_t>(tensor.bytes()), tensor.producer, last, 0});
      owners->push_back(static_cast<int>(t));
    }
    return lifetimes;
  }

  const Graph& graph_;
  bool profile_;
  Buffers buffers_;
  AlignedBuffer<uint8_t> arena_;
  std::vector<double> seconds_;
  std::vector<int64_t> denormals_;
  long runs_ = 0;
};

}  // namespace

std::unique_ptr<Plan> make_unfused_plan(const Graph& graph, const PlanOptions& options) {
  return std::unique_ptr<Plan>(new UnfusedPlan(graph, options));
}

}  // namespace repbnn
