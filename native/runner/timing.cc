#include "runner/timing.h"

#include <time.h>

#include <algorithm>
#include <cmath>

namespace repbnn {
namespace {

constexpr double kSteady = 0.02;
constexpr double kLimit = 10.0, kWindow = 0.25;  // seconds
constexpr size_t kWindowRuns = 4;

bool timed_run(Subject& subject, std::vector<int64_t>* times) {
  const int64_t before = subject.now();
  const bool ran = subject.run();
  times->push_back(subject.now() - before);
  return ran;
}

int64_t median(std::vector<int64_t> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace

int64_t monotonic_nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

int64_t Subject::now() { return monotonic_nanoseconds(); }

bool warm_up(Subject& subject, int least_runs, Warmup* result) {
  const int64_t started = subject.now();
  int runs = 0;
  int64_t previous = 0;
  for (;;) {
    std::vector<int64_t> window;
    const int64_t window_start = subject.now();
    while (window.size() < kWindowRuns || subject.now() - window_start < kWindow * 1e9) {
      if (!timed_run(subject, &window)) return false;
      const int all = runs + static_cast<int>(window.size());
      if (subject.now() - started > kLimit * 1e9 && all >= least_runs) {
        *result = {all, false};
        return true;
      }
    }
    runs += static_cast<int>(window.size());
    const int64_t middle = median(window);
    if (runs >= least_runs && previous > 0 && std::fabs(double(middle - previous)) <= kSteady * double(previous)) {
      *result = {runs, true};
      return true;
    }
    previous = middle;
  }
}

bool measure(Subject& subject, const Effort& effort, double batch_secs) {
  const int64_t started = subject.now();
  std::vector<int64_t> times;
  int64_t batch_start = subject.now();
  for (int count = 1;; ++count) {
    const int64_t before = subject.now();
    if (!subject.run()) {
      if (!times.empty()) subject.batch(times);
      return false;
    }
    const int64_t after = subject.now();
    times.push_back(after - before);
    const double elapsed = double(after - started) / 1e9;
    const bool enough = (count >= effort.num_runs && elapsed >= effort.min_secs) || elapsed >= effort.max_secs;
    if (enough || double(after - batch_start) >= batch_secs * 1e9) {
      subject.batch(times);
      times.clear();
      batch_start = subject.now();
    }
    if (enough) return true;
  }
}

}  // namespace repbnn
