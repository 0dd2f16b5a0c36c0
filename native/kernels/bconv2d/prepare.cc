// Bconv2d::create: checks, packing, the back-transform's constants and the border corrections.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/bconv2d/kernel.h"

namespace repbnn {
namespace {

constexpr int kMaxStep = 32767;                 // of strides and dilations, as the delegate's checks
constexpr int64_t kMaxTaps = int64_t{1} << 26;  // of one output value: 2 * popcount stays an int32
constexpr int kMaxSize = 1 << 24;               // of every other dimension

const char* check_sizes(const Bconv2dGeometry& g) {
  for (int size : {g.in_height, g.in_width, g.in_channels, g.filters, g.out_height, g.out_width}) {
    if (size < 1 || size > kMaxSize) return "a dimension of the convolution is not in [1, 2^24]";
  }
  for (int size : {g.kernel_height, g.kernel_width}) {
    if (size < 1 || size > kMaxKernelHeight) return "the kernel's height or width is not in [1, 64]";
  }
  for (int step : {g.stride_height, g.stride_width, g.dilation_height, g.dilation_width}) {
    if (step < 1 || step > kMaxStep) return "a stride or dilation is not in [1, 32767]";
  }
  if (g.pad_top < 0 || g.pad_left < 0) return "a padding is negative";
  if (int64_t{g.taps()} * words_of(g.in_channels) * kWordBits > kMaxTaps) return "one output value sums over 2^26 taps";
  return nullptr;
}

const char* check(const Bconv2dSpec& spec, const Bconv2dKernel& kernel) {
  if (const char* error = check_sizes(spec.geometry)) return error;
  if (!kernel_fits(kernel, spec.geometry)) return "this kernel does not fit the convolution's geometry";
  if (!cpu_supports(kernel.isa)) return "this processor lacks the kernel's instructions";
  if (spec.filters == nullptr) return "the convolution has no filters";
  if (spec.pad_zero_sums && (spec.pad_zero || spec.geometry.in_channels % 2 != 0)) {
    return "zero padding in the sums excludes that of the values, and an odd number of channels";
  }
  if (spec.copies < 1) return "the number of copies is not positive";
  if (spec.thresholds != nullptr) {
    if (spec.epilogue != nullptr || spec.copies != 1) return "thresholds exclude an epilogue and copies";
    if (spec.pad_zero) return "thresholds exclude zero padding";
    return nullptr;
  }
  if (spec.multiplier == nullptr || spec.bias == nullptr) return "the convolution has no multiplier or bias";
  const bool clamps = spec.activation_min != INT32_MIN || spec.activation_max != INT32_MAX;
  if (spec.pad_zero && clamps) return "a fused activation excludes zero padding";
  if (!std::isfinite(spec.output_scale) || spec.output_scale == 0.0) return "the output scale is zero or not finite";
  if (spec.epilogue != nullptr &&
      spec.epilogue->channels() != static_cast<int64_t>(spec.copies) * spec.geometry.filters) {
    return "the epilogue's channels are not copies x filters";
  }
  return nullptr;
}

// For each output position of one axis the set of taps that fall outside, as bit masks; then numbers them, 0: none.
int number_cases(int out, int stride, int dilation, int kernel, int pad, int in, AlignedBuffer<int32_t>* cases,
                 std::vector<uint64_t>* masks) {
  *cases = AlignedBuffer<int32_t>(out);
  masks->assign(1, 0);
  for (int o = 0; o < out; ++o) {
    uint64_t mask = 0;
    for (int k = 0; k < kernel; ++k) {
      const int64_t i = int64_t{o} * stride - pad + int64_t{k} * dilation;
      if (i < 0 || i >= in) mask |= uint64_t{1} << k;
    }
    auto found = std::find(masks->begin(), masks->end(), mask);
    (*cases)[o] = static_cast<int32_t>(found - masks->begin());
    if (found == masks->end()) masks->push_back(mask);
  }
  return static_cast<int>(masks->size());
}

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

int Bconv2dGeometry::border_bottom() const {
  const int64_t last = int64_t{out_height - 1} * stride_height + int64_t{kernel_height - 1} * dilation_height;
  return static_cast<int>(std::max<int64_t>(0, last - pad_top - (in_height - 1)));
}

int Bconv2dGeometry::border_right() const {
  const int64_t last = int64_t{out_width - 1} * stride_width + int64_t{kernel_width - 1} * dilation_width;
  return static_cast<int>(std::max<int64_t>(0, last - pad_left - (in_width - 1)));
}

int64_t Bconv2dGeometry::macs() const { return int64_t{out_height} * out_width * taps() * in_channels * filters; }

struct Bconv2dAccess {
  // SAME-zero: what the taps outside the map added as +1, for every kind of border pixel; times -multiplier, or halved
  // for the counts.
  static void prepare_corrections(const Bconv2dSpec& spec, int padded, Bconv2d* conv) {
    const Bconv2dGeometry& g = spec.geometry;
    std::vector<uint64_t> row_masks, column_masks;
    const int rows = number_cases(g.out_height, g.stride_height, g.dilation_height, g.kernel_height, g.pad_top,
                                  g.in_height, &conv->row_case_, &row_masks);
    const int columns = number_cases(g.out_width, g.stride_width, g.dilation_width, g.kernel_width, g.pad_left,
                                     g.in_width, &conv->column_case_, &column_masks);
    conv->column_cases_ = columns;
    const size_t size = static_cast<size_t>(rows) * columns * padded;
    if (spec.pad_zero_sums) {
      conv->count_corrections_ = AlignedBuffer<int32_t>(size);
    } else {
      conv->corrections_ = AlignedBuffer<float>(size);
    }
    std::vector<int> sums(g.taps());
    for (int f = 0; f < g.filters; ++f) {
      tap_sums(spec, conv->words_, f, &sums);
      const float multiplier = spec.pad_zero_sums ? 0.0f : -1.0f * spec.multiplier[f];
      for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
          int sum = 0;
          for (int tap = 0; tap < g.taps(); ++tap) {
            const bool outside = (row_masks[row] >> (tap / g.kernel_width) & 1) != 0 ||
                                 (column_masks[column] >> (tap % g.kernel_width) & 1) != 0;
            if (outside) sum += sums[tap];
          }
          const size_t at = (static_cast<size_t>(row) * columns + column) * padded + f;
          if (spec.pad_zero_sums) {
            conv->count_corrections_[at] = sum / 2;
          } else {
            conv->corrections_[at] = multiplier * static_cast<float>(sum);
          }
        }
      }
    }
  }

  // The sum of a filter's +-1 weights over the channels, for each tap.
  static void tap_sums(const Bconv2dSpec& spec, int words, int filter, std::vector<int>* sums) {
    const Bconv2dGeometry& g = spec.geometry;
    for (int tap = 0; tap < g.taps(); ++tap) {
      const uint32_t* from = spec.filters + (static_cast<size_t>(filter) * g.taps() + tap) * words;
      int minus = 0;
      for (int word = 0; word < words; ++word) {
        const int left = g.in_channels - word * kWordBits;
        minus += __builtin_popcount(left >= kWordBits ? from[word] : from[word] & ((1u << left) - 1));
      }
      (*sums)[tap] = g.in_channels - 2 * minus;
    }
  }

  static void prepare_transform(const Bconv2dSpec& spec, int padded, Bconv2d* conv) {
    const Bconv2dGeometry& g = spec.geometry;
    if (spec.pad_zero || spec.pad_zero_sums) prepare_corrections(spec, padded, conv);
    if (spec.thresholds != nullptr) {
      conv->thresholds_ = AlignedBuffer<int32_t>(padded);
      std::copy(spec.thresholds, spec.thresholds + g.filters, conv->thresholds_.data());
      return;
    }
    const int k = g.taps() * g.in_channels;
    conv->multiplier_ = AlignedBuffer<float>(padded);
    conv->bias_ = AlignedBuffer<float>(padded);
    for (int f = 0; f < g.filters; ++f) {  // in double, rounded once: LCE's own order of operations
      const double multiplier = spec.multiplier[f], bias = spec.bias[f];
      conv->multiplier_[f] = static_cast<float>(-1 * multiplier / spec.output_scale);
      conv->bias_[f] =
          static_cast<float>((bias + static_cast<double>(k) * multiplier) / spec.output_scale + spec.output_zero_point);
    }
    // The activation's bounds on the sum K - 2 * popcount become bounds on 2 * popcount.
    conv->clamps_ = spec.activation_min > -k || spec.activation_max < k;
    conv->clamp_min_ = k - std::min(spec.activation_max, k);
    conv->clamp_max_ = k - std::max(spec.activation_min, -k);
    const int width = pointwise_width(conv->kernel_->isa);
    // Copies of one or two whole vectors lie side by side: the program then runs over them as over more channels.
    const bool few = conv->kernel_->run != nullptr && (g.filters * 4 == width || g.filters * 2 == width);
    if (few && spec.copies > 1) conv->joined_copies_ = width / g.filters;
    if (spec.epilogue != nullptr) {
      conv->epilogue_ = PackedProgram(*spec.epilogue, conv->joined_copies_ > 1 ? 1 : spec.copies, width);
    } else {
      conv->epilogue_ = PackedProgram(Program(g.filters).store(0), 1, width);
    }
  }

  static std::unique_ptr<Bconv2d> create(const Bconv2dSpec& spec, const Bconv2dKernel& kernel, const char** error) {
    *error = check(spec, kernel);
    if (*error != nullptr) return nullptr;
    std::unique_ptr<Bconv2d> conv(new Bconv2d);
    const Bconv2dGeometry& g = spec.geometry;
    conv->geometry_ = g;
    conv->kernel_ = &kernel;
    conv->copies_ = spec.copies;
    conv->words_ = words_of(g.in_channels);
    const int lanes = lanes_of(kernel);
    conv->lanes_ = lanes;
    const size_t block = static_cast<size_t>(lanes) * g.taps() * packed_words(kernel, conv->words_);
    const int padded = round_up(g.filters, std::max(lanes, kLanes)), packed = round_up(g.filters, lanes);
    conv->weights_ = AlignedBuffer<uint32_t>(block * (packed / lanes));
    for (int first = 0; first < packed; first += lanes) {
      pack_filters(spec, kernel, first, conv->weights_.data() + block * (first / lanes));
    }
    prepare_transform(spec, padded, conv.get());
    if (spec.thresholds == nullptr && !conv->epilogue_.valid()) {
      *error = "the epilogue has too many steps or names a map that does not exist";
      return nullptr;
    }
    return conv;
  }
};

std::unique_ptr<Bconv2d> Bconv2d::create(const Bconv2dSpec& spec, const Bconv2dKernel& kernel, const char** error) {
  return Bconv2dAccess::create(spec, kernel, error);
}

}  // namespace repbnn
