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

// A map of `width` bytes a value: each key is the text before it, each value has its type's byte.
std::vector<uint8_t> written(const std::string& key, uint8_t type, int width, uint64_t value, uint8_t copies = 1) {
  std::vector<uint8_t> bytes(key.begin(), key.end());
  bytes.push_back(0);
  const auto put = [&](uint64_t number, int size) {
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<uint8_t>(number >> (8 * i)));
  };
  put(copies, 1);
  const size_t keys = bytes.size();
  for (uint8_t i = 0; i < copies; ++i) put(bytes.size(), 1);  // back to the text
  put(bytes.size() - keys, width);
  put(1, width);
  put(copies, width);
  const size_t values = bytes.size();
  for (uint8_t i = 0; i < copies; ++i) put(value, width);
  for (uint8_t i = 0; i < copies; ++i) bytes.push_back(type);
  put(bytes.size() - values, 1);
  bytes.push_back(static_cast<uint8_t>(9 << 2 | (width == 1 ? 0 : width == 2 ? 1 : width == 4 ? 2 : 3)));  // MAP
  bytes.push_back(1);
  return bytes;
}

constexpr uint8_t kInt = 1 << 2, kUInt = 2 << 2, kFloat = 3 << 2, kBool = 26 << 2;

TEST(FlexMap, ReadsIntegersOfEveryWidthThatFit32Bits) {
  const struct {
    uint8_t type;
    int width;
    uint64_t value;
    bool fits;
    int32_t is;
  } cases[] = {
      {kInt, 1, 0xff, true, -1},
      {kUInt, 1, 0xff, true, 255},
      {kInt, 2, 0x8000, true, -32768},
      {kInt | 3, 8, 0x80000000, false, 0},
      {kInt | 3, 8, 0xffffffff80000000, true, INT32_MIN},
      {kInt | 3, 8, 0xffffffff7fffffff, false, 0},
      {kInt | 3, 8, uint64_t{1} << 40, false, 0},
      {kUInt | 2, 4, 0x7fffffff, true, INT32_MAX},
      {kUInt | 2, 4, 0x80000000, false, 0},
      {kUInt | 3, 8, UINT64_MAX, false, 0},
      {kBool, 1, 1, true, 1},
      {kFloat | 2, 4, 0x3f800000, false, 0},
  };
  for (const auto& c : cases) {
    const std::vector<uint8_t> bytes = written("stride", c.type, c.width, c.value);
    FlexMap map;
    ASSERT_TRUE(map.open(bytes.data(), bytes.size())) << c.value;
    int32_t value = 0;
    EXPECT_EQ(map.get("stride", &value), c.fits) << c.value;
    EXPECT_EQ(value, c.is) << c.value;
  }
}

// What a file may say so that a reader without that bound leaves the buffer, which ends at an inaccessible page.
TEST(FlexMap, EachBoundIsHeld) {
  Guarded<uint8_t> memory;
  const auto opens = [&](const std::vector<uint8_t>& bytes, FlexMap* map) {
    uint8_t* data = memory.place(bytes.size());
    std::copy(bytes.begin(), bytes.end(), data);
    return map->open(data, bytes.size());
  };
  FlexMap map;
  int32_t value;
  std::vector<uint8_t> late = written("a", kInt, 1, 7, 10);
  ASSERT_TRUE(opens(late, &map) && map.get("a", &value) && value == 7);
  late.erase(late.end() - 23, late.end() - 3);  // its ten values and their types: the root stands where they began
  late[late.size() - 3] = 0;
  EXPECT_FALSE(opens(late, &map));
  ASSERT_TRUE(opens(written("s", kInt, 1, 7), &map));
  EXPECT_FALSE(map.get("s_of_a_name_that_is_longer_than_all_that_is_left_of_the_buffer", &value));
  std::vector<uint8_t> counted = written("a", kInt, 1, 7);
  counted[2] = counted[counted.size() - 6] = 200;  // so many keys and values
  EXPECT_FALSE(opens(counted, &map));
  std::vector<uint8_t> uneven = written("a", kInt, 1, 7);
  uneven[2] = 2;  // more keys than values
  EXPECT_FALSE(opens(uneven, &map));
  std::vector<uint8_t> early = written("a", kInt, 1, 7);
  early[3] = 255;  // a key before the buffer, which begins behind an inaccessible page
  uint8_t* first = memory.place(early.size(), true);
  std::copy(early.begin(), early.end(), first);
  ASSERT_TRUE(map.open(first, early.size()));
  EXPECT_FALSE(map.get("a", &value));
  std::vector<uint8_t> indirect = written("a", 6 << 2, 1, 255);  // INDIRECT_INT, from before the buffer
  ASSERT_TRUE(opens(indirect, &map));
  EXPECT_FALSE(map.get("a", &value));
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
