// A delegate that takes a whole network and answers with a ramp: what bench must never time.
#include "delegate/abi.h"

namespace {

TfLiteStatus prepare_kernel(TfLiteContext*, TfLiteNode*) { return kTfLiteOk; }

TfLiteStatus invoke(TfLiteContext* context, TfLiteNode* node) {
  for (int i = 0; i < node->outputs->size; ++i) {
    TfLiteTensor& tensor = context->tensors[node->outputs->data[i]];
    float* values = static_cast<float*>(tensor.data);
    for (size_t k = 0; k < tensor.bytes / sizeof(float); ++k) values[k] = static_cast<float>(k);
  }
  return kTfLiteOk;
}

TfLiteStatus prepare(TfLiteContext* context, TfLiteDelegate* delegate) {
  TfLiteIntArray* plan = nullptr;
  if (context->GetExecutionPlan(context, &plan) != kTfLiteOk) return kTfLiteError;
  TfLiteRegistration registration = {};
  registration.prepare = prepare_kernel;
  registration.invoke = invoke;
  registration.custom_name = "broken";
  registration.version = 1;
  return context->ReplaceNodeSubsetsWithDelegateKernels(context, registration, plan, delegate);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) TfLiteDelegate* tflite_plugin_create_delegate(
    const char* const*, const char* const*, size_t, void (*)(const char*)) {
  TfLiteDelegate* delegate = new TfLiteDelegate{};
  delegate->Prepare = prepare;
  delegate->flags = kTfLiteDelegateFlagsAllowDynamicTensors;
  return delegate;
}

extern "C" __attribute__((visibility("default"))) void tflite_plugin_destroy_delegate(TfLiteDelegate* delegate) {
  delete delegate;
}
