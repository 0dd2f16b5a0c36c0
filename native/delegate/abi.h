// The part of TensorFlow Lite's C ABI that a delegate needs, as 2.14 and every LiteRT up to 2.3 lay it out.
//
// Declared here and not included, so that one library serves every runtime and is built without any of them. Fields
// are only ever appended to these structs; the offsets below are asserted here, compared with the official headers in
// tests/native/abi_test.cc, and what can be checked of a running context is checked by delegate.cc at Prepare.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

enum TfLiteStatus : int { kTfLiteOk = 0, kTfLiteError = 1 };

enum TfLiteType : int {
  kTfLiteNoType = 0,
  kTfLiteFloat32 = 1,
  kTfLiteInt32 = 2,
  kTfLiteInt64 = 4,
  kTfLiteBool = 6,
  kTfLiteInt8 = 9,
};

enum TfLiteAllocationType : int { kTfLiteMemNone = 0, kTfLiteMmapRo = 1, kTfLiteDynamic = 4, kTfLitePersistentRo = 5 };

enum TfLiteDelegateFlags : int64_t { kTfLiteDelegateFlagsAllowDynamicTensors = 1 };

constexpr int kTfLiteOptionalTensor = -1;

struct TfLiteContext;
struct TfLiteDelegate;

struct TfLiteIntArray {
  int size;
  int data[1];  // `size` of them follow; one is declared because C++ has no flexible member
};

struct TfLiteQuantizationParams {
  float scale;
  int32_t zero_point;
};

struct TfLiteQuantization {
  int type;  // 1 is affine
  void* params;
};

struct TfLiteTensor {
  TfLiteType type;
  union {
    void* data;
    const void* data_const;
  };
  TfLiteIntArray* dims;
  TfLiteQuantizationParams params;
  TfLiteAllocationType allocation_type;
  size_t bytes;
  const void* allocation;
  const char* name;
  TfLiteDelegate* delegate;
  int buffer_handle;
  bool data_is_stale;
  bool is_variable;
  TfLiteQuantization quantization;
  void* sparsity;
  const TfLiteIntArray* dims_signature;
};

struct TfLiteNode {
  TfLiteIntArray* inputs;
  TfLiteIntArray* outputs;
  TfLiteIntArray* intermediates;
  TfLiteIntArray* temporaries;
  void* user_data;
  void* builtin_data;
  const void* custom_initial_data;
  int custom_initial_data_size;
  TfLiteDelegate* delegate;
  bool might_have_side_effect;
};

// Passed to the runtime BY VALUE, and the runtime may know a longer one: what it reads behind our last field must be
// zero, hence the reserve.
struct TfLiteRegistration {
  void* (*init)(TfLiteContext* context, const char* buffer, size_t length);
  void (*free)(TfLiteContext* context, void* buffer);
  TfLiteStatus (*prepare)(TfLiteContext* context, TfLiteNode* node);
  TfLiteStatus (*invoke)(TfLiteContext* context, TfLiteNode* node);
  const char* (*profiling_string)(const TfLiteContext* context, const TfLiteNode* node);
  int32_t builtin_code;
  const char* custom_name;
  int version;
  void* registration_external;
  void* async_kernel;
  uint64_t inplace_operator;
  uint64_t reserve[8];
};

struct TfLiteDelegateParams {
  TfLiteDelegate* delegate;
  TfLiteIntArray* nodes_to_replace;
  TfLiteIntArray* input_tensors;
  TfLiteIntArray* output_tensors;
};

struct TfLiteContext {
  size_t tensors_size;
  TfLiteStatus (*GetExecutionPlan)(TfLiteContext* context, TfLiteIntArray** execution_plan);
  TfLiteTensor* tensors;
  void* impl_;
  TfLiteStatus (*ResizeTensor)(TfLiteContext* context, TfLiteTensor* tensor, TfLiteIntArray* new_size);
  void (*ReportError)(TfLiteContext* context, const char* msg, ...);
  TfLiteStatus (*AddTensors)(TfLiteContext* context, int tensors_to_add, int* first_new_tensor_index);
  TfLiteStatus (*GetNodeAndRegistration)(TfLiteContext* context, int node_index, TfLiteNode** node,
                                         TfLiteRegistration** registration);
  TfLiteStatus (*ReplaceNodeSubsetsWithDelegateKernels)(TfLiteContext* context, TfLiteRegistration registration,
                                                        const TfLiteIntArray* nodes_to_replace,
                                                        TfLiteDelegate* delegate);
  int recommended_num_threads;
  void* (*GetExternalContext)(TfLiteContext* context, int type);
  void (*SetExternalContext)(TfLiteContext* context, int type, void* external_context);
  bool allow_fp32_relax_to_fp16;
  void* profiler;
};

struct TfLiteDelegate {
  void* data_;
  TfLiteStatus (*Prepare)(TfLiteContext* context, TfLiteDelegate* delegate);
  TfLiteStatus (*CopyFromBufferHandle)(TfLiteContext* context, TfLiteDelegate* delegate, int handle, TfLiteTensor*);
  TfLiteStatus (*CopyToBufferHandle)(TfLiteContext* context, TfLiteDelegate* delegate, int handle, TfLiteTensor*);
  void (*FreeBufferHandle)(TfLiteContext* context, TfLiteDelegate* delegate, int* handle);
  int64_t flags;
  void* opaque_delegate_builder;
  uint64_t reserve[4];  // read by nobody today; a longer struct of tomorrow finds zeros
};

}  // extern "C"

// What a delegate kernel's init returns to say that it failed.
inline void* TfLiteKernelInitFailed() { return reinterpret_cast<void*>(static_cast<intptr_t>(-1)); }

#if UINTPTR_MAX == UINT64_MAX
static_assert(offsetof(TfLiteTensor, data) == 8 && offsetof(TfLiteTensor, dims) == 16, "");
static_assert(offsetof(TfLiteTensor, params) == 24 && offsetof(TfLiteTensor, allocation_type) == 32, "");
static_assert(offsetof(TfLiteTensor, bytes) == 40 && offsetof(TfLiteTensor, name) == 56, "");
static_assert(offsetof(TfLiteTensor, delegate) == 64 && offsetof(TfLiteTensor, is_variable) == 77, "");
static_assert(offsetof(TfLiteTensor, quantization) == 80 && sizeof(TfLiteTensor) == 112, "");
static_assert(offsetof(TfLiteNode, user_data) == 32 && offsetof(TfLiteNode, builtin_data) == 40, "");
static_assert(offsetof(TfLiteNode, custom_initial_data_size) == 56 && offsetof(TfLiteNode, delegate) == 64, "");
static_assert(offsetof(TfLiteRegistration, builtin_code) == 40 && offsetof(TfLiteRegistration, custom_name) == 48, "");
static_assert(offsetof(TfLiteRegistration, version) == 56 && offsetof(TfLiteRegistration, inplace_operator) == 80, "");
static_assert(offsetof(TfLiteContext, tensors) == 16 && offsetof(TfLiteContext, ResizeTensor) == 32, "");
static_assert(offsetof(TfLiteContext, GetNodeAndRegistration) == 56, "");
static_assert(offsetof(TfLiteContext, recommended_num_threads) == 72 && offsetof(TfLiteContext, profiler) == 104, "");
static_assert(offsetof(TfLiteDelegateParams, output_tensors) == 24, "");
static_assert(offsetof(TfLiteDelegate, flags) == 40 && offsetof(TfLiteDelegate, opaque_delegate_builder) == 48, "");
#endif
