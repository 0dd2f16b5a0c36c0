// The order of the tiles: what takes turns, what is kept of a map, and that no wait is for something still to come.
#include "plan/schedule.h"

#include <gtest/gtest.h>

#include <map>

#include "plan/plan.h"
#include "random_network.h"

namespace repbnn {
namespace {

// Two blocks: each a 3x3 and a 1x1 with a shortcut each, as many filters as channels.
struct TwoBlocks {
  GraphBuilder b{5};
  Steps steps;
  Segments segments;
  int between;  // the map that passes from one block to the other

  explicit TwoBlocks(bool outside = false, int32_t channels = 64) {
    const int input = b.input({1, 30, 30, channels});
    between = block(input);
    b.output(block(between));
    if (outside) b.output(between);
    connect(b.graph);
    steps = make_steps(b.graph);
    segments = make_segments(b.graph, steps);
  }

  int block(int t) { return layer(layer(t, 3), 1); }
  int layer(int t, int kernel) {
    GraphBuilder::Conv conv;
    conv.kernel = kernel;
    conv.filters = b.channels(t);
    return b.prelu(b.op(OpKind::kAdd, {b.bconv2d(b.quantize(t), b.channels(t), conv), t}));
  }
  Schedule schedule(int64_t large_map, int threads = 1) const {
    return make_schedule(b.graph, steps, segments, threads, large_map);
  }
};

TEST(Schedule, BlocksWithALargeMapBetweenThemTakeTurns) {
  const TwoBlocks network;
  const Schedule schedule = network.schedule(0);
  ASSERT_EQ(schedule.stages.size(), 1u);
  EXPECT_EQ(schedule.group_of_segment.front(), schedule.group_of_segment.back());
  EXPECT_EQ(schedule.ring_rows[network.between], 2);                // the 3x3 reads three rows, but of packed signs
  EXPECT_GT(network.schedule(0, 2).ring_rows[network.between], 2);  // producers run ahead
}

TEST(Schedule, SmallMapsPassWhole) {
  const TwoBlocks network;
  const Schedule schedule = network.schedule(PlanOptions().large_map);
  EXPECT_LT(schedule.group_of_segment.front(), schedule.group_of_segment.back());
  EXPECT_EQ(schedule.ring_rows[network.between], 0);
}

TEST(Schedule, AMapThatTheRuntimeReadsIsWhole) {
  const TwoBlocks network(true);
  EXPECT_EQ(network.schedule(0).ring_rows[network.between], 0);
}

TEST(Schedule, BlocksOfManyWeightsRunOneAfterAnother) {
  const TwoBlocks network(false, 1024);
  const Schedule schedule = network.schedule(0);
  EXPECT_LT(schedule.group_of_segment.front(), schedule.group_of_segment.back());
}

// A dense block: parts of one map, by one segment after another.
TEST(Schedule, AMapWrittenInPartsEndsAStage) {
  GraphBuilder b(11);
  int t = b.input({1, 28, 28, 32});
  for (int layer = 0; layer < 3; ++layer) {
    t = b.concat({t, b.bconv2d(b.quantize(b.add_constant(t)), b.channels(t), GraphBuilder::Conv())});
  }
  b.output(b.mul_constant(t));
  connect(b.graph);
  const Steps steps = make_steps(b.graph);
  const Segments segments = make_segments(b.graph, steps);
  EXPECT_GT(make_schedule(b.graph, steps, segments, 1, 0).stages.size(), 1u);
}

// Threads take bands in order; a wait for a band behind would be for ever.
TEST(Schedule, EveryBandStandsOnceBehindWhatItWaitsFor) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    const RandomNetwork network(seed);
    const Steps steps = make_steps(network.b.graph);
    const Segments segments = make_segments(network.b.graph, steps);
    const Schedule schedule =
        make_schedule(network.b.graph, steps, segments, 1 + seed % 4, seed % 3 == 0 ? 512 << 10 : 0);
    int covered = 0;
    for (const Stage& stage : schedule.stages) {
      EXPECT_EQ(stage.first_segment, covered);
      covered = stage.end_segment;
      std::map<std::pair<int, int>, int> place;
      for (const Band& band : stage.bands) {
        for (const Wait& wait : band.waits) {
          for (int row = wait.from; row < wait.to; ++row) ASSERT_EQ(place.count({wait.segment, row}), 1u) << seed;
        }
        EXPECT_TRUE(place.emplace(std::make_pair(band.segment, band.row), 0).second);
      }
      size_t bands = 0;
      for (int g = stage.first_segment; stage.ordered && g < stage.end_segment; ++g)
        bands += segments.segments[g].bands();
      EXPECT_EQ(place.size(), bands);
    }
    EXPECT_EQ(covered, static_cast<int>(segments.segments.size()));
  }
}

}  // namespace
}  // namespace repbnn
