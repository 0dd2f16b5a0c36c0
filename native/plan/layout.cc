#include "plan/layout.h"

#include <algorithm>

#include "base/aligned.h"
#include "plan/arena.h"

namespace repbnn {
namespace {

constexpr int kStridePadding = 16;  // floats; keeps pixels off multiples of 4 KiB

struct Border {
  int top = 0, left = 0, bottom = 0, right = 0;
};

class Layouter {
 public:
  Layouter(const Graph& graph, const Steps& steps, const Segments& segments, const Schedule& schedule)
      : graph_(graph), steps_(steps), segments_(segments), schedule_(schedule) {
    const size_t count = graph.tensors.size();
    result_.maps.resize(count);
    writer_.assign(count, -1);
    first_.assign(count, -1);
    last_.assign(count, -1);
    by_reference_.assign(count, false);
    borders_.resize(count);
    owner_.assign(count, -1);
  }

  Layout run() {
    for (size_t s = 0; s < steps_.steps.size(); ++s) visit(static_cast<int>(s));
    for (size_t t = 0; t < graph_.tensors.size(); ++t) choose_place(static_cast<int>(t));
    share_in_place();
    place_arena();
    place_scratch();
    return std::move(result_);
  }

 private:
  int base_of(int tensor) const { return steps_.views[tensor].base < 0 ? tensor : steps_.views[tensor].base; }

  void touch(int tensor, int s, bool written) {
    const int base = base_of(tensor);
    if (first_[base] < 0) first_[base] = s;
    last_[base] = std::max(last_[base], s);
    if (written && writer_[base] < 0) writer_[base] = s;
  }

  void visit(int s) {
    const Step& step = steps_.steps[s];
    if (step.form == StepForm::kReference) {
      const Op& op = graph_.ops[step.op];
      for (int t : op.inputs) {
        if (t >= 0) touch(t, s, false), by_reference_[base_of(t)] = true;
      }
      for (int t : op.outputs) touch(t, s, true), by_reference_[t] = true;
      return;
    }
    touch(step.source, s, false);
    if (step.result >= 0) touch(step.result, s, true);
    for (const MapUse& use : step.floats) touch(use.tensor, s, use.written);
    for (const MapUse& use : step.bits) touch(use.tensor, s, true);
    if (step.form == StepForm::kBconv2d) widen_border(step);
  }

  void widen_border(const Step& step) {
    const Op& op = graph_.ops[step.op];
    const Window& w = op.window;
    const Tensor& in = graph_.tensors[step.source];
    Border& border = borders_[step.source];
    border.top = std::max(border.top, w.pad_top);
    border.left = std::max(border.left, w.pad_left);
    border.bottom = std::max(border.bottom, (step.height - 1) * w.stride_h - w.pad_top + w.extent_h() - in.dims[1]);
    border.right = std::max(border.right, (step.width - 1) * w.stride_w - w.pad_left + w.extent_w() - in.dims[2]);
  }

  bool has_border(int t) const {
    const Border& b = borders_[t];
    return b.top > 0 || b.left > 0 || b.bottom > 0 || b.right > 0;
  }

  void choose_place(int t) {
    const Tensor& tensor = graph_.tensors[t];
    MapLayout& map = result_.maps[t];
    if (first_[t] < 0) return;
    const bool flat = tensor.dims.size() != 4;
    const int width = flat ? 1 : tensor.dims[2], channels = tensor.channels();
    map.pixel_stride = channels;
    map.row_pitch = ptrdiff_t{width} * channels;
    if (tensor.constant != nullptr) {
      map.place = Place::kConstant;
    } else if (tensor.is_input && !has_border(t)) {
      map.place = Place::kInput;
      map.index = position(graph_.inputs, t);
    } else if (tensor.is_output && !has_border(t)) {
      map.place = Place::kOutput;
      map.index = position(graph_.outputs, t);
    } else if (segments_.scratch_of[t] >= 0) {
      map.place = Place::kScratch;
      const Segment& segment = segments_.segments[segments_.scratch_of[t]];
      if (tensor.type == Type::kFloat32) map.pixel_stride += kStridePadding;
      map.row_pitch = map.pixel_stride * (segment.tile_w / scale_of(t, segment).x);
    } else {
      map.place = Place::kArena;
      owner_[t] = t;
      if (tensor.type == Type::kFloat32 && !by_reference_[t] && !flat) map.pixel_stride += kStridePadding;
      map.row_pitch = map.pixel_stride * (width + (flat ? 0 : borders_[t].left + borders_[t].right));
      if (schedule_.ring_rows[t] > 0) map.row_mask = static_cast<uint32_t>(schedule_.ring_rows[t] - 1);
      if (tensor.is_input) result_.copied_inputs.push_back(position(graph_.inputs, t));
      if (tensor.is_output) result_.copied_outputs.push_back(position(graph_.outputs, t));
    }
  }

  static int position(const std::vector<int>& list, int t) {
    return static_cast<int>(std::find(list.begin(), list.end(), t) - list.begin());
  }

  Scale scale_of(int t, const Segment& segment) const {
    for (size_t i = 0; i < segment.steps.size(); ++i) {
      if (segment.steps[i] == writer_[t]) return segment.scales[i];
    }
    return Scale();
  }

  // A map that a segment stores takes the memory of one that it adds, when that one dies here, both have the same
  // shape, and every value of it is read no later than the step that overwrites it, at the same pixel.
  void share_in_place() {
    for (size_t t = 0; t < graph_.tensors.size(); ++t) {
      if (result_.maps[t].place != Place::kArena || graph_.tensors[t].type != Type::kFloat32 || writer_[t] < 0)
        continue;
      const int segment = segments_.segment_of_step[writer_[t]];
      for (int s : segments_.segments[segment].steps) {
        for (const MapUse& use : steps_.steps[s].floats) {
          if (!use.written && owner_[t] == static_cast<int>(t) &&
              may_replace(static_cast<int>(t), use.tensor, segment)) {
            owner_[t] = owner_[use.tensor];
          }
        }
      }
    }
  }

  bool may_replace(int t, int old, int segment) const {
    if (old == t || result_.maps[old].place != Place::kArena || steps_.views[old].base >= 0) return false;
    if (graph_.tensors[old].dims != graph_.tensors[t].dims ||
        result_.maps[old].row_pitch != result_.maps[t].row_pitch ||
        result_.maps[old].pixel_stride != result_.maps[t].pixel_stride) {
      return false;
    }
    if (last_[old] > writer_[t] || by_reference_[t] || by_reference_[old]) return false;
    if (schedule_.ring_rows[old] > 0 || schedule_.ring_rows[t] > 0 || others_may_read(old, segment)) return false;
    for (size_t v = 0; v < graph_.tensors.size(); ++v) {
      if (steps_.views[v].base == old) return false;
    }
    // Written by one step, so that no other writes over what a later one of the same tile still adds.
    for (int s : segments_.segments[segment].steps) {
      const Step& step = steps_.steps[s];
      const bool writes = std::any_of(step.floats.begin(), step.floats.end(),
                                      [&](const MapUse& use) { return use.written && use.tensor == t; });
      if ((writes && s != writer_[t]) || step.result == t) return false;
      const bool reads_at_will = step.source == old && step.form != StepForm::kPointwise;
      if (reads_at_will) return false;
      // A pointwise step that reads `old` as its source walks pixel by pixel, as an added map does.
    }
    return owner_alive_alone(old, t);
  }

  // Whether a segment that may still be at work beside `segment` reads `old`.
  bool others_may_read(int old, int segment) const {
    const std::vector<int>& groups = schedule_.group_of_segment;
    for (int s = 0; s < static_cast<int>(steps_.steps.size()); ++s) {
      const int other = segments_.segment_of_step[s];
      if (other == segment || groups[other] + 1 < groups[segment]) continue;
      bool reads = false;
      for_each_read(graph_, steps_.steps[s], [&](int t) { reads = reads || base_of(t) == old; });
      if (reads) return true;
    }
    return false;
  }

  // Nobody else has taken the memory of `old` in the meantime.
  bool owner_alive_alone(int old, int t) const {
    for (size_t other = 0; other < owner_.size(); ++other) {
      if (static_cast<int>(other) == old || static_cast<int>(other) == t || owner_[other] != owner_[old]) continue;
      if (last_[other] >= first_[old] && writer_[other] >= writer_[old]) return false;
    }
    return true;
  }

  size_t whole_bytes(int t, size_t* origin) const {
    const Tensor& tensor = graph_.tensors[t];
    *origin = 0;
    if (tensor.dims.size() != 4) return static_cast<size_t>(tensor.bytes());
    const MapLayout& map = result_.maps[t];
    const Border& b = borders_[t];
    const int ring = schedule_.ring_rows[t];
    const size_t rows = static_cast<size_t>(ring > 0 ? ring : tensor.dims[1] + b.top + b.bottom);
    *origin = (b.top * map.row_pitch + b.left * map.pixel_stride) * size_of(tensor.type);
    return rows * map.row_pitch * size_of(tensor.type);
  }

  void place_arena() {
    std::vector<Lifetime> lifetimes;
    std::vector<int> slot(graph_.tensors.size(), -1);
    const std::vector<int>& groups = schedule_.group_of_segment;
    const int end = groups.empty() ? 0 : groups.back() + 1;
    for (size_t t = 0; t < graph_.tensors.size(); ++t) {
      if (result_.maps[t].place != Place::kArena) continue;
      const Tensor& tensor = graph_.tensors[t];
      const bool keeps = tensor.type == Type::kBits || tensor.is_input || tensor.is_output;  // its border stays zero
      size_t origin;
      const size_t bytes = whole_bytes(static_cast<int>(t), &origin);
      const int from = keeps ? 0 : groups[segments_.segment_of_step[first_[t]]];
      const int to = keeps ? end : groups[segments_.segment_of_step[last_[t]]] + 1;  // the next group may start before
      int& s = slot[owner_[t]];
      if (s < 0) {
        s = static_cast<int>(lifetimes.size());
        lifetimes.push_back({bytes, from, to, 0});
      } else {
        lifetimes[s].first = std::min(lifetimes[s].first, from);
        lifetimes[s].last = std::max(lifetimes[s].last, to);
      }
    }
    result_.arena_bytes = place(lifetimes);
    for (size_t t = 0; t < graph_.tensors.size(); ++t) {
      if (result_.maps[t].place != Place::kArena) continue;
      size_t origin;
      whole_bytes(static_cast<int>(t), &origin);
      result_.maps[t].offset = lifetimes[slot[owner_[t]]].offset + origin;
    }
  }

  void place_scratch() {
    for (size_t g = 0; g < segments_.segments.size(); ++g) {
      const Segment& segment = segments_.segments[g];
      std::vector<Lifetime> lifetimes;
      std::vector<int> tensors;
      for (size_t t = 0; t < graph_.tensors.size(); ++t) {
        if (result_.maps[t].place != Place::kScratch || segments_.scratch_of[t] != static_cast<int>(g)) continue;
        const size_t rows = segment.tile_h / scale_of(static_cast<int>(t), segment).y;
        const size_t bytes = rows * result_.maps[t].row_pitch * size_of(graph_.tensors[t].type);
        lifetimes.push_back({bytes, first_[t], last_[t], 0});
        tensors.push_back(static_cast<int>(t));
      }
      result_.scratch_bytes = std::max(result_.scratch_bytes, place(lifetimes));
      for (size_t i = 0; i < tensors.size(); ++i) result_.maps[tensors[i]].offset = lifetimes[i].offset;
    }
  }

  const Graph& graph_;
  const Steps& steps_;
  const Segments& segments_;
  const Schedule& schedule_;
  Layout result_;
  std::vector<int> writer_, first_, last_;  // tensor -> step
  std::vector<bool> by_reference_;
  std::vector<Border> borders_;
  std::vector<int> owner_;  // tensor -> the tensor whose memory it has
};

}  // namespace

Layout make_layout(const Graph& graph, const Steps& steps, const Segments& segments, const Schedule& schedule) {
  return Layouter(graph, steps, segments, schedule).run();
}

}  // namespace repbnn
