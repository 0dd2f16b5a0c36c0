#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <vector>

#include "kernels/pool/pool.h"
#include "kernels/testing/guarded.h"
#include "kernels/testing/random.h"

namespace repbnn {
namespace {

std::vector<Isa> built() {
  std::vector<Isa> isas;
  for (Isa isa : {Isa::kScalar, Isa::kNeon, Isa::kSme2, Isa::kSme2Neon, Isa::kAvx2, Isa::kAvx512Vpopcntdq}) {
    if (isa_built(isa)) isas.push_back(isa);
  }
  return isas;
}

class PoolTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!cpu_supports(GetParam())) GTEST_SKIP() << "this processor lacks " << isa_name(GetParam());
  }
};

INSTANTIATE_TEST_SUITE_P(Isas, PoolTest, testing::ValuesIn(built()),
                         [](const auto& info) { return isa_name(info.param); });

bool same_float(float a, float b) { return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof(a)) == 0; }

FloatMap float_map(Guarded<float>* memory, int height, int width, int channels, int extra) {
  FloatMap map;
  map.pixel_stride = channels + extra;
  map.row_pitch = map.pixel_stride * width;
  map.data = memory->place(map.row_pitch * height - extra);
  return map;
}

BitMap bit_map(Guarded<uint32_t>* memory, int height, int width, int channels) {
  BitMap map;
  map.channels = channels;
  map.pixel_stride = words_of(channels);
  map.row_pitch = map.pixel_stride * width;
  map.data = memory->place(map.row_pitch * height);
  return map;
}

PoolGeometry draw(Random& random) {
  PoolGeometry g;
  g.in_height = random.in(1, 9);
  g.in_width = random.in(1, 9);
  g.channels = random.in(1, 70);
  g.filter_height = random.in(1, 4);
  g.filter_width = random.one_in(2) ? g.filter_height : random.in(1, 4);
  g.stride_height = random.in(1, 3);
  g.stride_width = random.in(1, 3);
  g.pad_top = random.in(0, g.filter_height - 1);
  g.pad_left = random.in(0, g.filter_width - 1);
  g.out_height = (g.in_height + g.pad_top - 1) / g.stride_height + 1;  // every window touches the map
  g.out_width = (g.in_width + g.pad_left - 1) / g.stride_width + 1;
  return g;
}

bool inside(const PoolGeometry& g, int y, int x) { return y >= 0 && y < g.in_height && x >= 0 && x < g.in_width; }

float expected(const PoolGeometry& g, const FloatMap& in, bool average, int y, int x, int c) {
  volatile float sum = 0.0f, most = -FLT_MAX;
  int count = 0;
  for (int ky = 0; ky < g.filter_height; ++ky) {
    for (int kx = 0; kx < g.filter_width; ++kx) {
      const int iy = y * g.stride_height - g.pad_top + ky, ix = x * g.stride_width - g.pad_left + kx;
      if (!inside(g, iy, ix)) continue;
      const float v = in.data[iy * in.row_pitch + ix * in.pixel_stride + c];
      sum = sum + v;
      if (v > most) most = v;
      ++count;
    }
  }
  return average ? sum / static_cast<float>(count) : most;
}

TEST_P(PoolTest, FloatPoolsEqualTheSpelledOutForm) {
  Guarded<float> in_memory, out_memory;
  for (int i = 0; i < case_count(2000); ++i) {
    Random random(i);
    const PoolGeometry g = draw(random);
    const FloatMap in = float_map(&in_memory, g.in_height, g.in_width, g.channels, random.in(0, 3));
    for (ptrdiff_t k = 0; k < in.row_pitch * g.in_height - (in.pixel_stride - g.channels); ++k) {
      in.data[k] = random.special();
    }
    const bool average = random.one_in(2), relu = random.one_in(3);
    const float lo = relu ? 0.0f : -INFINITY, hi = relu ? 6.0f : INFINITY;
    const FloatMap out = float_map(&out_memory, g.out_height, g.out_width, g.channels, random.in(0, 3));
    (average ? average_pool : max_pool)(GetParam(), g, in, out, lo, hi, 0, g.out_height, 0, g.out_width);
    for (int y = 0; y < g.out_height; ++y) {
      for (int x = 0; x < g.out_width; ++x) {
        for (int c = 0; c < g.channels; ++c) {
          float want = expected(g, in, average, y, x, c);
          if (want < lo) want = lo;
          if (want > hi) want = hi;
          ASSERT_TRUE(same_float(out.at(y, x)[c], want)) << "case " << i << ": " << out.at(y, x)[c] << " " << want;
        }
      }
    }
  }
}

TEST_P(PoolTest, SignsPackAndUnpack) {
  Guarded<float> float_memory, back_memory;
  Guarded<uint32_t> bit_memory;
  for (int channels = 1; channels <= 130; ++channels) {
    Random random(channels);
    const int height = 2, width = 5;
    const FloatMap in = float_map(&float_memory, height, width, channels, channels % 3);
    const FloatMap back = float_map(&back_memory, height, width, channels, channels % 2);
    const BitMap bits = bit_map(&bit_memory, height, width, channels);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        for (int c = 0; c < channels; ++c) in.at(y, x)[c] = random.special();
        for (int w = 0; w < words_of(channels); ++w) bits.at(y, x)[w] = ~0u;
      }
    }
    pack_signs(GetParam(), channels, in, bits, 0, height, 0, width);
    unpack_signs(GetParam(), channels, bits, back, 0, height, 0, width);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        for (int c = 0; c < words_of(channels) * 32; ++c) {
          const bool want = c < channels && in.at(y, x)[c] < 0.0f;
          ASSERT_EQ(bits.at(y, x)[c / 32] >> (c % 32) & 1, want ? 1u : 0u) << channels << " channels, " << c;
          if (c < channels) {
            ASSERT_EQ(back.at(y, x)[c], want ? -1.0f : 1.0f);
          }
        }
      }
    }
  }
}

TEST(BinaryPoolTest, TheMaximumOfSignsIsTheAndOfTheirBits) {
  Guarded<uint32_t> in_memory, out_memory;
  for (int i = 0; i < case_count(1000); ++i) {
    Random random(i);
    const PoolGeometry g = draw(random);
    const BitMap in = bit_map(&in_memory, g.in_height, g.in_width, g.channels);
    const BitMap out = bit_map(&out_memory, g.out_height, g.out_width, g.channels);
    for (ptrdiff_t k = 0; k < in.row_pitch * g.in_height; ++k) in.data[k] = random.word() | random.word();
    binary_max_pool(Isa::kScalar, g, in, out, 0, g.out_height, 0, g.out_width);
    for (int y = 0; y < g.out_height; ++y) {
      for (int x = 0; x < g.out_width; ++x) {
        for (int c = 0; c < g.channels; ++c) {
          bool any_plus = false;
          for (int ky = 0; ky < g.filter_height; ++ky) {
            for (int kx = 0; kx < g.filter_width; ++kx) {
              const int iy = y * g.stride_height - g.pad_top + ky, ix = x * g.stride_width - g.pad_left + kx;
              if (inside(g, iy, ix)) any_plus |= (in.at(iy, ix)[c / 32] >> (c % 32) & 1) == 0;
            }
          }
          ASSERT_EQ(out.at(y, x)[c / 32] >> (c % 32) & 1, any_plus ? 0u : 1u) << "case " << i;
        }
      }
    }
  }
}

TEST(Int8SignsTest, ComparesWithTheZeroPoint) {
  const int8_t values[] = {-128, -4, -3, -2, 0, 127};
  uint32_t bits = ~0u;
  Int8Map in;
  in.data = const_cast<int8_t*>(values);
  BitMap out;
  out.data = &bits;
  out.channels = 6;
  pack_signs_int8(6, -3, in, out, 0, 1, 0, 1);
  EXPECT_EQ(bits, 0x3u);
}

}  // namespace
}  // namespace repbnn
