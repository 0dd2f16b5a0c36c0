#include "kernels/vector/x86_avx2.h"

#include <cmath>

#include "kernels/depthwise/row.h"

namespace repbnn {
namespace {

#include "kernels/depthwise/row.inl"

}  // namespace

const DepthwiseFunction kAvx2Depthwise = depthwise_row<Avx2>;

}  // namespace repbnn
