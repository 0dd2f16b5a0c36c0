/* The delegate's C interface: TFLite's external delegate interface, which loaders look up by name. */
#ifndef REPBNN_DELEGATE_H_
#define REPBNN_DELEGATE_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct TfLiteDelegate;

/* A delegate for TfLiteInterpreterOptionsAddDelegate, or null with one sentence through report_error (which may be
   null) and on stderr. Keys and values as docs/delegate.md lists them. */
struct TfLiteDelegate* tflite_plugin_create_delegate(const char* const* option_keys, const char* const* option_values,
                                                     size_t num_options, void (*report_error)(const char* message));

/* Before or after the interpreters that use it; null is allowed. */
void tflite_plugin_destroy_delegate(struct TfLiteDelegate* delegate);

/* For LiteRT 2.x's CompiledModel: every model that this LiteRtEnvironment compiles for the CPU runs on the delegate
   first, and on the environment's own kernels after it. libLiteRt.so must be loaded. 0, or 1 with one sentence as
   above. */
int repbnn_register_accelerator(void* environment, const char* const* option_keys, const char* const* option_values,
                                size_t num_options, void (*report_error)(const char* message));

#ifdef __cplusplus
}
#endif

#endif /* REPBNN_DELEGATE_H_ */
