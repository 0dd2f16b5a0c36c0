// The rows over a vector trait, included by each instruction set's file in its anonymous namespace.

constexpr int kLanes = 16;
constexpr int kHalf = 16;  // bits of a word that one vector gives

struct Sum {
  template <class V>
  static typename V::Value first() {
    return V::all(0.0f);
  }
  template <class V>
  static typename V::Value next(typename V::Value sum, typename V::Value v) {
    return V::add(sum, v);
  }
};

struct Maximum {
  template <class V>
  static typename V::Value first() {
    return V::all(-3.402823466e+38f);  // numeric_limits<float>::lowest(), as the builtin kernel starts
  }
  template <class V>
  static typename V::Value next(typename V::Value most, typename V::Value v) {
    return V::larger(v, most);  // v > most ? v : most
  }
};

// The window of one output column inside the map.
struct Columns {
  int left, right;
};
REPBNN_INLINE Columns columns_of(const PoolGeometry& g, int x) {
  const int from = x * g.stride_width - g.pad_left, to = from + g.filter_width;
  return {from < 0 ? 0 : from, to > g.in_width ? g.in_width : to};
}

// The window of an output pixel.
struct Window {
  const PoolRow* row;
  Columns columns;
  ptrdiff_t stride;
  const float* upper;  // the first two rows
  const float* lower;

  REPBNN_INLINE Window(const PoolRow& r, Columns c) : row(&r), columns(c), stride(r.in->pixel_stride) {
    upper = r.in->at(r.top, c.left);
    lower = r.bottom - r.top > 1 ? r.in->at(r.top + 1, c.left) : upper;
  }
  REPBNN_INLINE bool two_by_two() const { return row->bottom - row->top == 2 && columns.right - columns.left == 2; }
};

// 16 whole channels of a 2x2 window, the form that every network has most of.
template <class V, class Fold>
REPBNN_INLINE typename V::Value fold_two_by_two(const Window& window, int channel) {
  const float *upper = window.upper + channel, *lower = window.lower + channel;
  typename V::Value result = Fold::template next<V>(Fold::template first<V>(), V::load(upper));
  result = Fold::template next<V>(result, V::load(upper + window.stride));
  result = Fold::template next<V>(result, V::load(lower));
  return Fold::template next<V>(result, V::load(lower + window.stride));
}

template <class V, class Fold>
typename V::Value fold_window(const Window& window, int channel, int lanes) {
  typename V::Value result = Fold::template first<V>();
  for (int y = window.row->top; y < window.row->bottom; ++y) {
    const float* pixel = window.row->in->at(y, window.columns.left) + channel;
    for (int x = window.columns.left; x < window.columns.right; ++x, pixel += window.stride) {
      result = Fold::template next<V>(result, lanes == kLanes ? V::load(pixel) : V::load_some(pixel, lanes));
    }
  }
  return result;
}

template <class V, class Fold, typename Finish>
REPBNN_INLINE void pool_row(const PoolRow& row, Finish finish) {
  const PoolGeometry& g = *row.geometry;
  const bool clamps = row.lo > -INFINITY || row.hi < INFINITY;
  for (int x = row.x0; x < row.x1; ++x) {
    const Window window(row, columns_of(g, x));
    const int count = (row.bottom - row.top) * (window.columns.right - window.columns.left);
    float* out = row.out->at(row.y, x);
    int channel = 0;
    if (window.two_by_two() && !clamps) {
      for (; channel + kLanes <= g.channels; channel += kLanes) {
        V::store(out + channel, finish(fold_two_by_two<V, Fold>(window, channel), 4));
      }
    }
    for (; channel < g.channels; channel += kLanes) {
      const int lanes = g.channels - channel < kLanes ? g.channels - channel : kLanes;
      typename V::Value v = finish(fold_window<V, Fold>(window, channel, lanes), count);
      if (clamps) v = V::clamp(v, row.lo, row.hi);
      if (lanes == kLanes) {
        V::store(out + channel, v);
      } else {
        V::store_some(out + channel, v, lanes);
      }
    }
  }
}

template <class V>
void average_row(const PoolRow& row) {
  pool_row<V, Sum>(row, [](typename V::Value sum, int count) {
    // A power of two divides exactly by its reciprocal, at a tenth of the time.
    if ((count & (count - 1)) == 0) return V::mul(sum, V::all(1.0f / static_cast<float>(count)));
    return V::div(sum, V::all(static_cast<float>(count)));
  });
}

template <class V>
void maximum_row(const PoolRow& row) {
  pool_row<V, Maximum>(row, [](typename V::Value most, int) { return most; });
}

template <class V>
REPBNN_INLINE uint32_t negative_half(const float* from, int lanes) {
  if (lanes <= 0) return 0;
  if (lanes >= kLanes) return V::negative(V::load(from));
  return V::negative(V::load_some(from, lanes)) & ((1u << lanes) - 1);
}

// Whole words at once: a word in two halves would stall whoever reads it next.
template <class V>
void pack_row(const SignRow& row) {
  for (int x = row.x0; x < row.x1; ++x) {
    const float* in = row.floats->at(row.y, x);
    uint32_t* out = row.bits->at(row.y, x);
    for (int channel = 0; channel < row.channels; channel += kWordBits) {
      const int left = row.channels - channel;
      *out++ = negative_half<V>(in + channel, left) | negative_half<V>(in + channel + kHalf, left - kHalf) << kHalf;
    }
  }
}

template <class V>
void unpack_row(const SignRow& row) {
  for (int x = row.x0; x < row.x1; ++x) {
    const uint32_t* in = row.bits->at(row.y, x);
    float* out = row.floats->at(row.y, x);
    for (int channel = 0; channel < row.channels; channel += kLanes) {
      const typename V::Value v = V::signs(in[channel / kWordBits] >> (channel % kWordBits));
      if (row.channels - channel >= kLanes) {
        V::store(out + channel, v);
      } else {
        V::store_some(out + channel, v, row.channels - channel);
      }
    }
  }
}
