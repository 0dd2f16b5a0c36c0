#include "kernels/bconv2d/kernel.h"

namespace repbnn {
namespace {

// Word `word` of tap (ky, kx) of filter `filter`, bits past in_channels cleared; 0 past the last filter.
struct FilterBits {
  const Bconv2dSpec& spec;
  int words;

  uint32_t at(int filter, int ky, int kx, int word) const {
    const Bconv2dGeometry& g = spec.geometry;
    if (filter >= g.filters) return 0;
    const size_t tap = (static_cast<size_t>(filter) * g.kernel_height + ky) * g.kernel_width + kx;
    const uint32_t bits = spec.filters[tap * words + word];
    const int left = g.in_channels - word * kWordBits;
    return left >= kWordBits ? bits : bits & ((1u << left) - 1);
  }
};

void pack_plain(const FilterBits& bits, int lanes, int first, uint32_t* out) {
  const Bconv2dGeometry& g = bits.spec.geometry;
  for (int ky = 0; ky < g.kernel_height; ++ky) {
    for (int kx = 0; kx < g.kernel_width; ++kx) {
      for (int word = 0; word < bits.words; ++word) {
        for (int lane = 0; lane < lanes; ++lane) *out++ = bits.at(first + lane, ky, kx, word);
      }
    }
  }
}

void pack_inverted(const FilterBits& bits, int lanes, int first, uint32_t* out) {
  pack_plain(bits, lanes, first, out);
  const int count = lanes * bits.spec.geometry.taps() * bits.words;
  for (int i = 0; i < count; ++i) out[i] = ~out[i];
}

void pack_bytes(const FilterBits& bits, int lanes, int first, uint32_t* out) {
  const Bconv2dGeometry& g = bits.spec.geometry;
  uint8_t* byte = reinterpret_cast<uint8_t*>(out);
  for (int part = first; part < first + lanes; part += 32) {
    for (int ky = 0; ky < g.kernel_height; ++ky) {
      for (int kx = 0; kx < g.kernel_width; ++kx) {
        for (int i = 0; i < 4 * bits.words; ++i) {
          for (int lane = 0; lane < 32; ++lane) {
            *byte++ = static_cast<uint8_t>(bits.at(part + lane, ky, kx, i / 4) >> (8 * (i % 4)));
          }
        }
      }
    }
  }
}

void pack_pairs(const FilterBits& bits, int lanes, int first, uint32_t* out) {
  const Bconv2dGeometry& g = bits.spec.geometry;
  for (int ky = 0; ky < g.kernel_height; ++ky) {
    for (int kx = 0; kx < g.kernel_width; ++kx) {
      for (int word = 0; word < bits.words; word += 2, out += 2 * lanes) {
        for (int lane = 0; lane < lanes; ++lane) {
          const uint32_t w0 = bits.at(first + lane, ky, kx, word);
          out[lane] = w0;
          out[lanes + lane] = word + 1 < bits.words ? w0 ^ bits.at(first + lane, ky, kx, word + 1) : w0;
        }
      }
    }
  }
}

// w0, the pair and the triple inverted; the three stand together for every `width` lanes.
void pack_triples(const FilterBits& bits, int lanes, int width, int first, uint32_t* out) {
  for (int ky = 0; ky < bits.spec.geometry.kernel_height; ++ky) {
    for (int word = 0; word < bits.words; ++word) {
      for (int part = first; part < first + lanes; part += width, out += 3 * width) {
        for (int lane = 0; lane < width; ++lane) {
          const uint32_t w0 = bits.at(part + lane, ky, 0, word), w1 = bits.at(part + lane, ky, 1, word),
                         w2 = bits.at(part + lane, ky, 2, word);
          out[lane] = w0;
          out[width + lane] = w0 ^ w1;
          out[2 * width + lane] = ~(w0 ^ w1 ^ w2);
        }
      }
    }
  }
}

}  // namespace

void pack_filters(const Bconv2dSpec& spec, const Bconv2dKernel& kernel, int first, uint32_t* out) {
  const FilterBits bits{spec, words_of(spec.geometry.in_channels)};
  switch (kernel.packing) {
    case Packing::kPlain: return pack_plain(bits, kernel.lanes, first, out);
    case Packing::kInverted: return pack_inverted(bits, lanes_of(kernel), first, out);
    case Packing::kBytes: return pack_bytes(bits, kernel.lanes, first, out);
    case Packing::kPairs: return pack_pairs(bits, kernel.lanes, first, out);
    case Packing::kTripleInverted: return pack_triples(bits, kernel.lanes, 4, first, out);
  }
}

}  // namespace repbnn
