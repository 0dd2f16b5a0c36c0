// What a kernel of kernels.inc is made of.
#ifndef REPBNN_KERNELS_BCONV2D_KERNEL_H_
#define REPBNN_KERNELS_BCONV2D_KERNEL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/streaming.h"
#include "kernels/bconv2d/bconv2d.h"
#include "kernels/pointwise/tile.h"

namespace repbnn {

constexpr int kStripPixels = 64;  // counts of a strip stay in L1: 64 pixels x 16 lanes x 4 bytes

// How one block of `lanes` filters lies in memory; lanes past the last filter are zero.
enum class Packing {
  kPlain,     // [ky][kx][word][lane]
  kInverted,  // the same, every bit of a channel inverted; bits past the last channel are one too
  kBytes,     // [lane / 32][ky][kx][4 * word + byte][lane % 32], one byte each
  kPairs,  // [ky][kx][word / 2][2][lane]: w0, w0 ^ w1 of two neighbouring words; an odd last one has a zero beside it
  kTripleInverted,  // [ky][word][lane / 4][3][lane % 4]: w0, w0 ^ w1, ~(w0 ^ w1 ^ w2)
};

// What a kernel reads instead of the packed map: rows that are made of it before counting, in scratch.
enum class Derived {
  kNone,
  kPairs,    // a pixel's words two by two: a0, a0 ^ a1; an odd last one has a zero beside it
  kTriples,  // a0, a0 ^ a1, a0 ^ a1 ^ a2 of each word and its two neighbours to the right, for kernels 3 wide
};

// Words of one pixel of the derived map; `words`: of the packed map's pixel.
inline int derived_words(Derived derived, int words) {
  return derived == Derived::kPairs ? (words + 1) / 2 * 2 : derived == Derived::kTriples ? 3 * words : words;
}

// Pixels of one output row against one block of filters.
struct BitStrip {
  // Word 0 of the first tap of the row's first pixel, for each ky, of the derived map if there is one: all steps count
  // its words. The strip's first pixel is `offset` words further on.
  const uint32_t* const* rows;
  ptrdiff_t offset;
  int kernel_height, kernel_width, words;
  ptrdiff_t pixel_step, tap_step;  // words from an output pixel, a kx tap, to the next
  const uint32_t* weights;
  int pixels;
  int32_t* counts;  // [pixel][lanes] popcounts
  // Where the weights that are needed next begin: a kernel may prefetch from here, one line a step, and moves it on.
  const uint32_t** ahead;
};

// A layer as a kernel sees it that takes pixels across rows.
struct WholeLayer {
  const Bconv2dGeometry* geometry;
  int words, steps;  // of a pixel; of all taps
  int lanes, filters, padded, copies;
  int joined_copies;  // of few filters, that stand in one quad of the epilogue's vectors
  const uint32_t* weights;
  const float *multiplier, *bias;  // and the others: `padded` each
  const int32_t* thresholds;       // null: values
  int32_t clamp_min, clamp_max;
  const float* corrections;  // null: none
  const int32_t* count_corrections;
  const int32_t *row_case, *column_case;
  int column_cases;
  const PackedProgram* epilogue;
};

// Pixels of a call, which are numbered row by row.
struct PixelStrip {
  const Bconv2d::Call* call;
  int first, pixels;
  int filter_begin, filter_end;
  uint32_t* activations;  // scratch: layer.steps words a pixel, whole vectors of them
  int32_t* counts;        // [pixel][layer.padded] popcounts; pixels up to a whole vector are written
};

// A whole call, in streaming mode already or not.
struct WholeCall {
  WholeLayer layer;
  const Bconv2d::Call& call;
};

// A strip of a layer.
struct WholeStrip {
  const WholeLayer& layer;
  const PixelStrip& strip;
};

// What SME2's kernels do in streaming mode: with a WholeCall, with a WholeStrip.
extern const StreamingWork kSme2Call, kSme2Count;

// `lanes` 0: of a streaming vector, see lanes_of. One of the three functions is there.
struct Bconv2dKernel {
  const char* name;
  Isa isa;
  int lanes;
  Packing packing;
  Derived derived;
  void (*count)(const BitStrip& strip);
  void (*run)(const WholeCall& call);
  void (*count_pixels)(const WholeLayer& layer, const PixelStrip& strip);
};
int lanes_of(const Bconv2dKernel& kernel);

// Pixels that a whole kernel takes at once, of layers of `steps` words, and vectors of filters: their activations and
// values stay in a cache.
constexpr int kWholeStripPixels = 128, kWholeStripWords = 128 << 10, kWholeFilterVectors = 4;
REPBNN_INLINE int whole_strip_pixels(int steps, int lanes) {
  const int most = kWholeStripWords / steps / lanes * lanes;
  return most < lanes ? lanes : most < kWholeStripPixels ? most : kWholeStripPixels;
}

// Implemented once for each instruction set.
struct StripTransform {
  int32_t* counts;  // becomes floats, in place
  int pixels, stride;
  bool clamps;  // to [lo, hi]
  int32_t lo, hi;
  const float *multiplier, *bias;
};
struct StripThresholds {
  const int32_t* counts;
  int pixels, stride;
  const int32_t* thresholds;
  const BitMap* map;
  int y, x, channel, lanes;
};
struct DeriveRow {
  const uint32_t* in;
  int pixels, words;
  ptrdiff_t pixel_stride, tap_step;  // words to the next pixel, to the next kx tap
  uint32_t* out;
};
struct IsaFunctions {
  void (*transform)(const StripTransform&);
  void (*threshold)(const StripThresholds&);
  void (*derive)(Derived derived, const DeriveRow& row);
};
// Whether a kernel can run a layer at all.
bool kernel_fits(const Bconv2dKernel& kernel, const Bconv2dGeometry& geometry);
// One call served: the counter behind bconv2d_kernel_calls.
void count_call(const Bconv2dKernel& kernel);

const IsaFunctions& isa_functions(Isa isa);
// Whether it takes pixels across rows.
REPBNN_INLINE bool is_whole(const Bconv2dKernel& kernel) { return kernel.count == nullptr; }
extern const IsaFunctions kScalarFunctions, kAvx2Functions, kAvx512Functions, kNeonFunctions;

#define REPBNN_BCONV2D(name, isa, lanes, packing, derived) void count_##name(const BitStrip& strip);
#define REPBNN_BCONV2D_WHOLE(name, isa, packing) void run_##name(const WholeCall& call);
#define REPBNN_BCONV2D_PIXELS(name, isa, packing) void count_##name(const WholeLayer& layer, const PixelStrip& strip);
#include "kernels/bconv2d/kernels.inc"
#undef REPBNN_BCONV2D
#undef REPBNN_BCONV2D_WHOLE
#undef REPBNN_BCONV2D_PIXELS

// Words of one tap of one filter, packed.
inline int packed_words(const Bconv2dKernel& kernel, int words) {
  return kernel.derived == Derived::kPairs ? derived_words(kernel.derived, words) : words;
}
// Packs filters [first, first + lanes_of(kernel)) of the spec: lanes * taps * packed_words words.
void pack_filters(const Bconv2dSpec& spec, const Bconv2dKernel& kernel, int first, uint32_t* out);

}  // namespace repbnn

#endif  // REPBNN_KERNELS_BCONV2D_KERNEL_H_
