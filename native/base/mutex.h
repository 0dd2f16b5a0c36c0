// POSIX's own mutex, rather than <mutex>: that needs a C++ library which Android devices do not have.
#ifndef REPBNN_BASE_MUTEX_H_
#define REPBNN_BASE_MUTEX_H_

#include <pthread.h>

namespace repbnn {

class Mutex {
 public:
  Mutex() = default;
  ~Mutex() { pthread_mutex_destroy(&mutex_); }
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  pthread_mutex_t* get() { return &mutex_; }

 private:
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

class Lock {
 public:
  explicit Lock(Mutex& mutex) : mutex_(mutex) { pthread_mutex_lock(mutex_.get()); }
  ~Lock() { pthread_mutex_unlock(mutex_.get()); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace repbnn

#endif  // REPBNN_BASE_MUTEX_H_
