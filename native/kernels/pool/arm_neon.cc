#include "kernels/vector/arm_neon.h"

#include <cmath>

#include "kernels/pool/rows.h"

namespace repbnn {
namespace {

#include "kernels/pool/rows.inl"

}  // namespace

const PoolFunctions kNeonPool = {average_row<Neon>, maximum_row<Neon>, pack_row<Neon>, unpack_row<Neon>};

}  // namespace repbnn
