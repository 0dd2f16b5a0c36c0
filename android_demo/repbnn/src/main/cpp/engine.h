// One model, opened: the C objects that belong together, made and freed in order.
#ifndef REPBNN_JNI_ENGINE_H_
#define REPBNN_JNI_ENGINE_H_

#include "runner/timing.h"
#include "runtime.h"

namespace repbnn {

// What the runtime said first: later lines only repeat that something failed.
class FirstMessage {
 public:
  const char* text() const { return text_; }
  void clear() { text_[0] = '\0'; }
  static void report(void* self, const char* format, va_list arguments);

 private:
  char text_[1024] = "";
};

class Engine {
 public:
  // `stage` is set to what failed ("model", "interpreter", "allocate", "memory"), null if nothing did.
  static Engine* create(const Runtime& runtime, const void* model, size_t size, int threads, TfLiteDelegate* delegate,
                        FirstMessage* message, const char** stage);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Nanoseconds, or below 0 with `last_message()`.
  int64_t invoke();
  bool run();
  const char* last_message() const { return message_.text(); }

  int count(bool input) const;
  // Null behind the last one.
  const TfLiteTensor* tensor(bool input, int index) const;
  bool write(int index, const void* data, size_t size);
  bool read(int index, void* data, size_t size) const;
  const Runtime& runtime() const { return runtime_; }

 private:
  explicit Engine(const Runtime& runtime) : runtime_(runtime) {}
  const char* prepare(const void* model, size_t size, int threads, TfLiteDelegate* delegate);

  const Runtime& runtime_;
  FirstMessage message_;
  TfLiteModel* model_ = nullptr;
  TfLiteInterpreter* interpreter_ = nullptr;
};

}  // namespace repbnn

#endif  // REPBNN_JNI_ENGINE_H_
