#include "kernels/pointwise/pointwise.h"

#include "base/streaming.h"
#include "kernels/pointwise/tile.h"

namespace repbnn {

int pointwise_width(Isa isa) { return isa == Isa::kSme2 ? 4 * streaming_lanes() : kLanes; }

RunTile pointwise_tile(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2: return pointwise_avx2;
    case Isa::kAvx512Vpopcntdq: return pointwise_avx512;
#elif defined(__aarch64__)
    case Isa::kSme2Neon:
    case Isa::kNeon: return pointwise_neon;
#endif
    default: return pointwise_scalar;
  }
}

void run_pointwise(Isa isa, const PackedProgram& program, const FloatMap& source, const Bindings& bindings, int y0,
                   int y1, int x0, int x1) {
#if defined(REPBNN_SME2)
  if (isa == Isa::kSme2) {
    PointwiseArea area{&program, &source, &bindings, y0, y1, x0, x1};
    return in_streaming_mode(kSme2Pointwise, &area);
  }
#endif
  const RunTile run = pointwise_tile(isa);
  const int groups = (program.lanes_total() + kLanes - 1) / kLanes;
  PointwiseTile tile{&program, &bindings, nullptr, source.pixel_stride, 0, 0, x0, x1 - x0};
  alignas(kCacheLine) float wrapped[kLanes];
  for (tile.y = y0; tile.y < y1; ++tile.y) {
    for (tile.group = 0; tile.group < groups; ++tile.group) {
      const int channel = tile.group * kLanes;
      if (!wraps(source, channel, tile.lanes())) {
        tile.source = source.at(tile.y, x0) + channel_of(source, channel);
        run(tile);
        continue;
      }
      for (int x = x0; x < x1; ++x) {  // a modulo that is no multiple of 16: rare, pixel by pixel
        const float* pixel = source.at(tile.y, x);
        for (int i = 0; i < tile.lanes(); ++i) wrapped[i] = pixel[(channel + i) % source.modulo];
        PointwiseTile one = tile;
        one.source = wrapped;
        one.x = x;
        one.pixels = 1;
        run(one);
      }
    }
  }
}

}  // namespace repbnn
