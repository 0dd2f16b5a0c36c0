// One pass over memory where PyTorch makes five: batch norm, repeat, shortcut, Hardtanh and sign of a ReCU layer, and
// their gradients, on bfloat16 maps in channels-last order. Built by fused.py on first use; fused.py has the formulas.
//
// A map is P = N * H * W pixels of C channels. The convolution's output has C / copies channels; the repeat is never
// written down: channel j reads y[j % width].

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

using Bits = std::uint16_t;  // of a bfloat16

inline float widen(Bits bits) {
  const std::uint32_t word = static_cast<std::uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

inline Bits narrow(float value) {
  std::uint32_t word;
  std::memcpy(&word, &value, sizeof word);
  return static_cast<Bits>((word + 0x7fffU + ((word >> 16) & 1U)) >> 16);
}

// Sums run in float over this many pixels, then in double: a float sum over 131,072 pixels would lose digits.
constexpr std::int64_t kBlock = 128;

template <int Width>
void sums(const Bits* y, std::int64_t pixels, double* sum, double* square) {
  for (std::int64_t begin = 0; begin < pixels; begin += kBlock) {
    float s[Width] = {}, q[Width] = {};
    for (std::int64_t p = begin; p < std::min(pixels, begin + kBlock); ++p) {
      for (int k = 0; k < Width; ++k) {
        const float v = widen(y[p * Width + k]);
        s[k] += v;
        q[k] += v * v;
      }
    }
    for (int k = 0; k < Width; ++k) sum[k] += s[k], square[k] += q[k];
  }
}

// Sixteen channels at a time, spelt out: GCC unrolls loops of 16 before it vectorises them.
using Floats = float __attribute__((vector_size(64)));
using Words = std::uint32_t __attribute__((vector_size(64)));
using Halves = Bits __attribute__((vector_size(32)));
using Mask = std::int32_t __attribute__((vector_size(64)));
constexpr int kLanes = 16;

inline Floats load(const Bits* from) {
  Halves half;
  std::memcpy(&half, from, sizeof half);
  return reinterpret_cast<Floats>(__builtin_convertvector(half, Words) << 16);
}

inline Floats load_floats(const float* from) {
  Floats value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline void store(Bits* to, Words words) {
  const Halves half = __builtin_convertvector(words, Halves);
  std::memcpy(to, &half, sizeof half);
}

inline Words narrow(Floats value) {
  const Words words = reinterpret_cast<Words>(value);
  return (words + 0x7fffU + ((words >> 16) & 1U)) >> 16;
}

// The convolution's channels that channels [j, j + 16) of the repeated map are copies of.
template <int Width>
inline Floats load_repeated(const Bits* y, int j) {
  if constexpr (Width >= kLanes) return load(y + j % Width);
  static_assert(Width >= kLanes || Width == 8);
  Bits twice[kLanes];
  std::memcpy(twice, y, 8 * sizeof(Bits));
  std::memcpy(twice + 8, y, 8 * sizeof(Bits));
  return load(twice);
}

template <int Width, int Copies>
void activate(const Bits* y, const Bits* shortcut, const float* a, const float* b, std::int64_t pixels, Bits* out,
              Bits* sign) {
  constexpr int kChannels = Width * Copies;
  const Floats one = Floats{} + 1.0F;
  for (std::int64_t p = 0; p < pixels; ++p) {
#pragma GCC unroll 8
    for (int j = 0; j < kChannels; j += kLanes) {
      const std::int64_t at = p * kChannels + j;
      Floats v = load_floats(a + j) * load_repeated<Width>(y + p * Width, j) + load_floats(b + j);
      if (shortcut != nullptr) v += load(shortcut + at);
      store(sign + at, 0x3f80U | (reinterpret_cast<Words>(v < 0.0F) & 0x8000U));
      v = v > one ? one : v;
      v = v < -one ? -one : v;
      store(out + at, narrow(v));
    }
  }
}

// g = (d_sign * (2 - 2|x|) + d_next) where |x| < 1; t = sum over copies of a * g.
template <int Width, int Copies>
void gradient(const Bits* d_sign, const Bits* d_next, const Bits* x, const Bits* y, const float* a, std::int64_t pixels,
              Bits* g, Bits* t, double* sum_g, double* sum_gy) {
  constexpr int kChannels = Width * Copies, kVectors = kChannels / kLanes;
  constexpr int kTotals = Width < kLanes ? 1 : Width / kLanes;
  for (std::int64_t begin = 0; begin < pixels; begin += kBlock) {
    Floats sg[kVectors] = {}, sgy[kVectors] = {};
    for (std::int64_t p = begin; p < std::min(pixels, begin + kBlock); ++p) {
      Floats total[kTotals] = {};
#pragma GCC unroll 8
      for (int i = 0; i < kVectors; ++i) {
        const std::int64_t at = p * kChannels + i * kLanes;
        const Floats value = load(x + at), size = value < 0.0F ? -value : value;
        Floats v = load(d_next + at);
        if (d_sign != nullptr) v += load(d_sign + at) * (2.0F - 2.0F * size);
        v = size < 1.0F ? v : Floats{};
        sg[i] += v;
        sgy[i] += v * load_repeated<Width>(y + p * Width, i * kLanes);
        total[i % kTotals] += v * load_floats(a + i * kLanes);
        store(g + at, narrow(v));
      }
      if constexpr (Width < kLanes) {
        float sums[kLanes];
        std::memcpy(sums, total, sizeof sums);
        for (int k = 0; k < Width; ++k) t[p * Width + k] = narrow(sums[k] + sums[k + 8]);
      } else {
        for (int i = 0; i < kTotals; ++i) store(t + p * Width + i * kLanes, narrow(total[i]));
      }
    }
    for (int j = 0; j < kChannels; ++j) {
      sum_g[j] += sg[j / kLanes][j % kLanes];
      sum_gy[j] += sgy[j / kLanes][j % kLanes];
    }
  }
}

template <int Width>
void recentre(Bits* t, const Bits* y, const float* constant, const float* slope, std::int64_t pixels) {
  for (std::int64_t p = 0; p < pixels; ++p) {
    for (int k = 0; k < Width; ++k) {
      const std::int64_t at = p * Width + k;
      t[at] = narrow(widen(t[at]) - constant[k] - slope[k] * widen(y[at]));
    }
  }
}

// Calls `work.template operator()<Width, Copies>()` for the shapes of ResNet-20 with beta 1 and 2; false for others.
template <typename Work>
bool dispatch(std::int64_t width, std::int64_t copies, Work&& work) {
  if (copies == 1 && width == 16) return work.template operator()<16, 1>(), true;
  if (copies == 1 && width == 32) return work.template operator()<32, 1>(), true;
  if (copies == 1 && width == 64) return work.template operator()<64, 1>(), true;
  if (copies == 2 && width == 16) return work.template operator()<16, 2>(), true;
  if (copies == 4 && width == 8) return work.template operator()<8, 4>(), true;
  if (copies == 4 && width == 16) return work.template operator()<16, 4>(), true;
  if (copies == 4 && width == 32) return work.template operator()<32, 4>(), true;
  return false;
}

}  // namespace

extern "C" {

// y (pixels, width) and shortcut (pixels, channels) or null to out and sign (pixels, channels): the norm's slope `a`
// per channel, mean and variance per filter are written for the way back, the running moments per channel updated.
// Returns 0, or 1 for a shape that it was not built for.
int repbnn_forward(const std::uint16_t* y, const std::uint16_t* shortcut, std::int64_t pixels, std::int64_t width,
                   std::int64_t copies, const float* gamma, const float* beta, const float* alpha, float momentum,
                   float epsilon, float* running_mean, float* running_variance, std::uint16_t* out, std::uint16_t* sign,
                   float* a, float* mean, float* variance) {
  const bool known = dispatch(width, copies, [&]<int Width, int Copies>() {
    double sum[Width] = {}, square[Width] = {};
    sums<Width>(y, pixels, sum, square);
    float b[Width * Copies];
    const double count = static_cast<double>(pixels);
    for (int j = 0; j < Width * Copies; ++j) {
      const int k = j % Width;
      const double m = sum[k] / count, v = std::max(0.0, square[k] / count - m * m), scale = alpha[k];
      mean[k] = static_cast<float>(m);
      variance[k] = static_cast<float>(v);
      a[j] = static_cast<float>(gamma[j] * scale / std::sqrt(scale * scale * v + epsilon));
      b[j] = static_cast<float>(beta[j] - a[j] * m);
      running_mean[j] += momentum * static_cast<float>(scale * m - running_mean[j]);
      running_variance[j] +=
          momentum * static_cast<float>(scale * scale * v * count / (count - 1) - running_variance[j]);
    }
    activate<Width, Copies>(y, shortcut, a, b, pixels, out, sign);
  });
  return known ? 0 : 1;
}

// Gradients of y (pixels, width), of the sum under Hardtanh (pixels, channels), of gamma and of beta, from those of the
// next layer's sign (null behind the last layer) and shortcut. Returns as repbnn_forward does.
int repbnn_backward(const std::uint16_t* d_sign, const std::uint16_t* d_next, const std::uint16_t* x,
                    const std::uint16_t* y, std::int64_t pixels, std::int64_t width, std::int64_t copies,
                    const float* a, const float* mean, const float* variance, const float* alpha, float epsilon,
                    std::uint16_t* d_y, std::uint16_t* d_sum, float* d_gamma, float* d_beta) {
  const bool known = dispatch(width, copies, [&]<int Width, int Copies>() {
    double sum_g[Width * Copies] = {}, sum_gy[Width * Copies] = {};
    gradient<Width, Copies>(d_sign, d_next, x, y, a, pixels, d_sum, d_y, sum_g, sum_gy);
    double mean_t[Width] = {}, mean_ty[Width] = {};
    const double count = static_cast<double>(pixels);
    for (int j = 0; j < Width * Copies; ++j) {
      const int k = j % Width;
      const double centred = sum_gy[j] - mean[k] * sum_g[j], scale = alpha[k];
      d_beta[j] = static_cast<float>(sum_g[j]);
      d_gamma[j] = static_cast<float>(centred * scale / std::sqrt(scale * scale * variance[k] + epsilon));
      mean_t[k] += a[j] * sum_g[j] / count;
      mean_ty[k] += a[j] * centred / count;
    }
    float constant[Width], slope[Width];
    for (int k = 0; k < Width; ++k) {
      slope[k] = static_cast<float>(mean_ty[k] / (variance[k] + epsilon / (alpha[k] * alpha[k])));
      constant[k] = static_cast<float>(mean_t[k] - mean[k] * slope[k]);
    }
    recentre<Width>(d_y, y, constant, slope, pixels);
  });
  return known ? 0 : 1;
}

}  // extern "C"
