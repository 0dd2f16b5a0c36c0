// What the pool gains and what it risks: a network-like run (stages of small pieces) on one thread and on two, with the
// machine as it is and with one core held by another process. Medians, as ratios to one thread.
//   pool_bench [runs]
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/pool.h"

namespace {

constexpr int kStages = 25, kPieces = 14, kTurns = 36000;  // about 10 microseconds a piece

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void piece_of_work() {
  unsigned x = 1;
  for (int i = 0; i < kTurns; ++i) __asm__ volatile("" : "+r"(x));
}

double one_run(repbnn::ThreadPool& pool) {
  const double start = now();
  for (int stage = 0; stage < kStages; ++stage) pool.run(kPieces, [](int, int) { piece_of_work(); });
  return now() - start;
}

struct Times {
  double fastest, median;
};

Times measure(int threads, int runs) {
  repbnn::ThreadPool pool(threads);
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) times.push_back(one_run(pool));
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

void report(const char* name, int runs) {
  const Times one = measure(1, runs), two = measure(2, runs);
  std::printf("%-22s one thread %.2f ms (median %.2f), two %.2f (%.2f): %.2f x faster at best, median %.2f of one's\n",
              name, one.fastest * 1e3, one.median * 1e3, two.fastest * 1e3, two.median * 1e3, one.fastest / two.fastest,
              two.median / one.median);
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 200;
  report("as it is:", runs);
  const pid_t child = fork();
  if (child == 0) {
    for (;;) piece_of_work();
  }
  report("one core busy:", runs);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return 0;
}
