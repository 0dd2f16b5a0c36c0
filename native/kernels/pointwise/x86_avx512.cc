#include "kernels/vector/x86_avx512.h"

#include <utility>

#include "kernels/pointwise/tile.h"

namespace repbnn {
namespace {

#include "kernels/pointwise/chains.inl"

}  // namespace

void pointwise_avx512(const PointwiseTile& tile) { run_copies<Avx512>(tile); }

}  // namespace repbnn
