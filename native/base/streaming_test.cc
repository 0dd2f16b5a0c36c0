// The calling convention around streaming mode: what a caller finds changed, and what it must not.
#include "base/streaming.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "base/float_mode.h"

namespace repbnn {
namespace {

constexpr uint64_t kStreaming = 1, kZa = 2;  // of SVCR

uint64_t mode() {
  uint64_t svcr;
  __asm__ volatile("mrs %0, SVCR" : "=r"(svcr));
  return svcr;
}

class StreamingTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!cpu_supports(Isa::kSme2)) GTEST_SKIP() << "this processor lacks its instructions";
  }
};

// What a caller's ZA is kept in, by AAPCS64.
struct Tpidr2Block {
  uint8_t* buffer;
  uint16_t slices;
  uint16_t reserved[3];
};

TEST_F(StreamingTest, TheModeIsOnInsideAndOffAgain) {
  ASSERT_EQ(mode(), 0u);
  struct Seen {
    uint64_t inside, outside, again;
  } seen = {};
  auto inside = [](void* context) {
    auto* seen = static_cast<Seen*>(context);
    seen->inside = mode();
    out_of_streaming_mode([](void* seen) { static_cast<Seen*>(seen)->outside = mode(); }, seen);
    seen->again = mode();
  };
  seen.outside = 7;
  in_streaming_mode(inside, &seen);
  EXPECT_EQ(seen.inside, kStreaming | kZa);
  EXPECT_EQ(seen.outside, 0u);
  EXPECT_EQ(seen.again, kStreaming | kZa);
  EXPECT_EQ(mode(), 0u);
}

TEST_F(StreamingTest, RegistersThatBelongToTheCallerComeBack) {
  uint64_t before[8], after[8];
  for (int i = 0; i < 8; ++i) before[i] = 0x1234567890abcdefu * (i + 1);
  const uint64_t status = 0x10;  // one sticky flag: the change of mode alone sets all of them
  uint64_t status_after;
  __asm__ volatile(
      "msr fpsr, %[status]\n"
      "ldp d8, d9, [%[before]]\n ldp d10, d11, [%[before], #16]\n"
      "ldp d12, d13, [%[before], #32]\n ldp d14, d15, [%[before], #48]\n"
      "mov x0, %[work]\n mov x1, xzr\n blr %[enter]\n"
      "stp d8, d9, [%[after]]\n stp d10, d11, [%[after], #16]\n"
      "stp d12, d13, [%[after], #32]\n stp d14, d15, [%[after], #48]\n"
      "mrs %[status_after], fpsr\n"
      : [status_after] "=&r"(status_after)
      : [status] "r"(status), [before] "r"(before), [after] "r"(after), [enter] "r"(in_streaming_mode),
        [work] "r"(static_cast<StreamingWork>([](void*) {}))
      : "memory", "cc", "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
        "x15", "x16", "x17", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",
        "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
        "v29", "v30", "v31");
  for (int i = 0; i < 8; ++i) EXPECT_EQ(after[i], before[i]) << "d" << 8 + i;
  EXPECT_EQ(status_after, status);
}

TEST_F(StreamingTest, TheFloatingPointModeIsTheCallersInside) {
  const uint64_t before = float_mode();
  for (uint64_t wanted : {before | kFlushDenormals, before & ~kFlushDenormals}) {
    set_float_mode(wanted);
    uint64_t inside = 0;
    in_streaming_mode([](void* inside) { *static_cast<uint64_t*>(inside) = float_mode(); }, &inside);
    EXPECT_EQ(inside, wanted);
    EXPECT_EQ(float_mode(), wanted);
  }
  set_float_mode(before);
}

// A caller somewhere up the stack may have left its ZA in the registers, to be saved by whoever needs them.
TEST_F(StreamingTest, AZaThatWaitsToBeSavedIsSaved) {
  const size_t slice = 4 * static_cast<size_t>(streaming_lanes());
  std::vector<uint8_t> content(slice * slice), saved(slice * slice);
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<uint8_t>(i * 7 + i / 251);
  Tpidr2Block block{saved.data(), static_cast<uint16_t>(slice), {}};
  const uint8_t* from = content.data();
  uint64_t left = slice;
  __asm__ volatile(
      "smstart za\n mov w12, #0\n"
      "0: ldr za[w12, 0], [%[from]]\n add %[from], %[from], %[slice]\n add w12, w12, #1\n"
      "subs %[left], %[left], #1\n b.ne 0b\n"
      "msr TPIDR2_EL0, %[block]\n"
      : [from] "+&r"(from), [left] "+&r"(left)
      : [slice] "r"(slice), [block] "r"(&block)
      : "memory", "cc", "x12");
  in_streaming_mode([](void*) {}, nullptr);
  uint64_t pending;
  __asm__ volatile("mrs %0, TPIDR2_EL0" : "=r"(pending)::"memory");
  EXPECT_EQ(pending, 0u);  // so the caller knows, and restores it
  EXPECT_EQ(mode(), 0u);
  EXPECT_EQ(saved, content);
}

}  // namespace
}  // namespace repbnn
