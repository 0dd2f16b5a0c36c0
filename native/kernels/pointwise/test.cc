#include <gtest/gtest.h>

#include "base/float_mode.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/testing/programs.h"

namespace repbnn {
namespace {

uint32_t signs_of_special_values(Isa isa) {
  const float values[] = {0.0f, -0.0f, 1e-45f, -1e-45f, 1.0f, -1.0f, NAN, -NAN, INFINITY, -INFINITY};
  constexpr int kChannels = sizeof(values) / sizeof(values[0]);
  const PackedProgram program(Program(kChannels).sign(0), 1);
  uint32_t bits = ~0u;  // the bits behind the last channel are cleared
  Bindings maps;
  maps.bits[0] = BitMap{&bits, 1, 1, kChannels};
  FloatMap source;
  source.data = const_cast<float*>(values);
  run_pointwise(isa, program, source, maps, 0, 1, 0, 1);
  return bits;
}

class PointwiseTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!cpu_supports(GetParam())) GTEST_SKIP() << "this processor lacks " << isa_name(GetParam());
  }
};

std::vector<Isa> built() {
  std::vector<Isa> isas;
  for (Isa isa : {Isa::kScalar, Isa::kNeon, Isa::kSme2, Isa::kSme2Neon, Isa::kAvx2, Isa::kAvx512Vpopcntdq}) {
    if (isa_built(isa)) isas.push_back(isa);
  }
  return isas;
}

INSTANTIATE_TEST_SUITE_P(Isas, PointwiseTest, testing::ValuesIn(built()),
                         [](const auto& info) { return isa_name(info.param); });

// Denormals kept and flushed: TFLite flushes them around Invoke.
class FloatMode {
 public:
  explicit FloatMode(bool flush) : before_(float_mode()) {
    set_float_mode(flush ? before_ | kFlushDenormals : before_ & ~kFlushDenormals);
  }
  ~FloatMode() { set_float_mode(before_); }

 private:
  uint64_t before_;
};

TEST_P(PointwiseTest, RandomProgramsEqualTheSpelledOutForm) {
  Guarded<float> source_memory;
  MapSet got, want;
  for (int i = 0; i < case_count(3000); ++i) {
    Random random(i);
    const int lanes = random.of({1, 3, 8, 15, 16, 17, 31, 32, 33, 48, 64, 65, 100}), copies = random.in(1, 4);
    const int height = random.in(1, 3), width = random.in(1, 31);
    const Program program = random_program(random, lanes * copies);
    const PackedProgram packed(program, copies, pointwise_width(GetParam()));
    ASSERT_TRUE(packed.valid());
    const bool flush = i % 2 == 0;
    const FloatMode mode(flush);
    make_maps(random, height, width, lanes * copies, &got, &want);
    FloatMap source;
    source.pixel_stride = lanes;
    source.row_pitch = lanes * width;
    if (random.one_in(4)) source.modulo = random.in(1, lanes);
    source.data = source_memory.place(static_cast<size_t>(source.row_pitch) * height);
    for (ptrdiff_t k = 0; k < source.row_pitch * height; ++k) source.data[k] = random.special();
    const int y0 = random.in(0, height - 1), x0 = random.in(0, width - 1), x1 = random.in(x0 + 1, width);
    run_pointwise(GetParam(), packed, source, got.bindings, y0, height, x0, x1);
    for (int y = y0; y < height; ++y) {
      for (int x = x0; x < x1; ++x) {
        for (int copy = 0; copy < copies; ++copy) {
          for (int lane = 0; lane < lanes; ++lane) {
            apply_program(program, want.bindings, y, x, copy * lanes + lane, map_value(source, y, x, lane));
          }
        }
      }
    }
    ASSERT_EQ(difference(got, want, flush), "") << "case " << i;
  }
}

TEST_P(PointwiseTest, SignIsLessThanZeroForEverySpecialValue) {
  for (bool flush : {false, true}) {
    const FloatMode mode(flush);
    // -1e-45 counts as zero where denormals are flushed: so it does in LCE's LceQuantize, under TFLite.
    EXPECT_EQ(signs_of_special_values(GetParam()), 1u << 5 | 1u << 9 | (flush ? 0u : 1u << 3));
  }
}

TEST(ProgramTest, ChainsAreRecognised) {
  const float v[16] = {};
  EXPECT_GE(
      PackedProgram(Program(16).mul(v).add(v).add_map(0).add(v).prelu(v).add(v).store(1).sign_add(v, 0), 1).chain(), 0);
  // A sign in front of the store is the same program.
  EXPECT_GE(PackedProgram(Program(16).add_map(0).sign(0).store(1), 1).chain(), 0);
  EXPECT_EQ(PackedProgram(Program(16).mul(v).mul(v).mul(v), 1).chain(), -1);
}

TEST(ProgramTest, RefusesWhatItCannotRun) {
  Program long_program(4);
  for (int i = 0; i <= kMaxSteps; ++i) long_program.sign(0);
  EXPECT_FALSE(PackedProgram(long_program, 1).valid());
  EXPECT_FALSE(PackedProgram(Program(4).store(kMaxMaps), 1).valid());
  EXPECT_FALSE(PackedProgram(Program(4).store(0), 3).valid());
  EXPECT_TRUE(PackedProgram(Program(4).store(0), 2).valid());
}

}  // namespace
}  // namespace repbnn
