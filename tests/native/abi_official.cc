#include <cstddef>

#ifdef REPBNN_OFFICIAL_HEADERS
#include "tensorflow/lite/builtin_ops.h"
#include "tensorflow/lite/core/c/common.h"

#include "abi_offsets.h"
extern const size_t official_facts[] = {REPBNN_ABI_FACTS};
extern const size_t official_count = sizeof(official_facts) / sizeof(official_facts[0]);
extern const size_t official_registration_bytes = sizeof(TfLiteRegistration);
extern const size_t official_delegate_bytes = sizeof(TfLiteDelegate);
#else
extern const size_t official_facts[] = {0};
extern const size_t official_count = 0;
extern const size_t official_registration_bytes = 0;
extern const size_t official_delegate_bytes = 0;
#endif
