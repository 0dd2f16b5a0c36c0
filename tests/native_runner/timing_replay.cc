// Plays given run times to native/runner/timing.cc on a clock of its own, and prints what it made of them:
//   timing_replay LEAST_RUNS NUM_RUNS MIN_SECS MAX_SECS NANOSECONDS... (again and again, in a circle)
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "runner/timing.h"

namespace {

class Replay final : public repbnn::Subject {
 public:
  explicit Replay(std::vector<int64_t> times) : times_(std::move(times)) {}
  bool run() override {
    clock_ += times_[next_++ % times_.size()];
    return true;
  }
  int64_t now() override { return clock_; }
  void batch(const std::vector<int64_t>& nanoseconds) override {
    std::printf("batch");
    for (int64_t one : nanoseconds) std::printf(" %lld", static_cast<long long>(one));
    std::printf("\n");
  }

 private:
  std::vector<int64_t> times_;
  size_t next_ = 0;
  int64_t clock_ = 1;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) return 2;
  std::vector<int64_t> times;
  for (int i = 5; i < argc; ++i) times.push_back(std::atoll(argv[i]));
  Replay replay(times);
  repbnn::Warmup warmup;
  if (!repbnn::warm_up(replay, std::atoi(argv[1]), &warmup)) return 1;
  std::printf("warm %d %d\n", warmup.runs, warmup.steady);
  return !repbnn::measure(replay, {std::atoi(argv[2]), std::atof(argv[3]), std::atof(argv[4])});
}
