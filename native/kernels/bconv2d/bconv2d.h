// The binary convolution: sums of +-1 products by xor and popcount, then an epilogue program on each tile.
//
// Prepared once (weights, epilogue vectors and border corrections are packed for one kernel), then called for any
// range of output rows, columns and filters, from any number of threads at once, each with its own scratch.
#ifndef REPBNN_KERNELS_BCONV2D_BCONV2D_H_
#define REPBNN_KERNELS_BCONV2D_BCONV2D_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/aligned.h"
#include "base/cpu.h"
#include "base/maps.h"
#include "kernels/pointwise/pointwise.h"

namespace repbnn {

// One group of a convolution. Groups are the caller's: one Bconv2d each, input view moved by the group's words (its
// channels must be a multiple of 32, or its bits repacked), output by `channel_offset` / data.
struct Bconv2dGeometry {
  int in_height = 0, in_width = 0, in_channels = 0;
  int filters = 0;
  int kernel_height = 1, kernel_width = 1;
  int stride_height = 1, stride_width = 1;
  int dilation_height = 1, dilation_width = 1;
  int pad_top = 0, pad_left = 0;
  int out_height = 0, out_width = 0;

  // Rows and columns of zero bits that the input's memory must have around the image.
  int border_top() const { return pad_top; }
  int border_left() const { return pad_left; }
  int border_bottom() const;
  int border_right() const;
  int taps() const { return kernel_height * kernel_width; }
  int64_t macs() const;  // border taps counted
};

constexpr int kMaxKernelHeight = 64;

struct Bconv2dSpec {
  Bconv2dGeometry geometry;

  // [filters][kernel_height][kernel_width][words_of(in_channels)], as in the file; bits past in_channels are ignored.
  const uint32_t* filters = nullptr;

  // Exactly one of the two outputs:
  // (a) v = float(clamp(2 * popcount)) * (-multiplier) + bias', bias' = K * multiplier + bias computed in double (and
  //     with output_scale and output_zero_point for int8 files), then the epilogue program. `filters` floats each.
  const float* multiplier = nullptr;
  const float* bias = nullptr;
  double output_scale = 1.0, output_zero_point = 0.0;
  // The fused activation, on the integer sum in [-K, K], before the multiplier. Not with pad_zero.
  int32_t activation_min = INT32_MIN, activation_max = INT32_MAX;
  // (b) bit = popcount > thresholds[f], written to bits[0] of the bindings; `epilogue` is null then.
  const int32_t* thresholds = nullptr;

  // SAME-zero: border taps count 0 instead of +1, by v = v + (-multiplier) * correction on the pixels whose window
  // sticks out, a separate float add before the epilogue; right for every kernel size, also larger than the map.
  bool pad_zero = false;
  // SAME-zero where the integer sums are corrected instead, before anything else is done with them: LCE's way of bits,
  // int8 and fused activations. Halves are counted, so in_channels must be even.
  bool pad_zero_sums = false;

  // Over copies * filters channels; null: just floats[0] = v. Copy j of filter f is channel j * filters + f.
  const Program* epilogue = nullptr;
  int copies = 1;
};

struct Bconv2dKernel;  // an entry of kernels.inc
struct WholeLayer;     // kernel.h

// The kernel called `name`, or nullptr. Names: kernels.inc ("scalar", "avx2_table", ...).
const Bconv2dKernel* find_bconv2d_kernel(const char* name);
// The best kernel of an implementation for a layer; nullptr when it is not in this build.
const Bconv2dKernel* choose_bconv2d_kernel(Isa isa, const Bconv2dGeometry& geometry);
// The smallest tile of a map that wastes next to nothing of what an implementation counts at once. SME2's kernel takes
// a tile's pixels in whole vectors; to the others every width is alike, and rows and columns are 0.
struct TileShape {
  int rows = 0, columns = 0;
};
TileShape bconv2d_tile(Isa isa, int out_height, int out_width);
// Name and instruction set of a kernel; kernel number i in [0, bconv2d_kernel_count()).
const char* bconv2d_kernel_name(const Bconv2dKernel& kernel);
Isa bconv2d_kernel_isa(const Bconv2dKernel& kernel);
int bconv2d_kernel_count();
const Bconv2dKernel& bconv2d_kernel(int index);
// Calls that this kernel has served in this process: how a test proves which implementation ran.
uint64_t bconv2d_kernel_calls(const Bconv2dKernel& kernel);

class Bconv2d {
 public:
  // nullptr with *error (a constant sentence) when the spec is not one that the kernels can run. std::bad_alloc is the
  // only exception. Nothing of `spec` is kept.
  static std::unique_ptr<Bconv2d> create(const Bconv2dSpec& spec, const Bconv2dKernel& kernel, const char** error);

  struct Call {
    BitMap input;  // border included; bits past in_channels 0; channels unused
    const Bindings* outputs = nullptr;
    int y0 = 0, y1 = 0, x0 = 0, x1 = 0;     // of the output
    int filter_begin = 0, filter_end = -1;  // multiples of filter_granule(), or the end; -1: all
    void* scratch = nullptr;                // scratch_bytes(y1 - y0, x1 - x0), 64-byte aligned, one for each thread
    bool streaming = false;                 // called from inside in_streaming_mode
  };
  // Loops over filter groups outside, pixels inside. Never allocates, never throws.
  void run(const Call& call) const;

  size_t scratch_bytes(int rows, int columns) const;
  int filter_granule() const;
  size_t packed_bytes() const;  // memory that this object holds
  const Bconv2dGeometry& geometry() const { return geometry_; }
  const Bconv2dKernel& kernel() const { return *kernel_; }

 private:
  Bconv2d() = default;
  friend struct Bconv2dAccess;
  friend class Bconv2dRun;
  size_t counts_words() const;
  int count_stride() const;
  void run_rows(const Call& call) const;
  WholeLayer whole_layer() const;
  int derived_pixels(int columns) const;
  size_t derived_pitch(int columns) const;

  Bconv2dGeometry geometry_;
  const Bconv2dKernel* kernel_ = nullptr;
  int words_ = 0, lanes_ = 0, copies_ = 1, joined_copies_ = 1;
  AlignedBuffer<uint32_t> weights_;
  AlignedBuffer<float> multiplier_, bias_;  // of the back-transform, 16 floats a group
  AlignedBuffer<int32_t> thresholds_;       // 16 a group; empty: float output
  int32_t clamp_min_ = INT32_MIN, clamp_max_ = INT32_MAX;
  bool clamps_ = false;
  // [row case][column case][padded filters], for SAME-zero: of the values, or of the counts.
  AlignedBuffer<float> corrections_;
  AlignedBuffer<int32_t> count_corrections_;
  AlignedBuffer<int32_t> row_case_, column_case_;  // of each output row / column; case 0: inside
  int column_cases_ = 0;
  PackedProgram epilogue_;
};

}  // namespace repbnn

#endif  // REPBNN_KERNELS_BCONV2D_BCONV2D_H_
