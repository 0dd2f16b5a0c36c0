// TFLite's C interface, looked up by name in whichever library the app has: what stands here has been the same from
// TFLite 2.14 to LiteRT 2.x.
#ifndef REPBNN_JNI_RUNTIME_H_
#define REPBNN_JNI_RUNTIME_H_

#include <cstdarg>
#include <cstddef>
#include <cstdint>

struct TfLiteModel;
struct TfLiteInterpreter;
struct TfLiteInterpreterOptions;
struct TfLiteTensor;
struct TfLiteDelegate;

namespace repbnn {

struct Quantization {
  float scale;
  int32_t zero_point;
};

using Reporter = void (*)(void* user_data, const char* format, va_list arguments);

constexpr int kOk = 0;

// The functions, each under the name that the library exports behind "TfLite".
struct Runtime {
  const char* (*Version)();
  TfLiteModel* (*ModelCreateWithErrorReporter)(const void* data, size_t size, Reporter, void* user_data);
  void (*ModelDelete)(TfLiteModel*);
  TfLiteInterpreterOptions* (*InterpreterOptionsCreate)();
  void (*InterpreterOptionsDelete)(TfLiteInterpreterOptions*);
  void (*InterpreterOptionsSetNumThreads)(TfLiteInterpreterOptions*, int32_t);
  void (*InterpreterOptionsAddDelegate)(TfLiteInterpreterOptions*, TfLiteDelegate*);
  void (*InterpreterOptionsSetErrorReporter)(TfLiteInterpreterOptions*, Reporter, void* user_data);
  TfLiteInterpreter* (*InterpreterCreate)(const TfLiteModel*, const TfLiteInterpreterOptions*);
  void (*InterpreterDelete)(TfLiteInterpreter*);
  int (*InterpreterAllocateTensors)(TfLiteInterpreter*);
  int (*InterpreterInvoke)(TfLiteInterpreter*);
  int32_t (*InterpreterGetInputTensorCount)(const TfLiteInterpreter*);
  int32_t (*InterpreterGetOutputTensorCount)(const TfLiteInterpreter*);
  TfLiteTensor* (*InterpreterGetInputTensor)(const TfLiteInterpreter*, int32_t);
  const TfLiteTensor* (*InterpreterGetOutputTensor)(const TfLiteInterpreter*, int32_t);
  int (*TensorType)(const TfLiteTensor*);
  int32_t (*TensorNumDims)(const TfLiteTensor*);
  int32_t (*TensorDim)(const TfLiteTensor*, int32_t);
  size_t (*TensorByteSize)(const TfLiteTensor*);
  const char* (*TensorName)(const TfLiteTensor*);
  Quantization (*TensorQuantizationParams)(const TfLiteTensor*);
  int (*TensorCopyFromBuffer)(TfLiteTensor*, const void*, size_t);
  int (*TensorCopyToBuffer)(const TfLiteTensor*, void*, size_t);
};

// Opens `file_name` and fills `runtime`; null, or in `why` (of `size` bytes) what it lacks. The library stays open for
// good.
const char* open_runtime(const char* file_name, Runtime* runtime, char* why, size_t size);

}  // namespace repbnn

#endif  // REPBNN_JNI_RUNTIME_H_
