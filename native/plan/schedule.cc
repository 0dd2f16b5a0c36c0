#include "plan/schedule.h"

#include <algorithm>

namespace repbnn {
namespace {

constexpr int64_t kMostWeights = 512 << 10;  // bytes of a group, which goes over them once for each row of tiles
constexpr int kAhead = 2, kBehind = 4;       // bands, for each thread more than one

int ceil_div(int a, int b) { return (a + b - 1) / b; }

struct Rows {
  int from, to;
};

// How a segment writes a tensor: step row r is row `offset` + r of it, and `scale` rows of the segment.
struct Writer {
  int segment, scale, offset;
  bool operator==(const Writer& other) const {
    return segment == other.segment && scale == other.scale && offset == other.offset;
  }
};

class Scheduler {
 public:
  Scheduler(const Graph& graph, const Steps& steps, const Segments& segments, int threads, int64_t large_map)
      : graph_(graph), steps_(steps), segments_(segments), threads_(threads), large_map_(large_map) {
    writers_.resize(graph.tensors.size());
    readers_.resize(graph.tensors.size());
    result_.ring_rows.assign(graph.tensors.size(), 0);
  }

  Schedule run() {
    for (int g = 0; g < count(); ++g) note_maps(g);
    for (int g = 0; g < count(); ++g) place_in_stage(g);
    done_.assign(count(), 0);
    for (Stage& stage : result_.stages) {
      if (stage.ordered) order(stage);
    }
    for (Stage& stage : result_.stages) {
      if (stage.ordered) make_rings(stage);
    }
    return std::move(result_);
  }

 private:
  int count() const { return static_cast<int>(segments_.segments.size()); }
  const Segment& segment(int g) const { return segments_.segments[g]; }
  int bands_of(int g) const { return segment(g).bands(); }
  int base_of(int t) const { return steps_.views[t].base < 0 ? t : steps_.views[t].base; }
  int height_of(int t) const { return graph_.tensors[t].dims.size() == 4 ? graph_.tensors[t].dims[1] : 1; }

  void note_maps(int g) {
    for (size_t i = 0; i < segment(g).steps.size(); ++i) {
      const Step& step = steps_.steps[segment(g).steps[i]];
      const int scale = segment(g).scales[i].y;
      for_each_write(graph_, step, [&](int t) {
        const auto use =
            std::find_if(step.bits.begin(), step.bits.end(), [&](const MapUse& u) { return u.tensor == t; });
        const Writer writer{g, scale, use == step.bits.end() ? 0 : use->y};
        if (writers_[t].empty() || !(writers_[t].back() == writer)) writers_[t].push_back(writer);
      });
      for_each_read(graph_, step, [&](int t) {
        std::vector<int>& readers = readers_[base_of(t)];
        if (readers.empty() || readers.back() != g) readers.push_back(g);
      });
    }
  }

  // ---- Stages and groups

  void place_in_stage(int g) {
    const Segment& s = segment(g);
    const bool ordered = s.tiled && (threads_ == 1 || s.bands() > 1 || s.across() > 1);
    const bool joins = ordered && g > 0 && result_.stages.back().ordered && !writes_again(g);
    int group = g == 0 ? 0 : result_.group_of_segment.back() + 1;
    if (!joins) {
      result_.stages.push_back({g, g, ordered, {}});
      first_of_group_ = g;
    } else if (passes_large_map(g)) {
      --group;
    } else {
      first_of_group_ = g;
    }
    result_.stages.back().end_segment = g + 1;
    result_.group_of_segment.push_back(group);
  }

  // Whether a segment of the stage so far writes one of the tensors that segment `g` writes.
  bool writes_again(int g) const {
    const int first = result_.stages.back().first_segment;
    for (const std::vector<Writer>& writers : writers_) {
      const auto own = std::find_if(writers.begin(), writers.end(), [&](const Writer& w) { return w.segment == g; });
      if (own != writers.end() && own != writers.begin() && std::prev(own)->segment >= first) return true;
    }
    return false;
  }

  bool passes_large_map(int g) const {
    int64_t weights = 0;
    for (int s = first_of_group_; s <= g; ++s) weights += weight_bytes(s);
    if (weights > kMostWeights) return false;
    for (size_t t = 0; t < graph_.tensors.size(); ++t) {
      const std::vector<int>& readers = readers_[t];
      if (graph_.tensors[t].type != Type::kFloat32 || graph_.tensors[t].bytes() < large_map_) continue;
      if (std::find(readers.begin(), readers.end(), g) == readers.end()) continue;
      const bool read =
          std::any_of(readers.begin(), readers.end(), [&](int r) { return r >= first_of_group_ && r < g; });
      const bool written = std::any_of(writers_[t].begin(), writers_[t].end(),
                                       [&](const Writer& w) { return w.segment >= first_of_group_ && w.segment < g; });
      if (read || written) return true;
    }
    return false;
  }

  int64_t weight_bytes(int g) const {
    int64_t bytes = 0;
    for (int s : segment(g).steps) {
      const Step& step = steps_.steps[s];
      if (step.form == StepForm::kBconv2d) bytes += graph_.in(graph_.ops[step.op], 1).bytes();
    }
    return bytes;
  }

  // ---- What a band reads

  // Rows of the source of step `s` that its rows need.
  Rows source_rows(const Step& step, Rows rows) const {
    const int height = height_of(step.source);
    switch (step.form) {
      case StepForm::kPointwise:
      case StepForm::kUnpack: return rows;
      case StepForm::kBconv2d:
      case StepForm::kAveragePool:
      case StepForm::kMaxPool:
      case StepForm::kBMaxPool:
      case StepForm::kDepthwise: {
        const Window& w = graph_.ops[step.op].window;
        return {std::clamp(rows.from * w.stride_h - w.pad_top, 0, height),
                std::clamp((rows.to - 1) * w.stride_h - w.pad_top + w.extent_h(), 0, height)};
      }
      default: return {0, height};
    }
  }

  // The same rows in the map that a view looks into.
  Rows in_base(int tensor, Rows rows) const {
    const View& view = steps_.views[tensor];
    if (view.base < 0) return rows;
    return {view.y0 + rows.from * view.stride_y, view.y0 + (rows.to - 1) * view.stride_y + 1};
  }

  // Calls visit(base tensor, its rows) for everything that a band reads.
  template <typename Visit>
  void for_each_row_read(const Band& band, Visit visit) const {
    const Segment& s = segment(band.segment);
    const int y0 = band.row * s.tile_h, y1 = std::min(y0 + s.tile_h, s.height);
    for (size_t i = 0; i < s.steps.size(); ++i) {
      const Step& step = steps_.steps[s.steps[i]];
      const Rows rows{y0 / s.scales[i].y, y1 / s.scales[i].y};
      if (graph_.tensors[step.source].constant == nullptr) {
        visit(base_of(step.source), in_base(step.source, source_rows(step, rows)));
      }
      for (const MapUse& use : step.floats) {
        if (use.written || graph_.tensors[use.tensor].constant != nullptr) continue;
        const bool one_row = height_of(use.tensor) == 1;  // serves every pixel
        visit(base_of(use.tensor), in_base(use.tensor, one_row ? Rows{0, 1} : rows));
      }
    }
  }

  // Bands of a writer that write the given rows of its tensor.
  Rows bands_that_write(const Writer& writer, Rows rows) const {
    const int tile_h = segment(writer.segment).tile_h, bands = bands_of(writer.segment);
    const int from = (rows.from - writer.offset) * writer.scale, to = (rows.to - writer.offset) * writer.scale;
    return {std::clamp(from / tile_h, 0, bands), std::clamp(ceil_div(to, tile_h), 0, bands)};
  }

  static void add_wait(std::vector<Wait>* waits, const Wait& wait) {
    if (wait.from >= wait.to) return;
    for (Wait& other : *waits) {
      if (other.segment != wait.segment) continue;
      other.from = std::min(other.from, wait.from);
      other.to = std::max(other.to, wait.to);
      return;
    }
    waits->push_back(wait);
  }

  // The rows that a band reads, of what its stage writes.
  std::vector<Wait> read_waits(const Stage& stage, const Band& band) const {
    std::vector<Wait> waits;
    for_each_row_read(band, [&](int t, Rows rows) {
      for (const Writer& writer : writers_[t]) {
        if (writer.segment < stage.first_segment || writer.segment >= band.segment) continue;
        const Rows bands = bands_that_write(writer, rows);
        add_wait(&waits, {writer.segment, bands.from, bands.to});
      }
    });
    return waits;
  }

  // ---- The order

  void order(Stage& stage) {
    for (int g = stage.first_segment; g < stage.end_segment;) {
      const int group = result_.group_of_segment[g];
      int end = g;
      while (end < stage.end_segment && result_.group_of_segment[end] == group) ++end;
      for (int band = 0; band < bands_of(end - 1); ++band) bring(stage, g, end - 1, band + 1);
      for (int s = g; s < end; ++s) bring(stage, g, s, bands_of(s));
      g = end;
    }
    for (Band& band : stage.bands) wait_for_groups(stage, &band);
  }

  // Puts the bands of a segment up to `bands` into the order, behind what they need of their group.
  void bring(Stage& stage, int first, int g, int bands) {
    for (; done_[g] < bands; ++done_[g]) {
      Band band{g, done_[g], {}};
      band.waits = read_waits(stage, band);
      for (const Wait& wait : band.waits) {
        if (wait.segment < first) continue;
        bring(stage, first, wait.segment, std::min(wait.to + (threads_ - 1) * kAhead, bands_of(wait.segment)));
      }
      stage.bands.push_back(std::move(band));
    }
  }

  // Every group but the one before the band's own is over: the memory of its maps may be taken. Waiting for two of them
  // is enough: their bands waited for those before.
  void wait_for_groups(const Stage& stage, Band* band) const {
    for (int g = stage.first_segment; g < band->segment; ++g) {
      const int ahead = result_.group_of_segment[band->segment] - result_.group_of_segment[g];
      if (ahead == 2 || ahead == 3) add_wait(&band->waits, {g, 0, bands_of(g)});
    }
  }

  // ---- Rings

  void make_rings(Stage& stage) {
    for (size_t t = 0; t < graph_.tensors.size(); ++t) {
      if (!may_be_ring(static_cast<int>(t))) continue;
      const Writer& writer = writers_[t][0];
      if (writer.segment < stage.first_segment || writer.segment >= stage.end_segment) continue;
      std::vector<Rows> reads;
      for (const Band& band : stage.bands) reads.push_back(read_rows(band, static_cast<int>(t)));
      const int rows = rows_alive(stage, writer, reads);
      int ring = 1;
      while (ring < rows) ring *= 2;
      if (ring >= height_of(static_cast<int>(t))) continue;
      result_.ring_rows[t] = ring;
      for (Band& band : stage.bands) {
        if (band.segment == writer.segment) wait_for_ring(stage, writer, reads, ring, &band);
      }
    }
  }

  // A whole map of floats of the plan's own that only one group touches, pixel for pixel.
  bool may_be_ring(int t) const {
    const Tensor& tensor = graph_.tensors[t];
    if (tensor.type != Type::kFloat32 || tensor.dims.size() != 4 || tensor.is_input || tensor.is_output) return false;
    if (tensor.bytes() < large_map_ || segments_.scratch_of[t] >= 0) return false;
    if (writers_[t].size() != 1 || readers_[t].empty()) return false;
    const int group = result_.group_of_segment[writers_[t][0].segment];
    for (int reader : readers_[t]) {
      if (result_.group_of_segment[reader] != group || !segment(reader).tiled) return false;
    }
    for (const View& view : steps_.views) {
      if (view.base == t && (view.y0 != 0 || view.stride_y != 1)) return false;
    }
    return true;
  }

  Rows written_rows(const Band& band, const Writer& writer) const {
    const Segment& s = segment(band.segment);
    const int y0 = band.row * s.tile_h, y1 = std::min(y0 + s.tile_h, s.height);
    return {y0 / writer.scale, y1 / writer.scale};
  }

  // Rows of `t` that a band reads; empty when it reads none.
  Rows read_rows(const Band& band, int t) const {
    Rows all{height_of(t), 0};
    for_each_row_read(band, [&](int tensor, Rows rows) {
      if (tensor == t) all = {std::min(all.from, rows.from), std::max(all.to, rows.to)};
    });
    return all;
  }

  // The most rows between the lowest that a band still reads and the highest that is written.
  int rows_alive(const Stage& stage, const Writer& writer, const std::vector<Rows>& reads) const {
    const size_t behind = static_cast<size_t>(threads_ - 1) * kBehind;
    std::vector<int> lowest;  // of this band and all behind it
    for (const Rows& rows : reads) lowest.push_back(rows.from);
    for (size_t i = lowest.size() - 1; i-- > 0;) lowest[i] = std::min(lowest[i], lowest[i + 1]);
    int most = 0;
    for (size_t i = 0; i < reads.size(); ++i) {
      if (stage.bands[i].segment != writer.segment) continue;
      most = std::max(most, written_rows(stage.bands[i], writer).to - lowest[i > behind ? i - behind : 0]);
    }
    return most;
  }

  // A band that overwrites rows waits for who wrote and read what they held.
  void wait_for_ring(const Stage& stage, const Writer& writer, const std::vector<Rows>& reads, int ring,
                     Band* band) const {
    const Rows rows = written_rows(*band, writer);
    const Rows old{rows.from - ring, rows.to - ring};
    if (old.to <= 0) return;
    const Rows writers = bands_that_write(writer, old);
    add_wait(&band->waits, {writer.segment, writers.from, writers.to});
    for (size_t i = 0; i < reads.size(); ++i) {
      const Band& other = stage.bands[i];
      if (other.segment == writer.segment || reads[i].from >= old.to || reads[i].to <= old.from) continue;
      add_wait(&band->waits, {other.segment, other.row, other.row + 1});
    }
  }

  const Graph& graph_;
  const Steps& steps_;
  const Segments& segments_;
  const int threads_;
  const int64_t large_map_;
  Schedule result_;
  int first_of_group_ = 0;
  std::vector<int> done_;                     // segment -> its bands in the order so far
  std::vector<std::vector<Writer>> writers_;  // of each tensor, ascending
  std::vector<std::vector<int>> readers_;     // segments, ascending; through views, of the map below
};

}  // namespace

Schedule make_schedule(const Graph& graph, const Steps& steps, const Segments& segments, int threads,
                       int64_t large_map) {
  return Scheduler(graph, steps, segments, threads, large_map).run();
}

}  // namespace repbnn
