// Plans of one process hold equal weights once, and unequal ones apart.
#include "plan/weights.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "base/digest.h"
#include "plan/plan.h"
#include "random_network.h"

namespace repbnn {
namespace {

// A convolution with everything that a spec can say.
struct Layer {
  std::vector<uint32_t> filters = std::vector<uint32_t>(16 * 9 * 2, 0x5a5a1234u);
  std::vector<float> multiplier = std::vector<float>(16, 0.25f), bias = std::vector<float>(16, 0.5f);
  std::vector<float> shift = std::vector<float>(32, 1.0f);
  Program program{32};
  Bconv2dSpec spec;

  Layer() {
    Bconv2dGeometry& g = spec.geometry;
    g.in_height = g.in_width = g.out_height = g.out_width = 6;
    g.in_channels = 64, g.filters = 16;
    g.kernel_height = g.kernel_width = 3, g.pad_top = g.pad_left = 1;
    spec.copies = 2;
  }

  std::shared_ptr<const Bconv2d> share() {
    program = Program(32);
    program.add(shift.data()).clamp(0.0f, 6.0f).store(0);
    spec.filters = filters.data(), spec.multiplier = multiplier.data(), spec.bias = bias.data();
    spec.epilogue = &program;
    return shared_bconv2d(spec, *choose_bconv2d_kernel(best_isa(), spec.geometry));
  }
};

TEST(Digest, IsSipHash) {
  const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  EXPECT_EQ(Digester(key).finish().low, 0xe6a825ba047f81a3u);  // of nothing; the authors' own vectors
  EXPECT_EQ(Digester(key).finish().high, 0x930255c71472f66du);
  Digester one(key);
  one.add_value(uint8_t{0});
  EXPECT_EQ(one.finish().low, 0x44af996bd8c187dau);
  uint8_t bytes[21];
  for (size_t i = 0; i < sizeof bytes; ++i) bytes[i] = static_cast<uint8_t>(37 * i);
  Digester whole, pieces;
  whole.add(bytes, sizeof bytes);
  for (size_t from = 0; from < sizeof bytes; from += 3) pieces.add(bytes + from, 3);
  EXPECT_TRUE(whole.finish() == pieces.finish());
}

TEST(Weights, EqualOnesAreOneObjectWhereverTheyLie) {
  Layer one, other;
  const auto held = one.share();
  ASSERT_NE(held, nullptr);
  EXPECT_EQ(held, other.share());
  EXPECT_EQ(shared_bconv2d_count(), 1u);
}

TEST(Weights, OneBitOfAnythingMakesAnother) {
  const std::vector<std::function<void(Layer&)>> changes = {
      [](Layer& l) { l.filters[37] ^= 1; },
      [](Layer& l) { l.multiplier[3] = 0.125f; },
      [](Layer& l) { l.bias[15] = -0.5f; },
      [](Layer& l) { l.shift[31] = -1.0f; },
      [](Layer& l) { l.spec.pad_zero = true; },
      [](Layer& l) { l.spec.activation_min = 0; },
      [](Layer& l) { l.spec.geometry.in_height = l.spec.geometry.out_height = 7; },
      [](Layer& l) { l.spec.geometry.pad_left = 0, l.spec.geometry.out_width = 5; },
  };
  Layer plain;
  std::vector<std::shared_ptr<const Bconv2d>> held = {plain.share()};
  for (size_t i = 0; i < changes.size(); ++i) {
    Layer layer;
    changes[i](layer);
    held.push_back(layer.share());
    ASSERT_NE(held.back(), nullptr) << i;
    for (size_t k = 0; k + 1 < held.size(); ++k) EXPECT_NE(held.back(), held[k]) << "change " << i;
  }
}

TEST(Weights, AreFreedWithTheirLastHolder) {
  Layer layer;
  auto held = layer.share();
  const std::weak_ptr<const Bconv2d> watched = held;
  held.reset();
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(shared_bconv2d_count(), 0u);
}

TEST(Weights, TwoPlansOfANetworkHoldThemOnce) {
  RandomNetwork network(3);
  ThreadPool pool(1);
  PlanOptions options;
  options.isa = best_isa();
  options.pool = &pool;
  const auto first = make_plan(network.b.graph, options);
  const size_t held = shared_bconv2d_count();
  ASSERT_GT(held, 0u);
  const auto second = make_plan(network.b.graph, options);
  EXPECT_EQ(shared_bconv2d_count(), held);
}

TEST(Weights, ThreadsThatComeAtOnceGetOneObject) {
  for (int round = 0; round < 50; ++round) {
    Layer layers[4];
    std::shared_ptr<const Bconv2d> held[4];
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&, i] { held[i] = layers[i].share(); });
    for (std::thread& thread : threads) thread.join();
    for (int i = 1; i < 4; ++i) ASSERT_EQ(held[0], held[i]);
    threads.clear();
    for (int i = 0; i < 4; ++i) threads.emplace_back([&, i] { held[i].reset(); });
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(shared_bconv2d_count(), 0u);
}

}  // namespace
}  // namespace repbnn
