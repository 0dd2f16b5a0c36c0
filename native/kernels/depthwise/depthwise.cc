#include "kernels/depthwise/depthwise.h"

#include "kernels/depthwise/row.h"

namespace repbnn {
namespace {

DepthwiseFunction function_of(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2: return kAvx2Depthwise;
    case Isa::kAvx512Vpopcntdq: return kAvx512Depthwise;
#elif defined(__aarch64__)
    case Isa::kSme2:
    case Isa::kSme2Neon:
    case Isa::kNeon: return kNeonDepthwise;
#endif
    default: return kScalarDepthwise;
  }
}

}  // namespace

void depthwise_conv2d(Isa isa, const Depthwise& conv, const FloatMap& in, const FloatMap& out, int y0, int y1, int x0,
                      int x1) {
  const DepthwiseFunction run = function_of(isa);
  for (int y = y0; y < y1; ++y) run({&conv, &in, &out, y, x0, x1});
}

}  // namespace repbnn
