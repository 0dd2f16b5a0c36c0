#include "plan/shape.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace repbnn {
namespace {

using Dims = std::vector<int32_t>;

constexpr int64_t kMaxElements = INT32_MAX;  // of one tensor, so that no index overflows 32 bits
constexpr int32_t kMaxDim = 1 << 26;         // so that rounding one up overflows nothing
constexpr int32_t kMaxWindow = 32767;        // of kernels, strides and dilations

// One operator being checked; each check returns the reason for a refusal, or "".
struct Checker {
  Graph& graph;
  Op& op;

  const Tensor& in(int i) const { return graph.in(op, i); }

  std::string count(size_t inputs, size_t outputs) const {
    if (op.inputs.size() == inputs && op.outputs.size() == outputs) return "";
    return format("it has %zu inputs and %zu outputs instead of %zu and %zu", op.inputs.size(), op.outputs.size(),
                  inputs, outputs);
  }

  std::string usable(int i, Type type) const {
    if (!graph.has_input(op, i)) return format("input %d is missing", i);
    const Tensor& tensor = in(i);
    if (tensor.type != type) return format("input %d has a type that is not supported", i);
    if (tensor.dims.size() > static_cast<size_t>(kMaxRank))
      return format("input %d has rank %zu", i, tensor.dims.size());
    return "";
  }

  std::string constant(int i, Type type) const {
    std::string why = usable(i, type);
    if (why.empty() && in(i).constant == nullptr) why = format("input %d is no constant", i);
    return why;
  }

  std::string rank4(int i) const {
    return in(i).dims.size() == 4 ? "" : format("input %d has rank %zu instead of 4", i, in(i).dims.size());
  }

  // A float constant of `length` finite values.
  std::string per_channel(int i, int32_t length) const {
    std::string why = constant(i, Type::kFloat32);
    if (!why.empty()) return why;
    if (in(i).dims.size() != 1 || in(i).dims[0] != length) return format("input %d does not have %d values", i, length);
    for (int32_t c = 0; c < length; ++c) {
      if (!std::isfinite(in(i).floats()[c])) return format("input %d is not finite at %d", i, c);
    }
    return "";
  }

  std::string output(int i, Type type, Dims dims) {
    int64_t elements = 1;
    for (int32_t d : dims) {
      if (d <= 0) return format("output %d would be empty", i);
      elements *= d;
      if (elements > kMaxElements) return format("output %d would have more than 2^31 elements", i);
    }
    Tensor& tensor = graph.tensors[op.outputs[i]];
    if (tensor.type != type) return format("output %d has a type that is not supported", i);
    if (tensor.constant != nullptr) return format("output %d is a constant", i);
    tensor.dims = std::move(dims);
    return "";
  }

  std::string quantize();
  std::string dequantize();
  std::string bconv2d();
  std::string pool(Type type);
  std::string mean();
  std::string concat();
  std::string arithmetic();
  std::string prelu();
  std::string relu();
  std::string pad();
  std::string reshape();
  std::string depthwise();
  std::string split();
  std::string strided_slice();
  std::string window(const Tensor& input, int32_t* out_h, int32_t* out_w);
  std::string bconv2d_filter(const Tensor& input, const Tensor& filter);
  std::string bconv2d_output(int32_t filters);
};

#define REPBNN_TRY(expression)       \
  do {                               \
    std::string why_ = (expression); \
    if (!why_.empty()) return why_;  \
  } while (false)

// TensorFlow's output size and the part of the padding that stands in front.
bool window_size(int32_t size, int32_t extent, int32_t stride, bool same, int32_t* out, int32_t* pad) {
  if (same) {
    *out = (size + stride - 1) / stride;
    *pad = static_cast<int32_t>(std::max<int64_t>(0, (int64_t{*out} - 1) * stride + extent - size) / 2);
  } else {
    if (extent > size) return false;
    *out = (size - extent + stride) / stride;
    *pad = 0;
  }
  return *out > 0;
}

std::string Checker::window(const Tensor& input, int32_t* out_h, int32_t* out_w) {
  Window& w = op.window;
  for (int32_t value : {w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w}) {
    if (value < 1 || value > kMaxWindow) return format("a kernel, stride or dilation is %d", value);
  }
  const int64_t extent_h = (int64_t{w.kernel_h} - 1) * w.dilation_h + 1;
  const int64_t extent_w = (int64_t{w.kernel_w} - 1) * w.dilation_w + 1;
  if (extent_h > INT32_MAX / 4 || extent_w > INT32_MAX / 4) return "the dilated kernel is too large";
  const bool same = w.padding != Padding::kValid;
  if (!window_size(input.dims[1], w.extent_h(), w.stride_h, same, out_h, &w.pad_top) ||
      !window_size(input.dims[2], w.extent_w(), w.stride_w, same, out_w, &w.pad_left)) {
    return "the kernel is larger than the map";
  }
  return "";
}

std::string Checker::quantize() {
  REPBNN_TRY(count(1, 1));
  if (!graph.has_input(op, 0)) return "input 0 is missing";
  const Type type = in(0).type;
  if (type != Type::kFloat32 && type != Type::kInt8 && type != Type::kBool)
    return "its input is no float32, int8 or bool";
  REPBNN_TRY(usable(0, type));
  Dims dims = in(0).dims;
  if (dims.empty()) return "its input is a scalar";
  dims.back() = words_of(dims.back());
  return output(0, Type::kBits, dims);
}

// The number of channels cannot be told from the packed input: it stands in the output's shape, in the file.
std::string Checker::dequantize() {
  REPBNN_TRY(count(1, 1));
  REPBNN_TRY(usable(0, Type::kBits));
  const Tensor& out = graph.out(op);
  if (out.type != Type::kFloat32 && out.type != Type::kInt8 && out.type != Type::kBool) {
    return "its output is no float32, int8 or bool";
  }
  if (out.type == Type::kInt8 && !(out.scale > 0.0f && std::isfinite(out.scale))) return "its scale is not positive";
  if (in(0).dims.empty() || out.dims.size() != in(0).dims.size() || out.dims.back() > kMaxDim || out.dims.back() < 1 ||
      words_of(out.dims.back()) != in(0).dims.back()) {
    return "its packed and unpacked channels do not agree";
  }
  Dims dims = in(0).dims;
  dims.back() = out.dims.back();
  return output(0, out.type, dims);
}

std::string Checker::bconv2d_filter(const Tensor& input, const Tensor& filter) {
  if (op.channels_in < 1 || op.channels_in > kMaxDim || words_of(op.channels_in) != input.dims[3]) {
    return format("channels_in is %d and its input has %d words", op.channels_in, input.dims[3]);
  }
  const int32_t filters = filter.dims[0], depth = filter.dims[3];
  for (int32_t d : filter.dims) {
    if (d < 1) return "its filter is empty";
  }
  op.groups = 1;
  if (depth != input.dims[3]) {
    if (input.dims[3] % depth != 0) return "its filter's depth does not divide the input's";
    op.groups = input.dims[3] / depth;
    if (op.channels_in % op.groups != 0 || op.channels_in / op.groups % 32 != 0 || filters % op.groups != 0) {
      return format("%d groups do not divide %d input channels in words, or %d filters", op.groups, op.channels_in,
                    filters);
    }
  }
  op.window.kernel_h = filter.dims[1];
  op.window.kernel_w = filter.dims[2];
  // Twice the sum must be exact in float32, as LCE's own form needs it.
  if (int64_t{filter.dims[1]} * filter.dims[2] * (op.channels_in / op.groups) > (1 << 23))
    return "its sums are too large";
  return "";
}

std::string Checker::bconv2d_output(int32_t filters) {
  const Tensor& out = graph.out(op);
  if (out.type == Type::kBits) {
    REPBNN_TRY(constant(4, Type::kInt32));
    if (in(4).dims != Dims{filters}) return format("it does not have %d thresholds", filters);
    return "";
  }
  if (out.type != Type::kFloat32 && out.type != Type::kInt8) return "its output is no float32, int8 or bitpacked";
  REPBNN_TRY(per_channel(2, filters));
  REPBNN_TRY(per_channel(3, filters));
  if (out.type == Type::kInt8 && !(out.scale > 0.0f && std::isfinite(out.scale))) return "its scale is not positive";
  return "";
}

std::string Checker::bconv2d() {
  REPBNN_TRY(count(5, 1));
  REPBNN_TRY(usable(0, Type::kBits));
  REPBNN_TRY(constant(1, Type::kBits));
  REPBNN_TRY(rank4(0));
  REPBNN_TRY(rank4(1));
  REPBNN_TRY(bconv2d_filter(in(0), in(1)));
  const int32_t filters = in(1).dims[0];
  REPBNN_TRY(bconv2d_output(filters));
  int32_t out_h, out_w;
  REPBNN_TRY(window(in(0), &out_h, &out_w));
  const Type type = graph.out(op).type;
  return output(0, type, {in(0).dims[0], out_h, out_w, type == Type::kBits ? words_of(filters) : filters});
}

std::string Checker::pool(Type type) {
  REPBNN_TRY(count(1, 1));
  REPBNN_TRY(usable(0, type));
  REPBNN_TRY(rank4(0));
  int32_t out_h, out_w;
  REPBNN_TRY(window(in(0), &out_h, &out_w));
  return output(0, type, {in(0).dims[0], out_h, out_w, in(0).dims[3]});
}

// Of the rows and columns of each image, and of nothing else: any other mean adds in another order.
std::string Checker::mean() {
  REPBNN_TRY(count(2, 1));
  REPBNN_TRY(usable(0, Type::kFloat32));
  REPBNN_TRY(rank4(0));
  REPBNN_TRY(constant(1, Type::kInt32));
  const int32_t* axes = static_cast<const int32_t*>(in(1).constant);
  bool averaged[4] = {false, false, false, false};
  for (int64_t i = 0; i < in(1).elements(); ++i) {
    const int32_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];
    if (axis < 0 || axis > 3) return "an axis is out of range";
    averaged[axis] = true;
  }
  if (averaged[0] || !averaged[1] || !averaged[2] || averaged[3]) return "it is no mean of rows and columns";
  const Dims& dims = in(0).dims;
  op.window.kernel_h = op.window.stride_h = dims[1];
  op.window.kernel_w = op.window.stride_w = dims[2];
  op.window.padding = Padding::kValid;
  return output(0, Type::kFloat32, op.keep_dims ? Dims{dims[0], 1, 1, dims[3]} : Dims{dims[0], dims[3]});
}

std::string Checker::concat() {
  if (op.inputs.empty() || op.outputs.size() != 1) return "it has no inputs";
  if (op.activation != Activation::kNone) return "it has a fused activation";
  REPBNN_TRY(usable(0, Type::kFloat32));
  Dims dims = in(0).dims;
  if (op.axis < 0) op.axis += static_cast<int32_t>(dims.size());
  if (op.axis < 0 || op.axis >= static_cast<int32_t>(dims.size())) return "its axis is out of range";
  int64_t total = 0;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    REPBNN_TRY(usable(static_cast<int>(i), Type::kFloat32));
    Dims other = in(static_cast<int>(i)).dims;
    if (other.size() != dims.size()) return "its inputs differ in rank";
    total += other[op.axis];
    other[op.axis] = dims[op.axis];
    if (other != dims) return "its inputs differ in shape";
  }
  if (total > kMaxElements) return "its output would have more than 2^31 elements";
  dims[op.axis] = static_cast<int32_t>(total);
  return output(0, Type::kFloat32, dims);
}

// The shape of two operands broadcast against each other; false when they do not fit.
bool broadcast(const Dims& a, const Dims& b, Dims* result) {
  const size_t rank = std::max(a.size(), b.size());
  result->assign(rank, 1);
  for (size_t i = 0; i < rank; ++i) {
    const int32_t da = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int32_t db = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1) return false;
    (*result)[rank - 1 - i] = da == 1 ? db : da;
  }
  return true;
}

std::string Checker::arithmetic() {
  REPBNN_TRY(count(2, 1));
  REPBNN_TRY(usable(0, Type::kFloat32));
  REPBNN_TRY(usable(1, Type::kFloat32));
  Dims dims;
  if (!broadcast(in(0).dims, in(1).dims, &dims)) return "its operands do not fit each other";
  return output(0, Type::kFloat32, dims);
}

std::string Checker::prelu() {
  REPBNN_TRY(count(2, 1));
  REPBNN_TRY(usable(0, Type::kFloat32));
  REPBNN_TRY(constant(1, Type::kFloat32));
  Dims dims;
  if (!broadcast(in(0).dims, in(1).dims, &dims) || dims != in(0).dims) return "its slopes do not fit its input";
  return output(0, Type::kFloat32, dims);
}

std::string Checker::relu() {
  REPBNN_TRY(count(1, 1));
  REPBNN_TRY(usable(0, Type::kFloat32));
  return output(0, Type::kFloat32, in(0).dims);
}

// PADV2 brings the value that it adds.
std::string Checker::pad() {
  const bool brings_value = op.inputs.size() == 3;
  REPBNN_TRY(count(brings_value ? 3 : 2, 1));
  if (brings_value) {
    REPBNN_TRY(constant(2, Type::kFloat32));
    if (in(2).elements() != 1) return "its value is no scalar";
    op.fill = in(2).floats()[0];
  }
  REPBNN_TRY(usable(0, Type::kFloat32));
  REPBNN_TRY(constant(1, Type::kInt32));
  Dims dims = in(0).dims;
  const int32_t rank = static_cast<int32_t>(dims.size());
  if (in(1).dims != Dims{rank, 2}) return "its paddings do not have a pair for each dimension";
  const int32_t* pairs = static_cast<const int32_t*>(in(1).constant);
  for (int32_t i = 0; i < rank; ++i) {
    op.begin[i] = pairs[2 * i];
    op.end[i] = pairs[2 * i + 1];
    if (op.begin[i] < 0 || op.end[i] < 0) return "a padding is negative";
    const int64_t size = int64_t{dims[i]} + op.begin[i] + op.end[i];
    if (size > kMaxElements) return "its output would have more than 2^31 elements";
    dims[i] = static_cast<int32_t>(size);
  }
  return output(0, Type::kFloat32, dims);
}

std::string Checker::reshape() {
  if (op.inputs.size() != 2 || op.outputs.size() != 1) return "it has no shape tensor";
  REPBNN_TRY(usable(0, Type::kFloat32));
  REPBNN_TRY(constant(1, Type::kInt32));
  if (in(1).dims.size() != 1 || in(1).dims[0] > kMaxRank) return "its shape has a rank that is not supported";
  const int32_t* shape = static_cast<const int32_t*>(in(1).constant);
  Dims dims(shape, shape + in(1).dims[0]);
  int64_t known = 1;
  int open = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == -1 && open < 0) {
      open = static_cast<int>(i);
    } else if (dims[i] < 1 || (known *= dims[i]) > kMaxElements) {
      return "its shape is not valid";
    }
  }
  const int64_t elements = in(0).elements();
  if (elements % known != 0 || (open < 0 && elements != known)) return "its shape does not fit its input";
  if (open >= 0) dims[open] = static_cast<int32_t>(elements / known);
  return output(0, Type::kFloat32, dims);
}

std::string Checker::depthwise() {
  if (op.inputs.size() < 2 || op.inputs.size() > 3 || op.outputs.size() != 1) return "it has no filter";
  REPBNN_TRY(usable(0, Type::kFloat32));
  REPBNN_TRY(constant(1, Type::kFloat32));
  REPBNN_TRY(rank4(0));
  REPBNN_TRY(rank4(1));
  const int32_t channels = in(0).dims[3], filters = in(1).dims[3];
  if (in(1).dims[0] != 1 || filters % channels != 0) return "its filter does not fit its input";
  if (graph.has_input(op, 2)) REPBNN_TRY(per_channel(2, filters));
  op.window.kernel_h = in(1).dims[1];
  op.window.kernel_w = in(1).dims[2];
  int32_t out_h, out_w;
  REPBNN_TRY(window(in(0), &out_h, &out_w));
  return output(0, Type::kFloat32, {in(0).dims[0], out_h, out_w, filters});
}

std::string Checker::split() {
  if (op.inputs.size() != 2 || op.outputs.empty()) return "it has no axis";
  REPBNN_TRY(constant(0, Type::kInt32));
  REPBNN_TRY(usable(1, Type::kFloat32));
  if (in(0).elements() != 1) return "its axis is no scalar";
  Dims dims = in(1).dims;
  op.axis = *static_cast<const int32_t*>(in(0).constant);
  if (op.axis < 0) op.axis += static_cast<int32_t>(dims.size());
  if (op.axis < 0 || op.axis >= static_cast<int32_t>(dims.size())) return "its axis is out of range";
  const int32_t parts = static_cast<int32_t>(op.outputs.size());
  if (dims[op.axis] % parts != 0) return "its parts are not equal";
  dims[op.axis] /= parts;
  for (int32_t i = 0; i < parts; ++i) REPBNN_TRY(output(i, Type::kFloat32, dims));
  return "";
}

std::string Checker::strided_slice() {
  REPBNN_TRY(count(4, 1));
  REPBNN_TRY(usable(0, Type::kFloat32));
  Dims dims = in(0).dims;
  const int32_t rank = static_cast<int32_t>(dims.size());
  for (int i = 1; i < 4; ++i) {
    REPBNN_TRY(constant(i, Type::kInt32));
    if (in(i).dims != Dims{rank}) return "its bounds do not name each dimension";
  }
  for (int32_t i = 0; i < rank; ++i) {
    const int32_t size = dims[i];
    const int32_t stride = static_cast<const int32_t*>(in(3).constant)[i];
    if (stride < 1) return "a stride is not positive";
    int64_t begin = (op.begin_mask >> i) & 1 ? 0 : static_cast<const int32_t*>(in(1).constant)[i];
    int64_t end = (op.end_mask >> i) & 1 ? size : static_cast<const int32_t*>(in(2).constant)[i];
    if (begin < 0) begin += size;
    if (end < 0) end += size;
    begin = std::min<int64_t>(std::max<int64_t>(begin, 0), size);
    end = std::min<int64_t>(std::max<int64_t>(end, 0), size);
    if (end <= begin) return "its result would be empty";
    op.begin[i] = static_cast<int32_t>(begin);
    op.stride[i] = stride;
    dims[i] = static_cast<int32_t>((end - begin + stride - 1) / stride);
  }
  return output(0, Type::kFloat32, dims);
}

}  // namespace

std::string infer(Graph& graph, Op& op) {
  Checker check{graph, op};
  for (int t : op.inputs) {
    if (t >= 0) {
      for (int32_t d : graph.tensors[t].dims) {
        if (d < 1) return "an input is empty";
        if (d > kMaxDim) return "an input is too large";
      }
    }
  }
  switch (op.kind) {
    case OpKind::kQuantize: return check.quantize();
    case OpKind::kDequantize: return check.dequantize();
    case OpKind::kBconv2d: return check.bconv2d();
    case OpKind::kBMaxPool2d: return check.pool(Type::kBits);
    case OpKind::kConcat: return check.concat();
    case OpKind::kAdd:
    case OpKind::kSub:
    case OpKind::kMul: return check.arithmetic();
    case OpKind::kPrelu: return check.prelu();
    case OpKind::kRelu: return check.relu();
    case OpKind::kPad: return check.pad();
    case OpKind::kReshape: return check.reshape();
    case OpKind::kAveragePool:
    case OpKind::kMaxPool: return check.pool(Type::kFloat32);
    case OpKind::kMean: return check.mean();
    case OpKind::kDepthwiseConv2d: return check.depthwise();
    case OpKind::kSplit: return check.split();
    case OpKind::kStridedSlice: return check.strided_slice();
  }
  return "it is not known";
}

std::string infer_all(Graph& graph) {
  for (Op& op : graph.ops) {
    const std::string why = infer(graph, op);
    if (!why.empty()) return format("%s (node %d): %s", name_of(op.kind), op.node, why.c_str());
  }
  return "";
}

}  // namespace repbnn
