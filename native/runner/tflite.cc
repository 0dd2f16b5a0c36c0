#include "runner/tflite.h"

#include <dlfcn.h>

namespace repbnn {
namespace {

std::string open_library(const std::string& path, void** handle) {
  // A name without a slash would be searched for in the system's folders.
  const std::string place = path.find('/') == std::string::npos ? "./" + path : path;
  *handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (*handle != nullptr) return "";
  const char* why = dlerror();
  return std::string("it cannot be loaded (") + (why != nullptr ? why : "for no stated reason") + ")";
}

template <typename Function>
void find(void* library, const char* name, Function* function, std::string* missing) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  if (*function == nullptr && missing != nullptr && missing->empty()) *missing = name;
}

}  // namespace

std::string open_tflite(const std::string& path, TfLiteApi* api) {
  void* library = nullptr;
  const std::string why = open_library(path, &library);
  if (!why.empty()) return why;
  std::string missing;
  find(library, "TfLiteVersion", &api->version, &missing);
  find(library, "TfLiteModelCreate", &api->model_create, &missing);
  find(library, "TfLiteModelDelete", &api->model_delete, &missing);
  find(library, "TfLiteInterpreterOptionsCreate", &api->options_create, &missing);
  find(library, "TfLiteInterpreterOptionsDelete", &api->options_delete, &missing);
  find(library, "TfLiteInterpreterOptionsSetNumThreads", &api->options_set_num_threads, &missing);
  find(library, "TfLiteInterpreterOptionsAddDelegate", &api->options_add_delegate, &missing);
  find(library, "TfLiteInterpreterOptionsSetTelemetryProfiler", &api->options_set_telemetry_profiler, nullptr);
  find(library, "TfLiteInterpreterCreate", &api->interpreter_create, &missing);
  find(library, "TfLiteInterpreterDelete", &api->interpreter_delete, &missing);
  find(library, "TfLiteInterpreterAllocateTensors", &api->allocate_tensors, &missing);
  find(library, "TfLiteInterpreterInvoke", &api->invoke, &missing);
  find(library, "TfLiteInterpreterGetInputTensorCount", &api->input_count, &missing);
  find(library, "TfLiteInterpreterGetInputTensor", &api->input, &missing);
  find(library, "TfLiteInterpreterGetOutputTensorCount", &api->output_count, &missing);
  find(library, "TfLiteInterpreterGetOutputTensor", &api->output, &missing);
  find(library, "TfLiteTensorType", &api->tensor_type, &missing);
  find(library, "TfLiteTensorByteSize", &api->tensor_bytes, &missing);
  find(library, "TfLiteTensorData", &api->tensor_data, &missing);
  return missing.empty() ? "" : "it does not export " + missing + " of TensorFlow Lite's C API";
}

std::string open_delegate(const std::string& path, DelegateApi* api) {
  void* library = nullptr;
  const std::string why = open_library(path, &library);
  if (!why.empty()) return why;
  std::string missing;
  find(library, "tflite_plugin_create_delegate", &api->create, &missing);
  find(library, "tflite_plugin_destroy_delegate", &api->destroy, &missing);
  return missing.empty() ? "" : "it does not export " + missing + ", as an external delegate does";
}

}  // namespace repbnn
