// 16 floats in two registers. For files compiled with AVX2.
#ifndef REPBNN_KERNELS_VECTOR_X86_AVX2_H_
#define REPBNN_KERNELS_VECTOR_X86_AVX2_H_

#include <immintrin.h>

#include <cstdint>

namespace repbnn {
namespace {

struct Avx2 {
  struct Value {
    __m256 a, b;
  };
  static constexpr int kPixels = 4;

  static Value load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
  static Value load_some(const float* from, int lanes) {
    return {_mm256_maskload_ps(from, lane_mask(lanes)),
            lanes > 8 ? _mm256_maskload_ps(from + 8, lane_mask(lanes - 8)) : _mm256_setzero_ps()};
  }
  static void store(float* to, Value v) {
    _mm256_storeu_ps(to, v.a);
    _mm256_storeu_ps(to + 8, v.b);
  }
  static void store_some(float* to, Value v, int lanes) {
    _mm256_maskstore_ps(to, lane_mask(lanes), v.a);
    if (lanes > 8) _mm256_maskstore_ps(to + 8, lane_mask(lanes - 8), v.b);
  }
  static Value add(Value x, Value y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
  static Value mul(Value x, Value y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  static Value div(Value x, Value y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
  static Value all(float v) { return {_mm256_set1_ps(v), _mm256_set1_ps(v)}; }
  static Value prelu(Value v, Value slope) { return {prelu(v.a, slope.a), prelu(v.b, slope.b)}; }
  // max and min return their second operand for NaN and for equal zeros, as the scalar form does.
  static Value larger(Value bound, Value v) { return {_mm256_max_ps(bound.a, v.a), _mm256_max_ps(bound.b, v.b)}; }
  static Value smaller(Value bound, Value v) { return {_mm256_min_ps(bound.a, v.a), _mm256_min_ps(bound.b, v.b)}; }
  static Value clamp(Value v, float lo, float hi) { return smaller(all(hi), larger(all(lo), v)); }
  static uint32_t negative(Value v) { return negative(v.a) | negative(v.b) << 8; }
  static Value signs(uint32_t bits) { return {signs_of(bits), signs_of(bits >> 8)}; }
  // float(2 * popcount, clamped) * multiplier + bias
  template <bool kClamps>
  static Value from_popcount(const int32_t* counts, int32_t lo, int32_t hi, Value multiplier, Value bias) {
    return add(mul({doubled<kClamps>(counts, lo, hi), doubled<kClamps>(counts + 8, lo, hi)}, multiplier), bias);
  }
  static uint32_t above(const int32_t* counts, const int32_t* thresholds) {
    return above_of(counts, thresholds) | above_of(counts + 8, thresholds + 8) << 8;
  }

 private:
  static __m256i indices() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
  static __m256i lane_mask(int lanes) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), indices()); }
  static __m256 prelu(__m256 v, __m256 slope) {
    return _mm256_blendv_ps(v, _mm256_mul_ps(v, slope), _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NGE_UQ));
  }
  static uint32_t negative(__m256 v) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ)));
  }
  static __m256 signs_of(uint32_t bits) {
    const __m256i bit = _mm256_sllv_epi32(_mm256_set1_epi32(1), indices());
    const __m256i set = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), bit), bit);
    return _mm256_blendv_ps(_mm256_set1_ps(1.0f), _mm256_set1_ps(-1.0f), _mm256_castsi256_ps(set));
  }
  static __m256i load_counts(const int32_t* from) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(from)); }
  template <bool kClamps>
  static __m256 doubled(const int32_t* counts, int32_t lo, int32_t hi) {
    __m256i x = _mm256_slli_epi32(load_counts(counts), 1);
    if (kClamps) x = _mm256_max_epi32(_mm256_min_epi32(x, _mm256_set1_epi32(hi)), _mm256_set1_epi32(lo));
    return _mm256_cvtepi32_ps(x);
  }
  static uint32_t above_of(const int32_t* counts, const int32_t* thresholds) {
    const __m256i more = _mm256_cmpgt_epi32(load_counts(counts), load_counts(thresholds));
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(more)));
  }
};

}  // namespace
}  // namespace repbnn

#endif  // REPBNN_KERNELS_VECTOR_X86_AVX2_H_
