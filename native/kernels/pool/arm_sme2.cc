// Average and maximum pools in streaming mode, four vectors of channels at a time.
#include <cmath>

#include "kernels/pointwise/streaming.h"
#include "kernels/pool/rows.h"

namespace repbnn {
namespace {

// v > most ? v : most, as the builtin kernel: NaN never wins.
REPBNN_STREAMING_INLINE Quad larger(Quad most, Quad v) REPBNN_STREAMING {
  const svbool_t all = svptrue_b32();
#define REPBNN_LARGER(i) svsel(svcmplt(all, svget4(most, i), svget4(v, i)), svget4(v, i), svget4(most, i))
  return svcreate4(REPBNN_LARGER(0), REPBNN_LARGER(1), REPBNN_LARGER(2), REPBNN_LARGER(3));
}

// The window's values of a quad, one after another.
template <bool kAverage>
REPBNN_STREAMING_INLINE Quad fold(const PoolRow& row, int left, int right, int channel,
                                  svcount_t live) REPBNN_STREAMING {
  Quad result = of_all(kAverage ? 0.0f : -3.402823466e+38f);
  for (int y = row.top; y < row.bottom; ++y) {
    const float* pixel = row.in->at(y, left) + channel;
    for (int x = left; x < right; ++x, pixel += row.in->pixel_stride) {
      const Quad v = svld1_x4(live, pixel);
      result = kAverage ? add(result, v) : larger(result, v);
    }
  }
  return result;
}

template <bool kAverage>
void pool_row(const PoolRow& row) REPBNN_STREAMING {
  const PoolGeometry& g = *row.geometry;
  const int quad = 4 * static_cast<int>(svcntw());
  const bool clamps = row.lo > -INFINITY || row.hi < INFINITY;
  for (int x = row.x0; x < row.x1; ++x) {
    const int from = x * g.stride_width - g.pad_left, to = from + g.filter_width;
    const int left = from < 0 ? 0 : from, right = to > g.in_width ? g.in_width : to;
    const float count = static_cast<float>((row.bottom - row.top) * (right - left));
    float* out = row.out->at(row.y, x);
    for (int channel = 0; channel < g.channels; channel += quad) {
      const svcount_t live = svwhilelt_c32(int64_t{channel}, int64_t{g.channels}, 4);
      Quad v = fold<kAverage>(row, left, right, channel, live);
      if (kAverage) v = divided(v, of_all(count));
      if (clamps) v = lowered(raised(v, row.lo), row.hi);
      svst1(live, out + channel, v);
    }
  }
}

void run_area(void* context) REPBNN_STREAMING {
  const PoolArea& area = *static_cast<const PoolArea*>(context);
  const PoolGeometry& g = *area.geometry;
  PoolRow row{&g, area.in, area.out, *area.lo, *area.hi, 0, area.x0, area.x1, 0, 0};
  for (row.y = area.y0; row.y < area.y1; ++row.y) {
    const int from = row.y * g.stride_height - g.pad_top, to = from + g.filter_height;
    row.top = from < 0 ? 0 : from;
    row.bottom = to > g.in_height ? g.in_height : to;
    area.average ? pool_row<true>(row) : pool_row<false>(row);
  }
}

}  // namespace

const StreamingWork kSme2Pool = reinterpret_cast<StreamingWork>(run_area);

}  // namespace repbnn
