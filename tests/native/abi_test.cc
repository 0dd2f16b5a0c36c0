// Our declarations of TFLite's structs against the official headers (-DREPBNN_TFLITE_HEADERS=folder), where they are at
// hand: they come inside the Android archive org.tensorflow:tensorflow-lite, under headers/.
#include <gtest/gtest.h>

#include <vector>

#include "delegate/abi.h"
#include "delegate/abi_ops.h"

#include "abi_offsets.h"

extern const size_t official_facts[];
extern const size_t official_count, official_registration_bytes, official_delegate_bytes;

TEST(Abi, EqualsTheOfficialHeaders) {
  if (official_count == 0) GTEST_SKIP() << "no official headers at hand (REPBNN_TFLITE_HEADERS)";
  const std::vector<size_t> ours = {REPBNN_ABI_FACTS};
  EXPECT_EQ(ours, std::vector<size_t>(official_facts, official_facts + official_count));
}

// What the runtime copies by value or may read to its end must lie within ours.
TEST(Abi, OursAreNoShorter) {
  if (official_count == 0) GTEST_SKIP() << "no official headers at hand (REPBNN_TFLITE_HEADERS)";
  EXPECT_GE(sizeof(TfLiteRegistration), official_registration_bytes);
  EXPECT_GE(sizeof(TfLiteDelegate), official_delegate_bytes);
}
