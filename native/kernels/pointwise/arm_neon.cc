#include "kernels/vector/arm_neon.h"

#include "kernels/pointwise/tile.h"

namespace repbnn {
namespace {

#include "kernels/pointwise/machine.inl"

}  // namespace

void pointwise_neon(const PointwiseTile& tile) { run_blocks<Neon, Neon::kPixels>(tile, 0); }

}  // namespace repbnn
