// How a measurement goes: warm-up until it is steady, then runs until there are enough. docs/bench.md has the rules,
// and repbnn_edge/benching/sampling.py is the same in Python; the runner and the Android library link this file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace repbnn {

// What is measured, on which clock.
class Subject {
 public:
  // One inference; false ends the measurement.
  virtual bool run() = 0;

  // Nanoseconds of a clock that never goes back.
  virtual int64_t now();

  // The times of some runs, in their order, between runs: what is done here is not measured.
  virtual void batch(const std::vector<int64_t>& nanoseconds) = 0;

 protected:
  ~Subject() = default;
};

int64_t monotonic_nanoseconds();

struct Warmup {
  int runs = 0;         // before the first counted one
  bool steady = false;  // two windows in a row agreed, rather than the limit ending it
};

// Run until the medians of two consecutive windows (a quarter of a second, at least four runs) are within 2%, for at
// most 10 seconds; `least_runs` are made in any case. False when a run failed.
bool warm_up(Subject& subject, int least_runs, Warmup* result);

struct Effort {
  int num_runs = 128;
  double min_secs = 10.0;
  double max_secs = 60.0;
};

// Run until both numbers of `effort` are met, or its limit; hands over the times every `batch_secs`. False when a run
// failed; what ran before it was handed over.
bool measure(Subject& subject, const Effort& effort, double batch_secs = 0.2);

}  // namespace repbnn
