#include <time.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "plan/fused.h"

namespace repbnn {
namespace {

double seconds_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Copies a 4-D map between a dense array and one of any strides; `to_dense` says which way.
void copy_map(const Tensor& tensor, uint8_t* dense, uint8_t* map, ptrdiff_t row_pitch, ptrdiff_t pixel_stride,
              bool to_dense) {
  const size_t element = static_cast<size_t>(size_of(tensor.type));
  const size_t length = tensor.dims[3] * element;
  for (int y = 0; y < tensor.dims[1]; ++y) {
    for (int x = 0; x < tensor.dims[2]; ++x, dense += length) {
      uint8_t* pixel = map + (y * row_pitch + x * pixel_stride) * static_cast<ptrdiff_t>(element);
      std::memcpy(to_dense ? dense : pixel, to_dense ? pixel : dense, length);
    }
  }
}

}  // namespace

void FusedPlan::run(const void* const* inputs, void* const* outputs) {
  for (int image = 0; image < images_; ++image) {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      inputs_[i] = static_cast<const uint8_t*>(inputs[i]) + image * graph_.tensors[graph_.inputs[i]].bytes();
    }
    for (size_t i = 0; i < outputs_.size(); ++i) {
      outputs_[i] = static_cast<uint8_t*>(outputs[i]) + image * graph_.tensors[graph_.outputs[i]].bytes();
    }
    run_image();
  }
  ++runs_;
}

void FusedPlan::run_image() {
  patch_external(inputs_.data(), outputs_.data());
  for (int position : layout_.copied_inputs) copy_packed(position, true);
  for (size_t i = 0; i < schedule_.stages.size(); ++i) {
    const double start = options_.profile ? seconds_now() : 0.0;
    schedule_.stages[i].ordered ? run_stage(static_cast<int>(i)) : run_alone(schedule_.stages[i].first_segment);
    if (options_.profile) seconds_[i] += seconds_now() - start;
  }
  for (int position : layout_.copied_outputs) copy_packed(position, false);
}

void FusedPlan::patch_external(const void* const* inputs, void* const* outputs) {
  const auto patch = [&](auto& maps) {
    for (auto& map : maps) {
      const void* memory = map.output ? outputs[map.index] : inputs[map.index];
      *map.data = static_cast<std::remove_reference_t<decltype(*map.data)>>(const_cast<void*>(memory)) + map.offset;
    }
  };
  patch(external_floats_);
  patch(external_bits_);
  patch(external_int8s_);
  for (size_t t = 0; t < graph_.tensors.size(); ++t) {
    const MapLayout& map = layout_.maps[t];
    if (map.place == Place::kInput) reference_.data[t] = const_cast<void*>(inputs[map.index]);
    if (map.place == Place::kOutput) reference_.data[t] = outputs[map.index];
  }
}

void FusedPlan::copy_packed(int position, bool in) {
  const int t = in ? graph_.inputs[position] : graph_.outputs[position];
  const MapLayout& map = layout_.maps[t];
  auto* dense = static_cast<uint8_t*>(in ? const_cast<void*>(inputs_[position]) : outputs_[position]);
  copy_map(graph_.tensors[t], dense, arena_.data() + map.offset, map.row_pitch, map.pixel_stride, !in);
}

// A segment of a stage of its own: one tile shared out, or an operator in its plain form.
void FusedPlan::run_alone(int g) {
  const Segment& segment = segments_.segments[g];
  segment.tiled ? run_spread(g) : run_reference_step(segment.steps[0]);
}

void FusedPlan::run_timed(int s, const BoundStep& bound, const Area& area, int thread) {
  const double start = seconds_now();
  steps_.steps[s].form == StepForm::kBconv2d ? run_conv(s, bound, area, thread) : run_other(s, bound, area);
  step_seconds_[thread][s] += seconds_now() - start;
}

// Whatever is no convolution.
void FusedPlan::run_other(int s, const BoundStep& bound, const Area& area) {
  const int y0 = area.y0, y1 = area.y1, x0 = area.x0, x1 = area.x1;
  const Step& step = steps_.steps[s];
  const PreparedStep& prepared = prepared_[s];
  switch (step.form) {
    case StepForm::kPointwise:
      return run_pointwise(options_.isa, prepared.program, bound.source, bound.maps, y0, y1, x0, x1);
    case StepForm::kAveragePool:
      return average_pool(options_.isa, prepared.pool, bound.source, bound.result, prepared.lo, prepared.hi, y0, y1, x0,
                          x1);
    case StepForm::kMaxPool:
      return max_pool(options_.isa, prepared.pool, bound.source, bound.result, prepared.lo, prepared.hi, y0, y1, x0,
                      x1);
    case StepForm::kDepthwise:
      return depthwise_conv2d(options_.isa, prepared.depthwise, bound.source, bound.result, y0, y1, x0, x1);
    case StepForm::kBMaxPool:
      return binary_max_pool(options_.isa, prepared.pool, bound.source_bits, bound.result_bits, y0, y1, x0, x1);
    case StepForm::kUnpack:
      return unpack_signs(options_.isa, graph_.out(graph_.ops[step.op]).channels(), bound.source_bits, bound.result, y0,
                          y1, x0, x1);
    case StepForm::kBconv2d:
    case StepForm::kReference: break;
  }
}

void FusedPlan::run_reference_step(int s) {
  const Op& op = graph_.ops[steps_.steps[s].op];
  const auto exchange = [&](int t, bool to_dense) {
    const View& view = steps_.views[t];
    const int base = view.base < 0 ? t : view.base;
    const Tensor& tensor = graph_.tensors[t];
    const MapLayout& map = layout_.maps[base];
    if ((view.base < 0 && map.dense(tensor)) || tensor.constant != nullptr) return;
    const ptrdiff_t offset = view.y0 * map.row_pitch + view.x0 * map.pixel_stride + view.channel;
    auto* memory = map.place == Place::kInput    ? static_cast<uint8_t*>(const_cast<void*>(inputs_[map.index]))
                   : map.place == Place::kOutput ? static_cast<uint8_t*>(outputs_[map.index])
                                                 : memory_of(0, base);
    memory += offset * size_of(tensor.type);
    auto* dense = static_cast<uint8_t*>(reference_.data[t]);
    if (view.modulo == 0) {
      copy_map(tensor, dense, memory, map.row_pitch * view.stride_y, map.pixel_stride * view.stride_x, to_dense);
      return;
    }
    for (int y = 0; y < tensor.dims[1]; ++y) {
      for (int x = 0; x < tensor.dims[2]; ++x) {
        for (int c = 0; c < tensor.dims[3]; c += view.modulo, dense += view.modulo * sizeof(float)) {
          std::memcpy(dense, memory + (y * map.row_pitch + x * map.pixel_stride) * sizeof(float),
                      view.modulo * sizeof(float));
        }
      }
    }
  };
  for (int t : op.inputs) {
    if (t >= 0) exchange(t, true);
  }
  run_reference(graph_, op, reference_);
  for (int t : op.outputs) exchange(t, false);
}

// Segments of a stage run in turns: each has the part of the stage's time that its steps have of the stage's work.
double FusedPlan::seconds_of(int segment) const {
  const auto work = [&](int g) {
    double seconds = 0.0;
    for (int s : segments_.segments[g].steps) {
      for (const std::vector<double>& thread : step_seconds_) seconds += thread[s];
    }
    return seconds;
  };
  for (size_t i = 0; i < schedule_.stages.size(); ++i) {
    const Stage& stage = schedule_.stages[i];
    if (segment < stage.first_segment || segment >= stage.end_segment) continue;
    if (stage.end_segment - stage.first_segment == 1) return seconds_[i];
    double all = 0.0;
    for (int g = stage.first_segment; g < stage.end_segment; ++g) all += work(g);
    return all > 0.0 ? seconds_[i] * work(segment) / all : 0.0;
  }
  return 0.0;
}

std::string FusedPlan::describe() const {
  static const char* const forms[] = {"bconv2d",         "pointwise", "average_pool", "max_pool",
                                      "binary_max_pool", "depthwise", "unpack",       "reference"};
  std::string all;
  for (size_t g = 0; g < segments_.segments.size(); ++g) {
    const Segment& segment = segments_.segments[g];
    std::string steps;
    for (int s : segment.steps) {
      const Step& step = steps_.steps[s];
      std::vector<std::string> nodes;
      for (int op : step.ops) nodes.push_back(format("%d", graph_.ops[op].node));
      const Bconv2d* conv = prepared_[s].conv.get();
      steps += format("%s{\"form\": \"%s\", \"kernel\": %s, \"nodes\": [%s]", steps.empty() ? "" : ", ",
                      forms[static_cast<int>(step.form)],
                      conv != nullptr ? json_quote(bconv2d_kernel_name(conv->kernel())).c_str() : "null",
                      join(nodes).c_str());
      double seconds = 0.0;
      for (const std::vector<double>& thread : step_seconds_) seconds += thread[s];
      if (seconds > 0.0) steps += format(", \"cpu_ms\": %.6f", 1e3 * seconds / static_cast<double>(runs_));
      steps += "}";
    }
    all += format("%s\n {\"group\": %d, \"tile\": [%d, %d], \"map\": [%d, %d]", g ? "," : "",
                  schedule_.group_of_segment[g], segment.tile_h, segment.tile_w, segment.height, segment.width);
    if (options_.profile && runs_ > 0)
      all += format(", \"mean_ms\": %.6f", 1e3 * seconds_of(static_cast<int>(g)) / runs_);
    all += ", \"steps\": [" + steps + "]}";
  }
  return "[" + all + "]";
}

size_t FusedPlan::memory_bytes() const {
  size_t bytes = arena_.size() + scratch_.size() + reference_memory_.size();
  for (const PreparedStep& step : prepared_) {
    if (step.conv != nullptr) bytes += step.conv->packed_bytes();
  }
  return bytes;
}

}  // namespace repbnn
