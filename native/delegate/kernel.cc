#include "delegate/kernel.h"

#include <cstdlib>
#include <memory>
#include <vector>

#include "base/text.h"
#include "delegate/delegate.h"
#include "delegate/guard.h"
#include "delegate/import.h"
#include "plan/plan.h"
#include "plan/shape.h"

namespace repbnn {
namespace {

class Kernel {
 public:
  static Kernel* create(TfLiteContext* context, const TfLiteDelegateParams& params);
  ~Kernel();

  TfLiteStatus prepare(TfLiteContext* context);
  TfLiteStatus invoke(TfLiteContext* context);

 private:
  using Shapes = std::vector<std::vector<int32_t>>;

  bool import(TfLiteContext* context, const TfLiteDelegateParams& params);
  Shapes input_shapes(const TfLiteContext* context) const;
  TfLiteStatus resize_outputs(TfLiteContext* context);

  std::shared_ptr<Delegate> delegate_;
  std::shared_ptr<ThreadPool> pool_;
  Graph graph_;
  std::vector<int> inputs_, outputs_;  // the runtime's tensors, in the order of graph_.inputs and graph_.outputs
  Shapes planned_;                     // of the inputs that plan_ was made for
  std::unique_ptr<Plan> plan_;
  std::vector<const void*> input_data_;
  std::vector<void*> output_data_;
};

Kernel* Kernel::create(TfLiteContext* context, const TfLiteDelegateParams& params) {
  std::unique_ptr<Kernel> kernel(new Kernel);
  kernel->delegate_ = Delegate::of(params.delegate);
  if (!kernel->import(context, params)) return nullptr;
  kernel->pool_ = kernel->delegate_->add_partition(context);
  return kernel.release();
}

Kernel::~Kernel() {
  if (plan_ != nullptr && !delegate_->options().profiling.empty()) {
    guarded(0, [&] { return delegate_->report_profile(plan_->describe()), 0; });
  }
}

bool Kernel::import(TfLiteContext* context, const TfLiteDelegateParams& params) {
  Importer importer(context, &graph_);
  for (int i = 0; i < params.nodes_to_replace->size; ++i) {
    const int index = params.nodes_to_replace->data[i];
    TfLiteNode* node = nullptr;
    TfLiteRegistration* registration = nullptr;
    if (context->GetNodeAndRegistration(context, index, &node, &registration) != kTfLiteOk) {
      return report(context, format("the runtime has no node %d", index)), false;
    }
    const std::string why = importer.add(index, *node, *registration);
    if (!why.empty()) return report(context, format("node %d: %s", index, why.c_str())), false;
  }
  connect(graph_);
  for (int i = 0; i < params.input_tensors->size; ++i) {
    const int tensor = importer.find(params.input_tensors->data[i]);
    if (tensor < 0 || graph_.tensors[tensor].constant != nullptr) continue;
    graph_.tensors[tensor].is_input = true;
    graph_.inputs.push_back(tensor);
    inputs_.push_back(params.input_tensors->data[i]);
  }
  for (int i = 0; i < params.output_tensors->size; ++i) {
    const int tensor = importer.find(params.output_tensors->data[i]);
    if (tensor < 0) continue;
    graph_.tensors[tensor].is_output = true;
    graph_.outputs.push_back(tensor);
    outputs_.push_back(params.output_tensors->data[i]);
  }
  for (const Tensor& tensor : graph_.tensors) {
    if (tensor.producer < 0 && !tensor.is_input && tensor.constant == nullptr && !tensor.consumers.empty()) {
      return report(context, "an input of the partition is missing"), false;
    }
  }
  input_data_.resize(inputs_.size());
  output_data_.resize(outputs_.size());
  return true;
}

Kernel::Shapes Kernel::input_shapes(const TfLiteContext* context) const {
  Shapes shapes;
  for (int t : inputs_) {
    const TfLiteIntArray* dims = context->tensors[t].dims;
    shapes.emplace_back(dims->data, dims->data + dims->size);
  }
  return shapes;
}

TfLiteStatus Kernel::resize_outputs(TfLiteContext* context) {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const std::vector<int32_t>& dims = graph_.tensors[graph_.outputs[i]].dims;
    // Given away: the runtime frees it, by free().
    auto* array = static_cast<TfLiteIntArray*>(std::malloc(sizeof(int) * (dims.size() + 1)));
    if (array == nullptr) return report(context, "out of memory"), kTfLiteError;
    array->size = static_cast<int>(dims.size());
    for (size_t d = 0; d < dims.size(); ++d) array->data[d] = dims[d];
    const TfLiteStatus status = context->ResizeTensor(context, &context->tensors[outputs_[i]], array);
    if (status != kTfLiteOk) return status;
  }
  return kTfLiteOk;
}

TfLiteStatus Kernel::prepare(TfLiteContext* context) {
  Shapes shapes = input_shapes(context);
  if (plan_ == nullptr || shapes != planned_) {
    plan_.reset();
    for (size_t i = 0; i < inputs_.size(); ++i) graph_.tensors[graph_.inputs[i]].dims = shapes[i];
    const std::string why = infer_all(graph_);
    if (!why.empty()) return report(context, why), kTfLiteError;
    PlanOptions options;
    options.isa = delegate_->isa();
    options.fusion = delegate_->options().fusion;
    options.pool = pool_.get();
    options.profile = !delegate_->options().profiling.empty();
    plan_ = make_plan(graph_, options);
    planned_ = std::move(shapes);
    log_line(LogLevel::kDebug, delegate_->options().log_level,
             format("%zu operators, %zu bytes of weights, maps and scratch", graph_.ops.size(), plan_->memory_bytes()));
  }
  return resize_outputs(context);
}

bool same_shape(const TfLiteIntArray* dims, const std::vector<int32_t>& shape) {
  if (dims == nullptr || dims->size != static_cast<int>(shape.size())) return false;
  for (int d = 0; d < dims->size; ++d) {
    if (dims->data[d] != shape[d]) return false;
  }
  return true;
}

TfLiteStatus Kernel::invoke(TfLiteContext* context) {
  if (plan_ == nullptr) return report(context, "it could not be prepared, and so cannot run"), kTfLiteError;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const TfLiteTensor& tensor = context->tensors[inputs_[i]];
    if (!same_shape(tensor.dims, planned_[i]))
      return report(context, "an input changed its shape since it was prepared"), kTfLiteError;
    if (tensor.data == nullptr || tensor.bytes < static_cast<size_t>(graph_.tensors[graph_.inputs[i]].bytes())) {
      return report(context, "an input has too little data"), kTfLiteError;
    }
    input_data_[i] = tensor.data;
  }
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const TfLiteTensor& tensor = context->tensors[outputs_[i]];
    if (tensor.data == nullptr || tensor.bytes < static_cast<size_t>(graph_.tensors[graph_.outputs[i]].bytes())) {
      return report(context, "an output has too little memory"), kTfLiteError;
    }
    output_data_[i] = tensor.data;
  }
  plan_->run(input_data_.data(), output_data_.data());
  return kTfLiteOk;
}

void* kernel_init(TfLiteContext* context, const char* buffer, size_t) {
  return guarded(context, TfLiteKernelInitFailed(), [&]() -> void* {
    Kernel* kernel = Kernel::create(context, *reinterpret_cast<const TfLiteDelegateParams*>(buffer));
    return kernel != nullptr ? kernel : TfLiteKernelInitFailed();
  });
}

void kernel_free(TfLiteContext*, void* buffer) {
  if (buffer != TfLiteKernelInitFailed()) delete static_cast<Kernel*>(buffer);
}

TfLiteStatus kernel_prepare(TfLiteContext* context, TfLiteNode* node) {
  if (node->user_data == nullptr || node->user_data == TfLiteKernelInitFailed()) return kTfLiteError;
  return guarded(context, kTfLiteError, [&] { return static_cast<Kernel*>(node->user_data)->prepare(context); });
}

TfLiteStatus kernel_invoke(TfLiteContext* context, TfLiteNode* node) {
  return guarded(context, kTfLiteError, [&] { return static_cast<Kernel*>(node->user_data)->invoke(context); });
}

}  // namespace

TfLiteRegistration kernel_registration() {
  TfLiteRegistration registration{};
  registration.init = kernel_init;
  registration.free = kernel_free;
  registration.prepare = kernel_prepare;
  registration.invoke = kernel_invoke;
  registration.builtin_code = 51;  // DELEGATE
  registration.custom_name = "RepBnnDelegate";
  registration.version = 1;
  return registration;
}

}  // namespace repbnn
