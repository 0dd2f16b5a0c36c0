// Fuzzes the node checks, the FlexBuffer reader and the options: the bytes say what of a good network is spoilt.
//
//   tools/fuzz_delegate.sh [RUNS]
#include "fake_network.h"

extern "C" TfLiteDelegate* tflite_plugin_create_delegate(const char* const*, const char* const*, size_t,
                                                         void (*)(const char*));
extern "C" void tflite_plugin_destroy_delegate(TfLiteDelegate*);

namespace repbnn {
namespace {

class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint8_t next() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  int32_t next_int() {
    static const int32_t edges[] = {0, 1, -1, 2, 3, 31, 32, 33, 64, 96, 32767, 32768, INT32_MAX, INT32_MIN, 65536, 7};
    const uint8_t byte = next();
    return byte < 128 ? byte : edges[byte % 16];
  }
  std::string next_text() {
    std::string text;
    for (size_t length = next() % 24; length > 0 && size_ > 0; --length) text += static_cast<char>(next());
    return text;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

void spoil(FakeNetwork& network, Bytes& bytes) {
  FakeRuntime& runtime = network.runtime;
  const int tensors = static_cast<int>(runtime.context.tensors_size);
  TfLiteTensor& tensor = runtime.at(bytes.next() % tensors);
  switch (bytes.next() % 11) {
    case 9:
      network.drop_axes.keep_dims = bytes.next() % 2;
      network.halve.stride_width = bytes.next_int(), network.halve.filter_height = bytes.next_int();
      network.halve.padding = static_cast<TfLitePadding>(bytes.next() % 4);
      return;
    case 10:
      network.depthwise.stride_height = bytes.next_int(), network.depthwise.dilation_width_factor = bytes.next_int();
      network.depthwise.padding = static_cast<TfLitePadding>(bytes.next() % 4);
      network.depthwise.activation = static_cast<TfLiteFusedActivation>(bytes.next() % 8);
      return;
    case 0: {
      auto options = FakeNetwork::conv_options();
      options[bytes.next() % options.size()].second = bytes.next_int();
      return runtime.set_options(network.conv_node, flex_map(options));
    }
    case 1: {
      std::vector<uint8_t> options = flex_map(FakeNetwork::conv_options());
      for (int i = bytes.next() % 8; i >= 0; --i) options[bytes.next() % options.size()] = bytes.next();
      return runtime.set_options(network.conv_node, options);
    }
    case 2: {
      std::vector<uint8_t> options;
      for (int i = bytes.next(); i > 0 && !bytes.empty(); --i) options.push_back(bytes.next());
      return runtime.set_options(network.conv_node, options);
    }
    case 3:
      if (tensor.dims->size > 0) tensor.dims->data[bytes.next() % tensor.dims->size] = bytes.next_int();
      return;
    case 4: tensor.dims->size = std::min<int>(tensor.dims->size, bytes.next() % 5); return;
    case 5:
      // Constants that say how: axes, paddings.
      if (bytes.next() % 2 && tensor.allocation_type == kTfLiteMmapRo && tensor.type == kTfLiteInt32 &&
          tensor.bytes >= 4)
        return void(static_cast<int32_t*>(tensor.data)[bytes.next() % (tensor.bytes / 4)] = bytes.next_int());
      tensor.type = static_cast<TfLiteType>(bytes.next() % 12);
      return;
    case 6: {
      TfLiteNode& node = runtime.node(bytes.next() % (network.relu_node + 1));
      TfLiteIntArray* list = bytes.next() % 2 ? node.inputs : node.outputs;
      if (list->size > 0)
        list->data[bytes.next() % list->size] = bytes.next() % 3 == 0 ? bytes.next_int() : bytes.next() % tensors;
      return;
    }
    case 7: tensor.bytes = std::min<size_t>(tensor.bytes, bytes.next()); return;
    default: tensor.params = {static_cast<float>(bytes.next_int()) / 16.0f, bytes.next_int()}; return;
  }
}

bool small(const FakeRuntime& runtime) {
  for (size_t t = 0; t < runtime.context.tensors_size; ++t) {
    int64_t elements = 1;
    const TfLiteIntArray* dims = runtime.context.tensors[t].dims;
    for (int d = 0; d < dims->size; ++d) {
      elements *= std::max(dims->data[d], 1);
      if (elements > 100000) return false;
    }
  }
  return true;
}

void fuzz_options(Bytes& bytes) {
  static const char* const names[] = {"num_threads", "implementation", "fusion", "require_all", "log_level"};
  const std::string key = bytes.next() % 2 ? names[bytes.next() % 5] : bytes.next_text();
  const std::string value = bytes.next_text();
  if (key == "explain" || key == "profiling") return;  // they name files
  const char* keys[] = {key.c_str()};
  const char* values[] = {value.c_str()};
  TfLiteDelegate* delegate = tflite_plugin_create_delegate(keys, values, 1, [](const char*) {});
  if (delegate != nullptr) tflite_plugin_destroy_delegate(delegate);
}

void fuzz_network(Bytes& bytes) {
  FakeNetwork network(false, 3, bytes.next() % 2);
  for (int i = 1 + bytes.next() % 3; i > 0; --i) spoil(network, bytes);
  static const char* const keys[] = {"log_level", "fusion"};
  const char* values[] = {"error", bytes.next() % 2 ? "full" : "none"};
  TfLiteDelegate* delegate = tflite_plugin_create_delegate(keys, values, 2, nullptr);
  if (delegate->Prepare(&network.runtime.context, delegate) == kTfLiteOk && network.runtime.has_partition() &&
      small(network.runtime) && network.runtime.prepare() == kTfLiteOk && small(network.runtime)) {
    network.runtime.allocate();
    network.runtime.invoke();
  }
  network.runtime.release();
  tflite_plugin_destroy_delegate(delegate);
}

}  // namespace
}  // namespace repbnn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  repbnn::Bytes bytes(data, size);
  if (bytes.next() % 8 == 0) {
    repbnn::fuzz_options(bytes);
  } else {
    repbnn::fuzz_network(bytes);
  }
  return 0;
}
