// The delegate against a runtime that offers it good and bad networks.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "fake_network.h"

extern "C" TfLiteDelegate* tflite_plugin_create_delegate(const char* const*, const char* const*, size_t,
                                                         void (*)(const char*));
extern "C" void tflite_plugin_destroy_delegate(TfLiteDelegate*);

namespace repbnn {
namespace {

std::string last_error;

TfLiteDelegate* create(std::vector<std::pair<const char*, const char*>> options) {
  options.push_back({"log_level", "error"});
  std::vector<const char*> keys, values;
  for (const auto& option : options) keys.push_back(option.first), values.push_back(option.second);
  last_error.clear();
  return tflite_plugin_create_delegate(keys.data(), values.data(), keys.size(),
                                       [](const char* text) { last_error = text; });
}

struct Destroy {
  void operator()(TfLiteDelegate* delegate) const { tflite_plugin_destroy_delegate(delegate); }
};
using Handle = std::unique_ptr<TfLiteDelegate, Destroy>;

TfLiteStatus run(FakeNetwork& network, TfLiteDelegate* delegate) {
  if (delegate->Prepare(&network.runtime.context, delegate) != kTfLiteOk) return kTfLiteError;
  if (network.runtime.prepare() != kTfLiteOk) return kTfLiteError;
  network.runtime.allocate();
  network.fill_input();
  return network.runtime.invoke();
}

TEST(Delegate, ClaimsABlockAsOnePartitionAndLeavesWhatItDoesNotKnow) {
  FakeNetwork network;
  const Handle delegate(create({{"require_all", "true"}}));
  ASSERT_EQ(run(network, delegate.get()), kTfLiteOk) << network.runtime.errors;
  EXPECT_EQ(network.runtime.partitions, 1);
  EXPECT_EQ(network.runtime.claimed, (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

TEST(Delegate, ClaimsTheFloatOperatorsOfABlockToo) {
  FakeNetwork network(true, 5, true);
  const Handle delegate(create({{"require_all", "true"}}));
  ASSERT_EQ(run(network, delegate.get()), kTfLiteOk) << network.runtime.errors;
  EXPECT_EQ(network.runtime.partitions, 1);
  EXPECT_EQ(network.runtime.claimed.size(), 13u);  // all but the one that nobody knows
}

// Each of these on a block, and on one with float operators in it.
class Either : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Networks, Either, testing::Bool(),
                         [](const auto& info) { return info.param ? "wide" : "block"; });

TEST_P(Either, FusedEqualsUnfusedThroughTheDoor) {
  FakeNetwork fused(true, 5, GetParam()), unfused(true, 5, GetParam());
  const Handle full(create({})), none(create({{"fusion", "none"}}));
  ASSERT_EQ(run(fused, full.get()), kTfLiteOk);
  ASSERT_EQ(run(unfused, none.get()), kTfLiteOk);
  EXPECT_EQ(fused.result(), unfused.result());
}

TEST_P(Either, MayBeDestroyedBeforeThePartition) {
  FakeNetwork network(true, 5, GetParam());
  Handle delegate(create({}));
  ASSERT_EQ(run(network, delegate.get()), kTfLiteOk);
  const std::vector<float> first = network.result();
  delegate.reset();
  ASSERT_EQ(network.runtime.invoke(), kTfLiteOk);
  EXPECT_EQ(network.result(), first);
}

TEST_P(Either, MayBeDestroyedAfterThePartition) {
  const Handle delegate(create({{"num_threads", "2"}}));
  for (int i = 0; i < 3; ++i) {
    FakeNetwork network(true, 5, GetParam());
    ASSERT_EQ(run(network, delegate.get()), kTfLiteOk);
  }
}

TEST_P(Either, ServesTwoRuntimesAtOnce) {
  const Handle delegate(create({{"num_threads", "2"}}));
  FakeNetwork one(true, 5, GetParam()), other(true, 5, GetParam());
  ASSERT_EQ(run(one, delegate.get()), kTfLiteOk);
  ASSERT_EQ(run(other, delegate.get()), kTfLiteOk);
  const auto repeat = [](FakeNetwork* network) {
    for (int i = 0; i < 200; ++i) network->runtime.invoke();
  };
  std::thread thread(repeat, &one);
  repeat(&other);
  thread.join();
  EXPECT_EQ(one.result(), other.result());
}

// Prepared, run and ended at once, with weights that both share: by a delegate each, and by one.
TEST_P(Either, NetworksLiveInTwoThreads) {
  FakeNetwork reference(true, 5, GetParam());
  const Handle shared(create({}));
  ASSERT_EQ(run(reference, shared.get()), kTfLiteOk);
  const std::vector<float> expected = reference.result();
  const auto live = [&](int* wrong) {
    for (int i = 0; i < 20; ++i) {
      FakeNetwork network(false, 5, GetParam()), other(false, 5, GetParam());
      const Handle own(tflite_plugin_create_delegate(nullptr, nullptr, 0, nullptr));
      if (run(network, own.get()) != kTfLiteOk || network.result() != expected) ++*wrong;
      if (run(other, shared.get()) != kTfLiteOk || other.result() != expected) ++*wrong;
    }
  };
  ::testing::internal::CaptureStderr();  // their one line each
  int wrong_here = 0, wrong_there = 0;
  std::thread thread(live, &wrong_there);
  live(&wrong_here);
  thread.join();
  ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(wrong_here + wrong_there, 0);
}

TEST_P(Either, FollowsAResizeOfItsInput) {
  const Handle delegate(create({}));
  FakeNetwork small(true, 5, GetParam()), large(true, 9, GetParam());
  ASSERT_EQ(run(large, delegate.get()), kTfLiteOk);
  ASSERT_EQ(run(small, delegate.get()), kTfLiteOk);
  auto* dims = static_cast<TfLiteIntArray*>(std::malloc(5 * sizeof(int)));
  dims->size = 4;
  for (int d = 0; d < 4; ++d) dims->data[d] = large.runtime.at(large.input).dims->data[d];
  small.runtime.context.ResizeTensor(&small.runtime.context, &small.runtime.at(small.input), dims);
  EXPECT_EQ(small.runtime.invoke(), kTfLiteError);  // not prepared for it
  EXPECT_NE(small.runtime.errors.find("changed its shape"), std::string::npos);
  ASSERT_EQ(small.runtime.prepare(), kTfLiteOk);
  small.runtime.allocate();
  small.fill_input();
  ASSERT_EQ(small.runtime.invoke(), kTfLiteOk);
  EXPECT_EQ(small.result(), large.result());
}

// The runtime gives a shape that cannot be, then the old one back without preparing it again.
TEST(Delegate, WhatCouldNotBePreparedIsNotRun) {
  const Handle delegate(create({}));
  FakeNetwork network;
  ASSERT_EQ(run(network, delegate.get()), kTfLiteOk);
  int& channels = network.runtime.at(network.input).dims->data[3];
  channels = 65;
  EXPECT_EQ(network.runtime.prepare(), kTfLiteError);
  channels = 64;
  EXPECT_EQ(network.runtime.invoke(), kTfLiteError);
  EXPECT_NE(network.runtime.errors.find("could not be prepared"), std::string::npos) << network.runtime.errors;
}

TEST(Delegate, RunsABatchImageByImage) {
  const Handle delegate(create({}));
  FakeNetwork network;  // a wide one's scales are one image's: TFLite has no shape for several
  ASSERT_EQ(run(network, delegate.get()), kTfLiteOk);
  const std::vector<float> one = network.result();
  auto* dims = static_cast<TfLiteIntArray*>(std::malloc(5 * sizeof(int)));
  dims->size = 4;
  for (int d = 0; d < 4; ++d) dims->data[d] = network.runtime.at(network.input).dims->data[d];
  dims->data[0] = 3;
  network.runtime.context.ResizeTensor(&network.runtime.context, &network.runtime.at(network.input), dims);
  ASSERT_EQ(network.runtime.prepare(), kTfLiteOk);
  network.runtime.allocate();
  network.fill_input();
  ASSERT_EQ(network.runtime.invoke(), kTfLiteOk);
  const std::vector<float> three = network.result();
  ASSERT_EQ(three.size(), 3 * one.size());
  EXPECT_TRUE(std::equal(one.begin(), one.end(), three.begin()));
}

// What others have been bitten by: each is refused with a reason, and nothing crashes.
struct Bad {
  const char* name;
  std::function<void(FakeNetwork&)> spoil;
  const char* says;
};

std::vector<uint8_t> with_option(const std::string& key, int32_t value) {
  auto options = FakeNetwork::conv_options();
  for (auto& option : options) {
    if (option.first == key) option.second = value;
  }
  return flex_map(options);
}

std::vector<Bad> bad_networks() {
  const auto option = [](const char* key, int32_t value) {
    return [=](FakeNetwork& n) { n.runtime.set_options(n.conv_node, with_option(key, value)); };
  };
  return {
      {"stride 0", option("stride_height", 0), "stride"},
      {"stride beyond 32767", option("stride_width", 40000), "stride"},
      {"dilation 0", option("dilation_width_factor", 0), "dilation"},
      {"no input channels", option("channels_in", 0), "channels_in"},
      {"negative input channels", option("channels_in", -64), "channels_in"},
      {"packed depth of another width", option("channels_in", 96), "channels_in"},
      {"padding of no kind", option("padding", 7), "padding"},
      {"pad value 2", option("pad_values", 2), "pad_values"},
      {"activation of no kind", option("fused_activation_function", 9), "activation"},
      {"kernel larger than a VALID map",
       [](FakeNetwork& n) {
         n.runtime.set_options(n.conv_node, [] {
           auto o = FakeNetwork::conv_options();
           o[5].second = 1;
           o[1].second = 9;
           return flex_map(o);
         }());
       },
       "larger than the map"},
      {"no options", [](FakeNetwork& n) { n.runtime.set_options(n.conv_node, {}); }, "FlexBuffer"},
      {"a missing option",
       [](FakeNetwork& n) {
         auto o = FakeNetwork::conv_options();
         o.pop_back();
         n.runtime.set_options(n.conv_node, flex_map(o));
       },
       "missing"},
      {"no multiplier", [](FakeNetwork& n) { n.runtime.node(n.conv_node).inputs->data[2] = -1; }, "missing"},
      {"a tensor that does not exist", [](FakeNetwork& n) { n.runtime.node(n.conv_node).inputs->data[1] = 500; },
       "does not exist"},
      {"a multiplier that is not finite",
       [](FakeNetwork& n) { static_cast<float*>(n.runtime.at(n.multiplier).data)[3] = INFINITY; }, "not finite"},
      {"a filter that is cut short", [](FakeNetwork& n) { n.runtime.at(n.filter).bytes -= 4; }, "bytes instead of"},
      {"an empty filter", [](FakeNetwork& n) { n.runtime.at(n.filter).dims->data[0] = 0; }, "empty"},
      {"a filter of another depth",
       [](FakeNetwork& n) {
         n.runtime.at(n.filter).dims->data[3] = 3;
         n.runtime.at(n.filter).bytes = 1 << 20;
       },
       "divide"},
      {"a filter that is no constant", [](FakeNetwork& n) { n.runtime.at(n.filter).allocation_type = kTfLiteMemNone; },
       "no constant"},
      {"an output of another shape", [](FakeNetwork& n) { n.runtime.at(n.sums).dims->data[1] = 77; }, "shape"},
      {"an output of another type", [](FakeNetwork& n) { n.runtime.at(n.sums).type = kTfLiteInt64; }, "type"},
      {"an input of rank 3", [](FakeNetwork& n) { n.runtime.at(n.packed).dims->size = 3; }, "shape"},
      {"a shape beyond 2^31",
       [](FakeNetwork& n) {
         for (int t : {n.input, n.packed, n.sums})
           n.runtime.at(t).dims->data[1] = n.runtime.at(t).dims->data[2] = 60000;
       },
       "2^31"},
  };
}

// A float operator that cannot be proven is left out, and says why; the binary ones around it still run.
TEST(Delegate, LeavesFloatOperatorsThatItCannotProve) {
  const std::vector<Bad> cases = {
      {"MEAN", [](FakeNetwork& n) { static_cast<int32_t*>(n.runtime.at(n.axes).data)[0] = 3; }, "rows and columns"},
      {"MEAN", [](FakeNetwork& n) { static_cast<int32_t*>(n.runtime.at(n.axes).data)[0] = 4; }, "out of range"},
      {"MEAN", [](FakeNetwork& n) { n.runtime.at(n.axes).allocation_type = kTfLiteMemNone; }, "no constant"},
      {"MEAN", [](FakeNetwork& n) { n.drop_axes.keep_dims = true; }, "shape in the file"},
      {"DEPTHWISE_CONV_2D", [](FakeNetwork& n) { n.runtime.at(n.taps).dims->data[3] = 63; }, "does not fit"},
      {"DEPTHWISE_CONV_2D", [](FakeNetwork& n) { n.depthwise.stride_width = 0; }, "stride"},
      {"DEPTHWISE_CONV_2D", [](FakeNetwork& n) { n.depthwise.padding = kTfLitePaddingUnknown; }, "padding"},
      {"DEPTHWISE_CONV_2D", [](FakeNetwork& n) { n.runtime.at(n.taps).bytes -= 4; }, "bytes instead of"},
      {"PADV2", [](FakeNetwork& n) { static_cast<int32_t*>(n.runtime.at(n.pairs).data)[2] = -1; }, "negative"},
      {"PADV2", [](FakeNetwork& n) { n.runtime.at(n.fill).type = kTfLiteInt32; }, "type"},
      {"PADV2", [](FakeNetwork& n) { n.runtime.at(n.fill).allocation_type = kTfLiteMemNone; }, "no constant"},
      {"AVERAGE_POOL_2D", [](FakeNetwork& n) { n.halve.filter_width = 100; }, "larger than the map"},
  };
  const std::string path = ::testing::TempDir() + "left.json";
  for (const Bad& bad : cases) {
    SCOPED_TRACE(std::string(bad.name) + ", " + bad.says);
    FakeNetwork network(true, 5, true);
    bad.spoil(network);
    const Handle delegate(create({{"explain", path.c_str()}}));
    ASSERT_EQ(delegate->Prepare(&network.runtime.context, delegate.get()), kTfLiteOk);
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    const size_t at = text.str().find("\"op\": \"" + std::string(bad.name) + "\", \"claimed\": false");
    ASSERT_NE(at, std::string::npos) << text.str();
    const std::string line = text.str().substr(at, text.str().find('\n', at) - at);
    EXPECT_NE(line.find(bad.says), std::string::npos) << line;
  }
  std::remove(path.c_str());
}

TEST(Delegate, RefusesWhatItCannotProve) {
  for (const Bad& bad : bad_networks()) {
    SCOPED_TRACE(bad.name);
    FakeNetwork network;
    bad.spoil(network);
    const Handle strict(create({{"require_all", "true"}}));
    EXPECT_EQ(strict->Prepare(&network.runtime.context, strict.get()), kTfLiteError);
    EXPECT_NE(network.runtime.errors.find(" is not taken: "), std::string::npos) << network.runtime.errors;
    EXPECT_NE(network.runtime.errors.find(bad.says), std::string::npos) << network.runtime.errors;
  }
}

TEST(Delegate, ExplainsEachNode) {
  const std::string path = ::testing::TempDir() + "explain.json";
  FakeNetwork network;
  const Handle delegate(create({{"explain", path.c_str()}}));
  ASSERT_EQ(delegate->Prepare(&network.runtime.context, delegate.get()), kTfLiteOk);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_NE(text.str().find("\"op\": \"builtin 999\", \"claimed\": false, \"reason\": \"no operator that stands"),
            std::string::npos)
      << text.str();
  EXPECT_NE(text.str().find("\"op\": \"LceBconv2d\", \"claimed\": true, \"reason\": null"), std::string::npos);
  std::remove(path.c_str());
}

// The name of a custom operator is whatever bytes the file holds.
TEST(Delegate, FilesAreWrittenNotBeforeThereIsSomethingToSay) {
  const std::string path = ::testing::TempDir() + "nothing.json";
  const Handle delegate(create({{"explain", path.c_str()}, {"profiling", path.c_str()}}));
  ASSERT_NE(delegate, nullptr);
  EXPECT_FALSE(std::ifstream(path).is_open());
  std::ofstream(path) << "old";
  const Handle other(create({{"explain", path.c_str()}}));
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), "old");
  std::remove(path.c_str());
}

// Step by step, where nothing is fused and so every map is there to be looked at.
TEST(Delegate, AProfileWithoutFusionCountsDenormals) {
  const std::string path = ::testing::TempDir() + "denormals.json";
  for (const bool tiny : {false, true}) {
    const Handle delegate(create({{"profiling", path.c_str()}, {"fusion", "none"}}));
    {
      FakeNetwork network;
      for (int c = 0; c < 16; ++c) {
        if (tiny) static_cast<float*>(network.runtime.at(network.multiplier).data)[c] = 1e-43f;
        if (tiny) static_cast<float*>(network.runtime.at(network.bias).data)[c] = 1e-44f;
      }
      ASSERT_EQ(run(network, delegate.get()), kTfLiteOk);
    }
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    const std::string json = text.str();
    const size_t at = json.find("\"denormals\": ", json.find("\"LceBconv2d\""));
    ASSERT_NE(at, std::string::npos) << json;
    EXPECT_EQ(std::atoi(json.c_str() + at + 13), tiny ? 5 * 5 * 16 : 0) << json;
  }
  std::remove(path.c_str());
}

TEST(Delegate, WhatIsRequiredInVainIsExplainedToo) {
  const std::string path = ::testing::TempDir() + "required.json";
  FakeNetwork network;
  network.runtime.set_options(network.conv_node, {});
  const Handle delegate(create({{"explain", path.c_str()}, {"require_all", "true"}}));
  EXPECT_EQ(delegate->Prepare(&network.runtime.context, delegate.get()), kTfLiteError);
  EXPECT_EQ(network.runtime.partitions, 0);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_NE(text.str().find("\"partitions\": 0"), std::string::npos) << text.str();
  EXPECT_NE(text.str().find("\"op\": \"LceBconv2d\", \"claimed\": false, \"reason\": \"its options are no FlexBuffer"),
            std::string::npos)
      << text.str();
  std::remove(path.c_str());
}

TEST(Delegate, ANameFromTheFileIsShownWithoutWhatSteersATerminal) {
  const std::string path = ::testing::TempDir() + "names.json";
  for (const char* require_all : {"false", "true"}) {
    FakeNetwork network;
    FakeRuntime& runtime = network.runtime;
    runtime.add(kTfLiteBuiltinCustom, "Lce\x1b[2J\xc3\xa9\xff\xc2\x9b", {network.output}, {network.sums});
    const Handle delegate(create({{"explain", path.c_str()}, {"require_all", require_all}}));
    delegate->Prepare(&runtime.context, delegate.get());
    if (*require_all == 't') {
      EXPECT_NE(runtime.errors.find("repbnn: Lce?[2J\xc3\xa9?? (node 7) is not taken"), std::string::npos)
          << runtime.errors;
      continue;
    }
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    EXPECT_NE(text.str().find("\"Lce\\u001b[2J\xc3\xa9\\ufffd\xc2\x9b\""), std::string::npos) << text.str();
  }
  std::remove(path.c_str());
}

TEST(Delegate, AContextOfAnotherLayoutIsRefused) {
  FakeNetwork network;
  const Handle delegate(create({}));
  network.runtime.context.GetExecutionPlan = nullptr;
  EXPECT_EQ(delegate->Prepare(&network.runtime.context, delegate.get()), kTfLiteError);
  EXPECT_EQ(delegate->Prepare(nullptr, delegate.get()), kTfLiteError);
}

TEST(Options, EachErrorNamesWhatIsValid) {
  EXPECT_EQ(create({{"nonsense", "1"}}), nullptr);
  EXPECT_NE(last_error.find("num_threads, implementation, fusion"), std::string::npos);
  EXPECT_EQ(create({{"num_threads", "1x"}}), nullptr);
  EXPECT_NE(last_error.find("-1 to 256"), std::string::npos);
  EXPECT_EQ(create({{"implementation", "mmx"}}), nullptr);
  EXPECT_NE(last_error.find("auto, scalar"), std::string::npos);
  EXPECT_EQ(create({{"fusion", nullptr}}), nullptr);
  for (const char* key : {"explain", "profiling"}) {
    EXPECT_EQ(create({{key, "/missing/file.json"}}), nullptr);
    EXPECT_EQ(last_error,
              "option " + std::string(key) + ": /missing/file.json: it cannot be written (No such file or directory)");
  }
  EXPECT_EQ(tflite_plugin_create_delegate(nullptr, nullptr, 1, nullptr), nullptr);  // no report_error to call
}

// A tool's own REPBNN_NUM_THREADS may be a list of which each row gets one.
TEST(Options, TheEnvironmentIsReadOnlyWhereNoOptionIsGiven) {
  setenv("REPBNN_NUM_THREADS", "1,2,4", 1);
  EXPECT_EQ(create({}), nullptr);
  EXPECT_NE(last_error.find("option REPBNN_NUM_THREADS: '1,2,4' is not valid"), std::string::npos) << last_error;
  EXPECT_NE(Handle(create({{"num_threads", "2"}})), nullptr) << last_error;
  unsetenv("REPBNN_NUM_THREADS");
}

}  // namespace
}  // namespace repbnn
