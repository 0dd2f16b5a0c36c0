// 16 floats in four registers, armv8-a.
#ifndef REPBNN_KERNELS_VECTOR_ARM_NEON_H_
#define REPBNN_KERNELS_VECTOR_ARM_NEON_H_

#include <arm_neon.h>

#include <cstdint>

namespace repbnn {
namespace {

#define REPBNN_EACH_QUARTER _Pragma("GCC unroll 4") for (int i = 0; i < 4; ++i)

struct Neon {
  struct Value {
    float32x4_t q[4];
  };
  static constexpr int kPixels = 4;

  static Value load(const float* from) {
    Value v;
    REPBNN_EACH_QUARTER v.q[i] = vld1q_f32(from + 4 * i);
    return v;
  }
  static Value load_some(const float* from, int lanes) {
    float buffer[16] = {};
    for (int i = 0; i < lanes; ++i) buffer[i] = from[i];
    return load(buffer);
  }
  static void store(float* to, Value v) { REPBNN_EACH_QUARTER vst1q_f32(to + 4 * i, v.q[i]); }
  static void store_some(float* to, Value v, int lanes) {
    float buffer[16];
    store(buffer, v);
    for (int i = 0; i < lanes; ++i) to[i] = buffer[i];
  }
  static Value add(Value x, Value y) {
    REPBNN_EACH_QUARTER x.q[i] = vaddq_f32(x.q[i], y.q[i]);
    return x;
  }
  static Value mul(Value x, Value y) {
    REPBNN_EACH_QUARTER x.q[i] = vmulq_f32(x.q[i], y.q[i]);
    return x;
  }
  static Value div(Value x, Value y) {
    REPBNN_EACH_QUARTER x.q[i] = vdivq_f32(x.q[i], y.q[i]);
    return x;
  }
  static Value all(float v) {
    const float32x4_t q = vdupq_n_f32(v);
    return {{q, q, q, q}};
  }
  static Value prelu(Value v, Value slope) {
    REPBNN_EACH_QUARTER v.q[i] = vbslq_f32(vcgezq_f32(v.q[i]), v.q[i], vmulq_f32(v.q[i], slope.q[i]));
    return v;
  }
  // fmax and fmin treat NaN and signed zeros otherwise than the scalar form: compare and select.
  static Value larger(Value bound, Value v) {
    REPBNN_EACH_QUARTER v.q[i] = vbslq_f32(vcltq_f32(v.q[i], bound.q[i]), bound.q[i], v.q[i]);
    return v;
  }
  static Value smaller(Value bound, Value v) {
    REPBNN_EACH_QUARTER v.q[i] = vbslq_f32(vcltq_f32(bound.q[i], v.q[i]), bound.q[i], v.q[i]);
    return v;
  }
  static Value clamp(Value v, float lo, float hi) { return smaller(all(hi), larger(all(lo), v)); }
  static uint32_t negative(Value v) {
    return mask_of(vcltzq_f32(v.q[0]), vcltzq_f32(v.q[1]), vcltzq_f32(v.q[2]), vcltzq_f32(v.q[3]));
  }
  static Value signs(uint32_t bits) {
    static const uint32_t kBit[4] = {1, 2, 4, 8};
    Value v;
    REPBNN_EACH_QUARTER {
      const uint32x4_t set = vtstq_u32(vdupq_n_u32(bits >> (4 * i)), vld1q_u32(kBit));
      v.q[i] = vbslq_f32(set, vdupq_n_f32(-1.0f), vdupq_n_f32(1.0f));
    }
    return v;
  }
  // float(2 * popcount, clamped) * multiplier + bias
  template <bool kClamps>
  static Value from_popcount(const int32_t* counts, int32_t lo, int32_t hi, Value multiplier, Value bias) {
    Value v;
    REPBNN_EACH_QUARTER {
      int32x4_t x = vshlq_n_s32(vld1q_s32(counts + 4 * i), 1);
      if (kClamps) x = vmaxq_s32(vminq_s32(x, vdupq_n_s32(hi)), vdupq_n_s32(lo));
      v.q[i] = vaddq_f32(vmulq_f32(vcvtq_f32_s32(x), multiplier.q[i]), bias.q[i]);
    }
    return v;
  }
  static uint32_t above(const int32_t* counts, const int32_t* thresholds) {
    uint32x4_t more[4];
    REPBNN_EACH_QUARTER more[i] = vcgtq_s32(vld1q_s32(counts + 4 * i), vld1q_s32(thresholds + 4 * i));
    return mask_of(more[0], more[1], more[2], more[3]);
  }

 private:
  static uint32_t mask_of(uint32x4_t a, uint32x4_t b, uint32x4_t c, uint32x4_t d) {
    static const uint8_t kBit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint16x8_t low = vuzp1q_u16(vreinterpretq_u16_u32(a), vreinterpretq_u16_u32(b));
    const uint16x8_t high = vuzp1q_u16(vreinterpretq_u16_u32(c), vreinterpretq_u16_u32(d));
    const uint8x16_t lanes = vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high));
    uint8x16_t bits = vandq_u8(lanes, vld1q_u8(kBit));
    bits = vpaddq_u8(bits, bits);
    bits = vpaddq_u8(bits, bits);
    bits = vpaddq_u8(bits, bits);
    return vgetq_lane_u16(vreinterpretq_u16_u8(bits), 0);
  }
};

}  // namespace
}  // namespace repbnn

#endif  // REPBNN_KERNELS_VECTOR_ARM_NEON_H_
