// The network inside one partition: tensors, operators and constants, free of any runtime's types.
//
// Built once by delegate/import.cc; shapes are filled in by plan/shape.cc each time the runtime prepares. Constants are
// not copied: they lie in the model's buffer, which outlives the graph.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/maps.h"

namespace repbnn {

enum class Type : uint8_t { kFloat32, kInt8, kBool, kInt32, kBits };

// Bytes of one element. A kBits element is a word of 32 channels.
inline int64_t size_of(Type type) { return type == Type::kInt8 || type == Type::kBool ? 1 : 4; }

struct Tensor {
  Type type = Type::kFloat32;
  std::vector<int32_t> dims;       // kBits: the last one counts words
  const void* constant = nullptr;  // the value, when it is known before the first run
  float scale = 0.0f;              // int8 only
  int32_t zero_point = 0;
  std::string name;
  int producer = -1;           // operator that writes it; -1 for an input of the graph or a constant
  std::vector<int> consumers;  // operators that read it, ascending, an operator once for each use
  bool is_input = false;
  bool is_output = false;

  int64_t elements() const {
    int64_t n = 1;
    for (int32_t d : dims) n *= d;
    return n;
  }
  int64_t bytes() const { return elements() * size_of(type); }
  // One pixel's channels and nothing else: [C], [1, C], [1, 1, 1, C].
  bool is_pixel() const { return elements() == channels(); }
  int32_t channels() const { return dims.empty() ? 1 : dims.back(); }
  const float* floats() const { return static_cast<const float*>(constant); }
};

enum class OpKind : uint8_t {
  kQuantize,
  kDequantize,
  kBconv2d,
  kBMaxPool2d,
  kConcat,
  kAdd,
  kSub,
  kMul,
  kPrelu,
  kRelu,
  kPad,
  kReshape,
  kAveragePool,
  kMaxPool,
  kMean,
  kDepthwiseConv2d,
  kSplit,
  kStridedSlice,
};

enum class Activation : uint8_t { kNone, kRelu, kReluN1To1, kRelu6 };
enum class Padding : uint8_t { kSameZero, kSameOne, kValid };

// Kernel, stride, dilation and padding of a convolution or pool; `pad_top` and `pad_left` follow from the shapes.
struct Window {
  int32_t kernel_h = 1, kernel_w = 1;
  int32_t stride_h = 1, stride_w = 1;
  int32_t dilation_h = 1, dilation_w = 1;
  Padding padding = Padding::kValid;
  int32_t pad_top = 0, pad_left = 0;

  int32_t extent_h() const { return (kernel_h - 1) * dilation_h + 1; }
  int32_t extent_w() const { return (kernel_w - 1) * dilation_w + 1; }
};

constexpr int kMaxRank = 5;

struct Op {
  OpKind kind = OpKind::kAdd;
  int node = -1;             // the runtime's node index, for messages and explain
  std::vector<int> inputs;   // tensor indices; -1 is an optional one left out
  std::vector<int> outputs;  // tensor indices
  Activation activation = Activation::kNone;
  Window window;            // convolutions and pools; of kMean the whole map
  int32_t channels_in = 0;  // kBconv2d: logical input channels, all groups together
  int32_t groups = 1;       // kBconv2d: follows from the shapes
  int32_t axis = 0;         // kConcat, kSplit: counted from the front
  int32_t begin_mask = 0;   // kStridedSlice: a set bit leaves that dimension's bound out
  int32_t end_mask = 0;
  int32_t begin[kMaxRank] = {0};   // kStridedSlice: first element; kPad: elements added in front
  int32_t end[kMaxRank] = {0};     // kPad: elements added behind
  int32_t stride[kMaxRank] = {0};  // kStridedSlice
  float fill = 0.0f;               // kPad: what is added
  bool keep_dims = false;          // kMean
};

struct Graph {
  std::vector<Tensor> tensors;
  std::vector<Op> ops;  // in an order in which each reads only what stands before it
  std::vector<int> inputs;
  std::vector<int> outputs;

  const Tensor& in(const Op& op, int i) const { return tensors[op.inputs[i]]; }
  const Tensor& out(const Op& op) const { return tensors[op.outputs[0]]; }
  bool has_input(const Op& op, int i) const { return i < static_cast<int>(op.inputs.size()) && op.inputs[i] >= 0; }
};

// Fill in Tensor::producer and Tensor::consumers from the operators.
void connect(Graph& graph);

// Whether a binary convolution's padding by zeros is corrected in the integer sums: LCE multiplies first where it
// writes plain floats.
bool pads_sums(const Graph& graph, const Op& op);

const char* name_of(OpKind kind);

}  // namespace repbnn
