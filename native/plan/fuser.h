// Walks a graph once and covers it by steps. Private to make_steps: fuser_start.cc finds where steps begin,
// fuser_follow.cc how far they carry on, fuse.cc writes them down.
#pragma once

#include <vector>

#include "plan/chain.h"
#include "plan/step.h"

namespace repbnn {

class Fuser {
 public:
  Fuser(const Graph& graph, bool views_repeat) : graph_(graph), views_repeat_(views_repeat) {
    done_.assign(graph.ops.size(), false);
    available_.assign(graph.tensors.size(), false);
    waiting_.resize(graph.ops.size());
    result_.views.resize(graph.tensors.size());
    for (size_t t = 0; t < graph.tensors.size(); ++t) {
      available_[t] = graph.tensors[t].is_input || graph.tensors[t].constant != nullptr;
    }
  }

  Steps run() {
    for (int i = 0; i < static_cast<int>(graph_.ops.size()); ++i) {
      if (!done_[i]) start(i);
    }
    return std::move(result_);
  }

 private:
  void start(int i);
  bool start_bconv2d(int i);
  void emit_ending(int i, int group);
  bool start_view(int i);
  bool may_repeat_as_view(const Op& op) const;
  bool start_pool(int i);
  bool start_pointwise(int i);
  bool start_concat(int i);
  void start_reference(int i);

  void extend(Chain& chain);
  std::vector<int> take_signs(Chain& chain);
  bool take_sign(Chain& chain, int consumer);
  bool take_pointwise(Chain& chain, int consumer);
  bool take_repetition(Chain& chain, int consumer);
  bool take_crop(Chain& chain, int consumer);
  bool wait_for_siblings(Chain& chain, int consumer);
  bool can_wait(const Chain& chain, int consumer) const;
  void join_siblings(int consumer);
  void add_step(Chain& chain, const ChainStep& step);
  void store(Chain& chain);
  void finish(Chain& chain);
  void emit(const Chain& chain, const Part& part);
  int only_consumer(int tensor) const;
  bool is_channel_concat(const Op& op) const {
    return op.kind == OpKind::kConcat && graph_.out(op).dims.size() == 4 && op.axis == 3;
  }

  const Graph& graph_;
  const bool views_repeat_;  // a map beside itself is a view, not a copy
  Steps result_;
  std::vector<bool> done_;       // operators whose work a step does, or a chain on its way
  std::vector<bool> available_;  // tensors that steps so far have written
  // For a concatenation: the chains that end in each of its inputs and wait for the others.
  std::vector<std::vector<Chain>> waiting_;
};

}  // namespace repbnn
