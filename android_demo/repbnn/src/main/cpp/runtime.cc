#include "runtime.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstring>

namespace repbnn {
namespace {

template <typename Function>
bool find(void* library, const char* name, Function* function) {
  void* symbol = dlsym(library, name);
  static_assert(sizeof symbol == sizeof *function, "functions are as wide as data pointers");
  std::memcpy(function, &symbol, sizeof symbol);
  return symbol != nullptr;
}

// The first name that the library lacks, or null.
const char* fill(void* library, Runtime* runtime) {
#define REPBNN_FIND(name) \
  if (!find(library, "TfLite" #name, &runtime->name)) return "TfLite" #name
  REPBNN_FIND(Version);
  REPBNN_FIND(ModelCreateWithErrorReporter);
  REPBNN_FIND(ModelDelete);
  REPBNN_FIND(InterpreterOptionsCreate);
  REPBNN_FIND(InterpreterOptionsDelete);
  REPBNN_FIND(InterpreterOptionsSetNumThreads);
  REPBNN_FIND(InterpreterOptionsAddDelegate);
  REPBNN_FIND(InterpreterOptionsSetErrorReporter);
  REPBNN_FIND(InterpreterCreate);
  REPBNN_FIND(InterpreterDelete);
  REPBNN_FIND(InterpreterAllocateTensors);
  REPBNN_FIND(InterpreterInvoke);
  REPBNN_FIND(InterpreterGetInputTensorCount);
  REPBNN_FIND(InterpreterGetOutputTensorCount);
  REPBNN_FIND(InterpreterGetInputTensor);
  REPBNN_FIND(InterpreterGetOutputTensor);
  REPBNN_FIND(TensorType);
  REPBNN_FIND(TensorNumDims);
  REPBNN_FIND(TensorDim);
  REPBNN_FIND(TensorByteSize);
  REPBNN_FIND(TensorName);
  REPBNN_FIND(TensorQuantizationParams);
  REPBNN_FIND(TensorCopyFromBuffer);
  REPBNN_FIND(TensorCopyToBuffer);
#undef REPBNN_FIND
  return nullptr;
}

}  // namespace

const char* open_runtime(const char* file_name, Runtime* runtime, char* why, size_t size) {
  void* library = dlopen(file_name, RTLD_NOW);
  if (library == nullptr) {
    const char* error = dlerror();
    std::snprintf(why, size, "%s", error != nullptr ? error : "it cannot be opened");
    return why;
  }
  Runtime found = {};
  const char* missing = fill(library, &found);
  if (missing != nullptr) {
    std::snprintf(why, size, "it does not export %s", missing);
    return why;
  }
  *runtime = found;
  return nullptr;
}

}  // namespace repbnn
