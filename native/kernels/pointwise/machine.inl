// The pointwise machine over a vector trait, included once by each instruction set's file, in its anonymous namespace.
//
// P pixels x 16 channels stay in registers through the whole chain; a step is one switch and then P plain operations,
// so any order of steps runs at the speed of a chain written by hand. The trait V has
//   V::Value                       16 floats in registers
//   V::load / store(p), load_some / store_some(p, lanes)    some: not one byte past `lanes`
//   V::mul / add(Value, const float*), prelu(Value, const float*), clamp(Value, lo, hi)
//   V::negative(Value)             16-bit mask of v < 0
//   V::kPixels                     the widest block

#define REPBNN_EACH_PIXEL _Pragma("GCC unroll 16") for (int p = 0; p < P; ++p)

// The rare forms of a map read, fewer than 16 lanes or a modulo that wraps inside them, copied to 16 floats a pixel.
__attribute__((noinline)) void gather_lanes(const FloatMap& map, const float* pixel, int pixels, int channel, int lanes,
                                            float* buffer) {
  const bool wrapped = wraps(map, channel, lanes);
  const ptrdiff_t first = channel_of(map, channel);
  for (; pixels-- > 0; pixel += map.pixel_stride, buffer += kLanes) {
    for (int i = 0; i < kLanes; ++i) {
      buffer[i] = i >= lanes ? 0.0f : pixel[wrapped ? (channel + i) % map.modulo : first + i];
    }
  }
}

// The rare forms of a sign store: bits that are no whole 16-bit piece, or the map's last.
template <class V>
__attribute__((noinline)) void scatter_bits(const BitMap& map, uint32_t* pixel, int pixels, int channel, int lanes,
                                            const float* values) {
  for (; pixels-- > 0; pixel += map.pixel_stride, values += kLanes) {
    store_bits(map, pixel, channel, V::negative(V::load(values)), lanes);
  }
}

template <class V>
__attribute__((noinline)) void scatter_int8(const Int8Map& map, int y, int x, int channel, int lanes,
                                            typename V::Value value) {
  alignas(64) float buffer[kLanes];
  V::store(buffer, value);
  int8_t* out = map.at(y, x) + channel;
  for (int i = 0; i < lanes; ++i) out[i] = to_int8(buffer[i]);
}

// A whole 16-bit piece of a word, and nothing of the word to clear behind it.
REPBNN_INLINE bool is_whole_piece(const BitMap& map, int bit, int lanes) {
  const bool last = bit + kLanes >= map.channels;
  return bit % kLanes == 0 && lanes == kLanes && (!last || bit % kWordBits != 0);
}

template <class V, int P>
inline __attribute__((always_inline)) void sign_block(const BitMap& map, int y, int x, int channel, int lanes,
                                                      const typename V::Value (&v)[P]) {
  uint32_t* pixel = map.at(y, x);
  const int bit = map.channel_offset + channel;
  if (is_whole_piece(map, bit, lanes)) {
    char* out = reinterpret_cast<char*>(pixel) + bit / 8;
    const ptrdiff_t stride = map.pixel_stride * 4;
    REPBNN_EACH_PIXEL {
      const uint16_t half = static_cast<uint16_t>(V::negative(v[p]));
      __builtin_memcpy(out + p * stride, &half, sizeof(half));
    }
    return;
  }
  alignas(64) float values[P * kLanes];
  REPBNN_EACH_PIXEL V::store(values + p * kLanes, v[p]);
  scatter_bits<V>(map, pixel, P, channel, lanes, values);
}

// Adds, multiplies or takes over a map's values.
template <int P, typename Use>
inline __attribute__((always_inline)) void read_map(const FloatMap& map, int y, int x, int channel, int lanes,
                                                    Use use) {
  const float* pixel = map.at(y, x);
  ptrdiff_t stride = map.pixel_stride;
  alignas(64) float buffer[P * kLanes];
  if (lanes == kLanes && !wraps(map, channel, lanes)) {
    pixel += channel_of(map, channel);
  } else {
    gather_lanes(map, pixel, P, channel, lanes, buffer);
    pixel = buffer;
    stride = kLanes;
  }
  REPBNN_EACH_PIXEL use(p, pixel + p * stride);
}

template <class V, int P>
__attribute__((noinline)) void run_block(const PointwiseTile& tile, const float* source, int x, int copy) {
  using Value = typename V::Value;
  const PackedProgram& program = *tile.program;
  const Bindings& maps = *tile.bindings;
  const int lanes = tile.lanes(), y = tile.y;
  const PackedProgram::Op* const end = program.ops() + program.op_count();
  const float* vector = program.vectors(tile.group, copy);
  const int channel = copy * program.lanes_total() + tile.group * kLanes;
  Value v[P];
  if (lanes == kLanes) {
    REPBNN_EACH_PIXEL v[p] = V::load(source + p * tile.source_stride);
  } else {
    REPBNN_EACH_PIXEL v[p] = V::load_some(source + p * tile.source_stride, lanes);
  }
  for (const PackedProgram::Op* op = program.ops(); op != end; ++op) {
    switch (op->kind) {
      case StepKind::kMul: {
        const Value factor = V::load(vector);
        REPBNN_EACH_PIXEL v[p] = V::mul(v[p], factor);
        vector += kLanes;
        break;
      }
      case StepKind::kAdd: {
        const Value summand = V::load(vector);
        REPBNN_EACH_PIXEL v[p] = V::add(v[p], summand);
        vector += kLanes;
        break;
      }
      case StepKind::kPrelu: {
        const Value slope = V::load(vector);
        REPBNN_EACH_PIXEL v[p] = V::prelu(v[p], slope);
        vector += kLanes;
        break;
      }
      case StepKind::kClamp: REPBNN_EACH_PIXEL v[p] = V::clamp(v[p], op->lo, op->hi); break;
      case StepKind::kAddMap:
        read_map<P>(maps.floats[op->map], y, x, channel, lanes,
                    [&](int p, const float* from) { v[p] = V::add(v[p], V::load(from)); });
        break;
      case StepKind::kMulMap:
        read_map<P>(maps.floats[op->map], y, x, channel, lanes,
                    [&](int p, const float* from) { v[p] = V::mul(v[p], V::load(from)); });
        break;
      case StepKind::kLoad:
        read_map<P>(maps.floats[op->map], y, x, channel, lanes,
                    [&](int p, const float* from) { v[p] = V::load(from); });
        break;
      case StepKind::kStore: {
        const FloatMap& map = maps.floats[op->map];
        float* out = map.at(y, x) + channel;
        if (lanes == kLanes) {
          REPBNN_EACH_PIXEL V::store(out + p * map.pixel_stride, v[p]);
        } else {
          REPBNN_EACH_PIXEL V::store_some(out + p * map.pixel_stride, v[p], lanes);
        }
        break;
      }
      case StepKind::kStoreInt8:
        REPBNN_EACH_PIXEL scatter_int8<V>(maps.int8s[op->map], y, x + p, channel, lanes, v[p]);
        break;
      case StepKind::kSign: sign_block<V, P>(maps.bits[op->map], y, x, channel, lanes, v); break;
      case StepKind::kSignAdd: {
        const Value shift = V::load(vector);
        Value shifted[P];
        REPBNN_EACH_PIXEL shifted[p] = V::add(v[p], shift);
        sign_block<V, P>(maps.bits[op->map], y, x, channel, lanes, shifted);
        vector += kLanes;
        break;
      }
      case StepKind::kSignMulAdd: {
        const Value scale = V::load(vector), shift = V::load(vector + kLanes);
        Value shifted[P];
        REPBNN_EACH_PIXEL shifted[p] = V::add(V::mul(v[p], scale), shift);
        sign_block<V, P>(maps.bits[op->map], y, x, channel, lanes, shifted);
        vector += 2 * kLanes;
        break;
      }
    }
  }
}

// Blocks of equal width, give or take one: an update in place cannot go back over pixels.
template <class V, int... P>
inline void run_blocks(const PointwiseTile& tile, int copy, std::integer_sequence<int, P...>) {
  using RunBlock = void (*)(const PointwiseTile&, const float*, int, int);
  static constexpr RunBlock kBlocks[] = {run_block<V, P + 1>...};
  const int blocks = (tile.pixels + V::kPixels - 1) / V::kPixels;
  for (int i = 0, done = 0; i < blocks; ++i) {
    const int pixels = tile.pixels * (i + 1) / blocks - done;
    kBlocks[pixels - 1](tile, tile.source + done * tile.source_stride, tile.x + done, copy);
    done += pixels;
  }
}
