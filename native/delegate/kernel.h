// One partition: what the runtime calls in place of the nodes that were claimed.
#pragma once

#include "delegate/abi.h"

namespace repbnn {

// The registration that ReplaceNodeSubsetsWithDelegateKernels gets.
TfLiteRegistration kernel_registration();

}  // namespace repbnn
