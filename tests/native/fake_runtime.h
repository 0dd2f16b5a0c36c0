// A runtime of a few lines: enough of TfLiteContext to offer a network to the delegate, and as careless as a test
// wants.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delegate/abi.h"
#include "delegate/abi_ops.h"
#include "kernels/testing/guarded.h"

namespace repbnn {

// A FlexBuffer map from names to 32-bit integers, as converters write custom options.
inline std::vector<uint8_t> flex_map(const std::vector<std::pair<std::string, int32_t>>& entries) {
  std::vector<uint8_t> bytes;
  std::vector<size_t> keys;
  const auto put = [&](uint32_t value, int width) {
    for (int i = 0; i < width; ++i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
  };
  for (const auto& entry : entries) {
    keys.push_back(bytes.size());
    bytes.insert(bytes.end(), entry.first.begin(), entry.first.end());
    bytes.push_back(0);
  }
  put(static_cast<uint32_t>(entries.size()), 1);
  const size_t key_vector = bytes.size();
  for (size_t key : keys) put(static_cast<uint32_t>(bytes.size() - key), 1);
  put(static_cast<uint32_t>(bytes.size() - key_vector), 4);
  put(1, 4);
  put(static_cast<uint32_t>(entries.size()), 4);
  const size_t values = bytes.size();
  for (const auto& entry : entries) put(static_cast<uint32_t>(entry.second), 4);
  for (size_t i = 0; i < entries.size(); ++i) bytes.push_back(1 << 2 | 2);  // INT, 4 bytes
  put(static_cast<uint32_t>(bytes.size() - values), 1);
  bytes.push_back(9 << 2 | 2);  // MAP, 4 bytes
  bytes.push_back(1);
  return bytes;
}

class FakeRuntime {
 public:
  TfLiteContext context{};
  std::string errors;
  int partitions = 0;
  std::vector<int> claimed;

  // Guarded: every tensor ends before an inaccessible page (else on the heap, where a sanitizer watches).
  explicit FakeRuntime(bool guarded = true) : guarded_(guarded) {
    context.impl_ = this;
    context.recommended_num_threads = 1;
    context.GetExecutionPlan = [](TfLiteContext* c, TfLiteIntArray** plan) {
      return *plan = of(c)->plan_.get(), kTfLiteOk;
    };
    context.GetNodeAndRegistration = [](TfLiteContext* c, int i, TfLiteNode** node, TfLiteRegistration** registration) {
      if (i < 0 || static_cast<size_t>(i) >= of(c)->nodes_.size()) return kTfLiteError;
      *node = &of(c)->nodes_[i].node;
      *registration = &of(c)->nodes_[i].registration;
      return kTfLiteOk;
    };
    context.ResizeTensor = [](TfLiteContext* c, TfLiteTensor* tensor, TfLiteIntArray* dims) {
      return of(c)->resize(tensor, dims);
    };
    context.ReportError = report_error;
    context.ReplaceNodeSubsetsWithDelegateKernels = replace;
  }

  ~FakeRuntime() { release(); }

  // Ends the partition, as an interpreter does on its own end.
  void release() {
    if (node_.user_data != nullptr) registration_.free(&context, node_.user_data);
    node_.user_data = nullptr;
  }

  int tensor(TfLiteType type, const std::vector<int>& dims) {
    TfLiteTensor t{};
    t.type = type;
    t.dims = array(dims);
    t.bytes = bytes_of(t);
    tensors_.push_back(t);
    context.tensors = tensors_.data();
    context.tensors_size = tensors_.size();
    return static_cast<int>(tensors_.size()) - 1;
  }

  template <typename T>
  int constant(TfLiteType type, const std::vector<int>& dims, const std::vector<T>& values) {
    const int index = tensor(type, dims);
    tensors_[index].allocation_type = kTfLiteMmapRo;
    tensors_[index].data = hold(values.size() * sizeof(T));
    std::memcpy(tensors_[index].data, values.data(), values.size() * sizeof(T));
    tensors_[index].bytes = values.size() * sizeof(T);
    return index;
  }

  TfLiteTensor& at(int tensor) { return tensors_[tensor]; }
  TfLiteNode& node(int index) { return nodes_[index].node; }

  int add(int32_t builtin, const char* custom, const std::vector<int>& inputs, const std::vector<int>& outputs,
          void* builtin_data = nullptr, std::vector<uint8_t> options = {}) {
    nodes_.emplace_back();
    Entry& entry = nodes_.back();
    entry.options = std::move(options);
    entry.node.inputs = array(inputs);
    entry.node.outputs = array(outputs);
    entry.node.builtin_data = builtin_data;
    entry.node.custom_initial_data = entry.options.data();
    entry.node.custom_initial_data_size = static_cast<int>(entry.options.size());
    entry.registration.builtin_code = builtin;
    entry.registration.custom_name = custom;
    entry.registration.version = 1;
    std::vector<int> order;
    for (size_t i = 0; i < nodes_.size(); ++i) order.push_back(static_cast<int>(i));
    plan_.reset(make_array(order));
    return static_cast<int>(nodes_.size()) - 1;
  }

  void set_options(int node, std::vector<uint8_t> options) {
    nodes_[node].options = std::move(options);
    nodes_[node].node.custom_initial_data = nodes_[node].options.data();
    nodes_[node].node.custom_initial_data_size = static_cast<int>(nodes_[node].options.size());
  }

  // AllocateTensors and Invoke of the one partition.
  TfLiteStatus prepare() { return node_.user_data == nullptr ? kTfLiteError : registration_.prepare(&context, &node_); }
  void allocate() {
    for (TfLiteTensor& t : tensors_) {
      if (t.allocation_type == kTfLiteMmapRo) continue;
      t.data = hold(t.bytes);
    }
  }
  TfLiteStatus invoke() { return registration_.invoke(&context, &node_); }
  bool has_partition() const { return node_.user_data != nullptr; }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  struct Entry {
    TfLiteNode node{};
    TfLiteRegistration registration{};
    std::vector<uint8_t> options;
  };

  uint8_t* hold(size_t bytes) {
    if (guarded_) return pages_.emplace_back().place(bytes);
    heap_.emplace_back(new uint8_t[bytes]());
    return heap_.back().get();
  }

  bool exists(int tensor) const { return tensor >= 0 && static_cast<size_t>(tensor) < tensors_.size(); }

  static void report_error(TfLiteContext* context, const char* pattern, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, pattern);
    std::vsnprintf(text, sizeof text, pattern, arguments);
    va_end(arguments);
    of(context)->errors += text;
  }

  static FakeRuntime* of(TfLiteContext* context) { return static_cast<FakeRuntime*>(context->impl_); }

  static TfLiteIntArray* make_array(const std::vector<int>& values) {
    auto* result = static_cast<TfLiteIntArray*>(std::malloc(sizeof(int) * (values.size() + 1)));
    result->size = static_cast<int>(values.size());
    for (size_t i = 0; i < values.size(); ++i) result->data[i] = values[i];
    return result;
  }

  TfLiteIntArray* array(const std::vector<int>& values) {
    arrays_.emplace_back(make_array(values));
    return arrays_.back().get();
  }

  static size_t bytes_of(const TfLiteTensor& t) {
    size_t bytes = t.type == kTfLiteInt8 || t.type == kTfLiteBool ? 1 : 4;
    for (int d = 0; d < t.dims->size; ++d) bytes *= static_cast<size_t>(t.dims->data[d] < 0 ? 0 : t.dims->data[d]);
    return bytes;
  }

  TfLiteStatus resize(TfLiteTensor* tensor, TfLiteIntArray* dims) {
    arrays_.emplace_back(dims);
    tensor->dims = dims;
    tensor->bytes = bytes_of(*tensor);
    return kTfLiteOk;
  }

  // One partition of all nodes that were asked for.
  static TfLiteStatus replace(TfLiteContext* context, TfLiteRegistration registration, const TfLiteIntArray* nodes,
                              TfLiteDelegate* delegate) {
    FakeRuntime* self = of(context);
    self->claimed.assign(nodes->data, nodes->data + nodes->size);
    std::vector<bool> inside(self->nodes_.size(), false), written(self->tensors_.size(), false), read(written),
        outer(written);
    for (int i : self->claimed) inside[i] = true;
    for (size_t i = 0; i < self->nodes_.size(); ++i) {
      const TfLiteNode& node = self->nodes_[i].node;
      for (int k = 0; k < node.inputs->size; ++k) {
        if (self->exists(node.inputs->data[k])) (inside[i] ? read : outer)[node.inputs->data[k]] = true;
      }
      for (int k = 0; k < node.outputs->size && inside[i]; ++k) written.at(node.outputs->data[k]) = true;
    }
    std::vector<int> inputs, outputs;
    for (size_t t = 0; t < self->tensors_.size(); ++t) {
      if (read[t] && !written[t]) inputs.push_back(static_cast<int>(t));
      if (written[t] && (outer[t] || !read[t])) outputs.push_back(static_cast<int>(t));
    }
    TfLiteDelegateParams params{delegate, const_cast<TfLiteIntArray*>(nodes), self->array(inputs),
                                self->array(outputs)};
    self->registration_ = registration;
    self->node_.inputs = params.input_tensors;
    self->node_.outputs = params.output_tensors;
    self->node_.delegate = delegate;
    void* data = registration.init(context, reinterpret_cast<const char*>(&params), 0);
    if (data == TfLiteKernelInitFailed()) return kTfLiteError;
    self->node_.user_data = data;
    ++self->partitions;
    return kTfLiteOk;
  }

  std::deque<Entry> nodes_;
  std::vector<TfLiteTensor> tensors_;
  const bool guarded_;
  std::deque<Guarded<uint8_t>> pages_;
  std::vector<std::unique_ptr<uint8_t[]>> heap_;
  std::vector<std::unique_ptr<TfLiteIntArray, Free>> arrays_;
  std::unique_ptr<TfLiteIntArray, Free> plan_;
  TfLiteRegistration registration_{};
  TfLiteNode node_{};
};

}  // namespace repbnn
