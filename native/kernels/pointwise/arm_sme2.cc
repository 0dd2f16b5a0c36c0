// The pointwise machine in streaming mode, for any length of its vectors. A block of up to four pixels x four vectors
// of channels stays in registers through the whole program; predicates end the last channels.
#include "base/streaming.h"
#include "kernels/pointwise/streaming.h"

namespace repbnn {
namespace {

// NaN times the slope is NaN, so only what is below zero is multiplied.
REPBNN_STREAMING_INLINE Quad prelu(Quad v, Quad w) REPBNN_STREAMING {
#define REPBNN_PRELU(a, b) svmul_m(svcmplt(svptrue_b32(), a, 0.0f), a, b)
  return REPBNN_EACH(REPBNN_PRELU);
}
REPBNN_STREAMING_INLINE svbool_t negative(Quad v) REPBNN_STREAMING {
  const svbool_t all = svptrue_b32();
  return joined(svcmplt(all, svget4(v, 0), 0.0f), svcmplt(all, svget4(v, 1), 0.0f), svcmplt(all, svget4(v, 2), 0.0f),
                svcmplt(all, svget4(v, 3), 0.0f));
}

REPBNN_STREAMING_INLINE Quad repeated(const float* from, int vectors, svcount_t live) REPBNN_STREAMING {
  if (vectors == 4) return svld1_x4(live, from);
  const svbool_t all = svptrue_b32();
  const svfloat32_t first = svld1(all, from);
  if (vectors == 1) return svcreate4(first, first, first, first);
  const svfloat32_t second = svld1_vnum(all, from, 1);
  return svcreate4(first, second, first, second);
}

// Round half away from zero, saturate; NaN gives -128.
REPBNN_STREAMING_INLINE void store_int8_vector(int8_t* to, svfloat32_t v, int lanes) REPBNN_STREAMING {
  const svbool_t all = svptrue_b32();
  svint32_t whole = svcvt_s32_x(all, svrinta_x(all, v));
  whole = svsel(svcmpge(all, v, 127.0f), svdup_s32(127), whole);
  whole = svsel(svcmpgt(all, v, -128.0f), whole, svdup_s32(-128));
  svst1b(svwhilelt_b32(0, lanes), to, whole);
}
REPBNN_STREAMING_INLINE void store_int8(int8_t* to, Quad v, int channels) REPBNN_STREAMING {
  const int lanes = static_cast<int>(svcntw());
  store_int8_vector(to, svget4(v, 0), channels);
  store_int8_vector(to + lanes, svget4(v, 1), channels - lanes);
  store_int8_vector(to + 2 * lanes, svget4(v, 2), channels - 2 * lanes);
  store_int8_vector(to + 3 * lanes, svget4(v, 3), channels - 3 * lanes);
}

// How a quad reads a map: directly, or, where a modulo wraps inside it, from a copy of 4 vectors a pixel.
constexpr int kMostQuad = 256;  // floats
struct MapReader {
  const float* pixel;
  ptrdiff_t stride;
};
__attribute__((noinline)) void copy_wrapped(const FloatMap& map, const float* pixel, int pixels, int channel,
                                            int channels, float* buffer) REPBNN_STREAMING {
  const int lanes = static_cast<int>(svcntw());
  for (; pixels > 0; --pixels, pixel += map.pixel_stride, buffer += 4 * lanes) {
    for (int c = 0; c < channels;) {  // vector by vector, as far as the modulo and the channels go
      const int from = (channel + c) % map.modulo, most = map.modulo - from, left = channels - c;
      int count = most < left ? most : left;
      count = count < lanes ? count : lanes;
      const svbool_t some = svwhilelt_b32(0, count);
      svst1(some, buffer + c, svld1(some, pixel + from));
      c += count;
    }
  }
}
REPBNN_STREAMING_INLINE MapReader reader(const FloatMap& map, const StreamingTile& t, int x, int pixels,
                                         float* buffer) REPBNN_STREAMING {
  const float* pixel = map.at(t.y, x);
  if (!wraps(map, t.channel, t.channels)) return {pixel + channel_of(map, t.channel), map.pixel_stride};
  copy_wrapped(map, pixel, pixels, t.channel, t.channels, buffer);
  return {buffer, 4 * static_cast<ptrdiff_t>(svcntw())};
}

// The same for each pixel p of a block, whose values are `v`.
#define REPBNN_EACH_PIXEL(body) \
  do {                          \
    {                           \
      constexpr int p = 0;      \
      Quad& v = v0;             \
      (void)p;                  \
      body;                     \
    }                           \
    if constexpr (P > 1) {      \
      constexpr int p = 1;      \
      Quad& v = v1;             \
      (void)p;                  \
      body;                     \
    }                           \
  } while (false)

template <int P>
void run_block(const StreamingTile& t, const float* source, int x) REPBNN_STREAMING {
  const PackedProgram::Op* const end = t.program->ops() + t.program->op_count();
  const float* vector = t.vectors;
  const int channels = t.channels, width = 4 * static_cast<int>(svcntw());
  const svcount_t live = svwhilelt_c32(static_cast<int64_t>(0), static_cast<int64_t>(channels), 4), all = svptrue_c32();
  float buffer[P * kMostQuad];
  Quad v0 = repeated(source, t.source_vectors, live), v1 = v0;
  if constexpr (P > 1) v1 = repeated(source + t.source_stride, t.source_vectors, live);
  for (const PackedProgram::Op* op = t.program->ops(); op != end; ++op) {
    const FloatMap& map = t.bindings->floats[op->map];
    switch (op->kind) {
      case StepKind::kMul: {
        const Quad w = svld1_x4(all, vector);
        REPBNN_EACH_PIXEL(v = mul(v, w));
        vector += width;
        break;
      }
      case StepKind::kAdd: {
        const Quad w = svld1_x4(all, vector);
        REPBNN_EACH_PIXEL(v = add(v, w));
        vector += width;
        break;
      }
      case StepKind::kPrelu: {
        const Quad w = svld1_x4(all, vector);
        REPBNN_EACH_PIXEL(v = prelu(v, w));
        vector += width;
        break;
      }
      case StepKind::kClamp: REPBNN_EACH_PIXEL(v = lowered(raised(v, op->lo), op->hi)); break;
      case StepKind::kAddMap: {
        const MapReader from = reader(map, t, x, P, buffer);
        REPBNN_EACH_PIXEL(v = add(v, svld1_x4(live, from.pixel + p * from.stride)));
        break;
      }
      case StepKind::kMulMap: {
        const MapReader from = reader(map, t, x, P, buffer);
        REPBNN_EACH_PIXEL(v = mul(v, svld1_x4(live, from.pixel + p * from.stride)));
        break;
      }
      case StepKind::kLoad: {
        const MapReader from = reader(map, t, x, P, buffer);
        REPBNN_EACH_PIXEL(v = svld1_x4(live, from.pixel + p * from.stride));
        break;
      }
      case StepKind::kStore: {
        float* to = map.at(t.y, x) + t.channel;
        REPBNN_EACH_PIXEL(svst1(live, to + p * map.pixel_stride, v));
        break;
      }
      case StepKind::kStoreInt8: {
        const Int8Map& bytes = t.bindings->int8s[op->map];
        REPBNN_EACH_PIXEL(store_int8(bytes.at(t.y, x + p) + t.channel, v, channels));
        break;
      }
      case StepKind::kSign: {
        const BitMap& bits = t.bindings->bits[op->map];
        uint32_t* to = bits.at(t.y, x);
        REPBNN_EACH_PIXEL(store_quad_bits(bits, to + p * bits.pixel_stride, t.channel, channels, negative(v)));
        break;
      }
      case StepKind::kSignAdd: {
        const BitMap& bits = t.bindings->bits[op->map];
        uint32_t* to = bits.at(t.y, x);
        const Quad w = svld1_x4(all, vector);
        REPBNN_EACH_PIXEL(store_quad_bits(bits, to + p * bits.pixel_stride, t.channel, channels, negative(add(v, w))));
        vector += width;
        break;
      }
      case StepKind::kSignMulAdd: {
        const BitMap& bits = t.bindings->bits[op->map];
        uint32_t* to = bits.at(t.y, x);
        const Quad scale = svld1_x4(all, vector), shift = svld1_x4(all, vector + width);
        REPBNN_EACH_PIXEL(store_quad_bits(bits, to + p * bits.pixel_stride, t.channel, channels,
                                          negative(add(mul(v, scale), shift))));
        vector += 2 * width;
        break;
      }
    }
  }
}

// ---- The programs of chains.inc, each one loop over pixels without a switch. A quad's constants are loaded for every
// two pixels, by one instruction each: they are too many for the registers.

// Where a step that names a map finds the first pixel's channels; `vectors`: as StreamingTile::source_vectors.
struct MapStep {
  char* pixel;
  ptrdiff_t stride;  // bytes
  int vectors;
};

struct ChainMaps {
  MapStep steps[kMaxSteps];
  int count = 0;
};

// Steps on two pixels: the one at `offset` strides of each map, and the next; P 1: the first alone.
template <int P, StepKind... kKinds>
struct Steps {
  static REPBNN_STREAMING_INLINE void run(const MapStep*, const float*, ptrdiff_t, Quad, Quad) REPBNN_STREAMING {}
};

template <int P, StepKind kKind, StepKind... kRest>
struct Steps<P, kKind, kRest...> {
  static REPBNN_STREAMING_INLINE void run(const MapStep* map, const float* vector, ptrdiff_t pixel, Quad v0,
                                          Quad v1) REPBNN_STREAMING {
    const svcount_t all = svptrue_c32();
    const ptrdiff_t width = 4 * static_cast<ptrdiff_t>(svcntw());
    if constexpr (kKind == StepKind::kMul || kKind == StepKind::kAdd || kKind == StepKind::kPrelu) {
      const Quad w = svld1_x4(all, vector);
      vector += width;
      REPBNN_EACH_PIXEL(v = kKind == StepKind::kMul ? mul(v, w) : kKind == StepKind::kAdd ? add(v, w) : prelu(v, w));
    } else if constexpr (kKind == StepKind::kAddMap || kKind == StepKind::kStore) {
      auto* at = reinterpret_cast<float*>(map->pixel + pixel * map->stride);
      const ptrdiff_t next = map->stride / static_cast<ptrdiff_t>(sizeof(float));
      if constexpr (kKind == StepKind::kStore) {
        REPBNN_EACH_PIXEL(svst1(all, at + p * next, v));
      } else {
        REPBNN_EACH_PIXEL(v = add(v, repeated(at + p * next, map->vectors, all)));
      }
      ++map;
    } else if constexpr (kKind == StepKind::kSign) {
      REPBNN_EACH_PIXEL(store_predicate(map->pixel + (pixel + p) * map->stride, negative(v)));
      ++map;
    } else if constexpr (kKind == StepKind::kSignAdd) {
      const Quad w = svld1_x4(all, vector);
      vector += width;
      REPBNN_EACH_PIXEL(store_predicate(map->pixel + (pixel + p) * map->stride, negative(add(v, w))));
      ++map;
    } else if constexpr (kKind == StepKind::kSignMulAdd) {
      const Quad scale = svld1_x4(all, vector), shift = svld1_x4(all, vector + width);
      vector += 2 * width;
      REPBNN_EACH_PIXEL(store_predicate(map->pixel + (pixel + p) * map->stride, negative(add(mul(v, scale), shift))));
      ++map;
    } else {
      static_assert(kKind == StepKind::kClamp, "chains.inc has a step that this file does not know");
      // Its bounds stand in the map's place.
      const float* bounds = reinterpret_cast<const float*>(map->pixel);
      REPBNN_EACH_PIXEL(v = lowered(raised(v, bounds[0]), bounds[1]));
      ++map;
    }
    Steps<P, kRest...>::run(map, vector, pixel, v0, v1);
  }
};

template <StepKind... kKinds>
void run_chain(const StreamingTile& t, const MapStep* maps) REPBNN_STREAMING {
  const svcount_t all = svptrue_c32();
  const float *source = t.source, *vectors = t.vectors;
  ptrdiff_t pixel = 0;
  for (; pixel + 2 <= t.pixels; pixel += 2, source += 2 * t.source_stride) {
    __asm__("" : "+r"(vectors));  // not to be loaded before the loop
    Steps<2, kKinds...>::run(maps, vectors, pixel, repeated(source, t.source_vectors, all),
                             repeated(source + t.source_stride, t.source_vectors, all));
  }
  if (pixel == t.pixels) return;
  const Quad v = repeated(source, t.source_vectors, all);
  Steps<1, kKinds...>::run(maps, vectors, pixel, v, v);
}

// How many vectors of a map lie behind one another from a channel on, until its modulo makes them repeat; 0: it wraps
// inside a vector.
int repeats(const FloatMap& map, int channel, int channels) REPBNN_STREAMING {
  const int lanes = static_cast<int>(svcntw());
  if (!wraps(map, channel, channels)) return 4;
  if (channel % map.modulo != 0) return 0;
  return map.modulo == lanes ? 1 : map.modulo == 2 * lanes ? 2 : 0;
}

// False where a map is not in the plain form that chains read and write.
bool find_maps(const StreamingTile& t, ChainMaps* maps) REPBNN_STREAMING {
  if (t.channels != 4 * static_cast<int>(svcntw())) return false;
  const PackedProgram::Op* const end = t.program->ops() + t.program->op_count();
  for (const PackedProgram::Op* op = t.program->ops(); op != end; ++op) {
    const FloatMap& map = t.bindings->floats[op->map];
    const BitMap& bits = t.bindings->bits[op->map];
    MapStep step{nullptr, 0, 4};
    switch (op->kind) {
      case StepKind::kClamp: step.pixel = reinterpret_cast<char*>(const_cast<float*>(&op->lo)); break;
      case StepKind::kAddMap:
      case StepKind::kStore:
        step.stride = map.pixel_stride * static_cast<ptrdiff_t>(sizeof(float));
        step.pixel = reinterpret_cast<char*>(map.at(t.y, t.x) + t.channel);
        if (op->kind == StepKind::kStore) break;
        step.vectors = repeats(map, t.channel, t.channels);
        if (step.vectors == 0) return false;
        step.pixel = reinterpret_cast<char*>(map.at(t.y, t.x) + channel_of(map, t.channel));
        break;
      case StepKind::kSign:
      case StepKind::kSignAdd:
      case StepKind::kSignMulAdd: {
        const int bit = bits.channel_offset + t.channel, last = bit + t.channels;
        if (bit % 8 != 0 || (last >= bits.channels && last % kWordBits != 0)) return false;
        step.stride = bits.pixel_stride * static_cast<ptrdiff_t>(sizeof(uint32_t));
        step.pixel = reinterpret_cast<char*>(bits.at(t.y, t.x)) + bit / 8;
        break;
      }
      default: continue;
    }
    maps->steps[maps->count++] = step;
  }
  return true;
}

using RunChain = void (*)(const StreamingTile&, const MapStep*) REPBNN_STREAMING;
constexpr RunChain kChains[] = {
#define REPBNN_CHAIN(...) run_chain<__VA_ARGS__>,
#include "kernels/pointwise/chains.inc"
#undef REPBNN_CHAIN
};

}  // namespace

void pointwise_sme2(const StreamingTile& t) REPBNN_STREAMING {
  const int chain = t.program->chain();
  ChainMaps maps;
  if (chain >= 0 && find_maps(t, &maps)) return kChains[chain](t, maps.steps);
  const float* source = t.source;
  int x = t.x, left = t.pixels;
  for (; left >= 2; left -= 2, x += 2, source += 2 * t.source_stride) run_block<2>(t, source, x);
  if (left > 0) run_block<1>(t, source, x);
}

namespace {

void run_area(void* area) REPBNN_STREAMING {
  const PointwiseArea& a = *static_cast<const PointwiseArea*>(area);
  const PackedProgram& program = *a.program;
  const FloatMap& source = *a.source;
  const int quad = 4 * static_cast<int>(svcntw()), lanes_total = program.lanes_total();
  float wrapped[kMostQuad];
  for (int y = a.y0; y < a.y1; ++y) {
    for (int first = 0; first < lanes_total; first += quad) {
      const int channels = lanes_total - first < quad ? lanes_total - first : quad;
      const int vectors = repeats(source, first, channels);
      StreamingTile tile{
          &program, a.bindings, nullptr, nullptr, source.pixel_stride,           vectors == 0 ? 4 : vectors,
          0,        channels,   y,       a.x0,    vectors == 0 ? 1 : a.x1 - a.x0};
      for (; tile.x < a.x1; tile.x += tile.pixels) {
        const float* pixel = source.at(y, tile.x);
        tile.source = pixel + channel_of(source, first);
        if (vectors == 0) {
          copy_wrapped(source, pixel, 1, first, channels, wrapped);
          tile.source = wrapped;
        }
        for (int copy = 0; copy < program.copies(); ++copy) {
          tile.channel = copy * lanes_total + first;
          tile.vectors = program.vectors(first / quad, copy);
          pointwise_sme2(tile);
        }
      }
    }
  }
}

}  // namespace

const StreamingWork kSme2Pointwise = reinterpret_cast<StreamingWork>(run_area);

}  // namespace repbnn
