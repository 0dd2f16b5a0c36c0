// A library with TensorFlow Lite's C API and no network: y = 2 x over four numbers. The model's bytes, "TFL3" and words
// behind it, say how it goes wrong.
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

struct TfLiteModel {
  std::string words;
  bool has(const char* word) const { return words.find(word) != std::string::npos; }
};
struct TfLiteTensor {
  float values[4];
};
struct Profiler {
  void* data;
  void* unused[3];
  uint32_t (*begin)(Profiler*, const char* name, int64_t op, int64_t subgraph);
  void (*end)(Profiler*, uint32_t handle);
};
struct TfLiteInterpreterOptions {
  int threads = 0;
  Profiler* profiler = nullptr;
};
struct TfLiteInterpreter {
  const TfLiteModel* model;
  Profiler* profiler;
  TfLiteTensor input, output;
  int runs;
};

extern "C" {

const char* TfLiteVersion() { return "9.9.9"; }

TfLiteModel* TfLiteModelCreate(const void* data, size_t size) {
  const std::string words(static_cast<const char*>(data), size);
  return words.compare(0, 4, "TFL3") == 0 ? new TfLiteModel{words} : nullptr;
}
void TfLiteModelDelete(TfLiteModel* model) { delete model; }

TfLiteInterpreterOptions* TfLiteInterpreterOptionsCreate() { return new TfLiteInterpreterOptions; }
void TfLiteInterpreterOptionsDelete(TfLiteInterpreterOptions* options) { delete options; }
void TfLiteInterpreterOptionsSetNumThreads(TfLiteInterpreterOptions* options, int32_t threads) {
  options->threads = threads;
}
void TfLiteInterpreterOptionsAddDelegate(TfLiteInterpreterOptions*, void*) {}
#ifndef WITHOUT_TELEMETRY
void TfLiteInterpreterOptionsSetTelemetryProfiler(TfLiteInterpreterOptions* options, Profiler* profiler) {
  options->profiler = profiler;
}
#endif

TfLiteInterpreter* TfLiteInterpreterCreate(const TfLiteModel* model, const TfLiteInterpreterOptions* options) {
  std::printf("a library may print to stdout\n");
  if (model->has("no-interpreter")) return nullptr;
  return new TfLiteInterpreter{model, options->profiler, {}, {}, 0};
}
void TfLiteInterpreterDelete(TfLiteInterpreter* interpreter) { delete interpreter; }
int TfLiteInterpreterAllocateTensors(TfLiteInterpreter* interpreter) {
  if (interpreter->model->has("hang-in-load")) pause();
  return interpreter->model->has("no-tensors");
}

int TfLiteInterpreterInvoke(TfLiteInterpreter* interpreter) {
  const TfLiteModel& model = *interpreter->model;
  const int run = interpreter->runs++;
  if (model.has("crash")) std::raise(SIGSEGV);
  if (model.has("hang-in-run")) {
    for (;;) pause();
  }
  if (model.has("fail-later") && run == 20) return 1;
  usleep(1000);
  uint32_t handle = 0;
  Profiler* profiler = interpreter->profiler;
  if (profiler != nullptr) handle = profiler->begin(profiler, "MUL", 3, 0);
  if (model.has("slow-operator")) usleep(2000);
  for (int i = 0; i < 4; ++i) interpreter->output.values[i] = 2 * interpreter->input.values[i];
  if (model.has("changing")) interpreter->output.values[0] += static_cast<float>(run);
  if (model.has("infinite")) interpreter->output.values[3] = 1.0f / 0.0f;
  if (profiler != nullptr) profiler->end(profiler, handle);
  return 0;
}

int32_t TfLiteInterpreterGetInputTensorCount(const TfLiteInterpreter*) { return 1; }
TfLiteTensor* TfLiteInterpreterGetInputTensor(TfLiteInterpreter* interpreter, int32_t) { return &interpreter->input; }
int32_t TfLiteInterpreterGetOutputTensorCount(const TfLiteInterpreter*) { return 1; }
const TfLiteTensor* TfLiteInterpreterGetOutputTensor(const TfLiteInterpreter* interpreter, int32_t) {
  return &interpreter->output;
}
int TfLiteTensorType(const TfLiteTensor*) { return 1; }
size_t TfLiteTensorByteSize(const TfLiteTensor*) { return sizeof(TfLiteTensor::values); }
void* TfLiteTensorData(const TfLiteTensor* tensor) { return const_cast<float*>(tensor->values); }

}  // extern "C"
