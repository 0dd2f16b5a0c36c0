// The table of kernels.inc, and the choice among them.
#include <atomic>
#include <cstring>

#include "base/streaming.h"
#include "kernels/bconv2d/kernel.h"

namespace repbnn {
namespace {

constexpr Bconv2dKernel kKernels[] = {
#define REPBNN_BCONV2D(name, isa, lanes, packing, derived) \
  {#name, Isa::isa, lanes, Packing::packing, Derived::derived, count_##name, nullptr, nullptr},
#define REPBNN_BCONV2D_WHOLE(name, isa, packing) \
  {#name, Isa::isa, 0, Packing::packing, Derived::kNone, nullptr, run_##name, nullptr},
#define REPBNN_BCONV2D_PIXELS(name, isa, packing) \
  {#name, Isa::isa, 0, Packing::packing, Derived::kNone, nullptr, nullptr, count_##name},
#include "kernels/bconv2d/kernels.inc"
#undef REPBNN_BCONV2D
#undef REPBNN_BCONV2D_WHOLE
#undef REPBNN_BCONV2D_PIXELS
};
constexpr int kCount = sizeof(kKernels) / sizeof(kKernels[0]);

std::atomic<uint64_t> calls[kCount];

// 16-bit sums of the table kernel, and the largest sum that one can hold.
constexpr int64_t kTableTaps = 65535;

bool is_named(const Bconv2dKernel& kernel, const char* name) { return std::strcmp(kernel.name, name) == 0; }

}  // namespace

bool kernel_fits(const Bconv2dKernel& kernel, const Bconv2dGeometry& geometry) {
  if (kernel.derived == Derived::kTriples) return geometry.kernel_width == 3;
  if (kernel.packing == Packing::kBytes) {
    return int64_t{words_of(geometry.in_channels)} * kWordBits * geometry.taps() <= kTableTaps;
  }
  return true;
}

int lanes_of(const Bconv2dKernel& kernel) { return kernel.lanes != 0 ? kernel.lanes : streaming_lanes(); }

void count_call(const Bconv2dKernel& kernel) { calls[&kernel - kKernels].fetch_add(1, std::memory_order_relaxed); }

const Bconv2dKernel* find_bconv2d_kernel(const char* name) {
  for (const Bconv2dKernel& kernel : kKernels) {
    if (is_named(kernel, name)) return &kernel;
  }
  return nullptr;
}

const Bconv2dKernel* choose_bconv2d_kernel(Isa isa, const Bconv2dGeometry& geometry) {
  // The first of an instruction set's names that fits; measured in bench.cc.
  struct Preference {
    Isa isa;
    const char* name;
    int least_filters, least_words;
  };
  static constexpr Preference kPreferences[] = {
      // The ends of a short reduction cost more than carry-save saves.
      {Isa::kAvx512Vpopcntdq, "avx512_pairs", 1, 24},
      {Isa::kAvx512Vpopcntdq, "avx512_plain", 1, 1},
      {Isa::kAvx2, "avx2_table", 64, 1},
      {Isa::kAvx2, "avx2_half_table", 32, 1},
      {Isa::kAvx2, "avx2_classic", 1, 1},
      {Isa::kSme2, "sme2", 1, 1},
      {Isa::kSme2Neon, "sme2_neon", 1, 1},
      {Isa::kNeon, "neon_triple", 1, 1},
      {Isa::kNeon, "neon_plain", 1, 1},
      {Isa::kScalar, "scalar", 1, 1},
  };
  for (const Preference& preference : kPreferences) {
    if (preference.isa != isa || geometry.filters < preference.least_filters) continue;
    if (words_of(geometry.in_channels) * geometry.taps() < preference.least_words) continue;
    const Bconv2dKernel* kernel = find_bconv2d_kernel(preference.name);
    if (kernel != nullptr && kernel_fits(*kernel, geometry)) return kernel;
  }
  return nullptr;
}

TileShape bconv2d_tile(Isa isa, int out_height, int out_width) {
  if (isa == Isa::kSme2 || isa == Isa::kSme2Neon) {
    const int lanes = streaming_lanes();
    const auto vectors = [&](int rows, int columns) { return (int64_t{rows} * columns + lanes - 1) / lanes; };
    TileShape tile;
    tile.columns = out_width < kWholeStripPixels ? out_width : kWholeStripPixels;
    const int64_t least = vectors(out_height, tile.columns);
    for (tile.rows = 1; tile.rows < out_height; ++tile.rows) {
      const int64_t all =
          out_height / tile.rows * vectors(tile.rows, tile.columns) + vectors(out_height % tile.rows, tile.columns);
      if (100 * all <= 102 * least) break;
    }
    return tile;
  }
  return {};
}

const char* bconv2d_kernel_name(const Bconv2dKernel& kernel) { return kernel.name; }
Isa bconv2d_kernel_isa(const Bconv2dKernel& kernel) { return kernel.isa; }
int bconv2d_kernel_count() { return kCount; }
const Bconv2dKernel& bconv2d_kernel(int index) { return kKernels[index]; }
uint64_t bconv2d_kernel_calls(const Bconv2dKernel& kernel) {
  return calls[&kernel - kKernels].load(std::memory_order_relaxed);
}

const IsaFunctions& isa_functions(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2: return kAvx2Functions;
    case Isa::kAvx512Vpopcntdq: return kAvx512Functions;
#elif defined(__aarch64__)
    case Isa::kSme2Neon:
    case Isa::kNeon: return kNeonFunctions;
#endif
    default: return kScalarFunctions;
  }
}

}  // namespace repbnn
