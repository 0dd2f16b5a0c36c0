// Growing and cropping around a convolution goes away exactly when nothing that is kept reads what was added.
#include "plan/ungrow.h"

#include <gtest/gtest.h>

#include <cstring>

#include "graph_builder.h"
#include "plan/fused.h"
#include "plan/plan.h"

namespace repbnn {
namespace {

struct Case {
  int32_t height = 8, width = 8;
  std::vector<int32_t> pads = {0, 0, 0, 1, 0, 1, 0, 0};
  std::vector<int32_t> begin = {0, 0, 0, 0}, end = {1, 4, 4, 16}, strides = {1, 1, 1, 1};
  int32_t kernel = 3, stride = 2;
  Padding padding = Padding::kSameZero;
  bool pad_is_read_twice = false;
};

Graph build(GraphBuilder& b, const Case& c) {
  const int map = b.input({1, c.height, c.width, 40});
  Op pad;
  pad.kind = OpKind::kPad;
  const int pairs = b.integers(c.pads);
  b.graph.tensors[pairs].dims = {4, 2};
  pad.inputs = {map, pairs};
  const int grown = b.add(pad);
  GraphBuilder::Conv conv;
  conv.kernel = c.kernel, conv.stride = c.stride, conv.padding = c.padding;
  const int whole = b.bconv2d(b.quantize(grown), 40, conv);
  Op slice;
  slice.kind = OpKind::kStridedSlice;
  slice.inputs = {whole, b.integers(c.begin), b.integers(c.end), b.integers(c.strides)};
  b.output(b.prelu(b.mul_constant(b.add(slice))));
  if (c.pad_is_read_twice) b.output(b.mul_constant(grown));
  connect(b.graph);
  return b.graph;
}

size_t removed(const Case& c) {
  GraphBuilder b(3);
  Graph graph = build(b, c);
  const size_t before = graph.ops.size();
  ungrow(graph);
  return before - graph.ops.size();
}

void expect_equal(const Case& c, const std::string& what) {
  GraphBuilder b(5);
  const Graph graph = build(b, c);
  std::vector<float> input(graph.tensors[graph.inputs[0]].elements());
  for (float& v : input) v = std::normal_distribution<float>()(b.random());
  std::vector<std::vector<float>> results[2];
  ThreadPool pool(1);
  PlanOptions options;
  options.isa = best_isa();
  options.pool = &pool;
  for (int fused = 0; fused < 2; ++fused) {
    std::vector<void*> outputs;
    for (int t : graph.outputs) results[fused].emplace_back(graph.tensors[t].elements());
    for (auto& values : results[fused]) outputs.push_back(values.data());
    const void* inputs[] = {input.data()};
    std::unique_ptr<Plan> plan =
        fused ? std::unique_ptr<Plan>(FusedPlan::create(graph, 1, options)) : make_unfused_plan(graph, options);
    ASSERT_NE(plan, nullptr) << what;
    plan->run(inputs, outputs.data());
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_EQ(0, std::memcmp(results[0][i].data(), results[1][i].data(), results[0][i].size() * sizeof(float))) << what;
  }
}

TEST(Ungrow, RemovesPadAndCropOfStrideTwo) {
  EXPECT_EQ(removed(Case()), 2u);
  expect_equal(Case(), "3x3, stride 2, even map");
}

TEST(Ungrow, IsExactForEveryKernelStrideAndSize) {
  int fired = 0;
  for (int32_t kernel : {1, 2, 3, 5, 7}) {
    for (int32_t stride : {1, 2, 3}) {
      for (int32_t size : {5, 6, 7, 8, 12}) {
        for (int32_t growth : {1, 2}) {
          Case c;
          c.height = size, c.width = size + 1, c.kernel = kernel, c.stride = stride;
          c.pads = {0, 0, 0, growth, 0, growth, 0, 0};
          const int32_t rows = (size + growth + stride - 1) / stride, columns = (size + 1 + growth + stride - 1) / stride;
          for (int32_t cut : {0, 1}) {
            if (rows - cut < 1 || columns - cut < 1) continue;
            c.end = {1, rows - cut, columns - cut, 16};
            fired += removed(c) == 2;
            expect_equal(c, "kernel " + std::to_string(kernel) + ", stride " + std::to_string(stride) + ", size " +
                                std::to_string(size) + ", growth " + std::to_string(growth));
          }
        }
      }
    }
  }
  EXPECT_GT(fired, 20);
}

TEST(Ungrow, RefusesWhatWouldChangeAValue) {
  Case front;
  front.pads = {0, 0, 1, 1, 0, 1, 0, 0};
  EXPECT_EQ(removed(front), 0u) << "padding in front";
  Case channels;
  channels.pads = {0, 0, 0, 1, 0, 1, 0, 0};
  channels.end = {1, 4, 4, 8};
  EXPECT_EQ(removed(channels), 0u) << "crop of channels";
  Case shifted;
  shifted.begin = {0, 1, 0, 0};
  shifted.end = {1, 5, 4, 16};
  EXPECT_EQ(removed(shifted), 0u) << "crop in front";
  Case strided;
  strided.strides = {1, 2, 2, 1};
  EXPECT_EQ(removed(strided), 0u) << "crop with a stride";
  Case all;
  all.end = {1, 5, 5, 16};
  EXPECT_EQ(removed(all), 0u) << "a kept pixel reads the growth";
  Case ones;
  ones.padding = Padding::kSameOne;
  EXPECT_EQ(removed(ones), 0u) << "SAME with ones";
  Case twice;
  twice.pad_is_read_twice = true;
  EXPECT_EQ(removed(twice), 0u) << "another reader of the grown map";
  for (const Case& c : {front, channels, shifted, strided, all, ones, twice}) expect_equal(c, "refused");
}

}  // namespace
}  // namespace repbnn
