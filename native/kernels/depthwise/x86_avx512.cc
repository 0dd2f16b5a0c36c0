#include "kernels/vector/x86_avx512.h"

#include <cmath>

#include "kernels/depthwise/row.h"

namespace repbnn {
namespace {

#include "kernels/depthwise/row.inl"

}  // namespace

const DepthwiseFunction kAvx512Depthwise = depthwise_row<Avx512>;

}  // namespace repbnn
