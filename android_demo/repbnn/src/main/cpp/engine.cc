#include "engine.h"

#include <cstdio>
#include <new>

namespace repbnn {

void FirstMessage::report(void* self, const char* format, va_list arguments) {
  auto* message = static_cast<FirstMessage*>(self);
  if (message->text_[0] == '\0') std::vsnprintf(message->text_, sizeof message->text_, format, arguments);
}

Engine* Engine::create(const Runtime& runtime, const void* model, size_t size, int threads, TfLiteDelegate* delegate,
                       FirstMessage* message, const char** stage) {
  auto* engine = new (std::nothrow) Engine(runtime);
  *stage = engine == nullptr ? "memory" : engine->prepare(model, size, threads, delegate);
  if (*stage == nullptr) return engine;
  if (engine != nullptr) *message = engine->message_;
  delete engine;
  return nullptr;
}

const char* Engine::prepare(const void* model, size_t size, int threads, TfLiteDelegate* delegate) {
  model_ = runtime_.ModelCreateWithErrorReporter(model, size, FirstMessage::report, &message_);
  if (model_ == nullptr) return "model";
  TfLiteInterpreterOptions* options = runtime_.InterpreterOptionsCreate();
  if (options == nullptr) return "memory";
  runtime_.InterpreterOptionsSetNumThreads(options, threads);
  runtime_.InterpreterOptionsSetErrorReporter(options, FirstMessage::report, &message_);
  if (delegate != nullptr) runtime_.InterpreterOptionsAddDelegate(options, delegate);
  interpreter_ = runtime_.InterpreterCreate(model_, options);
  runtime_.InterpreterOptionsDelete(options);
  if (interpreter_ == nullptr) return "interpreter";
  if (runtime_.InterpreterAllocateTensors(interpreter_) != kOk) return "allocate";
  message_.clear();
  return nullptr;
}

Engine::~Engine() {
  if (interpreter_ != nullptr) runtime_.InterpreterDelete(interpreter_);
  if (model_ != nullptr) runtime_.ModelDelete(model_);
}

bool Engine::run() {
  message_.clear();
  return runtime_.InterpreterInvoke(interpreter_) == kOk;
}

int64_t Engine::invoke() {
  const int64_t before = monotonic_nanoseconds();
  const bool ran = run();
  const int64_t after = monotonic_nanoseconds();
  return ran ? after - before : -1;
}

int Engine::count(bool input) const {
  return input ? runtime_.InterpreterGetInputTensorCount(interpreter_)
               : runtime_.InterpreterGetOutputTensorCount(interpreter_);
}

const TfLiteTensor* Engine::tensor(bool input, int index) const {
  if (index < 0 || index >= count(input)) return nullptr;
  return input ? runtime_.InterpreterGetInputTensor(interpreter_, index)
               : runtime_.InterpreterGetOutputTensor(interpreter_, index);
}

bool Engine::write(int index, const void* data, size_t size) {
  if (tensor(true, index) == nullptr) return false;
  return runtime_.TensorCopyFromBuffer(runtime_.InterpreterGetInputTensor(interpreter_, index), data, size) == kOk;
}

bool Engine::read(int index, void* data, size_t size) const {
  const TfLiteTensor* output = tensor(false, index);
  return output != nullptr && runtime_.TensorCopyToBuffer(output, data, size) == kOk;
}

}  // namespace repbnn
