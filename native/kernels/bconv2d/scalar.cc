// The portable form, and what the others are tested against.
#include "kernels/bconv2d/kernel.h"

namespace repbnn {
namespace {

struct OneByOne {
  struct Value {
    float v[kLanes];
  };
  static Value load(const float* from) {
    Value value;
    for (int i = 0; i < kLanes; ++i) value.v[i] = from[i];
    return value;
  }
  static void store(float* to, const Value& value) {
    for (int i = 0; i < kLanes; ++i) to[i] = value.v[i];
  }
  template <bool kClamps>
  static Value from_popcount(const int32_t* counts, int32_t lo, int32_t hi, const Value& multiplier,
                             const Value& bias) {
    Value value;
    for (int i = 0; i < kLanes; ++i) {
      int32_t x = counts[i] << 1;
      if (kClamps) {
        x = x < hi ? x : hi;
        x = x < lo ? lo : x;
      }
      value.v[i] = static_cast<float>(x) * multiplier.v[i] + bias.v[i];
    }
    return value;
  }
  static uint32_t above(const int32_t* counts, const int32_t* thresholds) {
    uint32_t mask = 0;
    for (int i = 0; i < kLanes; ++i) mask |= static_cast<uint32_t>(counts[i] > thresholds[i]) << i;
    return mask;
  }
};

#include "kernels/bconv2d/finish.inl"

}  // namespace

const IsaFunctions kScalarFunctions = {transform_strip<OneByOne>, threshold_strip<OneByOne>, derive_row};

void count_scalar(const BitStrip& strip) {
  for (int p = 0; p < strip.pixels; ++p) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const uint32_t* weight = strip.weights + lane;
      int32_t count = 0;
      for (int ky = 0; ky < strip.kernel_height; ++ky) {
        for (int kx = 0; kx < strip.kernel_width; ++kx) {
          const uint32_t* in = strip.rows[ky] + strip.offset + p * strip.pixel_step + kx * strip.tap_step;
          for (int i = 0; i < strip.words; ++i, weight += kLanes) count += __builtin_popcount(in[i] ^ *weight);
        }
      }
      strip.counts[p * kLanes + lane] = count;
    }
  }
}

}  // namespace repbnn
