// From counts to values and to bits, over a vector trait; included by each instruction set's file in its anonymous
// namespace, after the trait.

template <class V>
void transform_strip(const StripTransform& strip) {
  const typename V::Value multiplier = V::load(strip.multiplier), bias = V::load(strip.bias);
  int32_t* counts = strip.counts;
  for (int p = 0; p < strip.pixels; ++p, counts += strip.stride) {
    V::store(reinterpret_cast<float*>(counts), V::from_popcount(counts, strip.lo, strip.hi, multiplier, bias));
  }
}

template <class V>
void threshold_strip(const StripThresholds& strip) {
  uint32_t* pixel = strip.map->at(strip.y, strip.x);
  const int32_t* counts = strip.counts;
  for (int p = 0; p < strip.pixels; ++p, counts += strip.stride, pixel += strip.map->pixel_stride) {
    store_bits(*strip.map, pixel, strip.channel, V::above(counts, strip.thresholds), strip.lanes);
  }
}

// Left to the compiler's vectoriser: it is 1% of a layer.
void derive_row(const uint32_t* in, ptrdiff_t step, size_t count, uint32_t* __restrict out0,
                uint32_t* __restrict out1) {
  if (out1 == nullptr) {
    for (size_t i = 0; i < count; ++i) out0[i] = in[i] ^ in[i + step] ^ in[i + 2 * step];
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    const uint32_t pair = in[i] ^ in[i + step];
    out1[i] = pair;
    out0[i] = pair ^ in[i + 2 * step];
  }
}
