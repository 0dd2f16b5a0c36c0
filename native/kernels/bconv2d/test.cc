// Every kernel of kernels.inc against the definition: a sum of +-1 products, spelled out, and its epilogue.
// REPBNN_KERNEL_CASES=n runs n cases for each kernel (an emulated processor wants fewer).
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "kernels/bconv2d/bconv2d.h"
#include "kernels/testing/programs.h"

namespace repbnn {
namespace {

enum class Padding { kValid, kSameOne, kSameZero, kExplicit };
enum class Output { kFloat, kEpilogue, kThresholds, kInt8 };

struct Case {
  Bconv2dGeometry geometry;
  Padding padding;
  Output output;
  int copies = 1;
  bool activation = false, zero_sums = false;
};

// TensorFlow's SAME: the odd row goes below.
void same(int in, int kernel, int stride, int dilation, int* out, int* pad) {
  *out = (in + stride - 1) / stride;
  const int needed = (*out - 1) * stride + (kernel - 1) * dilation + 1 - in;
  *pad = needed > 0 ? needed / 2 : 0;
}

bool place_window(Random& random, Padding padding, int in, int kernel, int stride, int dilation, int* out, int* pad) {
  if (padding == Padding::kSameOne || padding == Padding::kSameZero) {
    same(in, kernel, stride, dilation, out, pad);
    return true;
  }
  *pad = padding == Padding::kExplicit ? random.in(0, 3) : 0;
  const int below = padding == Padding::kExplicit ? random.in(0, 3) : 0;
  const int room = in + *pad + below - (kernel - 1) * dilation - 1;
  *out = room / stride + 1;
  return room >= 0;
}

int draw_channels(Random& random) {
  if (random.one_in(3)) return random.in(1, 257);
  return std::min(257, std::max(1, 32 * random.in(0, 8) + random.in(-1, 1)));
}

// The first 1,799 indices meet every number of channels from 1 to 257 with every height from 1 to 7; the rest dwell on
// the edges of words.
Case draw_case(Random& random, int index) {
  for (;;) {
    Case c;
    Bconv2dGeometry& g = c.geometry;
    g.in_channels = index < 257 * 7 ? index % 257 + 1 : draw_channels(random);
    g.filters = random.of({1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80, 96, 100});
    const bool square = random.one_in(2);
    g.kernel_height = index < 257 * 7 ? index / 257 + 1 : random.of({1, 1, 2, 3, 3, 3, 4, 5, 6, 7});
    g.kernel_width = square ? g.kernel_height : random.of({1, 2, 3, 3, 3, 4, 5, 6, 7});
    g.stride_height = random.of({1, 1, 1, 2, 3});
    g.stride_width = square ? g.stride_height : random.of({1, 2, 3});
    g.dilation_height = random.of({1, 1, 1, 2, 3, 4});
    g.dilation_width = square ? g.dilation_height : random.of({1, 2, 3});
    g.in_height = random.of({1, 1, 2, 3, 4, 5, 7, 9});
    g.in_width = random.of({1, 2, 3, 4, 6, 7, 8, 13, 14, 15, 17, 28, 33});
    if (random.one_in(40)) g.in_width = random.in(64, 140);  // more than one strip
    c.padding = static_cast<Padding>(random.in(0, 3));
    c.output = static_cast<Output>(random.in(0, 3));
    c.activation = random.one_in(3);
    // Everything but plain floats is corrected in the sums, which count halves.
    const bool floats = c.output == Output::kFloat || c.output == Output::kEpilogue;
    c.zero_sums = c.padding == Padding::kSameZero && (!floats || c.activation || random.one_in(8));
    if (c.zero_sums) g.in_channels = (g.in_channels + 1) / 2 * 2;
    if (c.output == Output::kEpilogue) c.copies = random.of({1, 1, 2, 3, 4});
    const bool fits = place_window(random, c.padding, g.in_height, g.kernel_height, g.stride_height, g.dilation_height,
                                   &g.out_height, &g.pad_top) &&
                      place_window(random, c.padding, g.in_width, g.kernel_width, g.stride_width, g.dilation_width,
                                   &g.out_width, &g.pad_left);
    if (fits && g.macs() / g.in_channels * words_of(g.in_channels) < 150000) return c;
  }
}

std::string describe(const Case& c) {
  const Bconv2dGeometry& g = c.geometry;
  auto pair = [](const char* name, int a, int b) {
    return std::string(name) + " " + std::to_string(a) + "x" + std::to_string(b) + " ";
  };
  return pair("in", g.in_height, g.in_width) + "c " + std::to_string(g.in_channels) + " f " +
         std::to_string(g.filters) + pair(" kernel", g.kernel_height, g.kernel_width) +
         pair("stride", g.stride_height, g.stride_width) + pair("dilation", g.dilation_height, g.dilation_width) +
         pair("pad", g.pad_top, g.pad_left) + pair("out", g.out_height, g.out_width) + "padding " +
         std::to_string(static_cast<int>(c.padding)) + " output " + std::to_string(static_cast<int>(c.output)) +
         " copies " + std::to_string(c.copies);
}

// The data of one case, and the definition of its result.
struct Layer {
  Case c;
  std::vector<uint32_t> filters;
  std::vector<float> multiplier, bias;
  std::vector<int32_t> thresholds;
  Program program{1};
  Bconv2dSpec spec;
  BitMap input;
  int words = 0;

  // Sum over the taps that are inside, and, apart, over those that are outside, as if they were +1.
  void sums(int y, int x, int f, int* inside, int* outside) const {
    const Bconv2dGeometry& g = c.geometry;
    *inside = *outside = 0;
    for (int ky = 0; ky < g.kernel_height; ++ky) {
      for (int kx = 0; kx < g.kernel_width; ++kx) {
        const int iy = y * g.stride_height - g.pad_top + ky * g.dilation_height;
        const int ix = x * g.stride_width - g.pad_left + kx * g.dilation_width;
        const bool in = iy >= 0 && iy < g.in_height && ix >= 0 && ix < g.in_width;
        const uint32_t* weight =
            &filters[((static_cast<size_t>(f) * g.kernel_height + ky) * g.kernel_width + kx) * words];
        const uint32_t* pixel = input.data + iy * input.row_pitch + ix * input.pixel_stride;
        int minus = 0;
        for (int w = 0; w < words; ++w) {
          const int left = g.in_channels - 32 * w;
          const uint32_t mask = left >= 32 ? ~0u : (1u << left) - 1;
          minus += __builtin_popcount(((in ? pixel[w] : 0) ^ weight[w]) & mask);
        }
        *(in ? inside : outside) += g.in_channels - 2 * minus;
      }
    }
  }

  float value(int y, int x, int f) const {
    const Bconv2dGeometry& g = c.geometry;
    int inside, outside;
    sums(y, x, f, &inside, &outside);
    const int k = g.taps() * g.in_channels;
    if (spec.pad_zero_sums) outside = 0;
    const int sum = std::min(std::max(inside + outside, spec.activation_min), spec.activation_max);
    const double m = multiplier[f], b = bias[f];
    const float scale = static_cast<float>(-m / spec.output_scale);
    const float shift =
        static_cast<float>((b + static_cast<double>(k) * m) / spec.output_scale + spec.output_zero_point);
    volatile float scaled = static_cast<float>(k - sum) * scale;
    volatile float v = scaled + shift;
    const int iy = y * g.stride_height - g.pad_top, ix = x * g.stride_width - g.pad_left;
    const bool border = iy < 0 || ix < 0 || iy + (g.kernel_height - 1) * g.dilation_height >= g.in_height ||
                        ix + (g.kernel_width - 1) * g.dilation_width >= g.in_width;
    if (spec.pad_zero && border) {
      volatile float correction = -1.0f * multiplier[f] * static_cast<float>(outside);
      v = v + correction;
    }
    return v;
  }

  void expect(const Bindings& maps, int y, int x, int f) const {
    const Bconv2dGeometry& g = c.geometry;
    if (c.output == Output::kThresholds) {
      int inside, outside;
      sums(y, x, f, &inside, &outside);
      if (spec.pad_zero_sums) outside = 0;
      const int popcount = (g.taps() * g.in_channels - inside - outside) / 2;
      set_bit(maps.bits[0], y, x, f, popcount > thresholds[f]);
      return;
    }
    const float v = value(y, x, f);
    for (int copy = 0; copy < c.copies; ++copy) apply_program(program, maps, y, x, copy * g.filters + f, v);
  }
};

void fill_layer(Random& random, const Case& c, Guarded<uint32_t>* input, Layer* layer) {
  const Bconv2dGeometry& g = c.geometry;
  layer->c = c;
  layer->words = words_of(g.in_channels);
  layer->filters.resize(static_cast<size_t>(g.filters) * g.taps() * layer->words);
  for (uint32_t& word : layer->filters) word = random.word();  // garbage past the last channel is ignored
  layer->multiplier.resize(g.filters);
  layer->bias.resize(g.filters);
  layer->thresholds.resize(g.filters);
  const int k = g.taps() * g.in_channels;
  for (int f = 0; f < g.filters; ++f) {
    layer->multiplier[f] = random.real(-2, 2);
    layer->bias[f] = random.real(-2, 2);
    layer->thresholds[f] = random.in(0, k);
  }
  Bconv2dSpec& spec = layer->spec;
  spec = Bconv2dSpec{};
  spec.geometry = g;
  spec.filters = layer->filters.data();
  spec.pad_zero = c.padding == Padding::kSameZero && !c.zero_sums;
  spec.pad_zero_sums = c.zero_sums;
  if (c.activation) {
    spec.activation_min = random.of({-1, 0, -5});
    spec.activation_max = random.of({1, 6, 100000});
  }
  if (c.output == Output::kThresholds) {
    spec.thresholds = layer->thresholds.data();
  } else {
    spec.multiplier = layer->multiplier.data();
    spec.bias = layer->bias.data();
    layer->program = c.output == Output::kEpilogue ? random_program(random, c.copies * g.filters)
                     : c.output == Output::kInt8   ? Program(g.filters).store_int8(0)
                                                   : Program(g.filters).store(0);
    spec.epilogue = c.output == Output::kFloat ? nullptr : &layer->program;
    spec.copies = c.copies;
  }
  if (c.output == Output::kInt8) {
    spec.output_scale = 0.37;
    spec.output_zero_point = -3;
  }

  // A bordered map whose last pixel ends at the guard page; now and then one group of a wider map.
  BitMap& map = layer->input;
  map = BitMap{};
  map.pixel_stride = layer->words + (random.one_in(4) ? random.in(1, 3) : 0);
  const int rows = g.border_top() + g.in_height + g.border_bottom();
  const int columns = g.border_left() + g.in_width + g.border_right();
  map.row_pitch = map.pixel_stride * columns;
  const size_t count = static_cast<size_t>(map.row_pitch) * rows - (map.pixel_stride - layer->words);
  map.data = input->place(count) + g.border_top() * map.row_pitch + g.border_left() * map.pixel_stride;
  for (int y = 0; y < g.in_height; ++y) {
    for (int x = 0; x < g.in_width; ++x) {
      for (int w = 0; w < layer->words; ++w) {
        const int left = g.in_channels - 32 * w;
        map.data[y * map.row_pitch + x * map.pixel_stride + w] = random.word() & (left >= 32 ? ~0u : (1u << left) - 1);
      }
    }
  }
}

// Runs the whole output in random pieces, so that every kind of range is met.
void run_in_pieces(Random& random, const Bconv2d& conv, const Layer& layer, const Bindings& maps,
                   Guarded<char>* scratch) {
  const Bconv2dGeometry& g = layer.c.geometry;
  const int granule = conv.filter_granule();
  const int y_cut = random.in(0, g.out_height), x_cut = random.in(0, g.out_width);
  const int f_cut = std::min(g.filters, granule * random.in(0, (g.filters + granule - 1) / granule));
  for (int part = 0; part < 8; ++part) {
    Bconv2d::Call call;
    call.input = layer.input;
    call.outputs = &maps;
    call.y0 = part & 1 ? y_cut : 0;
    call.y1 = part & 1 ? g.out_height : y_cut;
    call.x0 = part & 2 ? x_cut : 0;
    call.x1 = part & 2 ? g.out_width : x_cut;
    call.filter_begin = part & 4 ? f_cut : 0;
    call.filter_end = part & 4 ? -1 : f_cut;
    if (call.y0 >= call.y1 || call.x0 >= call.x1 || (part & 4 ? f_cut >= g.filters : f_cut == 0)) continue;
    const size_t bytes = conv.scratch_bytes(call.y1 - call.y0, call.x1 - call.x0);
    ASSERT_EQ(bytes % kCacheLine, 0u);
    call.scratch = scratch->place(bytes);
    conv.run(call);
  }
}

class Bconv2dTest : public testing::TestWithParam<int> {
 protected:
  const Bconv2dKernel& kernel() const { return bconv2d_kernel(GetParam()); }
  void SetUp() override {
    if (!cpu_supports(bconv2d_kernel_isa(kernel()))) GTEST_SKIP() << "this processor lacks its instructions";
  }
  bool fits(const Bconv2dSpec& spec) const {
    const char* error = nullptr;
    return Bconv2d::create(spec, kernel(), &error) != nullptr;
  }
};

INSTANTIATE_TEST_SUITE_P(Kernels, Bconv2dTest, testing::Range(0, bconv2d_kernel_count()),
                         [](const auto& info) { return bconv2d_kernel_name(bconv2d_kernel(info.param)); });

TEST_P(Bconv2dTest, EqualsTheDefinitionBitForBit) {
  Guarded<uint32_t> input;
  Guarded<char> scratch;
  MapSet got, want;
  Layer layer;
  int ran = 0;
  const int wanted = case_count(30000);
  for (int i = 0; ran < wanted; ++i) {
    Random random(i);
    const Case c = draw_case(random, i);
    fill_layer(random, c, &input, &layer);
    const char* error = nullptr;
    const std::unique_ptr<Bconv2d> conv = Bconv2d::create(layer.spec, kernel(), &error);
    if (conv == nullptr) {
      ASSERT_STREQ(error, "this kernel does not fit the convolution's geometry") << describe(c);
      continue;
    }
    const Bconv2dGeometry& g = c.geometry;
    make_maps(random, g.out_height, g.out_width, c.copies * g.filters, &got, &want);
    run_in_pieces(random, *conv, layer, got.bindings, &scratch);
    for (int y = 0; y < g.out_height; ++y) {
      for (int x = 0; x < g.out_width; ++x) {
        for (int f = 0; f < g.filters; ++f) layer.expect(want.bindings, y, x, f);
      }
    }
    ASSERT_EQ(difference(got, want), "") << "case " << i << ": " << describe(c);
    ++ran;
  }
}

TEST_P(Bconv2dTest, CountsItsCalls) {
  Guarded<uint32_t> input;
  Guarded<char> scratch;
  MapSet got, want;
  Layer layer;
  Random random(1);
  Case c;
  c.geometry = {4, 4, 64, 16, 3, 3, 1, 1, 1, 1, 1, 1, 4, 4};
  c.padding = Padding::kSameOne;
  c.output = Output::kFloat;
  fill_layer(random, c, &input, &layer);
  make_maps(random, 4, 4, 16, &got, &want);
  const char* error = nullptr;
  const std::unique_ptr<Bconv2d> conv = Bconv2d::create(layer.spec, kernel(), &error);
  ASSERT_NE(conv, nullptr) << error;
  std::vector<uint64_t> before;
  for (int i = 0; i < bconv2d_kernel_count(); ++i) before.push_back(bconv2d_kernel_calls(bconv2d_kernel(i)));
  Bconv2d::Call call;
  call.input = layer.input;
  call.outputs = &got.bindings;
  call.y1 = call.x1 = 4;
  call.scratch = scratch.place(conv->scratch_bytes(4, 4));
  conv->run(call);
  for (int i = 0; i < bconv2d_kernel_count(); ++i) {
    EXPECT_EQ(bconv2d_kernel_calls(bconv2d_kernel(i)) - before[i], i == GetParam() ? 1u : 0u);
  }
}

Bconv2dSpec small_spec(const uint32_t* filters, const float* vector) {
  Bconv2dSpec spec;
  spec.geometry = {4, 4, 32, 1, 3, 3, 1, 1, 1, 1, 1, 1, 4, 4};
  spec.filters = filters;
  spec.multiplier = spec.bias = vector;
  return spec;
}

TEST(Bconv2dCreateTest, RefusesWithASentence) {
  const uint32_t filters[9] = {};
  const float vector[1] = {1};
  const int32_t thresholds[1] = {1};
  const Bconv2dKernel& scalar = *find_bconv2d_kernel("scalar");
  const char* error = nullptr;
  ASSERT_NE(Bconv2d::create(small_spec(filters, vector), scalar, &error), nullptr);
  auto refuses = [&](auto change) {
    Bconv2dSpec spec = small_spec(filters, vector);
    change(spec);
    error = nullptr;
    return Bconv2d::create(spec, scalar, &error) == nullptr && error != nullptr;
  };
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.geometry.stride_height = 0; }));
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.geometry.dilation_width = 40000; }));
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.geometry.in_channels = 0; }));
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.geometry.kernel_height = 65; }));
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.geometry.pad_top = -1; }));
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.geometry.in_channels = 1 << 24; }));
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.multiplier = nullptr; }));
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.output_scale = 0; }));
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.pad_zero = true, s.activation_min = 0; }));
  EXPECT_TRUE(refuses([&](Bconv2dSpec& s) { s.thresholds = thresholds, s.pad_zero = true; }));
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.pad_zero_sums = true, s.geometry.in_channels = 33; }));
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.pad_zero_sums = s.pad_zero = true; }));
  EXPECT_TRUE(refuses([](Bconv2dSpec& s) { s.copies = 0; }));
  const Program wrong(5);
  EXPECT_TRUE(refuses([&](Bconv2dSpec& s) { s.epilogue = &wrong; }));
}

TEST(Bconv2dKernelsTest, NamesAreFoundAndUnknownOnesAreNot) {
  for (int i = 0; i < bconv2d_kernel_count(); ++i) {
    EXPECT_EQ(find_bconv2d_kernel(bconv2d_kernel_name(bconv2d_kernel(i))), &bconv2d_kernel(i));
  }
  EXPECT_EQ(find_bconv2d_kernel("avx1024"), nullptr);
}

TEST(Bconv2dKernelsTest, TheChoiceStaysWithinItsInstructionSet) {
  Bconv2dGeometry g{14, 14, 512, 128, 3, 3, 1, 1, 1, 1, 1, 1, 14, 14};
  for (Isa isa : {Isa::kScalar, Isa::kNeon, Isa::kSme2, Isa::kSme2Neon, Isa::kAvx2, Isa::kAvx512Vpopcntdq}) {
    const Bconv2dKernel* kernel = choose_bconv2d_kernel(isa, g);
    ASSERT_EQ(kernel != nullptr, isa_built(isa));
    if (kernel != nullptr) {
      EXPECT_EQ(bconv2d_kernel_isa(*kernel), isa);
    }
  }
}

TEST(IsaTest, NamesRoundTripAndUnknownOnesAreRefused) {
  Isa isa;
  for (Isa known : {Isa::kScalar, Isa::kNeon, Isa::kSme2, Isa::kSme2Neon, Isa::kAvx2, Isa::kAvx512Vpopcntdq}) {
    ASSERT_TRUE(isa_from_name(isa_name(known), &isa));
    EXPECT_EQ(isa, known);
  }
  ASSERT_TRUE(isa_from_name("auto", &isa));
  EXPECT_EQ(isa, best_isa());
  EXPECT_FALSE(isa_from_name("sse", &isa));
}

}  // namespace
}  // namespace repbnn
