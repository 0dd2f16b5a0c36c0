#include "plan/segment.h"

#include <algorithm>

#include "kernels/bconv2d/bconv2d.h"

namespace repbnn {
namespace {

constexpr int kTileRows = 1;    // as good as 2 on one thread, and twice the pieces for more of them
constexpr int kMostShrink = 8;  // of a pool that joins: a tile holds its whole windows, so larger ones would be the map
constexpr int kRowsForEach = 3;   // of a small map, for each of several threads: 7 rows for two
constexpr int kTileColumns = 56;  // four register tiles: measured, 14 costs 6% more in calls, 112 gains nothing

class Segmenter {
 public:
  Segmenter(const Graph& graph, const Steps& steps, int threads, Isa isa)
      : graph_(graph), steps_(steps), threads_(threads), isa_(isa) {
    writer_.assign(graph.tensors.size(), -1);
    in_parts_.assign(graph.tensors.size(), false);
    result_.segment_of_step.assign(steps.steps.size(), -1);
    result_.scratch_of.assign(graph.tensors.size(), -1);
  }

  Segments run() {
    for (int s = 0; s < static_cast<int>(steps_.steps.size()); ++s) {
      Scale scale;
      if (!joins(s, &scale)) open(s), scale = Scale();
      Segment& segment = result_.segments.back();
      segment.steps.push_back(s);
      segment.scales.push_back(scale);
      const int index = static_cast<int>(result_.segments.size()) - 1;
      result_.segment_of_step[s] = index;
      for_each_write(graph_, steps_.steps[s], [&](int t) {
        if (writer_[t] >= 0 && writer_[t] != index) in_parts_[t] = true;
        writer_[t] = index;
      });
    }
    for (Segment& segment : result_.segments) choose_tile(&segment);
    find_scratch();
    return std::move(result_);
  }

 private:
  void open(int s) {
    Segment segment;
    segment.tiled = steps_.steps[s].form != StepForm::kReference;
    segment.height = steps_.steps[s].height, segment.width = steps_.steps[s].width;
    result_.segments.push_back(segment);
  }

  // The tensor that memory is found under, and whether it lies pixel on pixel.
  int base_of(int tensor, bool* same_pixels) const {
    const View& view = steps_.views[tensor];
    *same_pixels = view.base < 0 || view.same_pixels();
    return view.base < 0 ? tensor : view.base;
  }

  // How many pixels of its source go into one pixel of a step's output, when no two outputs share one.
  bool shrink(const Step& step, Scale* factor) const {
    *factor = Scale();
    if (step.form == StepForm::kPointwise || step.form == StepForm::kUnpack) return true;
    const Window& w = graph_.ops[step.op].window;
    const Tensor& in = graph_.tensors[step.source];
    if (step.form == StepForm::kBconv2d) {
      // Of the map's own size: neither was the map padded nor is the result cropped.
      return w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1 && in.dims[1] == step.height &&
             in.dims[2] == step.width;
    }
    if (w.stride_h > kMostShrink || w.stride_w > kMostShrink || w.dilation_h > 1 || w.dilation_w > 1) return false;
    *factor = {w.stride_h, w.stride_w};
    return w.kernel_h == w.stride_h && w.kernel_w == w.stride_w && in.dims[1] % w.stride_h == 0 &&
           in.dims[2] % w.stride_w == 0;
  }

  bool joins(int s, Scale* scale) const {
    const Step& step = steps_.steps[s];
    if (result_.segments.empty() || step.form == StepForm::kReference) return false;
    const Segment& segment = result_.segments.back();
    if (!segment.tiled) return false;
    const int current = static_cast<int>(result_.segments.size()) - 1;
    bool fits = true, reads_segment = false;
    // First the source, which says at what scale the step runs, then the maps of its program, which must agree.
    const auto check = [&](int t, bool is_source) {
      bool same_pixels;
      const int base = base_of(t, &same_pixels);
      if (writer_[base] != current) return;
      const Scale inner = scale_of(base);
      Scale factor;
      if (!same_pixels || (is_source && !shrink(step, &factor))) return void(fits = false);
      const Scale wanted = is_source ? Scale{inner.y * factor.y, inner.x * factor.x} : inner;
      if (reads_segment && !(wanted == *scale)) return void(fits = false);
      *scale = wanted;
      reads_segment = true;
    };
    check(step.source, true);
    for (const MapUse& use : step.floats) {
      if (!use.written && graph_.tensors[use.tensor].constant == nullptr) check(use.tensor, false);
    }
    if (!reads_segment) *scale = Scale();
    return fits && step.height * scale->y == segment.height && step.width * scale->x == segment.width;
  }

  Scale scale_of(int tensor) const {
    const Segment& segment = result_.segments.back();
    for (size_t i = 0; i < segment.steps.size(); ++i) {
      bool found = false;
      for_each_write(graph_, steps_.steps[segment.steps[i]], [&](int t) { found = found || t == tensor; });
      if (found) return segment.scales[i];
    }
    return Scale();
  }

  void choose_tile(Segment* segment) const {
    if (!segment->tiled) return;
    int unit_y = 1, unit_x = 1;  // a tile holds whole pixels of every step
    for (const Scale& scale : segment->scales) {
      unit_y = std::max(unit_y, scale.y), unit_x = std::max(unit_x, scale.x);
    }
    for (const Scale& scale : segment->scales) {
      if (unit_y % scale.y != 0 || unit_x % scale.x != 0) unit_y = segment->height, unit_x = segment->width;
    }
    const auto round_up = [](int value, int unit) { return (value + unit - 1) / unit * unit; };
    segment->tile_w = segment->width <= kTileColumns ? segment->width : round_up(kTileColumns, unit_x);
    const TileShape whole = bconv2d_tile(isa_, segment->height / unit_y, segment->width / unit_x);
    if (whole.rows > 0) {
      const int share = round_up((segment->height + threads_ - 1) / threads_, unit_y);
      segment->tile_w = std::min(segment->width, whole.columns * unit_x);
      segment->tile_h = std::min({segment->height, whole.rows * unit_y, share});
      return;
    }
    const bool shared_by_rows = threads_ > 1 && segment->height >= kRowsForEach * threads_;
    // Small maps have little to reuse between rows and much weight to stream: more rows share one pass over it.
    segment->tile_h = std::min(
        segment->height, segment->width <= 8 && !shared_by_rows ? round_up(8, unit_y) : round_up(kTileRows, unit_y));
  }

  // A tensor that is written and read within one segment, pixel on pixel, needs no map.
  void find_scratch() {
    std::vector<bool> whole(graph_.tensors.size(), false);
    for (size_t t = 0; t < graph_.tensors.size(); ++t)
      whole[t] = graph_.tensors[t].is_output || writer_[t] < 0 || in_parts_[t];
    for (size_t s = 0; s < steps_.steps.size(); ++s) {
      for_each_read(graph_, steps_.steps[s], [&](int t) {
        bool same_pixels;
        const int base = base_of(t, &same_pixels);
        if (writer_[base] != result_.segment_of_step[s] || steps_.steps[s].form == StepForm::kReference)
          whole[base] = true;
      });
    }
    for (size_t t = 0; t < graph_.tensors.size(); ++t) {
      if (whole[t] || writer_[t] < 0 || !result_.segments[writer_[t]].tiled) continue;
      result_.scratch_of[t] = writer_[t];
    }
  }

  const Graph& graph_;
  const Steps& steps_;
  const int threads_;
  const Isa isa_;
  Segments result_;
  std::vector<int> writer_;     // tensor -> segment that writes it, the last one
  std::vector<bool> in_parts_;  // tensors whose channels several segments write
};

}  // namespace

Segments make_segments(const Graph& graph, const Steps& steps, int threads, Isa isa) {
  return Segmenter(graph, steps, threads, isa).run();
}

}  // namespace repbnn
