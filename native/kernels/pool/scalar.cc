// The reference: one value at a time.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/pool/rows.h"

namespace repbnn {
namespace {

template <typename Visit>
void for_window(const PoolRow& row, int x, int channel, Visit visit) {
  const PoolGeometry& g = *row.geometry;
  const int from = x * g.stride_width - g.pad_left;
  const int left = std::max(from, 0), right = std::min(from + g.filter_width, g.in_width);
  for (int iy = row.top; iy < row.bottom; ++iy) {
    for (int ix = left; ix < right; ++ix) visit(row.in->at(iy, ix)[channel]);
  }
}

float clamped(float v, float lo, float hi) {
  v = v < lo ? lo : v;
  return hi < v ? hi : v;
}

template <typename Value>
void each_value(const PoolRow& row, Value value) {
  for (int x = row.x0; x < row.x1; ++x) {
    for (int c = 0; c < row.geometry->channels; ++c) row.out->at(row.y, x)[c] = clamped(value(x, c), row.lo, row.hi);
  }
}

void average(const PoolRow& row) {
  each_value(row, [&](int x, int c) {
    float sum = 0.0f;
    int count = 0;
    for_window(row, x, c, [&](float v) {
      sum += v;
      ++count;
    });
    return sum / static_cast<float>(count);
  });
}

void maximum(const PoolRow& row) {
  each_value(row, [&](int x, int c) {
    float most = std::numeric_limits<float>::lowest();
    for_window(row, x, c, [&](float v) { most = std::max(most, v); });
    return most;
  });
}

void pack(const SignRow& row) {
  for (int x = row.x0; x < row.x1; ++x) {
    uint32_t* out = row.bits->at(row.y, x);
    std::fill(out, out + words_of(row.channels), 0);
    for (int c = 0; c < row.channels; ++c) {
      out[c / kWordBits] |= static_cast<uint32_t>(row.floats->at(row.y, x)[c] < 0.0f) << (c % kWordBits);
    }
  }
}

void unpack(const SignRow& row) {
  for (int x = row.x0; x < row.x1; ++x) {
    const uint32_t* in = row.bits->at(row.y, x);
    for (int c = 0; c < row.channels; ++c) {
      row.floats->at(row.y, x)[c] = in[c / kWordBits] >> (c % kWordBits) & 1 ? -1.0f : 1.0f;
    }
  }
}

}  // namespace

const PoolFunctions kScalarPool = {average, maximum, pack, unpack};

}  // namespace repbnn
