#include "kernels/vector/arm_neon.h"

#include <cmath>

#include "kernels/depthwise/row.h"

namespace repbnn {
namespace {

#include "kernels/depthwise/row.inl"

}  // namespace

const DepthwiseFunction kNeonDepthwise = depthwise_row<Neon>;

}  // namespace repbnn
