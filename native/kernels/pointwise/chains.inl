// The programs of chains.inc, each compiled into one loop over pixels; the machine runs the rest. Included once by each
// instruction set's file, in its anonymous namespace, after its vector trait.
#include "kernels/pointwise/machine.inl"

// Where a chain's steps find their operations, vectors and maps: `start` is called once for a tile, `begin` for each
// copy.
struct ChainCursor {
  const PackedProgram::Op* op;
  const Bindings* maps;
  int y, x;
  int first_channel, last_channel;  // lane 0 of the first copy and of the last
  const float* vector = nullptr;
  int channel = 0;
  bool fits = true;

  template <class V>
  REPBNN_INLINE typename V::Value next_vector() {
    const float* from = vector;
    vector += kLanes;
    return V::load(from);
  }
};

// Moves over the pixels of a float map.
struct FloatWalk {
  float *pixel, *at;
  ptrdiff_t stride;
  int modulo;

  REPBNN_INLINE void start(ChainCursor& c, bool reads) {
    const FloatMap& map = c.maps->floats[c.op++->map];
    pixel = map.at(c.y, c.x);
    stride = map.pixel_stride;
    modulo = reads ? map.modulo : 0;
    if (modulo % kLanes != 0) c.fits = false;
  }
  REPBNN_INLINE void begin(const ChainCursor& c) { at = pixel + (modulo ? c.channel % modulo : c.channel); }
  REPBNN_INLINE float* next() {
    float* now = at;
    at += stride;
    return now;
  }
};

struct BitWalk {
  char *pixel, *at;
  ptrdiff_t stride;

  REPBNN_INLINE void start(ChainCursor& c) {
    const BitMap& map = c.maps->bits[c.op++->map];
    pixel = reinterpret_cast<char*>(map.at(c.y, c.x)) + map.channel_offset / 8;
    stride = map.pixel_stride * 4;
    if (!is_whole_piece(map, map.channel_offset + c.first_channel, kLanes) ||
        !is_whole_piece(map, map.channel_offset + c.last_channel, kLanes)) {
      c.fits = false;
    }
  }
  REPBNN_INLINE void begin(const ChainCursor& c) { at = pixel + c.channel / 8; }
  REPBNN_INLINE void put(uint32_t mask) {
    const uint16_t half = static_cast<uint16_t>(mask);
    __builtin_memcpy(at, &half, sizeof(half));
    at += stride;
  }
};

template <class V, StepKind kKind>
struct ChainStep;

#define REPBNN_CHAIN_STEP(kind, members, starting, beginning, running) \
  template <class V>                                                   \
  struct ChainStep<V, StepKind::kind> {                                \
    using Value = typename V::Value;                                   \
    members;                                                           \
    REPBNN_INLINE void start(ChainCursor& c) { starting; }             \
    REPBNN_INLINE void begin(ChainCursor& c) { beginning; }            \
    REPBNN_INLINE Value run(Value v) { running; }                      \
  };

REPBNN_CHAIN_STEP(kMul, Value factor, ++c.op, factor = c.next_vector<V>(), return V::mul(v, factor))
REPBNN_CHAIN_STEP(kAdd, Value shift, ++c.op, shift = c.next_vector<V>(), return V::add(v, shift))
REPBNN_CHAIN_STEP(kPrelu, Value slope, ++c.op, slope = c.next_vector<V>(), return V::prelu(v, slope))
REPBNN_CHAIN_STEP(kAddMap, FloatWalk map, map.start(c, true), map.begin(c), return V::add(v, V::load(map.next())))
REPBNN_CHAIN_STEP(kStore, FloatWalk map, map.start(c, false), map.begin(c), (V::store(map.next(), v)); return v)
REPBNN_CHAIN_STEP(kSign, BitWalk map, map.start(c), map.begin(c), (map.put(V::negative(v))); return v)

template <class V>
struct ChainStep<V, StepKind::kClamp> {
  typename V::Value lo, hi;
  REPBNN_INLINE void start(ChainCursor& c) {
    lo = V::all(c.op->lo);
    hi = V::all(c.op++->hi);
  }
  REPBNN_INLINE void begin(ChainCursor&) {}
  REPBNN_INLINE typename V::Value run(typename V::Value v) { return V::smaller(hi, V::larger(lo, v)); }
};

template <class V>
struct ChainStep<V, StepKind::kSignAdd> {
  typename V::Value shift;
  BitWalk map;
  REPBNN_INLINE void start(ChainCursor& c) { map.start(c); }
  REPBNN_INLINE void begin(ChainCursor& c) {
    shift = c.next_vector<V>();
    map.begin(c);
  }
  REPBNN_INLINE typename V::Value run(typename V::Value v) {
    map.put(V::negative(V::add(v, shift)));
    return v;
  }
};

template <class V>
struct ChainStep<V, StepKind::kSignMulAdd> {
  typename V::Value scale, shift;
  BitWalk map;
  REPBNN_INLINE void start(ChainCursor& c) { map.start(c); }
  REPBNN_INLINE void begin(ChainCursor& c) {
    scale = c.next_vector<V>();
    shift = c.next_vector<V>();
    map.begin(c);
  }
  REPBNN_INLINE typename V::Value run(typename V::Value v) {
    map.put(V::negative(V::add(V::mul(v, scale), shift)));
    return v;
  }
};

template <class V, StepKind... kKinds>
struct ChainSteps {
  REPBNN_INLINE void start(ChainCursor&) {}
  REPBNN_INLINE void begin(ChainCursor&) {}
  REPBNN_INLINE void run(typename V::Value) {}
};

template <class V, StepKind kFirst, StepKind... kRest>
struct ChainSteps<V, kFirst, kRest...> {
  ChainStep<V, kFirst> first;
  ChainSteps<V, kRest...> rest;
  REPBNN_INLINE void start(ChainCursor& c) {
    first.start(c);
    rest.start(c);
  }
  REPBNN_INLINE void begin(ChainCursor& c) {
    first.begin(c);
    rest.begin(c);
  }
  REPBNN_INLINE void run(typename V::Value v) { rest.run(first.run(v)); }
};

// Every copy of one full group; false, with nothing done, when the copies are no multiples of 16 channels apart or a
// map is not in the plain form that chains read and write.
template <class V, StepKind... kKinds>
bool run_chain(const PointwiseTile& tile) {
  const PackedProgram& program = *tile.program;
  const int copies = program.copies(), lanes_total = program.lanes_total(), pixels = tile.pixels;
  if (copies > 1 && lanes_total % kLanes != 0) return false;
  const ptrdiff_t source_stride = tile.source_stride;
  const int first = tile.group * kLanes;
  ChainCursor cursor{program.ops(), tile.bindings, tile.y, tile.x, first, first + (copies - 1) * lanes_total};
  ChainSteps<V, kKinds...> steps;
  steps.start(cursor);
  if (!cursor.fits) return false;
  cursor.vector = program.vectors(tile.group, 0);
  cursor.channel = first;
  for (int copy = 0; copy < copies; ++copy, cursor.channel += lanes_total) {
    steps.begin(cursor);
    const float* source = tile.source;
    for (int p = 0; p < pixels; ++p, source += source_stride) steps.run(V::load(source));
  }
  return true;
}

template <class V>
inline void run_copies(const PointwiseTile& tile) {
  using RunChain = bool (*)(const PointwiseTile&);
  static constexpr RunChain kChains[] = {
#define REPBNN_CHAIN(...) run_chain<V, __VA_ARGS__>,
#include "kernels/pointwise/chains.inc"
#undef REPBNN_CHAIN
  };
  const int chain = tile.lanes() == kLanes ? tile.program->chain() : -1;
  if (chain >= 0 && kChains[chain](tile)) return;
  for (int copy = 0; copy < tile.program->copies(); ++copy) {
    run_blocks<V>(tile, copy, std::make_integer_sequence<int, V::kPixels>());
  }
}
