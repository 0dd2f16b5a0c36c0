// TensorFlow Lite's C API, looked up in a library that is opened at run time: as c_api.h of 2.14 to LiteRT 2.x has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

struct TfLiteModel;
struct TfLiteInterpreter;
struct TfLiteInterpreterOptions;
struct TfLiteTensor;
struct TfLiteDelegate;

namespace repbnn {

constexpr int kTensorFloat32 = 1, kTensorUint8 = 3, kTensorInt8 = 9;

// As tensorflow/lite/profiling/telemetry/c/profiler.h has it; settings are of no use to us.
struct TelemetryProfiler {
  void* data;
  void (*event)(TelemetryProfiler*, const char* name, uint64_t status);
  void (*op_event)(TelemetryProfiler*, const char* name, int64_t op, int64_t subgraph, uint64_t status);
  void (*settings)(TelemetryProfiler*, const char* name, const void* settings);
  uint32_t (*begin_op)(TelemetryProfiler*, const char* name, int64_t op, int64_t subgraph);
  void (*end_op)(TelemetryProfiler*, uint32_t handle);
  void (*op_time)(TelemetryProfiler*, const char* name, uint64_t microseconds, int64_t op, int64_t subgraph);
};

struct TfLiteApi {
  const char* (*version)();
  TfLiteModel* (*model_create)(const void* data, size_t size);
  void (*model_delete)(TfLiteModel*);
  TfLiteInterpreterOptions* (*options_create)();
  void (*options_delete)(TfLiteInterpreterOptions*);
  void (*options_set_num_threads)(TfLiteInterpreterOptions*, int32_t threads);
  void (*options_add_delegate)(TfLiteInterpreterOptions*, TfLiteDelegate*);
  void (*options_set_telemetry_profiler)(TfLiteInterpreterOptions*, TelemetryProfiler*);  // null where not exported
  TfLiteInterpreter* (*interpreter_create)(const TfLiteModel*, const TfLiteInterpreterOptions*);
  void (*interpreter_delete)(TfLiteInterpreter*);
  int (*allocate_tensors)(TfLiteInterpreter*);
  int (*invoke)(TfLiteInterpreter*);
  int32_t (*input_count)(const TfLiteInterpreter*);
  TfLiteTensor* (*input)(const TfLiteInterpreter*, int32_t index);
  int32_t (*output_count)(const TfLiteInterpreter*);
  const TfLiteTensor* (*output)(const TfLiteInterpreter*, int32_t index);
  int (*tensor_type)(const TfLiteTensor*);
  size_t (*tensor_bytes)(const TfLiteTensor*);
  void* (*tensor_data)(const TfLiteTensor*);
};

// Opens the library and finds all of it. Gives why it cannot, or "".
std::string open_tflite(const std::string& library, TfLiteApi* api);

// The two functions of TFLite's external delegate interface.
struct DelegateApi {
  TfLiteDelegate* (*create)(const char* const* keys, const char* const* values, size_t count,
                            void (*report_error)(const char*));
  void (*destroy)(TfLiteDelegate*);
};

std::string open_delegate(const std::string& library, DelegateApi* api);

}  // namespace repbnn
