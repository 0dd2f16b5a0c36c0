#include "base/pool.h"

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/float_mode.h"
#include "base/mutex.h"
#include "base/spin.h"

namespace repbnn {
namespace {

// Of POSIX, as base/mutex.h.
class Condition {
 public:
  Condition() = default;
  ~Condition() { pthread_cond_destroy(&condition_); }
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;

  // Returns when ready() holds; `mutex` is held by the caller, and while ready() is asked.
  template <typename Ready>
  void wait(Mutex& mutex, Ready ready) {
    while (!ready()) pthread_cond_wait(&condition_, mutex.get());
  }
  void notify() { pthread_cond_broadcast(&condition_); }

 private:
  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace

// A job is announced by `generation`, pieces are taken from `next`, and the job is over when `busy` workers are none.
// A worker joins a job only by raising `busy` while the job is open, so a worker that wakes late (its core was taken)
// finds the job closed and goes back to sleep: nobody waits for it.
struct ThreadPool::State {
  struct Worker {
    State* state;
    int number;
    pthread_t thread;
  };
  std::vector<Worker> workers;
  Mutex mutex;
  Condition wake, finished;
  std::atomic<uint32_t> generation{0};
  std::atomic<bool> stopping{false};

  // kOpen | number of workers inside the job.
  static constexpr uint32_t kOpen = 1u << 31;
  std::atomic<uint32_t> gate{0};
  std::atomic<int> next{0};
  int pieces = 0;
  Work work = nullptr;
  void* context = nullptr;
  Around around = nullptr;
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
      const Lock lock(mutex);  // the caller is between its test and its sleep, or asleep
      finished.notify();
    }
  }

  void take_pieces(int thread) {
    struct Taker {
      State* state;
      int thread;
    } taker{this, thread};
    const auto take = [](void* taker) {
      const auto [state, thread] = *static_cast<const Taker*>(taker);
      for (int piece; (piece = state->next.fetch_add(1, std::memory_order_relaxed)) < state->pieces;) {
        state->work(state->context, piece, thread);
      }
    };
    around != nullptr ? around(take, &taker) : take(&taker);
  }

  void work_until_stopped(int thread) {
    uint32_t seen = 0;
    auto announced = [&] {
      return generation.load(std::memory_order_acquire) != seen || stopping.load(std::memory_order_acquire);
    };
    for (;;) {
      if (!spin_until(announced)) {
        const Lock lock(mutex);
        wake.wait(mutex, announced);
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
  auto start = [](void* argument) -> void* {
    const auto* worker = static_cast<const State::Worker*>(argument);
    worker->state->work_until_stopped(worker->number);
    return nullptr;
  };
  std::vector<State::Worker>& workers = state_->workers;
  workers.reserve(threads > 1 ? threads - 1 : 0);  // so that they stay where their threads read them
  for (int i = 1; i < threads; ++i) {
    workers.push_back({state_.get(), i, {}});
    if (pthread_create(&workers.back().thread, nullptr, start, &workers.back()) == 0) continue;
    workers.pop_back();  // fewer threads: slower, not wrong
    break;
  }
}

ThreadPool::~ThreadPool() {
  {
    const Lock lock(state_->mutex);
    state_->stopping.store(true, std::memory_order_release);
  }
  state_->wake.notify();
  for (const State::Worker& worker : state_->workers) pthread_join(worker.thread, nullptr);
}

int ThreadPool::size() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run(int pieces, Work work, void* context, Around around) {
  State& state = *state_;
  state.pieces = pieces;
  state.work = work;
  state.context = context;
  state.around = around;
  state.mode = float_mode();
  state.next.store(0, std::memory_order_relaxed);
  if (state.workers.empty() || pieces <= 1) return state.take_pieces(0);
  state.gate.store(State::kOpen, std::memory_order_release);
  {
    const Lock lock(state.mutex);
    state.generation.fetch_add(1, std::memory_order_acq_rel);
  }
  state.wake.notify();
  state.take_pieces(0);
  // Close the gate: whoever is inside finishes its piece, nobody comes in any more.
  state.gate.fetch_and(~State::kOpen, std::memory_order_acq_rel);
  auto empty = [&] { return state.gate.load(std::memory_order_acquire) == 0; };
  if (!spin_until(empty)) {
    const Lock lock(state.mutex);
    state.finished.wait(state.mutex, empty);
  }
}

}  // namespace repbnn
