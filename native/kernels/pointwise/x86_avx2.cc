#include "kernels/vector/x86_avx2.h"

#include <utility>

#include "kernels/pointwise/tile.h"

namespace repbnn {
namespace {

#include "kernels/pointwise/chains.inl"

}  // namespace

void pointwise_avx2(const PointwiseTile& tile) { run_copies<Avx2>(tile); }

}  // namespace repbnn
