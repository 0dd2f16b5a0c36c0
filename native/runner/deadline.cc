#include "runner/deadline.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <cmath>

namespace repbnn {
namespace {

timespec ends;

void* wait_and_end(void*) {
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ends, nullptr) != 0) {
  }
  static const char said[] = "repbnn-runner: the deadline passed\n";
  (void)!write(STDERR_FILENO, said, sizeof(said) - 1);
  _exit(kDeadlineExit);
}

}  // namespace

void set_deadline(double seconds) {
  if (!(seconds > 0)) return;
  clock_gettime(CLOCK_MONOTONIC, &ends);
  const double whole = std::floor(seconds);
  ends.tv_sec += static_cast<time_t>(whole);
  ends.tv_nsec += static_cast<long>((seconds - whole) * 1e9);
  if (ends.tv_nsec >= 1000000000) {
    ends.tv_nsec -= 1000000000;
    ++ends.tv_sec;
  }
  alarm(static_cast<unsigned>(std::ceil(seconds)) + 1);
  pthread_t thread;
  if (pthread_create(&thread, nullptr, wait_and_end, nullptr) == 0) pthread_detach(thread);
}

}  // namespace repbnn
