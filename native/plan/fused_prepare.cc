#include <algorithm>
#include <limits>

#include "base/text.h"
#include "plan/arena.h"
#include "plan/fused.h"
#include "plan/weights.h"

namespace repbnn {
namespace {

void activation_limits(Activation activation, float* lo, float* hi) {
  const float infinity = std::numeric_limits<float>::infinity();  // none: the kernels then clamp nothing
  *lo = activation == Activation::kNone ? -infinity : activation == Activation::kReluN1To1 ? -1.0f : 0.0f;
  *hi = activation == Activation::kNone        ? infinity
        : activation == Activation::kRelu6     ? 6.0f
        : activation == Activation::kReluN1To1 ? 1.0f
                                               : std::numeric_limits<float>::max();
}

PoolGeometry pool_geometry(const Graph& graph, const Op& op) {
  const Tensor& in = graph.in(op, 0);
  const Tensor& out = graph.out(op);
  PoolGeometry g;
  g.in_height = in.dims[1], g.in_width = in.dims[2], g.channels = in.dims[3];
  if (in.type == Type::kBits) g.channels *= kWordBits;
  g.filter_height = op.window.kernel_h, g.filter_width = op.window.kernel_w;
  g.stride_height = op.window.stride_h, g.stride_width = op.window.stride_w;
  g.pad_top = op.window.pad_top, g.pad_left = op.window.pad_left;
  const bool mean = op.kind == OpKind::kMean;
  g.out_height = mean ? 1 : out.dims[1], g.out_width = mean ? 1 : out.dims[2];
  return g;
}

Depthwise depthwise_of(const Graph& graph, const Op& op) {
  const Tensor& in = graph.in(op, 0);
  const Window& w = op.window;
  Depthwise conv;
  conv.geometry = {in.dims[1], in.dims[2],   in.dims[3],   w.kernel_h, w.kernel_w, w.stride_h,
                   w.stride_w, w.dilation_h, w.dilation_w, w.pad_top,  w.pad_left};
  conv.filter = graph.in(op, 1).floats();
  conv.bias = graph.has_input(op, 2) ? graph.in(op, 2).floats() : nullptr;
  activation_limits(op.activation, &conv.lo, &conv.hi);
  return conv;
}

MapUse use_of(int tensor) {
  MapUse use;
  use.tensor = tensor;
  return use;
}

Bconv2dGeometry conv_geometry(const Graph& graph, const Step& step) {
  const Op& op = graph.ops[step.op];
  const Tensor& in = graph.in(op, 0);
  const Window& w = op.window;
  Bconv2dGeometry g;
  g.in_height = in.dims[1], g.in_width = in.dims[2], g.in_channels = op.channels_in / op.groups;
  g.filters = graph.in(op, 1).dims[0] / op.groups;
  g.kernel_height = w.kernel_h, g.kernel_width = w.kernel_w;
  g.stride_height = w.stride_h, g.stride_width = w.stride_w;
  g.dilation_height = w.dilation_h, g.dilation_width = w.dilation_w;
  g.pad_top = w.pad_top, g.pad_left = w.pad_left;
  g.out_height = step.height, g.out_width = step.width;
  return g;
}

}  // namespace

std::unique_ptr<FusedPlan> FusedPlan::create(Graph graph, int images, const PlanOptions& options) {
  std::unique_ptr<FusedPlan> plan(new FusedPlan(options));
  plan->graph_ = std::move(graph);
  plan->images_ = images;
  if (!plan->prepare()) return nullptr;
  return plan;
}

bool FusedPlan::prepare() {
  streaming_ = options_.isa == Isa::kSme2 && !options_.profile;  // a clock is a system call, or may be one
  steps_ = make_steps(graph_);
  segments_ = make_segments(graph_, steps_, options_.pool->size(), options_.isa);
  schedule_ = make_schedule(graph_, steps_, segments_, options_.pool->size(), options_.large_map);
  layout_ = make_layout(graph_, steps_, segments_, schedule_);
  prepared_.resize(steps_.steps.size());
  for (int s = 0; s < static_cast<int>(steps_.steps.size()); ++s) {
    if (!prepare_step(s)) return false;
  }
  arena_ = AlignedBuffer<uint8_t>(layout_.arena_bytes + kCacheLine);
  const int threads = options_.pool->size();
  conv_scratch_ = (conv_scratch_ + kCacheLine - 1) / kCacheLine * kCacheLine;
  scratch_stride_ = layout_.scratch_bytes + conv_scratch_ + kCacheLine;
  scratch_ = AlignedBuffer<uint8_t>(scratch_stride_ * threads);
  bound_.resize(threads);
  moving_.resize(threads);
  for (int thread = 0; thread < threads; ++thread) bind(thread);
  prepare_reference();
  inputs_.resize(graph_.inputs.size());
  outputs_.resize(graph_.outputs.size());
  prepare_pieces();
  seconds_.assign(schedule_.stages.size(), 0.0);
  step_seconds_.assign(threads, std::vector<double>(steps_.steps.size(), 0.0));
  return true;
}

void FusedPlan::prepare_pieces() {
  int bands = 0;
  for (const Segment& segment : segments_.segments) {
    first_band_.push_back(bands);
    if (segment.tiled) bands += segment.bands();
  }
  finished_ = std::vector<std::atomic<int>>(bands);
  for (const Stage& stage : schedule_.stages) {
    pieces_.emplace_back();
    for (const Band& band : stage.bands) {
      const int across = segments_.segments[band.segment].across();
      for (int i = 0; i < across; ++i) pieces_.back().push_back({&band, band.row * across + i});
    }
  }
}

bool FusedPlan::prepare_step(int s) {
  const Step& step = steps_.steps[s];
  PreparedStep& prepared = prepared_[s];
  switch (step.form) {
    case StepForm::kBconv2d: return prepare_conv(s);
    case StepForm::kPointwise:
      prepared.program = PackedProgram(step.program, 1, pointwise_width(options_.isa));
      return prepared.program.valid();
    case StepForm::kAveragePool:
    case StepForm::kMaxPool:
    case StepForm::kBMaxPool:
      prepared.pool = pool_geometry(graph_, graph_.ops[step.op]);
      activation_limits(graph_.ops[step.op].activation, &prepared.lo, &prepared.hi);
      return true;
    case StepForm::kDepthwise: prepared.depthwise = depthwise_of(graph_, graph_.ops[step.op]); return true;
    default: return true;
  }
}

bool FusedPlan::prepare_conv(int s) {
  const Step& step = steps_.steps[s];
  const Op& op = graph_.ops[step.op];
  Bconv2dSpec spec;
  spec.geometry = conv_geometry(graph_, step);
  const int first = step.group * spec.geometry.filters;  // of this group's filters
  spec.filters =
      static_cast<const uint32_t*>(graph_.in(op, 1).constant) + graph_.in(op, 1).elements() / op.groups * step.group;
  spec.pad_zero_sums = pads_sums(graph_, op);
  if (graph_.out(op).type == Type::kBits) {
    spec.thresholds = static_cast<const int32_t*>(graph_.in(op, 4).constant) + first;
  } else {
    spec.multiplier = graph_.in(op, 2).floats() + first;
    spec.bias = graph_.in(op, 3).floats() + first;
    spec.pad_zero = op.window.padding == Padding::kSameZero && !spec.pad_zero_sums;
    if (graph_.out(op).type == Type::kInt8) {
      spec.output_scale = graph_.out(op).scale, spec.output_zero_point = graph_.out(op).zero_point;
    }
    spec.epilogue = &step.program;
    spec.copies = step.copies;
    if (op.activation != Activation::kNone) {
      spec.activation_min = op.activation == Activation::kReluN1To1 ? -1 : 0;
      if (op.activation == Activation::kRelu6) spec.activation_max = 6;
      if (op.activation == Activation::kReluN1To1) spec.activation_max = 1;
    }
  }
  const Bconv2dKernel* kernel = choose_bconv2d_kernel(options_.isa, spec.geometry);
  if (kernel == nullptr) return false;
  prepared_[s].conv = shared_bconv2d(spec, *kernel);
  if (prepared_[s].conv == nullptr) return false;
  const Segment& segment = segments_.segments[segments_.segment_of_step[s]];
  conv_scratch_ = std::max(conv_scratch_, prepared_[s].conv->scratch_bytes(segment.tile_h, segment.tile_w));
  return true;
}

uint8_t* FusedPlan::memory_of(int thread, int tensor) {
  const MapLayout& map = layout_.maps[tensor];
  switch (map.place) {
    case Place::kConstant: return static_cast<uint8_t*>(const_cast<void*>(graph_.tensors[tensor].constant));
    case Place::kArena: return arena_.data() + map.offset;
    case Place::kScratch: return scratch_.data() + thread * scratch_stride_ + map.offset;
    default: return nullptr;  // the runtime's: patched in each run
  }
}

FloatMap FusedPlan::float_map(int thread, int tensor, int channel, int s) {
  const View& view = steps_.views[tensor];
  const int base = view.base < 0 ? tensor : view.base;
  const MapLayout& layout = layout_.maps[base];
  FloatMap map;
  const Tensor& t = graph_.tensors[tensor];
  const bool one_pixel = t.is_pixel() && (steps_.steps[s].height > 1 || steps_.steps[s].width > 1);
  map.row_mask = layout.row_mask;
  map.row_pitch = one_pixel ? 0 : layout.row_pitch * view.stride_y;
  map.pixel_stride = one_pixel ? 0 : layout.pixel_stride * view.stride_x;
  map.modulo = view.modulo;
  uint8_t* memory = memory_of(thread, base);
  // Under a modulo the channel is a multiple of it (make_steps sees to that), so the same values come again.
  const ptrdiff_t offset =
      view.y0 * layout.row_pitch + view.x0 * layout.pixel_stride + view.channel + (view.modulo ? 0 : channel);
  if (memory != nullptr) map.data = reinterpret_cast<float*>(memory) + offset;
  return map;
}

BitMap FusedPlan::bit_map(int thread, const MapUse& use) {
  const int tensor = use.tensor;
  const MapLayout& layout = layout_.maps[tensor];
  BitMap map;
  map.data = reinterpret_cast<uint32_t*>(memory_of(thread, tensor));
  map.row_pitch = layout.row_pitch;
  map.pixel_stride = layout.pixel_stride;
  map.channels = graph_.tensors[tensor].channels() * kWordBits;
  map.channel_offset = use.channel;
  if (map.data != nullptr) map.data += use.y * layout.row_pitch + use.x * layout.pixel_stride;
  return map;
}

void FusedPlan::note_floats(int thread, int s, FloatMap* map, int tensor, int channel) {
  *map = float_map(thread, tensor, channel, s);
  const View& view = steps_.views[tensor];
  const int base = view.base < 0 ? tensor : view.base;
  const MapLayout& layout = layout_.maps[base];
  if (layout.place == Place::kInput || layout.place == Place::kOutput) {
    const ptrdiff_t offset =
        view.y0 * layout.row_pitch + view.x0 * layout.pixel_stride + view.channel + (view.modulo ? 0 : channel);
    external_floats_.push_back({&map->data, layout.index, layout.place == Place::kOutput, offset});
  } else if (layout.place == Place::kScratch) {
    const int g = segments_.segment_of_step[s];
    const Segment& segment = segments_.segments[g];
    Scale scale;
    // The scale of the map is that of whoever writes it.
    for (size_t i = 0; i < segment.steps.size(); ++i) {
      const Step& writer = steps_.steps[segment.steps[i]];
      const bool writes =
          writer.result == base || std::any_of(writer.floats.begin(), writer.floats.end(),
                                               [&](const MapUse& use) { return use.written && use.tensor == base; });
      if (writes) scale = segment.scales[i];
    }
    moving_[thread][g].floats.push_back({map, scale});
  }
}

void FusedPlan::note_bits(int thread, int s, BitMap* map, int tensor, ptrdiff_t offset) {
  const MapLayout& layout = layout_.maps[tensor];
  if (layout.place == Place::kInput || layout.place == Place::kOutput) {
    external_bits_.push_back({&map->data, layout.index, layout.place == Place::kOutput, offset});
  } else if (layout.place == Place::kScratch) {
    const int g = segments_.segment_of_step[s];
    const Segment& segment = segments_.segments[g];
    Scale scale;
    for (size_t i = 0; i < segment.steps.size(); ++i) {
      const Step& writer = steps_.steps[segment.steps[i]];
      const bool writes =
          writer.result == tensor ||
          std::any_of(writer.bits.begin(), writer.bits.end(), [&](const MapUse& use) { return use.tensor == tensor; });
      if (writes) scale = segment.scales[i];
    }
    moving_[thread][g].bits.push_back({map, scale});
  }
}

// Of the step's group. Nothing in a segment reads int8, so it is always a whole map.
void FusedPlan::note_int8(int thread, int s, Int8Map* map) {
  const Step& step = steps_.steps[s];
  const MapLayout& layout = layout_.maps[step.result];
  const ptrdiff_t offset = ptrdiff_t{step.group} * step.program.channels();
  map->row_pitch = layout.row_pitch;
  map->pixel_stride = layout.pixel_stride;
  if (layout.place == Place::kOutput) {
    external_int8s_.push_back({&map->data, layout.index, true, offset});
  } else {
    map->data = reinterpret_cast<int8_t*>(memory_of(thread, step.result)) + offset;
  }
}

void FusedPlan::bind(int thread) {
  bound_[thread].resize(steps_.steps.size());
  moving_[thread].resize(segments_.segments.size());
  for (int s = 0; s < static_cast<int>(steps_.steps.size()); ++s) bind_step(thread, s);
}

void FusedPlan::bind_step(int thread, int s) {
  const Step& step = steps_.steps[s];
  BoundStep& bound = bound_[thread][s];
  if (step.form == StepForm::kReference) return;
  if (graph_.tensors[step.source].type == Type::kBits) {
    bound.source_bits = bit_map(thread, use_of(step.source));
    const ptrdiff_t words = step.form == StepForm::kBconv2d ? graph_.in(graph_.ops[step.op], 1).dims[3] : 0;
    if (bound.source_bits.data != nullptr) bound.source_bits.data += step.group * words;
    note_bits(thread, s, &bound.source_bits, step.source, step.group * words);
  } else {
    note_floats(thread, s, &bound.source, step.source, 0);
  }
  if (step.result >= 0 && graph_.tensors[step.result].type == Type::kBits) {
    bound.result_bits = bit_map(thread, use_of(step.result));
    note_bits(thread, s, &bound.result_bits, step.result);
  } else if (step.result >= 0 && graph_.tensors[step.result].type == Type::kInt8) {
    note_int8(thread, s, &bound.maps.int8s[0]);
  } else if (step.result >= 0) {
    note_floats(thread, s, &bound.result, step.result, 0);
  }
  for (size_t i = 0; i < step.floats.size(); ++i) {
    note_floats(thread, s, &bound.maps.floats[i], step.floats[i].tensor, step.floats[i].channel);
  }
  for (size_t i = 0; i < step.bits.size(); ++i) {
    BitMap& map = bound.maps.bits[i];
    map = bit_map(thread, step.bits[i]);
    // Whoever writes the last channel clears the bits behind it.
    const Op& writer = graph_.ops[graph_.tensors[step.bits[i].tensor].producer];
    map.channels = writer.kind == OpKind::kQuantize ? graph_.in(writer, 0).channels() : graph_.in(writer, 1).dims[0];
    note_bits(thread, s, &map, step.bits[i].tensor);
  }
}

// Reference steps see dense memory: the map itself where it is dense, else a copy.
void FusedPlan::prepare_reference() {
  reference_.data.assign(graph_.tensors.size(), nullptr);
  size_t total = 0;
  std::vector<size_t> offsets(graph_.tensors.size(), SIZE_MAX);
  for (const Step& step : steps_.steps) {
    if (step.form != StepForm::kReference) continue;
    const Op& op = graph_.ops[step.op];
    std::vector<int> tensors = op.inputs;
    tensors.insert(tensors.end(), op.outputs.begin(), op.outputs.end());
    for (int t : tensors) {
      if (t < 0 || reference_.data[t] != nullptr || offsets[t] != SIZE_MAX) continue;
      const Tensor& tensor = graph_.tensors[t];
      if (steps_.views[t].base < 0 && layout_.maps[t].dense(tensor)) {
        reference_.data[t] = memory_of(0, t);  // of the runtime's: patched in each run
      } else {
        offsets[t] = total;
        total += (static_cast<size_t>(tensor.bytes()) + kCacheLine - 1) / kCacheLine * kCacheLine;
      }
    }
  }
  reference_memory_ = AlignedBuffer<uint8_t>(total + kCacheLine);
  for (size_t t = 0; t < offsets.size(); ++t) {
    if (offsets[t] != SIZE_MAX) reference_.data[t] = reference_memory_.data() + offsets[t];
  }
}

}  // namespace repbnn
