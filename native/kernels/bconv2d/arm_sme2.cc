// SME2: popcounts by outer products. BMOPA adds to every word of a ZA tile the number of equal bits of its row's word
// and its column's; with inverted weights that is the popcount of the xor. Rows are output pixels, columns filters.
//
// A call's pixels are taken row by row as one list, in strips, so that narrow maps fill the rows too. A strip's
// activations are gathered and transposed once, through ZA (word k of all pixels side by side), then used for all
// filters, up to four vectors of them at a time: 2 x 2 tiles of pixels x filters, or 1 x 4 and 4 x 1 where one of the
// two has no second vector. A tile's horizontal slices are a pixel's filters in order; they are back-transformed on
// their way to a scratch in the first cache, whence the epilogue takes four neighbouring vectors of channels at a time.
//
// Nothing depends on the vector's length but through svcntw().
#include "base/streaming.h"
#include "kernels/bconv2d/kernel.h"
#include "kernels/pointwise/streaming.h"

namespace repbnn {
namespace {

constexpr int kMostLanes = 64;

// Consecutive pixels of the strip in one row of the map.
struct Run {
  int y, x, pixels;
};

struct Strip {
  const WholeLayer& layer;
  const Bconv2d::Call& call;
  int first, pixels;      // of the call's pixels, row by row
  int vectors;            // of pixels
  uint32_t* activations;  // [vector of pixels][step][lane]
  float* values;          // [pixel][stride]
  ptrdiff_t stride;

  REPBNN_INLINE int lanes() const { return layer.lanes; }
};

// The run that pixel `pixel` of the strip begins, of at most `most` pixels.
REPBNN_INLINE Run run_from(const Strip& s, int pixel, int most) {
  const int columns = s.call.x1 - s.call.x0, at = s.first + pixel;
  const int row = at / columns, column = at - row * columns;
  const int left = columns - column;
  return {s.call.y0 + row, s.call.x0 + column, left < most ? left : most};
}

// ---- Activations

// Words [word, word + words) of the tap at (ky, kx) of one vector of pixels, from rows of ZA to its columns.
template <int kTile>
REPBNN_STREAMING_INLINE void transpose(const Strip& s, const Run* runs, int run_count, int ky, int kx, int word,
                                       int words, uint32_t* out) REPBNN_STREAMING {
  const Bconv2dGeometry& g = *s.layer.geometry;
  const BitMap& in = s.call.input;
  const svbool_t some = svwhilelt_b32(0, words), all = svptrue_b32();
  const int lanes = s.lanes();
  uint32_t slice = 0;
  for (int i = 0; i < run_count; ++i) {
    const Run& run = runs[i];
    const uint32_t* from = in.at(run.y * g.stride_height - g.pad_top + ky * g.dilation_height,
                                 run.x * g.stride_width - g.pad_left + kx * g.dilation_width) +
                           word;
    const ptrdiff_t step = g.stride_width * in.pixel_stride;
    int left = run.pixels;
    for (; left >= 4; left -= 4, slice += 4, from += 4 * step) {
      svld1_hor_za32(kTile, slice, some, from);
      svld1_hor_za32(kTile, slice + 1, some, from + step);
      svld1_hor_za32(kTile, slice + 2, some, from + 2 * step);
      svld1_hor_za32(kTile, slice + 3, some, from + 3 * step);
    }
    for (; left > 0; --left, from += step) svld1_hor_za32(kTile, slice++, some, from);
  }
  int i = 0;
  for (; i + 4 <= words; i += 4) {
    svst1(svptrue_c32(), out + i * lanes, svread_ver_za32_u32_vg4(kTile, i));
  }
  for (; i < words; ++i) svst1_ver_za32(kTile, i, all, out + i * lanes);
}

void gather_vector(const Strip& s, int first, int pixels, uint32_t* out) REPBNN_STREAMING {
  const Bconv2dGeometry& g = *s.layer.geometry;
  Run runs[kMostLanes];
  int run_count = 0;
  for (int done = 0; done < pixels; done += runs[run_count++].pixels) {
    runs[run_count] = run_from(s, first + done, pixels - done);
  }
  const int lanes = s.lanes();
  // The taps of a row are one run of words where they lie side by side.
  const bool joined_taps = g.dilation_width * s.call.input.pixel_stride == s.layer.words;
  const int taps = joined_taps ? 1 : g.kernel_width,
            words = joined_taps ? g.kernel_width * s.layer.words : s.layer.words;
  for (int ky = 0; ky < g.kernel_height; ++ky) {
    for (int kx = 0; kx < taps; ++kx, out += words * lanes) {
      for (int word = 0; word < words; word += 2 * lanes) {  // two tiles in turns: one is filled while one is emptied
        const int left = words - word;
        transpose<0>(s, runs, run_count, ky, kx, word, left < lanes ? left : lanes, out + word * lanes);
        if (left <= lanes) break;
        transpose<1>(s, runs, run_count, ky, kx, word + lanes, left < 2 * lanes ? left - lanes : lanes,
                     out + (word + lanes) * lanes);
      }
    }
  }
}

void gather(const Strip& s) REPBNN_STREAMING {
  const int lanes = s.lanes();
  for (int v = 0; v < s.vectors; ++v) {
    const int left = s.pixels - v * lanes;
    gather_vector(s, v * lanes, left < lanes ? left : lanes,
                  s.activations + static_cast<ptrdiff_t>(v) * s.layer.steps * lanes);
  }
}

// ---- Counting

template <int P, int F>
REPBNN_STREAMING_INLINE void multiply(svuint32_t a0, svuint32_t a1, svuint32_t a2, svuint32_t a3, svuint32_t b0,
                                      svuint32_t b1, svuint32_t b2, svuint32_t b3) REPBNN_STREAMING {
  const svbool_t all = svptrue_b32();
  svbmopa_za32_u32_m(0, all, all, a0, b0);
  if constexpr (F > 1) svbmopa_za32_u32_m(1, all, all, a0, b1);
  if constexpr (F > 2) svbmopa_za32_u32_m(2, all, all, a0, b2);
  if constexpr (F > 3) svbmopa_za32_u32_m(3, all, all, a0, b3);
  if constexpr (P > 1) svbmopa_za32_u32_m(F, all, all, a1, b0);
  if constexpr (P > 1 && F > 1) svbmopa_za32_u32_m(F + 1, all, all, a1, b1);
  if constexpr (P > 2) svbmopa_za32_u32_m(2 * F, all, all, a2, b0);
  if constexpr (P > 3) svbmopa_za32_u32_m(3 * F, all, all, a3, b0);
}

// P vectors of pixels x F of filters, at most four tiles: tile p * F + f. Blocks of one vector lie `block` words apart.
template <int P, int F>
REPBNN_STREAMING_INLINE void count_tiles(const uint32_t* a, const uint32_t* b, int64_t block) REPBNN_STREAMING {
  const int64_t lanes = static_cast<int64_t>(svcntw());
  const svcount_t all = svptrue_c32();
  svzero_za();
  const uint32_t *a1 = P > 1 ? a + block : a, *a2 = P > 2 ? a + 2 * block : a, *a3 = P > 3 ? a + 3 * block : a;
  const uint32_t *b1 = F > 1 ? b + block : b, *b2 = F > 2 ? b + 2 * block : b, *b3 = F > 3 ? b + 3 * block : b;
  const int64_t steps = block / lanes;
  for (int64_t fours = steps / 4; fours > 0; --fours) {
    const svuint32x4_t x0 = svld1_x4(all, a), x1 = P > 1 ? svld1_x4(all, a1) : x0, x2 = P > 2 ? svld1_x4(all, a2) : x0,
                       x3 = P > 3 ? svld1_x4(all, a3) : x0;
    const svuint32x4_t y0 = svld1_x4(all, b), y1 = F > 1 ? svld1_x4(all, b1) : y0, y2 = F > 2 ? svld1_x4(all, b2) : y0,
                       y3 = F > 3 ? svld1_x4(all, b3) : y0;
#define REPBNN_STEP(i)                                                                                     \
  multiply<P, F>(svget4(x0, i), svget4(x1, i), svget4(x2, i), svget4(x3, i), svget4(y0, i), svget4(y1, i), \
                 svget4(y2, i), svget4(y3, i))
    REPBNN_STEP(0);
    REPBNN_STEP(1);
    REPBNN_STEP(2);
    REPBNN_STEP(3);
    a += 4 * lanes, a1 += 4 * lanes, a2 += 4 * lanes, a3 += 4 * lanes;
    b += 4 * lanes, b1 += 4 * lanes, b2 += 4 * lanes, b3 += 4 * lanes;
  }
  const svbool_t one = svptrue_b32();
  for (int64_t rest = steps % 4; rest > 0; --rest) {
    const svuint32_t x0 = svld1(one, a), x1 = P > 1 ? svld1(one, a1) : x0, x2 = P > 2 ? svld1(one, a2) : x0,
                     x3 = P > 3 ? svld1(one, a3) : x0;
    const svuint32_t y0 = svld1(one, b), y1 = F > 1 ? svld1(one, b1) : y0, y2 = F > 2 ? svld1(one, b2) : y0,
                     y3 = F > 3 ? svld1(one, b3) : y0;
    multiply<P, F>(x0, x1, x2, x3, y0, y1, y2, y3);
    a += lanes, a1 += lanes, a2 += lanes, a3 += lanes;
    b += lanes, b1 += lanes, b2 += lanes, b3 += lanes;
  }
}

// Constants of the back-transform of the four tiles' filters: tile t has filter vector t % F.
struct Transform {
  const float *multiplier, *bias;
  int32_t lo, hi;
};

REPBNN_STREAMING_INLINE svfloat32x4_t transformed(svint32x4_t counts, svfloat32x4_t multiplier, svfloat32x4_t bias,
                                                  svint32_t lo, svint32_t hi) REPBNN_STREAMING {
  const svbool_t all = svptrue_b32();
  counts = svrshl_single_s32_x4(counts, svdup_s32(1));
  counts = svmax_single_s32_x4(svmin_single_s32_x4(counts, hi), lo);
  const svfloat32x4_t v = svcvt_f32_s32_x4(counts);
#define REPBNN_SCALED(i) svadd_x(all, svmul_x(all, svget4(v, i), svget4(multiplier, i)), svget4(bias, i))
  return svcreate4(REPBNN_SCALED(0), REPBNN_SCALED(1), REPBNN_SCALED(2), REPBNN_SCALED(3));
}

template <int F>
REPBNN_STREAMING_INLINE svfloat32x4_t of_tiles(const float* from) REPBNN_STREAMING {
  const svbool_t all = svptrue_b32();
  const svfloat32_t first = svld1(all, from);
  if constexpr (F == 1) return svcreate4(first, first, first, first);
  const svfloat32_t second = svld1_vnum(all, from, 1);
  if constexpr (F == 2) return svcreate4(first, second, first, second);
  return svcreate4(first, second, svld1_vnum(all, from, 2), svld1_vnum(all, from, 3));
}

// The tiles' slices, one after another, to `values`: pixels lie `stride` words apart. `transform` null: the counts.
template <int P, int F>
REPBNN_STREAMING_INLINE void store_tiles(float* values, ptrdiff_t stride, const Transform* transform) REPBNN_STREAMING {
  const svbool_t all = svptrue_b32();
  const uint32_t lanes = static_cast<uint32_t>(svcntw());
  const bool raw = transform == nullptr;
  svfloat32x4_t multiplier = svundef4_f32(), bias = svundef4_f32();
  svint32_t lo = svundef_s32(), hi = svundef_s32();
  if (!raw) {
    multiplier = of_tiles<F>(transform->multiplier), bias = of_tiles<F>(transform->bias);
    lo = svdup_s32(transform->lo), hi = svdup_s32(transform->hi);
  }
  for (uint32_t i = 0; i < lanes; ++i, values += stride) {
    // Row i of all four tiles is four neighbouring rows of the array.
    const svint32x4_t counts = svreinterpret_s32_s8_x4(svread_hor_za8_s8_vg4(0, 4 * i));
    const svfloat32x4_t v = raw ? svreinterpret_f32_s32_x4(counts) : transformed(counts, multiplier, bias, lo, hi);
    if constexpr (F == 4) {
      svst1(svptrue_c32(), values, v);
    } else if constexpr (F == 2) {
      svst1(svptrue_c32(), values, svcreate2(svget4(v, 0), svget4(v, 1)));
      if constexpr (P == 2) svst1(svptrue_c32(), values + lanes * stride, svcreate2(svget4(v, 2), svget4(v, 3)));
    } else {
      svst1(all, values, svget4(v, 0));
      if constexpr (P > 1) svst1(all, values + lanes * stride, svget4(v, 1));
      if constexpr (P > 2) svst1(all, values + 2 * lanes * stride, svget4(v, 2));
      if constexpr (P > 3) svst1(all, values + 3 * lanes * stride, svget4(v, 3));
    }
  }
}

// Vectors of pixels from `vector` on x vectors of filters from `filter` on; `at`: the vector of the values where they
// go.
template <int P, int F>
void count_block(const Strip& s, int vector, int filter, int at, const Transform* transform) REPBNN_STREAMING {
  const int64_t block = int64_t{s.layer.steps} * s.lanes();
  count_tiles<P, F>(s.activations + vector * block, s.layer.weights + filter * block, block);
  float* values = s.values + vector * s.lanes() * s.stride + at * s.lanes();
  Transform moved{nullptr, nullptr, 0, 0};
  if (transform != nullptr) {
    moved = {transform->multiplier + filter * s.lanes(), transform->bias + filter * s.lanes(), transform->lo,
             transform->hi};
  }
  store_tiles<P, F>(values, s.stride, transform != nullptr ? &moved : nullptr);
}

// `group` vectors of filters, up to four, from `filter` on, to the values from vector `to` on.
void count_group(const Strip& s, int filter, int group, int to, const Transform* transform) REPBNN_STREAMING {
  int at = 0;
  const int pairs = s.vectors / 2 * 2;
  for (; group - at >= 2; at += 2) {
    for (int v = 0; v < pairs; v += 2) count_block<2, 2>(s, v, filter + at, to + at, transform);
    if (pairs < s.vectors && group < 4) count_block<1, 2>(s, pairs, filter + at, to + at, transform);
  }
  if (pairs < s.vectors && group == 4) count_block<1, 4>(s, pairs, filter, to, transform);
  if (at == group) return;
  int v = 0;
  for (; s.vectors - v >= 4; v += 4) count_block<4, 1>(s, v, filter + at, to + at, transform);
  if (s.vectors - v >= 2) {
    count_block<2, 1>(s, v, filter + at, to + at, transform);
    v += 2;
  }
  if (s.vectors - v == 1) count_block<1, 1>(s, v, filter + at, to + at, transform);
}

// ---- What follows on the counts

// SAME-zero: adds to the pixels whose window sticks out what their taps outside the map had been counted as.
template <typename T>
void correct(const Strip& s, const T* corrections, int filter, int group) REPBNN_STREAMING {
  const WholeLayer& l = s.layer;
  const int lanes = s.lanes(), width = group * lanes;
  const svbool_t all = svptrue_b32();
  for (int done = 0; done < s.pixels;) {
    const Run run = run_from(s, done, s.pixels - done);
    const int32_t row = l.row_case[run.y];
    for (int p = 0; p < run.pixels; ++p) {
      const int32_t column = l.column_case[run.x + p];
      if (row == 0 && column == 0) continue;
      const T* from = corrections + (static_cast<ptrdiff_t>(row) * l.column_cases + column) * l.padded + filter * lanes;
      T* to = reinterpret_cast<T*>(s.values) + static_cast<ptrdiff_t>(done + p) * width;
      for (int i = 0; i < width; i += lanes) svst1(all, to + i, svadd_x(all, svld1(all, to + i), svld1(all, from + i)));
    }
    done += run.pixels;
  }
}

// Counts in the scratch to values: where corrections stand between the two.
void transform_values(const Strip& s, int filter, int group, const Transform& transform) REPBNN_STREAMING {
  const int lanes = s.lanes();
  const svbool_t all = svptrue_b32();
  const svint32_t lo = svdup_s32(transform.lo), hi = svdup_s32(transform.hi);
  for (int f = 0; f < group; ++f) {
    const svfloat32_t multiplier = svld1(all, transform.multiplier + (filter + f) * lanes);
    const svfloat32_t bias = svld1(all, transform.bias + (filter + f) * lanes);
    float* value = s.values + f * lanes;
    for (int p = 0; p < s.pixels; ++p, value += group * lanes) {
      svint32_t count = svlsl_x(all, svld1(all, reinterpret_cast<const int32_t*>(value)), 1u);
      count = svmax_x(all, svmin_x(all, count, hi), lo);
      svst1(all, value, svadd_x(all, svmul_x(all, svcvt_f32_x(all, count), multiplier), bias));
    }
  }
}

// bit = count > threshold.
void store_thresholds(const Strip& s, int filter, int group) REPBNN_STREAMING {
  const int lanes = s.lanes(), first = filter * lanes;
  const svbool_t all = svptrue_b32();
  const BitMap& map = s.call.outputs->bits[0];
  const int left = s.layer.filters - first, channels = left < 4 * lanes ? left : 4 * lanes;
  const int32_t* thresholds = s.layer.thresholds + first;
  const int32_t* counts = reinterpret_cast<const int32_t*>(s.values);
  const svbool_t none = svpfalse();
#define REPBNN_ABOVE(i) (i < group ? svcmpgt(all, svld1_vnum(all, counts, i), svld1_vnum(all, thresholds, i)) : none)
  for (int done = 0; done < s.pixels;) {
    const Run run = run_from(s, done, s.pixels - done);
    uint32_t* pixel = map.at(run.y, run.x);
    for (int p = 0; p < run.pixels; ++p, pixel += map.pixel_stride, counts += group * lanes) {
      const svbool_t b0 = REPBNN_ABOVE(0), b1 = REPBNN_ABOVE(1), b2 = REPBNN_ABOVE(2), b3 = REPBNN_ABOVE(3);
      store_quad_bits(map, pixel, first, channels, joined(b0, b1, b2, b3));
    }
    done += run.pixels;
  }
}

// The program, over the channels that the group's filters go to. `joins`: how many copies of few filters are one quad.
void run_epilogue(const Strip& s, int filter, int group) REPBNN_STREAMING {
  const PackedProgram& program = *s.layer.epilogue;
  const int lanes = s.lanes(), quad = 4 * lanes, joins = s.layer.joined_copies;
  const int copies = s.layer.copies, filters = s.layer.filters, first = filter * lanes;
  StreamingTile tile{&program, s.call.outputs, nullptr, nullptr, ptrdiff_t{group} * lanes, 4, 0, 0, 0, 0, 0};
  if (joins > 1) tile.source_vectors = group;
  for (int copy = 0; copy < copies; copy += joins) {
    tile.channel = copy * filters + first;
    const int left = joins > 1 ? (copies - copy) * filters : filters - first;
    tile.channels = left < quad ? left : quad;
    tile.vectors = joins > 1 ? program.vectors(copy / joins, 0) : program.vectors(filter / 4, copy);
    for (int done = 0; done < s.pixels; done += tile.pixels) {
      const Run run = run_from(s, done, s.pixels - done);
      tile.y = run.y, tile.x = run.x, tile.pixels = run.pixels;
      tile.source = s.values + done * tile.source_stride;
      pointwise_sme2(tile);
    }
  }
}

// ---- A call

void run_strip(const Strip& whole, int filter_begin, int filter_end) REPBNN_STREAMING {
  Strip s = whole;
  const WholeLayer& l = s.layer;
  gather(s);
  const Transform transform{l.multiplier, l.bias, l.clamp_min, l.clamp_max};
  const bool raw = l.thresholds != nullptr || l.count_corrections != nullptr;
  for (int filter = filter_begin; filter < filter_end; filter += 4) {
    const int group = filter_end - filter < 4 ? filter_end - filter : 4;
    s.stride = ptrdiff_t{group} * l.lanes;
    count_group(s, filter, group, 0, raw ? nullptr : &transform);
    if (l.count_corrections != nullptr) correct(s, l.count_corrections, filter, group);
    if (l.thresholds != nullptr) {
      store_thresholds(s, filter, group);
      continue;
    }
    if (raw) transform_values(s, filter, group, transform);
    if (l.corrections != nullptr) correct(s, l.corrections, filter, group);
    run_epilogue(s, filter, group);
  }
}

void run_job(void* context) REPBNN_STREAMING {
  const WholeCall& job = *static_cast<const WholeCall*>(context);
  const WholeLayer& l = job.layer;
  const Bconv2d::Call& call = job.call;
  const int lanes = l.lanes, filters = l.filters;
  const int end = call.filter_end < 0 || call.filter_end > filters ? filters : call.filter_end;
  const int pixels = (call.y1 - call.y0) * (call.x1 - call.x0), strip = whole_strip_pixels(l.steps, lanes);
  auto* activations = static_cast<uint32_t*>(call.scratch);
  const int most = pixels < strip ? (pixels + lanes - 1) / lanes * lanes : strip;
  auto* values = reinterpret_cast<float*>(activations + static_cast<size_t>(most) * l.steps);
  for (int first = 0; first < pixels; first += strip) {
    const int count = pixels - first < strip ? pixels - first : strip;
    const Strip s{l, call, first, count, (count + lanes - 1) / lanes, activations, values, 0};
    run_strip(s, call.filter_begin / lanes, (end + lanes - 1) / lanes);
  }
}

void run_count_job(void* context) REPBNN_STREAMING {
  const WholeStrip& job = *static_cast<const WholeStrip*>(context);
  const WholeLayer& l = job.layer;
  const PixelStrip& p = job.strip;
  const Strip s{l,
                *p.call,
                p.first,
                p.pixels,
                (p.pixels + l.lanes - 1) / l.lanes,
                p.activations,
                reinterpret_cast<float*>(p.counts),
                l.padded};
  gather(s);
  const int end = (p.filter_end + l.lanes - 1) / l.lanes;
  for (int filter = p.filter_begin / l.lanes; filter < end; filter += 4) {
    count_group(s, filter, end - filter < 4 ? end - filter : 4, filter, nullptr);
  }
}

}  // namespace

const StreamingWork kSme2Call = reinterpret_cast<StreamingWork>(run_job);
const StreamingWork kSme2Count = reinterpret_cast<StreamingWork>(run_count_job);

}  // namespace repbnn
