// 16 floats in one register. For files compiled with AVX-512; included inside their anonymous namespace's reach only.
#ifndef REPBNN_KERNELS_VECTOR_X86_AVX512_H_
#define REPBNN_KERNELS_VECTOR_X86_AVX512_H_

#include <immintrin.h>

#include <cstdint>

namespace repbnn {
namespace {

struct Avx512 {
  using Value = __m512;
  static constexpr int kPixels = 14;

  static Value load(const float* from) { return _mm512_loadu_ps(from); }
  static Value load_some(const float* from, int lanes) { return _mm512_maskz_loadu_ps(lane_mask(lanes), from); }
  static void store(float* to, Value v) { _mm512_storeu_ps(to, v); }
  static void store_some(float* to, Value v, int lanes) { _mm512_mask_storeu_ps(to, lane_mask(lanes), v); }
  static Value add(Value a, Value b) { return _mm512_add_ps(a, b); }
  static Value mul(Value a, Value b) { return _mm512_mul_ps(a, b); }
  static Value div(Value a, Value b) { return _mm512_div_ps(a, b); }
  static Value all(float v) { return _mm512_set1_ps(v); }
  static Value prelu(Value v, Value slope) {
    return _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NGE_UQ), v, slope);
  }
  // max and min return their second operand for NaN and for equal zeros, as the scalar form does.
  static Value larger(Value bound, Value v) { return _mm512_max_ps(bound, v); }
  static Value smaller(Value bound, Value v) { return _mm512_min_ps(bound, v); }
  static Value clamp(Value v, float lo, float hi) { return smaller(all(hi), larger(all(lo), v)); }
  static uint32_t negative(Value v) { return _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ); }
  // Lane i is `ones` where bit i is 0, `minus` where it is 1.
  static Value signs(uint32_t bits) {
    return _mm512_mask_blend_ps(static_cast<__mmask16>(bits), all(1.0f), all(-1.0f));
  }
  // float(2 * popcount, clamped) * multiplier + bias
  template <bool kClamps>
  static Value from_popcount(const int32_t* counts, int32_t lo, int32_t hi, Value multiplier, Value bias) {
    __m512i x = _mm512_slli_epi32(_mm512_load_si512(counts), 1);
    if (kClamps) x = _mm512_max_epi32(_mm512_min_epi32(x, _mm512_set1_epi32(hi)), _mm512_set1_epi32(lo));
    return add(mul(_mm512_cvtepi32_ps(x), multiplier), bias);
  }
  static uint32_t above(const int32_t* counts, const int32_t* thresholds) {
    return _mm512_cmpgt_epi32_mask(_mm512_load_si512(counts), _mm512_load_si512(thresholds));
  }

 private:
  static __mmask16 lane_mask(int lanes) { return static_cast<__mmask16>((1u << lanes) - 1); }
};

}  // namespace
}  // namespace repbnn

#endif  // REPBNN_KERNELS_VECTOR_X86_AVX512_H_
