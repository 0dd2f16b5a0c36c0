#include "base/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/float_mode.h"
#include "base/spin.h"

namespace repbnn {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1, 2, 3, 8));

TEST_P(ThreadPoolTest, EveryPieceRunsOnceAndItsWritesAreSeen) {
  ThreadPool pool(GetParam());
  ASSERT_GE(pool.size(), 1);
  ASSERT_LE(pool.size(), GetParam());
  for (int round = 0; round < 300; ++round) {
    const int pieces = round % 40;
    std::vector<int> ran(pieces, 0);  // plain ints: a data race would be one for the sanitizer to see
    pool.run(pieces, [&](int piece, int) { ran[piece] += round + 1; });
    for (int value : ran) ASSERT_EQ(value, round + 1);
  }
}

TEST_P(ThreadPoolTest, AThreadNumberIsNeverInUseTwice) {
  ThreadPool pool(GetParam());
  std::vector<std::atomic<int>> busy(GetParam());
  std::atomic<bool> clash{false};
  for (int round = 0; round < 100; ++round) {
    pool.run(50, [&](int, int thread) {
      if (busy[thread].fetch_add(1) != 0) clash = true;
      std::this_thread::yield();
      busy[thread].fetch_sub(1);
    });
  }
  EXPECT_FALSE(clash);
}

TEST_P(ThreadPoolTest, WorksAfterItsThreadsWentToSleep) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> sum{0};
    pool.run(100, [&](int piece, int) { sum += piece; });
    EXPECT_EQ(sum, 4950);
  }
}

TEST_P(ThreadPoolTest, EveryThreadHasTheCallersFloatMode) {
  ThreadPool pool(GetParam());
  const uint64_t before = float_mode();
  for (uint64_t mode : {before | kFlushDenormals, before & ~kFlushDenormals}) {
    set_float_mode(mode);
    std::atomic<int> other{0};
    pool.run(64, [&](int, int) {
      other += float_mode() != mode;
      std::this_thread::yield();
    });
    set_float_mode(before);
    EXPECT_EQ(other, 0);
  }
}

// Whoever is held up keeps one piece: the others do all the rest meanwhile.
TEST(ThreadPoolsTest, AThreadThatIsHeldUpHoldsOnePiece) {
  ThreadPool pool(2);
  if (pool.size() < 2) GTEST_SKIP() << "the system gives no second thread";
  for (int held : {0, 1, 37}) {
    std::atomic<int> others{0};
    pool.run(100, [&](int piece, int) {
      if (piece == held) {
        spin_then_sleep([&] { return others == 99 - held; });  // only pieces behind it: it was taken in order
      } else if (piece > held) {
        ++others;
      }
    });
    EXPECT_EQ(others, 99 - held);
  }
}

TEST(ThreadPoolsTest, SpinningEnds) {
  int asked = 0;
  EXPECT_FALSE(spin_until([&] { return ++asked < 0; }));
  EXPECT_EQ(asked, kSpins);
  EXPECT_TRUE(spin_until([&] { return ++asked == kSpins + 3; }));
}

TEST(ThreadPoolsTest, PoolsComeAndGoUnused) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4);
}

TEST(ThreadPoolsTest, TwoPoolsWorkAtOnce) {
  std::atomic<int> sum{0};
  auto use = [&] {
    ThreadPool pool(2);
    for (int i = 0; i < 200; ++i) pool.run(8, [&](int, int) { ++sum; });
  };
  std::thread other(use);
  use();
  other.join();
  EXPECT_EQ(sum, 2 * 200 * 8);
}

}  // namespace
}  // namespace repbnn
