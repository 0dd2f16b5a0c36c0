// One partition: what the runtime calls in place of the nodes that were claimed.
#pragma once

#include <memory>

#include "delegate/abi.h"
#include "delegate/delegate.h"

namespace repbnn {

// The registration that ReplaceNodeSubsetsWithDelegateKernels gets.
TfLiteRegistration kernel_registration();

}  // namespace repbnn
