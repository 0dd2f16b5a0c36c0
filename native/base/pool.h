// A pool of threads that takes work in small pieces.
#ifndef REPBNN_BASE_POOL_H_
#define REPBNN_BASE_POOL_H_

#include <memory>

namespace repbnn {

// Threads wait by a bounded spin, then sleep: an idle pool costs nothing, and a core that another process holds does
// not stall the others for more than the piece it was given.
class ThreadPool {
 public:
  // `threads` includes the caller of run(). 1 starts no thread. Throws std::bad_alloc; when the system gives no more
  // threads, the pool has as many as it got: see size().
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  // Calls work(context, piece, thread) for every piece in [0, pieces), each once, and returns when all have returned.
  // 0 <= thread < size(); two calls never run at once with the same `thread`, so it may index scratch. The caller
  // works too, and the others take over its floating-point mode. Everything written before run() is seen by the pieces,
  // everything they wrote is seen after it. One run() at a time; pieces must not throw.
  // `around`, if there is one, calls what it is given once: it stands around all pieces that a thread takes, and
  // changes the processor's mode for them. Where it is used, nothing in here touches a vector register between them.
  using Work = void (*)(void* context, int piece, int thread);
  using Around = void (*)(void (*pieces)(void* context), void* context);
  void run(int pieces, Work work, void* context, Around around = nullptr);

  template <typename F>
  void run(int pieces, F&& function, Around around = nullptr) {
    auto* context = &function;
    run(
        pieces, [](void* f, int piece, int thread) { (*static_cast<decltype(context)>(f))(piece, thread); },
        const_cast<void*>(static_cast<const void*>(context)), around);
  }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace repbnn

#endif  // REPBNN_BASE_POOL_H_
