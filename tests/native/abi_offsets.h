// Each thing that we declare of TFLite's ABI, as a number; compiled once with our declarations and once with TFLite's.
#define REPBNN_ABI_FACTS                                                                                               \
  sizeof(TfLiteTensor), offsetof(TfLiteTensor, type), offsetof(TfLiteTensor, data), offsetof(TfLiteTensor, dims),      \
      offsetof(TfLiteTensor, params), offsetof(TfLiteTensor, allocation_type), offsetof(TfLiteTensor, bytes),          \
      offsetof(TfLiteTensor, name), offsetof(TfLiteTensor, delegate), offsetof(TfLiteTensor, is_variable),             \
      offsetof(TfLiteTensor, quantization), offsetof(TfLiteTensor, sparsity), sizeof(TfLiteNode),                      \
      offsetof(TfLiteNode, inputs), offsetof(TfLiteNode, outputs), offsetof(TfLiteNode, user_data),                    \
      offsetof(TfLiteNode, builtin_data), offsetof(TfLiteNode, custom_initial_data),                                   \
      offsetof(TfLiteNode, custom_initial_data_size), offsetof(TfLiteNode, delegate),                                  \
      offsetof(TfLiteRegistration, init), offsetof(TfLiteRegistration, free), offsetof(TfLiteRegistration, prepare),   \
      offsetof(TfLiteRegistration, invoke), offsetof(TfLiteRegistration, builtin_code),                                \
      offsetof(TfLiteRegistration, custom_name), offsetof(TfLiteRegistration, version),                                \
      offsetof(TfLiteRegistration, async_kernel), offsetof(TfLiteRegistration, inplace_operator),                      \
      offsetof(TfLiteDelegateParams, nodes_to_replace), offsetof(TfLiteDelegateParams, input_tensors),                 \
      offsetof(TfLiteDelegateParams, output_tensors), offsetof(TfLiteContext, tensors_size),                           \
      offsetof(TfLiteContext, GetExecutionPlan), offsetof(TfLiteContext, tensors),                                     \
      offsetof(TfLiteContext, ResizeTensor), offsetof(TfLiteContext, ReportError),                                     \
      offsetof(TfLiteContext, GetNodeAndRegistration), offsetof(TfLiteContext, ReplaceNodeSubsetsWithDelegateKernels), \
      offsetof(TfLiteContext, recommended_num_threads), offsetof(TfLiteContext, profiler),                             \
      offsetof(TfLiteDelegate, data_), offsetof(TfLiteDelegate, Prepare), offsetof(TfLiteDelegate, flags),             \
      offsetof(TfLiteDelegate, opaque_delegate_builder), size_t(kTfLiteFloat32), size_t(kTfLiteInt32),                 \
      size_t(kTfLiteInt64), size_t(kTfLiteBool), size_t(kTfLiteInt8), size_t(kTfLiteMmapRo), size_t(kTfLiteDynamic),   \
      size_t(kTfLitePersistentRo), size_t(kTfLiteDelegateFlagsAllowDynamicTensors), REPBNN_ABI_OPERATORS

// The operators' codes, from TFLite's builtin_ops.h. Their parameters stand in a header that the archive leaves out:
// tests/runtime/test_delegate_operators.py runs each operator in a real runtime.
#define REPBNN_ABI_OPERATORS                                                                                     \
  size_t(kTfLiteBuiltinAdd), size_t(kTfLiteBuiltinAveragePool2d), size_t(kTfLiteBuiltinConcatenation),           \
      size_t(kTfLiteBuiltinConv2d), size_t(kTfLiteBuiltinDepthwiseConv2d), size_t(kTfLiteBuiltinFullyConnected), \
      size_t(kTfLiteBuiltinLogistic), size_t(kTfLiteBuiltinMaxPool2d), size_t(kTfLiteBuiltinMul),                \
      size_t(kTfLiteBuiltinRelu), size_t(kTfLiteBuiltinReluN1To1), size_t(kTfLiteBuiltinRelu6),                  \
      size_t(kTfLiteBuiltinReshape), size_t(kTfLiteBuiltinSoftmax), size_t(kTfLiteBuiltinCustom),                \
      size_t(kTfLiteBuiltinPad), size_t(kTfLiteBuiltinMean), size_t(kTfLiteBuiltinSub),                          \
      size_t(kTfLiteBuiltinStridedSlice), size_t(kTfLiteBuiltinSplit), size_t(kTfLiteBuiltinPrelu),              \
      size_t(kTfLiteBuiltinPadv2)
