// The door that TFLite's external delegate loader opens: load_delegate, benchmark_model, addDelegate.
#include <string>

#include "delegate/delegate.h"
#include "delegate/guard.h"
#include "delegate/options.h"
#include "delegate/repbnn_delegate.h"

#define REPBNN_EXPORT extern "C" __attribute__((visibility("default")))

REPBNN_EXPORT TfLiteDelegate* tflite_plugin_create_delegate(const char* const* keys, const char* const* values,
                                                            size_t count, void (*report_error)(const char*)) {
  std::string error = "out of memory";
  TfLiteDelegate* delegate = repbnn::guarded<TfLiteDelegate*>(nullptr, [&]() -> TfLiteDelegate* {
    repbnn::Options options;
    // Python passes the count as a 32-bit int: what stands above it in the register is not ours.
    if (!repbnn::parse_options(keys, values, static_cast<uint32_t>(count), &options, &error)) return nullptr;
    return repbnn::Delegate::create(options, &error);
  });
  if (delegate == nullptr) {
    // Some loaders pass no report_error, and others drop what it gets: say it on both roads.
    repbnn::log_line(repbnn::LogLevel::kError, repbnn::LogLevel::kError, error);
    if (report_error != nullptr) report_error(error.c_str());
  }
  return delegate;
}

REPBNN_EXPORT void tflite_plugin_destroy_delegate(TfLiteDelegate* delegate) {
  if (delegate != nullptr) repbnn::Delegate::destroy(delegate);
}
