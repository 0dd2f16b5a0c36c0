// A fused plan equals the operators one after another, in every bit, whatever the network.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "plan/fused.h"
#include "plan/plan.h"
#include "random_network.h"

namespace repbnn {
namespace {

std::vector<Isa> isas() {
  std::vector<Isa> usable;
  for (Isa isa : {Isa::kScalar, Isa::kNeon, Isa::kSme2, Isa::kSme2Neon, Isa::kAvx2, Isa::kAvx512Vpopcntdq}) {
    if (isa_built(isa) && cpu_supports(isa)) usable.push_back(isa);
  }
  return usable;
}

struct Memory {
  std::vector<std::vector<float>> inputs, outputs;
  std::vector<const void*> in;
  std::vector<void*> out;

  Memory(const Graph& graph, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (int t : graph.inputs) {
      inputs.emplace_back(graph.tensors[t].elements());
      for (float& v : inputs.back()) v = random() % 50 == 0 ? special(random) : normal(random);
    }
    for (int t : graph.outputs) outputs.emplace_back((graph.tensors[t].bytes() + 3) / 4, 12345.0f);
    for (auto& v : inputs) in.push_back(v.data());
    for (auto& v : outputs) out.push_back(v.data());
  }

  static float special(std::mt19937& random) {
    static const float values[] = {0.0f, -0.0f, 1e-45f, -1e-45f, 1e-20f, -1e-20f, 1.0f, -1.0f};
    return values[random() % 8];
  }
};

void expect_equal(const Memory& expected, const Memory& actual, const std::string& what) {
  for (size_t i = 0; i < expected.outputs.size(); ++i) {
    const auto &a = expected.outputs[i], &b = actual.outputs[i];
    if (std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0) continue;
    size_t different = 0, first = 0;
    for (size_t k = 0; k < a.size(); ++k) {
      if (std::memcmp(&a[k], &b[k], sizeof(float)) != 0 && different++ == 0) first = k;
    }
    ADD_FAILURE() << what << ": output " << i << ": " << different << " of " << a.size()
                  << " values differ, the first at " << first << ": " << a[first] << " became " << b[first];
  }
}

void compare(const Graph& graph, unsigned seed, Isa isa, int threads, const std::string& what) {
  ThreadPool pool(threads);
  PlanOptions options;
  options.isa = isa;
  options.pool = &pool;
  if (seed % 2 == 1) options.large_map = 0;  // every map passes in rows, through a ring where it can
  Memory expected(graph, seed), actual(graph, seed);
  make_unfused_plan(graph, options)->run(expected.in.data(), expected.out.data());
  const std::unique_ptr<Plan> plan = FusedPlan::create(graph, 1, options);
  ASSERT_NE(plan, nullptr) << what;
  for (int run = 0; run < 2; ++run) {  // the second time over what the first left behind
    for (auto& values : actual.outputs) std::fill(values.begin(), values.end(), -777.0f);
    plan->run(actual.in.data(), actual.out.data());
    expect_equal(expected, actual, what);
  }
}

Layout layout_of(const Graph& graph, const Steps& steps) {
  const Segments segments = make_segments(graph, steps);
  return make_layout(graph, steps, segments, make_schedule(graph, steps, segments, 1, PlanOptions().large_map));
}

int networks() {
  const char* count = std::getenv("REPBNN_TEST_NETWORKS");
  return count != nullptr ? std::atoi(count) : 400;
}

TEST(Fusion, RandomNetworksAreEqualInEveryBit) {
  int fused = 0;
  for (int seed = 0; seed < networks() && !::testing::Test::HasFailure(); ++seed) {
    RandomNetwork network(static_cast<unsigned>(seed));
    for (Isa isa : isas()) {
      const int threads = 1 + seed % 3;
      compare(network.b.graph, static_cast<unsigned>(seed), isa, threads,
              "seed " + std::to_string(seed) + ", " + isa_name(isa) + ", " + std::to_string(threads) + " threads");
    }
    fused += static_cast<int>(make_steps(network.b.graph).steps.size()) < static_cast<int>(network.b.graph.ops.size());
  }
  if (!::testing::Test::HasFailure()) {
    EXPECT_GT(fused, networks() / 2);
  }
}

GraphBuilder::Conv wide_conv() {
  GraphBuilder::Conv conv;
  conv.filters = 64;
  return conv;
}

// A dense block: each layer's result beside everything before it.
TEST(Fusion, AMapWrittenInPartsBySeveralSegmentsIsWhole) {
  GraphBuilder b(11);
  int t = b.input({1, 28, 28, 32});
  std::vector<int> maps;
  for (int layer = 0; layer < 3; ++layer) {
    const int packed = b.quantize(b.add_constant(b.mul_constant(t)));
    t = b.concat({t, b.bconv2d(packed, b.channels(t), GraphBuilder::Conv())});
    maps.push_back(t);
  }
  b.output(b.mul_constant(t));
  connect(b.graph);
  const Steps steps = make_steps(b.graph);
  const Segments segments = make_segments(b.graph, steps);
  for (int map : {maps[0], maps[1]}) EXPECT_EQ(segments.scratch_of[map], -1);
  compare(b.graph, 1, best_isa(), 1, "dense block");
}

TEST(Fusion, EachGroupIsAConvolutionOfItsOwn) {
  GraphBuilder b(13);
  const int input = b.input({1, 9, 9, 128});
  GraphBuilder::Conv conv;
  conv.groups = 2;
  conv.filters = 48;
  b.output(b.prelu(b.add_constant(b.bconv2d(b.quantize(input), 128, conv))));
  connect(b.graph);
  const Steps steps = make_steps(b.graph);
  ASSERT_EQ(steps.steps.size(), 3u);
  EXPECT_EQ(steps.steps[1].group, 0);
  EXPECT_EQ(steps.steps[2].group, 1);
  compare(b.graph, 1, best_isa(), 2, "groups");
}

// Bits by thresholds and int8, with groups and with zeros around the map: no step in its plain form.
TEST(Fusion, EveryOutputOfAConvolutionIsFast) {
  for (Type output : {Type::kBits, Type::kInt8, Type::kFloat32}) {
    for (int groups : {1, 2}) {
      GraphBuilder b(17);
      GraphBuilder::Conv conv;
      conv.groups = groups;
      conv.filters = 48;
      conv.padding = Padding::kSameZero;
      conv.output = output;
      if (output != Type::kBits) conv.activation = Activation::kRelu6;
      const int t = b.bconv2d(b.quantize(b.input({1, 7, 9, 128})), 128, conv);
      ASSERT_GE(t, 0) << b.last_error;
      b.output(t);
      connect(b.graph);
      for (const Step& step : make_steps(b.graph).steps) EXPECT_NE(step.form, StepForm::kReference);
      for (Isa isa : isas()) compare(b.graph, 3, isa, 1 + groups, isa_name(isa));
    }
  }
}

// Kernels correct counts by half sums, and those of an odd number of channels are no integers.
TEST(Fusion, ZerosAroundAnOddNumberOfChannelsStayPlain) {
  GraphBuilder b(17);
  GraphBuilder::Conv conv;
  conv.padding = Padding::kSameZero;
  conv.output = Type::kBits;
  b.output(b.bconv2d(b.quantize(b.input({1, 7, 9, 33})), 33, conv));
  connect(b.graph);
  EXPECT_EQ(make_steps(b.graph).steps.back().form, StepForm::kReference);
  compare(b.graph, 1, best_isa(), 1, "odd");
}

// Kernels that count derived words make them of one group's, out of a wider map's pixels.
TEST(Fusion, WideGroupsAreAsExact) {
  GraphBuilder b(13);
  const int input = b.input({1, 6, 6, 512});
  GraphBuilder::Conv conv;
  conv.groups = 2;
  conv.filters = 32;
  b.output(b.bconv2d(b.quantize(input), 512, conv));
  connect(b.graph);
  for (Isa isa : isas()) compare(b.graph, 1, isa, 1, isa_name(isa));
}

// Rep block: two branches of one packed map, each repeated, scaled, added to the map before, and put side by side.
struct RepBlock {
  GraphBuilder b{7};
  int input, middle, output;

  RepBlock() {
    input = b.input({1, 28, 28, 64});
    const int packed = b.quantize(b.add_constant(input));
    middle = b.prelu(b.add_constant(residual(b.bconv2d(packed, 64, conv(3)), input)));
    const int next = b.quantize(b.add_constant(middle));
    const int left = residual(b.bconv2d(next, 64, conv(1)), middle),
              right = residual(b.bconv2d(next, 64, conv(1)), middle);
    const int wide = b.prelu(b.add_constant(b.concat({left, right})));
    output = b.pool(OpKind::kAveragePool, wide, 2, 2, Padding::kValid);
    b.output(output);
    connect(b.graph);
  }

  static GraphBuilder::Conv conv(int kernel) {
    GraphBuilder::Conv c;
    c.kernel = kernel;
    return c;
  }
  int residual(int t, int shortcut) {
    return b.op(OpKind::kAdd, {b.add_constant(b.mul_constant(b.concat({t, t, t, t}))), shortcut});
  }
};

TEST(Fusion, ARepBlockIsThreeConvolutionsAndAPoolInOneSegment) {
  RepBlock block;
  const Steps steps = make_steps(block.b.graph);
  ASSERT_EQ(steps.steps.size(), 5u);  // the first sign stands before: the input is the runtime's
  EXPECT_EQ(steps.steps[0].form, StepForm::kPointwise);
  for (int i = 1; i < 4; ++i) {
    EXPECT_EQ(steps.steps[i].form, StepForm::kBconv2d);
    EXPECT_EQ(steps.steps[i].copies, 4);
  }
  EXPECT_EQ(steps.steps[4].form, StepForm::kAveragePool);
  const Segments segments = make_segments(block.b.graph, steps);
  ASSERT_EQ(segments.segments.size(), 2u);
  EXPECT_EQ(segments.segments[1].steps, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(segments.scratch_of[block.middle], 1);  // never written whole
}

// ADD, PAD, sign, convolution, crop, repeat: what importers write for symmetric padding under stride 2.
struct GrowAndCrop {
  GraphBuilder b{9};
  int input, packed, sums;

  explicit GrowAndCrop(int begin = 0) {
    input = b.input({1, 8, 8, 32});
    Op pad;
    pad.kind = OpKind::kPad;
    const int pairs = b.integers({0, 0, 0, 1, 0, 1, 0, 0});
    b.graph.tensors[pairs].dims = {4, 2};
    pad.inputs = {b.add_constant(input), pairs};
    packed = b.quantize(b.add(pad));
    GraphBuilder::Conv conv;
    conv.stride = 2;
    conv.padding = Padding::kSameZero;
    sums = b.bconv2d(packed, 32, conv);
    Op crop;
    crop.kind = OpKind::kStridedSlice;
    crop.inputs = {sums, b.integers({0, begin, begin, 0}), b.integers({1, 4 + begin, 4 + begin, 16}),
                   b.integers({1, 1, 1, 1})};
    const int t = b.add(crop);
    b.output(b.mul_constant(b.concat({t, t, t, t})));
    connect(b.graph);
  }
};

TEST(Fusion, GrowAndCropCostsNothing) {
  GrowAndCrop network;
  const Steps steps = make_steps(network.b.graph);
  ASSERT_EQ(steps.steps.size(), 2u);
  EXPECT_EQ(steps.steps[1].form, StepForm::kBconv2d);
  EXPECT_EQ(steps.steps[1].copies, 4);
  EXPECT_EQ(steps.steps[1].height, 4);
  compare(network.b.graph, 1, best_isa(), 1, "grow and crop");
}

TEST(Fusion, ACropAtTheFrontIsNoSmallerConvolution) {
  GrowAndCrop network(1);
  const Steps steps = make_steps(network.b.graph);
  EXPECT_EQ(steps.steps[1].height, 5);
  compare(network.b.graph, 1, best_isa(), 1, "crop at the front");
}

TEST(Fusion, AValueThatOthersReadIsStored) {
  RepBlock block;
  block.b.output(block.middle);
  const Steps steps = make_steps(block.b.graph);
  const Segments segments = make_segments(block.b.graph, steps);
  EXPECT_EQ(segments.scratch_of[block.middle], -1);
}

TEST(Fusion, A3x3BehindAWriterStartsASegment) {
  GraphBuilder b(3);
  const int input = b.input({1, 14, 14, 32});
  int t = b.bconv2d(b.quantize(input), 32, GraphBuilder::Conv());
  t = b.bconv2d(b.quantize(t), 16, GraphBuilder::Conv());
  b.output(t);
  connect(b.graph);
  EXPECT_EQ(make_segments(b.graph, make_steps(b.graph)).segments.size(), 3u);
}

TEST(Fusion, OverlappingPoolStartsASegment) {
  GraphBuilder b(3);
  const int input = b.input({1, 14, 14, 32});
  const int t = b.bconv2d(b.quantize(input), 32, GraphBuilder::Conv());
  b.output(b.pool(OpKind::kMaxPool, t, 3, 2, Padding::kSameOne));
  connect(b.graph);
  EXPECT_EQ(make_segments(b.graph, make_steps(b.graph)).segments.size(), 3u);
}

// Squeeze and excite, without its dense layers: a pass for the mean, then the scale in the convolution's own.
TEST(Fusion, AScaleOfEachChannelRunsBehindTheConvolution) {
  for (bool keep_dims : {false, true}) {
    GraphBuilder b(21);
    const int input = b.input({1, 20, 20, 32});
    const int mean = b.mean(input, keep_dims);
    GraphBuilder::Conv conv;
    conv.filters = 32;
    const int t = b.bconv2d(b.quantize(input), 32, conv);
    b.output(b.prelu(b.op(OpKind::kMul, {t, mean})));
    connect(b.graph);
    const Steps steps = make_steps(b.graph);
    ASSERT_EQ(steps.steps.size(), 3u);
    EXPECT_EQ(steps.steps[0].form, StepForm::kAveragePool);
    EXPECT_EQ(steps.steps[2].form, StepForm::kBconv2d);
    compare(b.graph, 1, best_isa(), 2, "squeeze and excite");
  }
}

TEST(Fusion, AMeanOfASmallMapEndsItsWritersSegment) {
  for (int size : {7, 20}) {
    GraphBuilder b(23);
    GraphBuilder::Conv conv;
    conv.kernel = 1;
    const int t = b.bconv2d(b.quantize(b.input({1, size, size, 32})), 32, conv);
    b.output(b.mean(t, false));
    connect(b.graph);
    const Segments segments = make_segments(b.graph, make_steps(b.graph));
    // A larger one would make the whole map one tile.
    EXPECT_EQ(segments.scratch_of[t] >= 0, size == 7);
    compare(b.graph, 1, best_isa(), 2, "mean");
  }
}

TEST(Fusion, ADepthwiseConvolutionHasAKernelWhereEachChannelHasOneFilter) {
  for (int multiplier : {1, 2}) {
    GraphBuilder b(25);
    const int input = b.input({1, 15, 15, 33});
    b.output(b.depthwise(input, 3, 2, Padding::kSameZero, multiplier, 1, Activation::kRelu6));
    connect(b.graph);
    const Steps steps = make_steps(b.graph);
    ASSERT_EQ(steps.steps.size(), 1u);
    EXPECT_EQ(steps.steps[0].form, multiplier == 1 ? StepForm::kDepthwise : StepForm::kReference);
    compare(b.graph, 1, best_isa(), 2, "depthwise");
  }
}

// A pad of ones before a sign is the border of the packed map; one of -1 is not.
TEST(Fusion, APadIsABorderWhereItsSignIs) {
  for (float fill : {1.0f, 0.0f, -0.0f, -1.0f}) {
    GraphBuilder b(27);
    Op pad;
    pad.kind = OpKind::kPad;
    const int pairs = b.integers({0, 0, 1, 1, 1, 1, 0, 0});
    b.graph.tensors[pairs].dims = {4, 2};
    pad.inputs = {b.add_constant(b.input({1, 6, 6, 32})), pairs, b.tensor(Type::kFloat32, {}, &fill)};
    GraphBuilder::Conv conv;
    conv.padding = Padding::kValid;
    b.output(b.bconv2d(b.quantize(b.add(pad)), 32, conv));
    connect(b.graph);
    EXPECT_EQ(make_steps(b.graph).steps.size(), fill < 0.0f ? 4u : 2u);
    compare(b.graph, 1, best_isa(), 1, "pad of " + std::to_string(fill));
  }
}

// [n, C] on [n, h, n, C] goes along the columns: with several images it is no row for each of them.
TEST(Fusion, ASpreadOperandKeepsImagesTogether) {
  GraphBuilder b(29);
  const int input = b.input({3, 4, 3, 8}), scale = b.input({3, 8});
  b.output(b.op(OpKind::kMul, {input, scale}));
  connect(b.graph);
  ThreadPool pool(1);
  PlanOptions options;
  options.pool = &pool;
  Memory expected(b.graph, 1), actual(b.graph, 1);
  make_unfused_plan(b.graph, options)->run(expected.in.data(), expected.out.data());
  make_plan(b.graph, options)->run(actual.in.data(), actual.out.data());
  expect_equal(expected, actual, "three images");
}

TEST(Fusion, TheStemsRepetitionIsAView) {
  GraphBuilder b(5);
  const int input = b.input({1, 8, 8, 32});
  const int wide = b.concat({input, input});
  const int t = b.bconv2d(b.quantize(b.add_constant(wide)), 64, RepBlock::conv(3));
  b.output(b.op(OpKind::kAdd, {b.concat({t, t, t, t}), wide}));
  connect(b.graph);
  const Steps steps = make_steps(b.graph);
  EXPECT_EQ(steps.views[wide].base, input);
  EXPECT_EQ(steps.views[wide].modulo, 32);
  EXPECT_EQ(layout_of(b.graph, steps).maps[wide].place, Place::kNone);
}

TEST(Fusion, AMapThatDiesIsUpdatedInPlace) {
  GraphBuilder b(5);
  int t = b.add_constant(b.prelu(b.input({1, 14, 14, 64})));
  std::vector<int> maps;
  for (int i = 0; i < 3; ++i) {
    t = b.op(OpKind::kAdd, {b.mul_constant(b.bconv2d(b.quantize(t), b.channels(t), wide_conv())), t});
    maps.push_back(t);
  }
  b.output(b.prelu(t));
  connect(b.graph);
  const Steps steps = make_steps(b.graph);
  const Layout layout = layout_of(b.graph, steps);
  EXPECT_EQ(layout.maps[maps[0]].offset, layout.maps[maps[1]].offset);
  EXPECT_EQ(layout.maps[maps[0]].place, Place::kArena);
}

}  // namespace
}  // namespace repbnn
