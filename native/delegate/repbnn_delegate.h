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

#ifdef __cplusplus
}
#endif

#endif /* REPBNN_DELEGATE_H_ */
