// Waiting for another thread: a bounded spin, then sleep.
#ifndef REPBNN_BASE_SPIN_H_
#define REPBNN_BASE_SPIN_H_

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace repbnn {

// About 30 microseconds: longer than the gap between two stages of a network, far shorter than a scheduler's slice.
constexpr int kSpins = 2000;
constexpr long kNap = 20000;  // nanoseconds; whoever is waited for may need this core

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Whether `done` came true while spinning.
template <typename Done>
bool spin_until(Done done) {
  for (int i = 0; i < kSpins; ++i) {
    if (done()) return true;
    relax();
  }
  return false;
}

template <typename Done>
void spin_then_sleep(Done done) {
  if (spin_until(done)) return;
  while (!done()) {
    const timespec nap{0, kNap};
    syscall(SYS_nanosleep, &nap, nullptr);  // by number: TensorFlow Lite imports syscall, so every phone has it
  }
}

}  // namespace repbnn

#endif  // REPBNN_BASE_SPIN_H_
