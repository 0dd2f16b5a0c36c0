#include <algorithm>
#include <cmath>

#include "plan/reference.h"

namespace repbnn {
namespace {

// Rows of `channels` values to words. The predicate is v < zero_point: -0.0 and NaN are +1.
template <typename T>
void pack(const T* in, int64_t rows, int32_t channels, T zero_point, int32_t* out) {
  const int32_t words = words_of(channels);
  for (int64_t row = 0; row < rows; ++row, in += channels, out += words) {
    for (int32_t w = 0; w < words; ++w) {
      const int32_t count = std::min(32, channels - 32 * w);
      uint32_t bits = 0;
      for (int32_t i = 0; i < count; ++i) bits |= static_cast<uint32_t>(in[32 * w + i] < zero_point) << i;
      out[w] = static_cast<int32_t>(bits);
    }
  }
}

template <typename T>
void unpack(const int32_t* in, int64_t rows, int32_t channels, T plus, T minus, T* out) {
  const int32_t words = words_of(channels);
  for (int64_t row = 0; row < rows; ++row, in += words, out += channels) {
    for (int32_t c = 0; c < channels; ++c) out[c] = (static_cast<uint32_t>(in[c / 32]) >> (c % 32)) & 1 ? minus : plus;
  }
}

void quantize(const Graph& graph, const Op& op, Buffers& buffers) {
  const Tensor& in = graph.in(op, 0);
  const int64_t rows = in.elements() / in.channels();
  const void* data = buffers.data[op.inputs[0]];
  int32_t* out = buffers.words(op.outputs[0]);
  if (in.type == Type::kFloat32) {
    pack(static_cast<const float*>(data), rows, in.channels(), 0.0f, out);
  } else if (in.type == Type::kInt8) {
    // In 32 bits, as a zero point may be any int8.
    pack(static_cast<const int8_t*>(data), rows, in.channels(), static_cast<int8_t>(in.zero_point), out);
  } else {
    pack(static_cast<const uint8_t*>(data), rows, in.channels(), uint8_t{1}, out);  // false is -1
  }
}

void dequantize(const Graph& graph, const Op& op, Buffers& buffers) {
  const Tensor& out = graph.out(op);
  const int64_t rows = out.elements() / out.channels();
  const int32_t* in = buffers.words(op.inputs[0]);
  void* data = buffers.data[op.outputs[0]];
  if (out.type == Type::kFloat32) {
    unpack(in, rows, out.channels(), 1.0f, -1.0f, static_cast<float*>(data));
  } else if (out.type == Type::kInt8) {
    const float steps = std::min(std::round(1.0f / out.scale), 512.0f);
    const int32_t offset = static_cast<int32_t>(steps);
    unpack(in, rows, out.channels(), static_cast<int8_t>(std::min(127, out.zero_point + offset)),
           static_cast<int8_t>(std::max(-128, out.zero_point - offset)), static_cast<int8_t*>(data));
  } else {
    unpack(in, rows, out.channels(), uint8_t{1}, uint8_t{0}, static_cast<uint8_t*>(data));
  }
}

// The maximum of signs is -1 only where all are: the bitwise and.
void binary_max_pool(const Graph& graph, const Op& op, Buffers& buffers) {
  const Tensor& in = graph.in(op, 0);
  const Tensor& out = graph.out(op);
  const Window& w = op.window;
  const int32_t words = in.dims[3];
  int32_t* result = buffers.words(op.outputs[0]);
  for (int32_t n = 0; n < out.dims[0]; ++n) {
    for (int32_t y = 0; y < out.dims[1]; ++y) {
      for (int32_t x = 0; x < out.dims[2]; ++x, result += words) {
        std::fill_n(result, words, -1);
        const int64_t y0 = int64_t{y} * w.stride_h - w.pad_top, x0 = int64_t{x} * w.stride_w - w.pad_left;
        for (int64_t iy = std::max<int64_t>(y0, 0); iy < std::min<int64_t>(y0 + w.kernel_h, in.dims[1]); ++iy) {
          for (int64_t ix = std::max<int64_t>(x0, 0); ix < std::min<int64_t>(x0 + w.kernel_w, in.dims[2]); ++ix) {
            const int32_t* pixel =
                buffers.words(op.inputs[0]) + ((n * int64_t{in.dims[1]} + iy) * in.dims[2] + ix) * words;
            for (int32_t i = 0; i < words; ++i) result[i] &= pixel[i];
          }
        }
      }
    }
  }
}

}  // namespace

void run_signs_reference(const Graph& graph, const Op& op, Buffers& buffers) {
  if (op.kind == OpKind::kQuantize) return quantize(graph, op, buffers);
  if (op.kind == OpKind::kDequantize) return dequantize(graph, op, buffers);
  binary_max_pool(graph, op, buffers);
}

}  // namespace repbnn
