#include "base/pool.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/float_mode.h"

namespace repbnn {
namespace {

// About 30 microseconds: longer than the gap between two stages of a network, far shorter than a scheduler's slice.
constexpr int kSpins = 2000;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

template <typename Done>
bool spin_until(Done done) {
  for (int i = 0; i < kSpins; ++i) {
    if (done()) return true;
    relax();
  }
  return false;
}

}  // namespace

// A job is announced by `generation`, pieces are taken from `next`, and the job is over when `busy` workers are none.
// A worker joins a job only by raising `busy` while the job is open, so a worker that wakes late (its core was taken)
// finds the job closed and goes back to sleep: nobody waits for it.
struct ThreadPool::State {
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable wake, finished;
  std::atomic<uint32_t> generation{0};
  std::atomic<bool> stopping{false};

  // kOpen | number of workers inside the job.
  static constexpr uint32_t kOpen = 1u << 31;
  std::atomic<uint32_t> gate{0};
  std::atomic<int> next{0};
  int pieces = 0;
  Work work = nullptr;
  void* context = nullptr;
  uint64_t mode = 0;  // the caller's floating-point mode

  bool enter() {
    uint32_t seen = gate.load(std::memory_order_relaxed);
    while (seen & kOpen) {
      if (gate.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) return true;
    }
    return false;
  }

  void leave() {
    if (gate.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      std::lock_guard<std::mutex> lock(mutex);  // the caller is between its test and its sleep, or asleep
      finished.notify_one();
    }
  }

  void take_pieces(int thread) {
    for (int piece; (piece = next.fetch_add(1, std::memory_order_relaxed)) < pieces;) work(context, piece, thread);
  }

  void worker(int thread) {
    uint32_t seen = 0;
    auto announced = [&] {
      return generation.load(std::memory_order_acquire) != seen || stopping.load(std::memory_order_acquire);
    };
    for (;;) {
      if (!spin_until(announced)) {
        std::unique_lock<std::mutex> lock(mutex);
        wake.wait(lock, announced);
      }
      if (stopping.load(std::memory_order_acquire)) return;
      seen = generation.load(std::memory_order_acquire);
      if (enter()) {
        set_float_mode(mode);
        take_pieces(thread);
        leave();
      }
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(new State) {
  state_->threads.reserve(threads > 1 ? threads - 1 : 0);
  for (int i = 1; i < threads; ++i) {
    try {
      state_->threads.emplace_back([state = state_.get(), i] { state->worker(i); });
    } catch (const std::exception&) {
      break;  // fewer threads: slower, not wrong
    }
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stopping.store(true, std::memory_order_release);
  }
  state_->wake.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

int ThreadPool::size() const { return static_cast<int>(state_->threads.size()) + 1; }

void ThreadPool::run(int pieces, Work work, void* context) {
  State& state = *state_;
  if (state.threads.empty() || pieces <= 1) {
    for (int piece = 0; piece < pieces; ++piece) work(context, piece, 0);
    return;
  }
  state.pieces = pieces;
  state.work = work;
  state.context = context;
  state.mode = float_mode();
  state.next.store(0, std::memory_order_relaxed);
  state.gate.store(State::kOpen, std::memory_order_release);
  {
    std::lock_guard<std::mutex> lock(state.mutex);
    state.generation.fetch_add(1, std::memory_order_acq_rel);
  }
  state.wake.notify_all();
  state.take_pieces(0);
  // Close the gate: whoever is inside finishes its piece, nobody comes in any more.
  state.gate.fetch_and(~State::kOpen, std::memory_order_acq_rel);
  auto empty = [&] { return state.gate.load(std::memory_order_acquire) == 0; };
  if (!spin_until(empty)) {
    std::unique_lock<std::mutex> lock(state.mutex);
    state.finished.wait(lock, empty);
  }
}

}  // namespace repbnn
