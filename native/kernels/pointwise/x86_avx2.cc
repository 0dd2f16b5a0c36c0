#include "kernels/vector/x86_avx2.h"

#include "kernels/pointwise/tile.h"

namespace repbnn {
namespace {

#include "kernels/pointwise/machine.inl"

}  // namespace

void pointwise_avx2(const PointwiseTile& tile) { run_blocks<Avx2, Avx2::kPixels>(tile, 0); }

}  // namespace repbnn
