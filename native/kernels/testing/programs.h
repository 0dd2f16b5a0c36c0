// Random epilogue programs, the maps they name, and what they must do, spelled out value by value.
#ifndef REPBNN_KERNELS_TESTING_PROGRAMS_H_
#define REPBNN_KERNELS_TESTING_PROGRAMS_H_

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/pointwise/pointwise.h"
#include "kernels/testing/guarded.h"
#include "kernels/testing/random.h"

namespace repbnn {

constexpr int kTestMaps = 3;

// Two of everything: what a kernel wrote, and what it should have written.
struct MapSet {
  Guarded<float> floats[kTestMaps];
  Guarded<uint32_t> bits[kTestMaps];
  Guarded<int8_t> int8s[kTestMaps];
  size_t float_count[kTestMaps], bit_count[kTestMaps], int8_count[kTestMaps];
  Bindings bindings;
};

// Lays maps of height x width x channels into `a` and `b`, equal in form and content. Map 0 is dense and may be
// updated in place, 1 is wider than its channels, 2 is read modulo or broadcast.
inline void make_maps(Random& random, int height, int width, int channels, MapSet* a, MapSet* b) {
  const bool at_start = random.one_in(4);
  for (int m = 0; m < kTestMaps; ++m) {
    FloatMap floats;
    floats.pixel_stride = channels + (m == 1 ? random.in(0, 20) : 0);
    floats.row_pitch = floats.pixel_stride * width;
    if (m == 2) {
      floats.modulo = random.one_in(2) ? random.in(1, channels) : 16 * random.in(1, 4);
      if (random.one_in(3)) floats.pixel_stride = floats.row_pitch = 0;
    }
    const int wide = m == 2 ? (floats.modulo < channels ? floats.modulo : channels) : channels;
    const size_t count = floats.row_pitch * (height - 1) + floats.pixel_stride * (width - 1) + wide;
    BitMap bits;
    bits.channel_offset = m == 0 ? 0 : random.of({0, 0, 1, 7, 16, 32, 48, 33});
    bits.channels = channels + bits.channel_offset + (m == 2 ? random.of({0, 1, 16, 31, 40}) : 0);
    bits.pixel_stride = words_of(bits.channels) + (m == 1);
    bits.row_pitch = bits.pixel_stride * width;
    const size_t words = bits.row_pitch * (height - 1) + bits.pixel_stride * (width - 1) + words_of(bits.channels);
    Int8Map int8s;
    int8s.pixel_stride = channels + m;
    int8s.row_pitch = int8s.pixel_stride * width;
    const size_t bytes = int8s.row_pitch * (height - 1) + int8s.pixel_stride * (width - 1) + channels;
    for (MapSet* set : {a, b}) {
      set->bindings.floats[m] = floats;
      set->bindings.bits[m] = bits;
      set->bindings.int8s[m] = int8s;
      set->bindings.floats[m].data = set->floats[m].place(count, at_start);
      set->bindings.bits[m].data = set->bits[m].place(words, at_start);
      set->bindings.int8s[m].data = set->int8s[m].place(bytes, at_start);
      set->float_count[m] = count;
      set->bit_count[m] = words;
      set->int8_count[m] = bytes;
    }
    for (size_t i = 0; i < count; ++i) a->floats[m].data()[i] = random.special();
    for (size_t i = 0; i < words; ++i) a->bits[m].data()[i] = random.word();
    std::memcpy(b->floats[m].data(), a->floats[m].data(), count * sizeof(float));
    std::memcpy(b->bits[m].data(), a->bits[m].data(), words * sizeof(uint32_t));
  }
}

// NaNs count as equal whatever their payload, which the language leaves open; where denormals are flushed, so do a
// denormal and the zero of its sign: a clamp may or may not flush, and nothing that reads the map can tell.
inline bool same_value(float x, float y, bool flush) {
  if (std::isnan(x) && std::isnan(y)) return true;
  uint32_t a, b;
  std::memcpy(&a, &x, sizeof(a));
  std::memcpy(&b, &y, sizeof(b));
  constexpr uint32_t kExponent = 0x7f800000, kSign = 0x80000000;
  if (flush && (a & kExponent) == 0 && (b & kExponent) == 0) return (a & kSign) == (b & kSign);
  return a == b;
}

// "" or what differs first.
inline std::string difference(const MapSet& a, const MapSet& b, bool flush = false) {
  for (int m = 0; m < kTestMaps; ++m) {
    for (size_t i = 0; i < a.float_count[m]; ++i) {
      const float x = a.floats[m].data()[i], y = b.floats[m].data()[i];
      if (!same_value(x, y, flush)) {
        return "float map " + std::to_string(m) + " at " + std::to_string(i) + ": " + std::to_string(x) + ", want " +
               std::to_string(y);
      }
    }
    for (size_t i = 0; i < a.bit_count[m]; ++i) {
      if (a.bits[m].data()[i] != b.bits[m].data()[i]) {
        return "bit map " + std::to_string(m) + " at word " + std::to_string(i) + ": " +
               std::to_string(a.bits[m].data()[i]) + ", want " + std::to_string(b.bits[m].data()[i]);
      }
    }
    if (std::memcmp(a.int8s[m].data(), b.int8s[m].data(), a.int8_count[m]) != 0) {
      return "int8 map " + std::to_string(m);
    }
  }
  return "";
}

// A line of chains.inc with random vectors: what the implementations compile whole.
inline Program chain_program(Random& random, int channels) {
  static const std::vector<StepKind> kChains[] = {
#define REPBNN_CHAIN(...) {__VA_ARGS__},
#include "kernels/pointwise/chains.inc"
#undef REPBNN_CHAIN
  };
  Program program(channels);
  std::vector<float> u(channels), v(channels);
  for (StepKind kind : kChains[random.in(0, sizeof(kChains) / sizeof(kChains[0]) - 1)]) {
    for (float& value : u) value = random.special();
    for (float& value : v) value = random.real(-1, 1);
    switch (kind) {
      case StepKind::kMul: program.mul(u.data()); break;
      case StepKind::kAdd: program.add(u.data()); break;
      case StepKind::kPrelu: program.prelu(u.data()); break;
      case StepKind::kClamp: program.clamp(-1.0f, 1.0f); break;
      case StepKind::kAddMap: program.add_map(random.in(0, kTestMaps - 1)); break;
      case StepKind::kStore: program.store(random.in(0, 1)); break;
      case StepKind::kSign: program.sign(random.in(0, kTestMaps - 1)); break;
      case StepKind::kSignAdd: program.sign_add(u.data(), random.in(0, kTestMaps - 1)); break;
      case StepKind::kSignMulAdd: program.sign_mul_add(u.data(), v.data(), random.in(0, kTestMaps - 1)); break;
      default: std::abort();  // chains.inc has a step that this test does not draw
    }
  }
  return program;
}

inline Program random_program(Random& random, int channels) {
  if (random.one_in(3)) return chain_program(random, channels);
  Program program(channels);
  std::vector<float> u(channels), v(channels);
  const int steps = random.in(1, 9);
  for (int i = 0; i < steps; ++i) {
    for (float& value : u) value = random.special();
    for (float& value : v) value = random.real(-1, 1);
    const int map = random.in(0, kTestMaps - 1), stored = random.in(0, 1);
    switch (random.in(0, 12)) {
      case 0: program.mul(u.data()); break;
      case 1:
      case 2: program.add(u.data()); break;
      case 3: program.prelu(u.data()); break;
      case 4: {
        const float lo = random.of({-2, -1, 0, 0, 0});
        program.clamp(lo, random.one_in(2) ? std::numeric_limits<float>::infinity() : random.of({0, 1, 6}));
        break;
      }
      case 5: program.add_map(map); break;
      case 6: program.mul_map(map); break;
      case 7:
        if (random.one_in(3)) program.load(map);
        break;
      case 8: program.store(stored); break;
      case 9: program.store_int8(map); break;
      case 10: program.sign(map); break;
      case 11: program.sign_add(u.data(), map); break;
      case 12: program.sign_mul_add(u.data(), v.data(), map); break;
    }
  }
  if (random.one_in(2)) program.store(0);
  return program;
}

inline void set_bit(const BitMap& map, int y, int x, int channel, bool bit) {
  const int at = map.channel_offset + channel;
  uint32_t* word = map.data + y * map.row_pitch + x * map.pixel_stride + at / 32;
  *word = (*word & ~(1u << (at % 32))) | static_cast<uint32_t>(bit) << (at % 32);
  if (at + 1 == map.channels) {
    for (int rest = at % 32 + 1; rest < 32; ++rest) *word &= ~(1u << rest);
  }
}

inline float map_value(const FloatMap& map, int y, int x, int channel) {
  return map.data[y * map.row_pitch + x * map.pixel_stride + (map.modulo ? channel % map.modulo : channel)];
}

// The meaning of a program for one value; `volatile` keeps the compiler from any cleverness.
inline void apply_program(const Program& program, const Bindings& maps, int y, int x, int channel, float value) {
  volatile float v = value;
  for (const Program::Step& step : program.steps()) {
    const FloatMap& map = maps.floats[step.map];
    switch (step.kind) {
      case StepKind::kMul: v = v * step.vector[channel]; break;
      case StepKind::kAdd: v = v + step.vector[channel]; break;
      case StepKind::kPrelu:
        if (!(v >= 0.0f)) v = v * step.vector[channel];
        break;
      case StepKind::kClamp:
        if (v < step.lo) v = step.lo;
        if (v > step.hi) v = step.hi;
        break;
      case StepKind::kAddMap: v = v + map_value(map, y, x, channel); break;
      case StepKind::kMulMap: v = v * map_value(map, y, x, channel); break;
      case StepKind::kLoad: v = map_value(map, y, x, channel); break;
      case StepKind::kStore: map.data[y * map.row_pitch + x * map.pixel_stride + channel] = v; break;
      case StepKind::kStoreInt8: {
        const Int8Map& out = maps.int8s[step.map];
        const float rounded = v >= 127.0f ? 127.0f : v > -128.0f ? std::round(v) : -128.0f;
        out.data[y * out.row_pitch + x * out.pixel_stride + channel] = static_cast<int8_t>(rounded);
        break;
      }
      case StepKind::kSign: set_bit(maps.bits[step.map], y, x, channel, v < 0.0f); break;
      case StepKind::kSignAdd: {
        volatile float shifted = v + step.vector[channel];
        set_bit(maps.bits[step.map], y, x, channel, shifted < 0.0f);
        break;
      }
      case StepKind::kSignMulAdd: {
        volatile float scaled = v * step.vector[channel];
        volatile float shifted = scaled + step.vector2[channel];
        set_bit(maps.bits[step.map], y, x, channel, shifted < 0.0f);
        break;
      }
    }
  }
}

}  // namespace repbnn

#endif  // REPBNN_KERNELS_TESTING_PROGRAMS_H_
