#include <algorithm>
#include <climits>
#include <cmath>

#include "plan/reference.h"

namespace repbnn {
namespace {

// The range of the integer sum that a fused activation leaves.
void activation_range(Activation activation, int32_t* lo, int32_t* hi) {
  *lo = activation == Activation::kNone ? INT32_MIN : activation == Activation::kReluN1To1 ? -1 : 0;
  *hi = activation == Activation::kRelu6 ? 6 : activation == Activation::kReluN1To1 ? 1 : INT32_MAX;
}

int8_t saturate_int8(float value) {
  const float rounded = std::round(value);  // half away from zero
  if (!(rounded > -128.0f)) return -128;
  return rounded < 127.0f ? static_cast<int8_t>(rounded) : 127;
}

struct Bconv2d {
  const Graph& graph;
  const Op& op;
  const int32_t* input;
  const int32_t* filters;
  int32_t in_h, in_w, words, depth, filter_count, channels_per_group;
  int32_t clamp_min = INT32_MIN, clamp_max = INT32_MAX;  // of twice the popcount

  Bconv2d(const Graph& g, const Op& o, Buffers& buffers) : graph(g), op(o) {
    const Tensor& in = g.in(o, 0);
    const Tensor& filter = g.in(o, 1);
    input = buffers.words(o.inputs[0]);
    filters = static_cast<const int32_t*>(filter.constant);
    in_h = in.dims[1], in_w = in.dims[2], words = in.dims[3], depth = filter.dims[3], filter_count = filter.dims[0];
    channels_per_group = o.channels_in / o.groups;
    const int32_t total = channels_per_group * o.window.kernel_h * o.window.kernel_w;
    int32_t lo, hi;
    activation_range(o.activation, &lo, &hi);
    if (o.activation != Activation::kNone) {
      clamp_min = total - std::min(hi, total);
      clamp_max = total - std::max(lo, -total);
    }
  }

  // Twice the number of differing signs under the kernel at output (y, x); taps outside the map count as +1. What they
  // counted too much for SAME-zero goes to `outside`: the sum of the weights under them.
  int32_t doubled(int32_t image, int32_t y, int32_t x, int32_t f, int32_t* outside, bool* sticks_out) const {
    const Window& w = op.window;
    const int32_t first_word = f / (filter_count / op.groups) * depth;
    const int32_t* weights = filters + int64_t{f} * w.kernel_h * w.kernel_w * depth;
    int32_t count = 0;
    *outside = 0;
    *sticks_out = false;
    for (int32_t ky = 0; ky < w.kernel_h; ++ky) {
      for (int32_t kx = 0; kx < w.kernel_w; ++kx, weights += depth) {
        const int64_t iy = int64_t{y} * w.stride_h - w.pad_top + int64_t{ky} * w.dilation_h;
        const int64_t ix = int64_t{x} * w.stride_w - w.pad_left + int64_t{kx} * w.dilation_w;
        const bool inside = iy >= 0 && iy < in_h && ix >= 0 && ix < in_w;
        const int32_t* pixel =
            inside ? input + ((int64_t{image} * in_h + iy) * in_w + ix) * words + first_word : nullptr;
        int32_t differing = 0;
        for (int32_t i = 0; i < depth; ++i) {
          differing += __builtin_popcount(static_cast<uint32_t>(weights[i] ^ (inside ? pixel[i] : 0)));
        }
        count += differing;
        if (!inside) {
          *sticks_out = true;
          *outside += channels_per_group - 2 * differing;
        }
      }
    }
    return 2 * count;
  }
};

// LCE folds K into the bias once, in double.
float folded_bias(double multiplier, double bias, int32_t total, double scale, double zero_point) {
  return static_cast<float>((bias + static_cast<double>(total) * multiplier) / scale + zero_point);
}

}  // namespace

void run_bconv2d_reference(const Graph& graph, const Op& op, Buffers& buffers) {
  const Bconv2d conv(graph, op, buffers);
  const Tensor& out = graph.out(op);
  const int32_t total = conv.channels_per_group * op.window.kernel_h * op.window.kernel_w;
  const bool packed = out.type == Type::kBits, int8 = out.type == Type::kInt8;
  const bool corrects_sums = pads_sums(graph, op);
  const bool corrects_floats = op.window.padding == Padding::kSameZero && !corrects_sums;
  const int32_t* thresholds = packed ? static_cast<const int32_t*>(graph.in(op, 4).constant) : nullptr;
  const float* multiplier = packed ? nullptr : graph.in(op, 2).floats();
  const float* bias = packed ? nullptr : graph.in(op, 3).floats();
  const double scale = int8 ? out.scale : 1.0, zero_point = int8 ? out.zero_point : 0.0;
  int64_t pixel = 0;
  for (int32_t n = 0; n < out.dims[0]; ++n) {
    for (int32_t y = 0; y < out.dims[1]; ++y) {
      for (int32_t x = 0; x < out.dims[2]; ++x, ++pixel) {
        if (packed) std::fill_n(buffers.words(op.outputs[0]) + pixel * out.dims[3], out.dims[3], 0);
        for (int32_t f = 0; f < conv.filter_count; ++f) {
          int32_t outside;
          bool sticks_out;
          int32_t doubled = conv.doubled(n, y, x, f, &outside, &sticks_out);
          if (corrects_sums) doubled += outside;
          if (packed) {
            if (doubled > 2 * int64_t{thresholds[f]}) {
              buffers.words(op.outputs[0])[pixel * out.dims[3] + f / 32] |= static_cast<int32_t>(1u << (f % 32));
            }
            continue;
          }
          doubled = std::max(std::min(doubled, conv.clamp_max), conv.clamp_min);
          const float negated = static_cast<float>(-1.0 * multiplier[f] / scale);
          float value = static_cast<float>(doubled) * negated;
          value += folded_bias(multiplier[f], bias[f], total, scale, zero_point);
          if (corrects_floats && sticks_out) value += -1.0f * multiplier[f] * static_cast<float>(outside);
          const int64_t index = pixel * conv.filter_count + f;
          if (int8) {
            static_cast<int8_t*>(buffers.data[op.outputs[0]])[index] = saturate_int8(value);
          } else {
            buffers.floats(op.outputs[0])[index] = value;
          }
        }
      }
    }
  }
}

}  // namespace repbnn
