// The delegate: its options, and what its partitions share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/mutex.h"
#include "base/pool.h"
#include "delegate/abi.h"
#include "delegate/claim.h"
#include "delegate/options.h"

namespace repbnn {

// Owned by the handle that the user destroys AND by every partition, so that neither order of destruction hurts: the
// runtime still looks at TfLiteDelegate::flags as long as a partition lives.
class Delegate {
 public:
  // nullptr with a sentence in `error`.
  static TfLiteDelegate* create(const Options& options, std::string* error);
  static void destroy(TfLiteDelegate* delegate);
  static std::shared_ptr<Delegate> of(TfLiteDelegate* delegate);

  Delegate(const Delegate&) = delete;
  Delegate& operator=(const Delegate&) = delete;

  const Options& options() const { return options_; }
  Isa isa() const { return isa_; }
  int threads_for(const TfLiteContext* context) const;
  // Count a partition of the network, and give the pool that all of them share: they never run at once.
  std::shared_ptr<ThreadPool> add_partition(TfLiteContext* context);
  // Keep what a partition measured and write the `profiling` file again.
  void report_profile(const std::string& steps);

 private:
  Delegate(const Options& options, Isa isa);
  static TfLiteStatus prepare(TfLiteContext* context, TfLiteDelegate* delegate);
  TfLiteStatus claim_nodes(TfLiteContext* context);
  TfLiteStatus hand_over(TfLiteContext* context, const std::vector<NodeClaim>& claims, int* partitions);
  void forget(const TfLiteContext* context);

  struct Network {
    TfLiteContext* context;
    std::weak_ptr<ThreadPool> pool;
    int partitions;
  };

  TfLiteDelegate handle_{};
  Options options_;
  Isa isa_;
  Mutex mutex_;  // of what stands below: networks may be prepared, and end, in several threads at once
  std::vector<Network> networks_;
  std::vector<std::string> profiles_;
};

// Say `text` through the runtime, which shows it as the error of the call that the user made.
void report(TfLiteContext* context, const std::string& text);

}  // namespace repbnn
