// The reference: one value, one step at a time. What every other implementation must equal, bit for bit.
#include "kernels/pointwise/tile.h"

namespace repbnn {
namespace {

void run_value(const PointwiseTile& tile, int pixel, int lane, int copy) {
  const PackedProgram& program = *tile.program;
  const Bindings& maps = *tile.bindings;
  const int channel = copy * program.lanes_total() + tile.group * kLanes + lane;
  const int x = tile.x + pixel;
  const float* vector = program.vectors(tile.group, copy) + lane;
  auto next = [&] {
    const float value = *vector;
    vector += kLanes;
    return value;
  };
  float v = tile.source[pixel * tile.source_stride + lane];
  for (int i = 0; i < program.op_count(); ++i) {
    const PackedProgram::Op& op = program.ops()[i];
    const FloatMap& map = maps.floats[op.map];
    switch (op.kind) {
      case StepKind::kMul: v = v * next(); break;
      case StepKind::kAdd: v = v + next(); break;
      case StepKind::kPrelu: {
        const float slope = next();
        v = v >= 0.0f ? v : v * slope;
        break;
      }
      case StepKind::kClamp:
        v = v < op.lo ? op.lo : v;
        v = op.hi < v ? op.hi : v;
        break;
      case StepKind::kAddMap: v = v + map.at(tile.y, x)[channel_of(map, channel)]; break;
      case StepKind::kMulMap: v = v * map.at(tile.y, x)[channel_of(map, channel)]; break;
      case StepKind::kLoad: v = map.at(tile.y, x)[channel_of(map, channel)]; break;
      case StepKind::kStore: map.at(tile.y, x)[channel] = v; break;
      case StepKind::kStoreInt8: maps.int8s[op.map].at(tile.y, x)[channel] = to_int8(v); break;
      case StepKind::kSign: store_bits(maps.bits[op.map], maps.bits[op.map].at(tile.y, x), channel, v < 0.0f, 1); break;
      case StepKind::kSignAdd:
        store_bits(maps.bits[op.map], maps.bits[op.map].at(tile.y, x), channel, v + next() < 0.0f, 1);
        break;
      case StepKind::kSignMulAdd: {
        const float scaled = v * next();
        store_bits(maps.bits[op.map], maps.bits[op.map].at(tile.y, x), channel, scaled + next() < 0.0f, 1);
        break;
      }
    }
  }
}

}  // namespace

void pointwise_scalar(const PointwiseTile& tile) {
  for (int copy = 0; copy < tile.program->copies(); ++copy) {
    for (int pixel = 0; pixel < tile.pixels; ++pixel) {
      for (int lane = 0; lane < tile.lanes(); ++lane) run_value(tile, pixel, lane, copy);
    }
  }
}

}  // namespace repbnn
