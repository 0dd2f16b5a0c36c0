#include "kernels/vector/x86_avx512.h"

#include <cmath>

#include "kernels/pool/rows.h"

namespace repbnn {
namespace {

#include "kernels/pool/rows.inl"

}  // namespace

const PoolFunctions kAvx512Pool = {average_row<Avx512>, maximum_row<Avx512>, pack_row<Avx512>, unpack_row<Avx512>};

}  // namespace repbnn
