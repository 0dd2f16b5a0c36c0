// From counts to values and to bits, over a vector trait; included by each instruction set's file in its anonymous
// namespace, after the trait.

template <class V, bool kClamps>
REPBNN_INLINE void transform_pixels(const StripTransform& strip) {
  const typename V::Value multiplier = V::load(strip.multiplier), bias = V::load(strip.bias);
  const int32_t lo = kClamps ? strip.lo : INT32_MIN, hi = kClamps ? strip.hi : INT32_MAX;
  int32_t* counts = strip.counts;
  const ptrdiff_t stride = strip.stride;
  for (int left = strip.pixels; left > 0; --left, counts += stride) {
    V::store(reinterpret_cast<float*>(counts), V::template from_popcount<kClamps>(counts, lo, hi, multiplier, bias));
  }
}

template <class V>
void transform_strip(const StripTransform& strip) {
  strip.clamps ? transform_pixels<V, true>(strip) : transform_pixels<V, false>(strip);
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
void derive_pairs(DeriveRow row) {
  if (row.pixel_stride == row.words && row.words % 2 == 0) {  // pixels lie side by side: one run
    row.words *= row.pixels;
    row.pixels = 1;
  }
  for (; row.pixels > 0; --row.pixels, row.in += row.pixel_stride) {
    const char* __restrict in = reinterpret_cast<const char*>(row.in);
    char* __restrict out = reinterpret_cast<char*>(row.out);
    for (int i = 0; i < row.words / 2; ++i) {
      uint64_t two;
      __builtin_memcpy(&two, in + 8 * i, 8);
      two ^= two << kWordBits;  // little-endian: the second word is the upper half
      __builtin_memcpy(out + 8 * i, &two, 8);
    }
    if (row.words % 2 != 0) row.out[row.words - 1] = row.out[row.words] = row.in[row.words - 1];
    row.out += derived_words(Derived::kPairs, row.words);
  }
}

void derive_triples(DeriveRow row) {
  if (row.pixel_stride == row.words) {
    row.words *= row.pixels;
    row.pixels = 1;
  }
  for (; row.pixels > 0; --row.pixels, row.in += row.pixel_stride) {
    const uint32_t* in = row.in;
    uint32_t* __restrict out = row.out;
    for (int i = 0; i < row.words; ++i) {
      const uint32_t pair = in[i] ^ in[i + row.tap_step];
      out[3 * i] = in[i];
      out[3 * i + 1] = pair;
      out[3 * i + 2] = pair ^ in[i + 2 * row.tap_step];
    }
    row.out += derived_words(Derived::kTriples, row.words);
  }
}

void derive_row(Derived derived, const DeriveRow& row) {
  derived == Derived::kPairs ? derive_pairs(row) : derive_triples(row);
}
