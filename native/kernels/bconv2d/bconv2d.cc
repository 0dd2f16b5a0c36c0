// Bconv2d::run: filter blocks outside, pixels inside; counts, back-transform, border correction, epilogue.
#include "kernels/bconv2d/bconv2d.h"

#include <algorithm>

#include "kernels/bconv2d/kernel.h"

namespace repbnn {
namespace {

size_t round_to_line(size_t bytes) { return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine; }

}  // namespace

// One call in progress.
class Bconv2dRun {
 public:
  Bconv2dRun(const Bconv2d& conv, const Bconv2d::Call& call)
      : conv_(conv),
        call_(call),
        kernel_(*conv.kernel_),
        functions_(isa_functions(kernel_.isa)),
        pointwise_(pointwise_tile(kernel_.isa)),
        stride_(conv.count_stride()),
        counts_(static_cast<int32_t*>(call.scratch)) {}

  void run() {
    const int lanes = kernel_.lanes, filters = conv_.geometry_.filters;
    const int end = call_.filter_end < 0 ? filters : std::min(call_.filter_end, filters);
    if (kernel_.count_pixels != nullptr) return run_pixels(call_.filter_begin, end);
    if (kernel_.derived != Derived::kNone) derive_rows();
    for (int first = call_.filter_begin; first < end; first += lanes) {
      // A layer's weights do not fit the caches beside the other layers': the next block's come while this one's are
      // used.
      ahead_ = weights_of(first + lanes < end ? first + lanes : first);
      for (int y = call_.y0; y < call_.y1; ++y) run_row(first, std::min(first + lanes, end), y);
    }
  }

 private:
  // Strips of pixels across rows, all filters at once; then each row's pixels and 16 filters.
  void run_pixels(int begin, int end) {
    const WholeLayer layer = conv_.whole_layer();
    const int columns = call_.x1 - call_.x0, pixels = (call_.y1 - call_.y0) * columns;
    const int most = whole_strip_pixels(layer.steps, layer.lanes);
    const int vectors = (std::min(most, pixels) + layer.lanes - 1) / layer.lanes;
    auto* activations = static_cast<uint32_t*>(call_.scratch);
    int32_t* counts = counts_ + static_cast<size_t>(vectors) * layer.lanes * layer.steps;
    for (int first = 0, count; first < pixels; first += count) {
      count = std::min(most, pixels - first);
      kernel_.count_pixels(layer, {&call_, first, count, begin, end, activations, counts});
      for (int done = 0, run; done < count; done += run) {
        const int row = (first + done) / columns, column = (first + done) % columns;
        run = std::min(columns - column, count - done);
        counts_ = counts + static_cast<size_t>(done) * layer.padded + begin;
        finish(begin, end, call_.y0 + row, call_.x0 + column, run);
      }
    }
  }

  // The derived rows that the call reads, in scratch, from its first tap's column on.
  void derive_rows() {
    const Bconv2dGeometry& g = conv_.geometry_;
    first_row_ = call_.y0 * g.stride_height - g.pad_top;
    const int rows = (call_.y1 - 1 - call_.y0) * g.stride_height + (g.kernel_height - 1) * g.dilation_height + 1;
    derived_pitch_ = static_cast<ptrdiff_t>(conv_.derived_pitch(call_.x1 - call_.x0));
    derived_ = reinterpret_cast<uint32_t*>(counts_) + conv_.counts_words();
    DeriveRow derive{nullptr,
                     conv_.derived_pixels(call_.x1 - call_.x0),
                     conv_.words_,
                     call_.input.pixel_stride,
                     g.dilation_width * call_.input.pixel_stride,
                     derived_};
    for (int row = 0; row < rows; ++row, derive.out += derived_pitch_) {
      if (!row_is_read(row)) continue;
      derive.in = call_.input.at(first_row_ + row, call_.x0 * g.stride_width - g.pad_left);
      functions_.derive(kernel_.derived, derive);
    }
  }

  // With strides and dilations that leave gaps, rows between may lie outside the border's memory.
  bool row_is_read(int row) const {
    const Bconv2dGeometry& g = conv_.geometry_;
    for (int ky = 0; ky < g.kernel_height; ++ky) {
      const int from = row - ky * g.dilation_height;
      if (from >= 0 && from % g.stride_height == 0 && from / g.stride_height < call_.y1 - call_.y0) return true;
    }
    return false;
  }

  const uint32_t* weights_of(int filter) const {
    return conv_.weights_.data() +
           static_cast<size_t>(filter) * conv_.geometry_.taps() * packed_words(kernel_, conv_.words_);
  }

  void run_row(int first, int end, int y) {
    const Bconv2dGeometry& g = conv_.geometry_;
    const bool derived = kernel_.derived != Derived::kNone;
    const uint32_t* rows[kMaxKernelHeight];
    BitStrip strip{rows,    0, g.kernel_height, g.kernel_width, packed_words(kernel_, conv_.words_), 0, 0,
                   nullptr, 0, counts_,         &ahead_};
    const ptrdiff_t pixel = derived ? derived_words(kernel_.derived, conv_.words_) : call_.input.pixel_stride;
    strip.pixel_step = g.stride_width * pixel;
    strip.tap_step = g.dilation_width * pixel;
    strip.weights = weights_of(first);
    if (strip.tap_step == strip.words) {  // the taps of a row are one run
      strip.words *= strip.kernel_width;
      strip.kernel_width = 1;
    }
    for (int ky = 0; ky < g.kernel_height; ++ky) {
      const int row = y * g.stride_height - g.pad_top + ky * g.dilation_height;
      rows[ky] = derived ? derived_ + derived_pitch_ * (row - first_row_)
                         : call_.input.at(row, call_.x0 * g.stride_width - g.pad_left);
    }
    const int columns = call_.x1 - call_.x0;
    const int strips = (columns + kStripPixels - 1) / kStripPixels;
    for (int i = 0, done = 0; i < strips; ++i, done += strip.pixels) {
      strip.pixels = columns * (i + 1) / strips - done;
      strip.offset = done * strip.pixel_step;
      kernel_.count(strip);
      finish(first, end, y, call_.x0 + done, strip.pixels);
    }
  }

  // Counts to output, 16 filters at a time.
  void finish(int first, int end, int y, int x, int pixels) {
    for (int f = first; f < end; f += kLanes) {
      int32_t* counts = counts_ + (f - first);
      if (conv_.count_corrections_.size() != 0) correct(conv_.count_corrections_, counts, f, y, x, pixels);
      if (conv_.thresholds_.size() != 0) {
        functions_.threshold({counts, pixels, stride_, conv_.thresholds_.data() + f, &call_.outputs->bits[0], y, x, f,
                              std::min(kLanes, conv_.geometry_.filters - f)});
        continue;
      }
      functions_.transform({counts, pixels, stride_, conv_.clamps_, conv_.clamp_min_, conv_.clamp_max_,
                            conv_.multiplier_.data() + f, conv_.bias_.data() + f});
      float* values = reinterpret_cast<float*>(counts);
      if (conv_.corrections_.size() != 0) correct(conv_.corrections_, values, f, y, x, pixels);
      pointwise_({&conv_.epilogue_, call_.outputs, values, stride_, f / kLanes, y, x, pixels});
    }
  }

  template <typename T>
  void correct(const AlignedBuffer<T>& all, T* values, int filter, int y, int x, int pixels) const {
    const size_t padded = std::max(conv_.multiplier_.size(), conv_.thresholds_.size());
    const int32_t row = conv_.row_case_[y];
    const T* corrections = all.data() + static_cast<size_t>(row) * conv_.column_cases_ * padded + filter;
    const int32_t* columns = conv_.column_case_.data() + x;
    for (int p = 0; p < pixels; ++p) {
      if (row == 0 && columns[p] == 0) continue;
      const T* __restrict correction = corrections + columns[p] * padded;
      T* __restrict value = values + static_cast<ptrdiff_t>(p) * stride_;
      for (int i = 0; i < kLanes; ++i) value[i] += correction[i];
    }
  }

  const Bconv2d& conv_;
  const Bconv2d::Call& call_;
  const Bconv2dKernel& kernel_;
  const IsaFunctions& functions_;
  const RunTile pointwise_;
  const int stride_;  // of a pixel's counts
  int32_t* counts_;
  uint32_t* derived_ = nullptr;
  ptrdiff_t derived_pitch_ = 0;
  int first_row_ = 0;
  const uint32_t* ahead_ = nullptr;
};

void Bconv2d::run_rows(const Call& call) const { Bconv2dRun(*this, call).run(); }

int Bconv2d::count_stride() const { return kernel_->count_pixels != nullptr ? whole_layer().padded : kernel_->lanes; }

size_t Bconv2d::counts_words() const { return static_cast<size_t>(kStripPixels) * kernel_->lanes; }

int Bconv2d::derived_pixels(int columns) const {
  const bool one_tap = kernel_->derived == Derived::kTriples;  // the triple stands at its first tap
  return (columns - 1) * geometry_.stride_width +
         (one_tap ? 0 : (geometry_.kernel_width - 1) * geometry_.dilation_width) + 1;
}

size_t Bconv2d::derived_pitch(int columns) const {
  const size_t words = static_cast<size_t>(derived_pixels(columns)) * derived_words(kernel_->derived, words_);
  return round_to_line(words * sizeof(uint32_t)) / sizeof(uint32_t);
}

size_t Bconv2d::scratch_bytes(int rows, int columns) const {
  if (is_whole(*kernel_)) {
    const int steps = geometry_.taps() * words_, vectors = (geometry_.filters + lanes_ - 1) / lanes_;
    const int values = kernel_->run != nullptr ? std::min(vectors, kWholeFilterVectors) * lanes_ : whole_layer().padded;
    const int64_t pixels = int64_t{std::max(rows, 0)} * std::max(columns, 0);
    const int64_t strip = std::min<int64_t>(whole_strip_pixels(steps, lanes_), (pixels + lanes_ - 1) / lanes_ * lanes_);
    return round_to_line(strip * (steps + values) * sizeof(uint32_t));
  }
  const size_t counts = counts_words() * sizeof(int32_t);
  if (kernel_->derived == Derived::kNone || rows < 1 || columns < 1) return counts;
  const size_t in_rows = static_cast<size_t>(rows - 1) * geometry_.stride_height +
                         static_cast<size_t>(geometry_.kernel_height - 1) * geometry_.dilation_height + 1;
  return counts + in_rows * derived_pitch(columns) * sizeof(uint32_t);
}

int Bconv2d::filter_granule() const { return is_whole(*kernel_) ? kWholeFilterVectors * lanes_ : lanes_; }

size_t Bconv2d::packed_bytes() const {
  return sizeof(*this) +
         (weights_.size() + multiplier_.size() + bias_.size() + thresholds_.size() + corrections_.size() +
          count_corrections_.size() + row_case_.size() + column_case_.size()) *
             4 +
         epilogue_.packed_bytes();
}

}  // namespace repbnn
