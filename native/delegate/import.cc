#include "delegate/import.h"

#include <cstring>

#include "base/text.h"
#include "delegate/abi_ops.h"
#include "delegate/flexbuffer.h"
#include "delegate/op_names.h"
#include "plan/shape.h"

namespace repbnn {
namespace {

struct Known {
  int32_t builtin;
  const char* custom;
  OpKind kind;
  int max_version;  // a newer version of an operator may mean something else
};

const Known kKnown[] = {
    {kTfLiteBuiltinCustom, "LceQuantize", OpKind::kQuantize, 1},
    {kTfLiteBuiltinCustom, "LceDequantize", OpKind::kDequantize, 1},
    {kTfLiteBuiltinCustom, "LceBconv2d", OpKind::kBconv2d, 1},
    {kTfLiteBuiltinCustom, "LceBMaxPool2d", OpKind::kBMaxPool2d, 1},
    {kTfLiteBuiltinAdd, nullptr, OpKind::kAdd, 5},
    {kTfLiteBuiltinAveragePool2d, nullptr, OpKind::kAveragePool, 3},
    {kTfLiteBuiltinConcatenation, nullptr, OpKind::kConcat, 4},
    {kTfLiteBuiltinDepthwiseConv2d, nullptr, OpKind::kDepthwiseConv2d, 7},
    {kTfLiteBuiltinMaxPool2d, nullptr, OpKind::kMaxPool, 3},
    {kTfLiteBuiltinMean, nullptr, OpKind::kMean, 3},
    {kTfLiteBuiltinMul, nullptr, OpKind::kMul, 7},
    {kTfLiteBuiltinRelu, nullptr, OpKind::kRelu, 3},
    {kTfLiteBuiltinReluN1To1, nullptr, OpKind::kRelu, 1},
    {kTfLiteBuiltinRelu6, nullptr, OpKind::kRelu, 3},
    {kTfLiteBuiltinReshape, nullptr, OpKind::kReshape, 1},
    {kTfLiteBuiltinPad, nullptr, OpKind::kPad, 4},
    {kTfLiteBuiltinPadv2, nullptr, OpKind::kPad, 4},
    {kTfLiteBuiltinSub, nullptr, OpKind::kSub, 5},
    {kTfLiteBuiltinStridedSlice, nullptr, OpKind::kStridedSlice, 8},
    {kTfLiteBuiltinSplit, nullptr, OpKind::kSplit, 4},
    {kTfLiteBuiltinPrelu, nullptr, OpKind::kPrelu, 1},
};

const Known* find_known(const TfLiteRegistration& registration) {
  for (const Known& known : kKnown) {
    if (registration.builtin_code != known.builtin) continue;
    if (known.custom == nullptr) return &known;
    if (registration.custom_name != nullptr && std::strcmp(registration.custom_name, known.custom) == 0) return &known;
  }
  return nullptr;
}

// Why an operator that stands in binary networks is left to the runtime. Measured, docs/delegate.md has the table: what
// these give differs in its last bits between the builtin kernels of one runtime and the next, or between one thread
// and two, so there is nothing that we could equal.
const char* why_unknown(const TfLiteRegistration& registration) {
  switch (registration.builtin_code) {
    case kTfLiteBuiltinConv2d:
    case kTfLiteBuiltinFullyConnected:
      return "in which order it sums differs from runtime to runtime, so no other kernel has its last bits";
    case kTfLiteBuiltinLogistic:
    case kTfLiteBuiltinSoftmax: return "its last bits differ from runtime to runtime, so no other kernel has them";
    default: return "no operator that stands between binary layers";
  }
}

bool activation_of(int value, Activation* activation) {
  switch (value) {
    case kTfLiteActNone: *activation = Activation::kNone; return true;
    case kTfLiteActRelu: *activation = Activation::kRelu; return true;
    case kTfLiteActReluN1To1: *activation = Activation::kReluN1To1; return true;
    case kTfLiteActRelu6: *activation = Activation::kRelu6; return true;
    default: return false;
  }
}

std::string read_bconv2d(const FlexMap& options, Op* op) {
  Window& w = op->window;
  int32_t padding, pad_values, activation;
  if (!options.get("stride_height", &w.stride_h) || !options.get("stride_width", &w.stride_w) ||
      !options.get("dilation_height_factor", &w.dilation_h) || !options.get("dilation_width_factor", &w.dilation_w) ||
      !options.get("padding", &padding) || !options.get("pad_values", &pad_values) ||
      !options.get("channels_in", &op->channels_in) || !options.get("fused_activation_function", &activation)) {
    return "an option is missing or no integer";
  }
  if (padding != 0 && padding != 1) return format("its padding is %d", padding);
  if (pad_values != 0 && pad_values != 1) return format("its pad_values is %d", pad_values);
  // The schema's numbers of these four activations are those of the C structs.
  if (!activation_of(activation, &op->activation)) return format("its fused activation is %d", activation);
  w.padding = padding == 1 ? Padding::kValid : pad_values == 0 ? Padding::kSameZero : Padding::kSameOne;
  return "";
}

std::string read_bmaxpool(const FlexMap& options, Op* op) {
  Window& w = op->window;
  int32_t padding;
  if (!options.get("filter_height", &w.kernel_h) || !options.get("filter_width", &w.kernel_w) ||
      !options.get("stride_height", &w.stride_h) || !options.get("stride_width", &w.stride_w) ||
      !options.get("padding", &padding)) {
    return "an option is missing or no integer";
  }
  if (padding != 0 && padding != 1) return format("its padding is %d", padding);
  w.padding = padding == 1 ? Padding::kValid : Padding::kSameOne;
  return "";
}

std::string read_padding(TfLitePadding padding, Window* window) {
  if (padding != kTfLitePaddingSame && padding != kTfLitePaddingValid) return "its padding is unknown";
  window->padding = padding == kTfLitePaddingValid ? Padding::kValid : Padding::kSameZero;
  return "";
}

std::string read_builtin(const TfLiteNode& node, int32_t builtin, int version, Op* op) {
  const void* data = node.builtin_data;
  const bool needs_data = op->kind != OpKind::kRelu && op->kind != OpKind::kPad && op->kind != OpKind::kPrelu &&
                          op->kind != OpKind::kReshape && op->kind != OpKind::kSplit;
  if (needs_data && data == nullptr) return "its parameters are missing";
  int activation = kTfLiteActNone;
  std::string why;
  switch (op->kind) {
    case OpKind::kRelu:
      activation = builtin == kTfLiteBuiltinRelu    ? kTfLiteActRelu
                   : builtin == kTfLiteBuiltinRelu6 ? kTfLiteActRelu6
                                                    : kTfLiteActReluN1To1;
      break;
    case OpKind::kAdd:
    case OpKind::kSub:
    case OpKind::kMul: activation = static_cast<const TfLiteArithmeticParams*>(data)->activation; break;
    case OpKind::kConcat:
      op->axis = static_cast<const TfLiteConcatenationParams*>(data)->axis;
      activation = static_cast<const TfLiteConcatenationParams*>(data)->activation;
      break;
    case OpKind::kAveragePool:
    case OpKind::kMaxPool: {
      const auto* p = static_cast<const TfLitePoolParams*>(data);
      op->window.kernel_h = p->filter_height, op->window.kernel_w = p->filter_width;
      op->window.stride_h = p->stride_height, op->window.stride_w = p->stride_width;
      why = read_padding(p->padding, &op->window);
      activation = p->activation;
      break;
    }
    case OpKind::kDepthwiseConv2d: {
      const auto* p = static_cast<const TfLiteDepthwiseConvParams*>(data);
      op->window.stride_h = p->stride_height, op->window.stride_w = p->stride_width;
      if (version >= 2)
        op->window.dilation_h = p->dilation_height_factor, op->window.dilation_w = p->dilation_width_factor;
      why = read_padding(p->padding, &op->window);
      activation = p->activation;
      break;
    }
    case OpKind::kMean: op->keep_dims = static_cast<const TfLiteReducerParams*>(data)->keep_dims; break;
    case OpKind::kStridedSlice: {
      const auto* p = static_cast<const TfLiteStridedSliceParams*>(data);
      if (p->ellipsis_mask != 0 || p->new_axis_mask != 0 || p->shrink_axis_mask != 0) return "it changes the rank";
      if (version >= 8 && p->offset) return "its ends are offsets";
      op->begin_mask = p->begin_mask, op->end_mask = p->end_mask;
      break;
    }
    default: break;
  }
  if (why.empty() && !activation_of(activation, &op->activation))
    why = format("its fused activation is %d", activation);
  return why;
}

std::string read_options(const TfLiteNode& node, const Known& known, int version, Op* op) {
  if (known.custom == nullptr) return read_builtin(node, known.builtin, version, op);
  if (op->kind != OpKind::kBconv2d && op->kind != OpKind::kBMaxPool2d) return "";
  FlexMap options;
  if (node.custom_initial_data_size < 0 ||
      !options.open(node.custom_initial_data, static_cast<size_t>(node.custom_initial_data_size))) {
    return "its options are no FlexBuffer map";
  }
  return op->kind == OpKind::kBconv2d ? read_bconv2d(options, op) : read_bmaxpool(options, op);
}

// Whether operand `position` of an operator holds packed signs: to the runtime they are plain int32.
bool is_packed_input(OpKind kind, int position) {
  if (kind == OpKind::kBconv2d) return position < 2;
  return position == 0 && (kind == OpKind::kDequantize || kind == OpKind::kBMaxPool2d);
}

bool is_packed_output(OpKind kind) {
  return kind == OpKind::kQuantize || kind == OpKind::kBconv2d || kind == OpKind::kBMaxPool2d;
}

bool type_of(const TfLiteTensor& tensor, bool packed, Type* type) {
  switch (tensor.type) {
    case kTfLiteFloat32: *type = Type::kFloat32; return true;
    case kTfLiteInt8: *type = Type::kInt8; return true;
    case kTfLiteBool: *type = Type::kBool; return true;
    case kTfLiteInt32: *type = packed ? Type::kBits : Type::kInt32; return true;
    default: return false;
  }
}

}  // namespace

std::string op_name(const TfLiteRegistration& registration) {
  if (registration.builtin_code == kTfLiteBuiltinCustom) {
    return registration.custom_name != nullptr ? registration.custom_name : "custom";
  }
  const char* name = builtin_name(registration.builtin_code);
  return name != nullptr ? name : format("builtin %d", registration.builtin_code);
}

bool is_lce(const TfLiteRegistration& registration) {
  return registration.builtin_code == kTfLiteBuiltinCustom && registration.custom_name != nullptr &&
         std::strncmp(registration.custom_name, "Lce", 3) == 0;
}

std::string Importer::tensor(int runtime_tensor, bool packed, int* index) {
  if (runtime_tensor < 0 || static_cast<size_t>(runtime_tensor) >= context_->tensors_size)
    return "a tensor does not exist";
  if (index_.size() < context_->tensors_size) index_.resize(context_->tensors_size, -1);
  *index = index_[runtime_tensor];
  if (*index >= 0) return "";
  const TfLiteTensor& source = context_->tensors[runtime_tensor];
  Tensor tensor;
  if (!type_of(source, packed, &tensor.type)) return format("tensor %d has type %d", runtime_tensor, source.type);
  if (source.dims == nullptr) return format("tensor %d has no shape", runtime_tensor);
  if (source.is_variable) return format("tensor %d is a variable", runtime_tensor);
  if (source.sparsity != nullptr) return format("tensor %d is sparse", runtime_tensor);
  tensor.dims.assign(source.dims->data, source.dims->data + source.dims->size);
  tensor.scale = source.params.scale;
  tensor.zero_point = source.params.zero_point;
  if (tensor.type == Type::kInt8 && (tensor.zero_point < -128 || tensor.zero_point > 127))
    return "its zero point is no int8";
  if (source.name != nullptr) tensor.name = source.name;
  if (source.allocation_type == kTfLiteMmapRo || source.allocation_type == kTfLitePersistentRo) {
    int64_t elements = 1;
    for (int32_t d : tensor.dims) {
      if (d < 0 || (elements *= d) > INT32_MAX) return format("tensor %d has an impossible shape", runtime_tensor);
    }
    if (source.data == nullptr || source.bytes < static_cast<size_t>(tensor.bytes())) {
      return format("tensor %d has %zu bytes instead of %lld", runtime_tensor, source.bytes,
                    static_cast<long long>(tensor.bytes()));
    }
    if (reinterpret_cast<uintptr_t>(source.data) % size_of(tensor.type) != 0) {
      return format("tensor %d is not aligned", runtime_tensor);
    }
    tensor.constant = source.data;
  }
  *index = index_[runtime_tensor] = static_cast<int>(graph_->tensors.size());
  graph_->tensors.push_back(std::move(tensor));
  return "";
}

std::string Importer::operands(const TfLiteNode& node, Op* op) {
  if (node.inputs == nullptr || node.outputs == nullptr) return "it has no operands";
  for (int i = 0; i < node.inputs->size; ++i) {
    int index = -1;
    if (node.inputs->data[i] != kTfLiteOptionalTensor) {
      const std::string why = tensor(node.inputs->data[i], is_packed_input(op->kind, i), &index);
      if (!why.empty()) return why;
    }
    op->inputs.push_back(index);
  }
  for (int i = 0; i < node.outputs->size; ++i) {
    int index = -1;
    const std::string why = tensor(node.outputs->data[i], is_packed_output(op->kind), &index);
    if (!why.empty()) return why;
    op->outputs.push_back(index);
  }
  return "";
}

std::string Importer::add(int node_index, const TfLiteNode& node, const TfLiteRegistration& registration) {
  const Known* known = find_known(registration);
  if (known == nullptr) return why_unknown(registration);
  if (registration.version > known->max_version) return format("version %d is not known", registration.version);
  Op op;
  op.kind = known->kind;
  op.node = node_index;
  std::string why = read_options(node, *known, registration.version, &op);
  if (why.empty()) why = operands(node, &op);
  if (!why.empty()) return why;
  // The file's own shapes must be those that follow from the inputs, or the runtime and we would disagree later.
  std::vector<std::vector<int32_t>> recorded;
  for (int t : op.outputs) recorded.push_back(graph_->tensors[t].dims);
  why = infer(*graph_, op);
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    Tensor& output = graph_->tensors[op.outputs[i]];
    if (why.empty() && output.dims != recorded[i]) why = "its output's shape in the file is not what follows";
    output.dims = recorded[i];
  }
  if (why.empty()) graph_->ops.push_back(std::move(op));
  return why;
}

}  // namespace repbnn
