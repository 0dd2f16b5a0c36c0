#include "kernels/vector/arm_neon.h"

#include <utility>

#include "kernels/pointwise/tile.h"

namespace repbnn {
namespace {

#include "kernels/pointwise/chains.inl"

}  // namespace

void pointwise_neon(const PointwiseTile& tile) { run_copies<Neon>(tile); }

}  // namespace repbnn
