#include "kernels/vector/x86_avx2.h"

#include <cmath>

#include "kernels/pool/rows.h"

namespace repbnn {
namespace {

#include "kernels/pool/rows.inl"

}  // namespace

const PoolFunctions kAvx2Pool = {average_row<Avx2>, maximum_row<Avx2>, pack_row<Avx2>, unpack_row<Avx2>};

}  // namespace repbnn
