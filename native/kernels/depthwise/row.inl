// The row over a vector trait, included by each instruction set's file in its anonymous namespace.

constexpr int kLanes = 16;

template <class V>
REPBNN_INLINE typename V::Value load_lanes(const float* from, int lanes) {
  return lanes == kLanes ? V::load(from) : V::load_some(from, lanes);
}

template <class V>
REPBNN_INLINE typename V::Value sum_taps(const DepthwiseRow& row, Taps rows, Taps columns, int top, int left,
                                         int channel, int lanes) {
  const Depthwise& conv = *row.conv;
  const DepthwiseGeometry& g = conv.geometry;
  typename V::Value sum = conv.bias != nullptr ? load_lanes<V>(conv.bias + channel, lanes) : V::all(0.0f);
  const ptrdiff_t step = g.dilation_width * row.in->pixel_stride;
  for (int ky = rows.begin; ky < rows.end; ++ky) {
    const float* pixel = row.in->at(top + ky * g.dilation_height, left + columns.begin * g.dilation_width) + channel;
    const float* tap = conv.filter + static_cast<ptrdiff_t>(ky * g.filter_width + columns.begin) * g.channels + channel;
    for (int kx = columns.begin; kx < columns.end; ++kx, pixel += step, tap += g.channels) {
      sum = V::add(sum, V::mul(load_lanes<V>(pixel, lanes), load_lanes<V>(tap, lanes)));
    }
  }
  return sum;
}

template <class V>
void depthwise_row(const DepthwiseRow& row) {
  const DepthwiseGeometry& g = row.conv->geometry;
  const float lo = row.conv->lo, hi = row.conv->hi;
  const bool clamps = lo > -INFINITY || hi < INFINITY;
  const int top = row.y * g.stride_height - g.pad_top;
  const Taps rows = taps_inside(top, g.filter_height, g.dilation_height, g.in_height);
  for (int x = row.x0; x < row.x1; ++x) {
    const int left = x * g.stride_width - g.pad_left;
    const Taps columns = taps_inside(left, g.filter_width, g.dilation_width, g.in_width);
    float* out = row.out->at(row.y, x);
    int channel = 0;
    for (; channel + kLanes <= g.channels; channel += kLanes) {
      typename V::Value sum = sum_taps<V>(row, rows, columns, top, left, channel, kLanes);
      V::store(out + channel, clamps ? V::clamp(sum, lo, hi) : sum);
    }
    if (channel < g.channels) {
      const int lanes = g.channels - channel;
      typename V::Value sum = sum_taps<V>(row, rows, columns, top, left, channel, lanes);
      V::store_some(out + channel, clamps ? V::clamp(sum, lo, hi) : sum, lanes);
    }
  }
}
