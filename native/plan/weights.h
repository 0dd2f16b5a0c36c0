// Packed convolutions that every plan of the process shares: two interpreters of one model hold its weights once.
#pragma once

#include <memory>

#include "kernels/bconv2d/bconv2d.h"

namespace repbnn {

// The convolution of this spec, packed now or found: equal specs for one kernel are one object as long as anyone holds
// it. nullptr when the kernels cannot run it. From any thread; throws std::bad_alloc only.
std::shared_ptr<const Bconv2d> shared_bconv2d(const Bconv2dSpec& spec, const Bconv2dKernel& kernel);

// How many of them are held in the process.
size_t shared_bconv2d_count();

}  // namespace repbnn
