// The FlexBuffer reader on good bytes, on every prefix of them, and on damage.
#include "delegate/flexbuffer.h"

#include <gtest/gtest.h>

#include <random>

#include "fake_network.h"

namespace repbnn {
namespace {

TEST(FlexMap, ReadsWhatConvertersWrite) {
  const std::vector<uint8_t> bytes = flex_map({{"padding", 1}, {"stride_height", -7}, {"channels_in", 100000}});
  FlexMap map;
  ASSERT_TRUE(map.open(bytes.data(), bytes.size()));
  int32_t value = 0;
  EXPECT_TRUE(map.get("padding", &value) && value == 1);
  EXPECT_TRUE(map.get("stride_height", &value) && value == -7);
  EXPECT_TRUE(map.get("channels_in", &value) && value == 100000);
  EXPECT_FALSE(map.get("stride", &value));
  EXPECT_FALSE(map.get("stride_height_", &value));
}

// Each case lies right before an inaccessible page.
TEST(FlexMap, NoPrefixAndNoDamageReadsOutside) {
  const std::vector<uint8_t> good = flex_map(FakeNetwork::conv_options());
  std::mt19937 random(3);
  Guarded<uint8_t> memory;
  int opened = 0;
  for (int round = 0; round < 200000; ++round) {
    std::vector<uint8_t> bytes(good.begin(), good.begin() + (round < 400 ? round % good.size() : good.size()));
    for (unsigned k = random() % 4; k > 0 && !bytes.empty(); --k)
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    uint8_t* data = memory.place(bytes.size());
    std::copy(bytes.begin(), bytes.end(), data);
    FlexMap map;
    if (!map.open(data, bytes.size())) continue;
    ++opened;
    int32_t value;
    for (const auto& option : FakeNetwork::conv_options()) map.get(option.first.c_str(), &value);
  }
  EXPECT_GT(opened, 1000);
}

}  // namespace
}  // namespace repbnn
