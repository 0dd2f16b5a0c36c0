// Every operator written out as plainly as its definition: the reference that fused plans are held against, and the
// form in which an operator runs that no faster one fits.
//
// Bit for bit what TFLite's builtin kernels (not XNNPACK's) and LCE's write, for values that stay finite. Where LCE's
// own SAME-zero is wrong (a kernel larger than the map), this is the mathematical convolution.
#pragma once

#include "plan/graph.h"

namespace repbnn {

// The memory of every tensor of a graph, dense, indexed as Graph::tensors. Constants included.
struct Buffers {
  std::vector<void*> data;

  const float* floats(int tensor) const { return static_cast<const float*>(data[tensor]); }
  float* floats(int tensor) { return static_cast<float*>(data[tensor]); }
  const int32_t* words(int tensor) const { return static_cast<const int32_t*>(data[tensor]); }
  int32_t* words(int tensor) { return static_cast<int32_t*>(data[tensor]); }
};

// Run one operator that infer() accepted. Never allocates, never throws.
void run_reference(const Graph& graph, const Op& op, Buffers& buffers);

// Its parts, in files of their own.
void run_bconv2d_reference(const Graph& graph, const Op& op, Buffers& buffers);
void run_signs_reference(const Graph& graph, const Op& op, Buffers& buffers);   // quantize, dequantize, binary pool
void run_window_reference(const Graph& graph, const Op& op, Buffers& buffers);  // float pools, depthwise
void run_layout_reference(const Graph& graph, const Op& op, Buffers& buffers);  // concat, split, slice, pad, reshape

}  // namespace repbnn
