#include <algorithm>
#include <limits>

#include "plan/reference.h"

namespace repbnn {
namespace {

void activate(Activation activation, float* values, int64_t count) {
  if (activation == Activation::kNone) return;
  const float lo = activation == Activation::kReluN1To1 ? -1.0f : 0.0f;
  const float hi = activation == Activation::kRelu    ? std::numeric_limits<float>::max()
                   : activation == Activation::kRelu6 ? 6.0f
                                                      : 1.0f;
  for (int64_t i = 0; i < count; ++i) values[i] = std::min(std::max(values[i], lo), hi);
}

// The one pixel that a mean of rows and columns leaves of each image, whether the result keeps those axes or not.
Tensor pixels_of(const Op& op, const Tensor& out) {
  Tensor map = out;
  if (op.kind == OpKind::kMean) map.dims = {out.dims.front(), 1, 1, out.dims.back()};
  return map;
}

// Calls visit(output pixel, first and last row and column of the window inside the map) in the order of the output.
template <typename Visit>
void for_each_window(const Tensor& out, const Window& w, Visit visit) {
  int64_t pixel = 0;
  for (int32_t n = 0; n < out.dims[0]; ++n) {
    for (int32_t y = 0; y < out.dims[1]; ++y) {
      for (int32_t x = 0; x < out.dims[2]; ++x, ++pixel)
        visit(pixel, n, y * w.stride_h - w.pad_top, x * w.stride_w - w.pad_left);
    }
  }
}

void pool(const Graph& graph, const Op& op, Buffers& buffers, bool average) {
  const Tensor& in = graph.in(op, 0);
  const Tensor& out = graph.out(op);
  const int32_t channels = in.dims[3];
  const float* data = buffers.floats(op.inputs[0]);
  float* result = buffers.floats(op.outputs[0]);
  for_each_window(pixels_of(op, out), op.window, [&](int64_t pixel, int32_t n, int32_t top, int32_t left) {
    float* sum = result + pixel * channels;
    std::fill_n(sum, channels, average ? 0.0f : std::numeric_limits<float>::lowest());
    const int32_t y1 = std::min(top + op.window.kernel_h, in.dims[1]),
                  x1 = std::min(left + op.window.kernel_w, in.dims[2]);
    int32_t count = 0;
    for (int32_t y = std::max(top, 0); y < y1; ++y) {
      for (int32_t x = std::max(left, 0); x < x1; ++x, ++count) {
        const float* value = data + ((int64_t{n} * in.dims[1] + y) * in.dims[2] + x) * channels;
        for (int32_t c = 0; c < channels; ++c) sum[c] = average ? sum[c] + value[c] : std::max(sum[c], value[c]);
      }
    }
    if (average) {
      for (int32_t c = 0; c < channels; ++c) sum[c] /= static_cast<float>(count);
    }
    activate(op.activation, sum, channels);
  });
}

// From the bias on, one tap after the other: the order of the builtin kernel.
void depthwise(const Graph& graph, const Op& op, Buffers& buffers) {
  const Tensor& in = graph.in(op, 0);
  const Tensor& out = graph.out(op);
  const int32_t channels = in.dims[3], filters = out.dims[3], multiplier = filters / channels;
  const float* weights = graph.in(op, 1).floats();
  const float* bias = graph.has_input(op, 2) ? graph.in(op, 2).floats() : nullptr;
  const Window& w = op.window;
  float* result = buffers.floats(op.outputs[0]);
  for_each_window(out, w, [&](int64_t pixel, int32_t n, int32_t top, int32_t left) {
    float* sum = result + pixel * filters;
    for (int32_t f = 0; f < filters; ++f) sum[f] = bias != nullptr ? bias[f] : 0.0f;
    for (int32_t ky = 0; ky < w.kernel_h; ++ky) {
      for (int32_t kx = 0; kx < w.kernel_w; ++kx) {
        const int64_t y = top + int64_t{ky} * w.dilation_h, x = left + int64_t{kx} * w.dilation_w;
        if (y < 0 || y >= in.dims[1] || x < 0 || x >= in.dims[2]) continue;
        const float* value = buffers.floats(op.inputs[0]) + ((int64_t{n} * in.dims[1] + y) * in.dims[2] + x) * channels;
        const float* tap = weights + (int64_t{ky} * w.kernel_w + kx) * filters;
        for (int32_t f = 0; f < filters; ++f) {
          const float product = value[f / multiplier] * tap[f];
          sum[f] += product;
        }
      }
    }
    activate(op.activation, sum, filters);
  });
}

}  // namespace

void run_window_reference(const Graph& graph, const Op& op, Buffers& buffers) {
  if (op.kind == OpKind::kDepthwiseConv2d) return depthwise(graph, op, buffers);
  pool(graph, op, buffers, op.kind != OpKind::kMaxPool);
}

}  // namespace repbnn
