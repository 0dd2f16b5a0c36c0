#include "kernels/vector/x86_avx512.h"

#include "kernels/pointwise/tile.h"

namespace repbnn {
namespace {

#include "kernels/pointwise/machine.inl"

}  // namespace

void pointwise_avx512(const PointwiseTile& tile) { run_blocks<Avx512, Avx512::kPixels>(tile, 0); }

}  // namespace repbnn
