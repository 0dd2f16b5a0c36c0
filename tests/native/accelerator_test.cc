// The door of LiteRT's CompiledModel against a LiteRT of a few lines. Built twice: as 2.1.6 and later have it, and
// (REPBNN_OLD_LITERT) as 2.1.0 has it, where destroying a delegate is the accelerator's own business.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "delegate/abi.h"

extern "C" int repbnn_register_accelerator(void*, const char* const*, const char* const*, size_t,
                                           void (*)(const char*));

namespace {

struct Environment;

// As LiteRT lays it out; `shift` moves what follows the environment, as a version to come might.
struct Accelerator {
  void* data = nullptr;
  Environment* environment = nullptr;
  void (*release)(void*) = nullptr;
  void* functions[12] = {nullptr};
};

int shift = 0;
bool refuse = false;
std::vector<std::string> order;  // who made a delegate, and who destroyed one
std::string said;

struct Environment {
  std::vector<std::unique_ptr<Accelerator>> accelerators;
  ~Environment() {
    for (auto& accelerator : accelerators) {
      if (accelerator->release != nullptr) accelerator->release(accelerator->data);
    }
  }
};

int set(void* accelerator, int slot, void* function) {
  static_cast<Accelerator*>(accelerator)->functions[slot + shift] = function;
  return refuse ? 1 : 0;
}

template <typename F>
F get(const Accelerator& accelerator, int slot) {
  return reinterpret_cast<F>(accelerator.functions[slot + shift]);
}

TfLiteDelegate theirs{};

#ifdef REPBNN_OLD_LITERT
using Create = int (*)(void* accelerator, void* options, void** wrapper);
using Destroy = void (*)(void* wrapper);
int create_theirs(void*, void*, void** wrapper) { return order.push_back("theirs"), *wrapper = &theirs, 0; }
void destroy_theirs(void* wrapper) { order.push_back(wrapper == &theirs ? "end of theirs" : "end of a stranger"); }
#else
struct Wrapper {
  TfLiteDelegate* delegate;
  void (*deleter)(TfLiteDelegate*);
};
using Create = int (*)(void* runtime, void* environment, void* accelerator, void* options, void** wrapper);
int create_theirs(void*, void*, void* accelerator, void*, void** wrapper) {
  EXPECT_NE(static_cast<Accelerator*>(accelerator)->environment, nullptr);
  order.push_back("theirs");
  *wrapper = new Wrapper{&theirs, [](TfLiteDelegate*) { order.push_back("end of theirs"); }};
  return 0;
}
#endif

}  // namespace

#define FAKE extern "C" __attribute__((visibility("default")))
FAKE int LiteRtCreateAccelerator(void** accelerator) { return *accelerator = new Accelerator, 0; }
FAKE int LiteRtDestroyAccelerator(void* accelerator) { return delete static_cast<Accelerator*>(accelerator), 0; }
FAKE int LiteRtRegisterAccelerator(void* environment, void* accelerator, void* data, void (*release)(void*)) {
  auto* a = static_cast<Accelerator*>(accelerator);
  a->data = data, a->release = release, a->environment = static_cast<Environment*>(environment);
  a->environment->accelerators.emplace_back(a);
  return 0;
}
FAKE int LiteRtSetAcceleratorGetName(void* a, void* f) { return set(a, 0, f); }
FAKE int LiteRtSetAcceleratorGetVersion(void* a, void* f) { return set(a, 1, f); }
FAKE int LiteRtSetAcceleratorGetHardwareSupport(void* a, void* f) { return set(a, 2, f); }
FAKE int LiteRtSetIsAcceleratorDelegateResponsibleForJitCompilation(void* a, void* f) { return set(a, 8, f); }
#ifdef REPBNN_OLD_LITERT
FAKE int LiteRtSetDelegateFunction(void* a, void* create, void* destroy) {
  return set(a, 4, destroy), set(a, 3, create);
}
FAKE int LiteRtWrapDelegate(void* delegate, void** wrapper) { return *wrapper = delegate, 0; }
#else
FAKE int LiteRtSetDelegateFunction(void* a, void* create) { return set(a, 3, create); }
FAKE int LiteRtWrapDelegate(TfLiteDelegate* delegate, void (*deleter)(TfLiteDelegate*), void** wrapper) {
  return *wrapper = new Wrapper{delegate, deleter}, 0;
}
FAKE void LiteRtDestroyDelegateWrapper(void*) {}
#endif
FAKE int LiteRtGetNumAccelerators(void* environment, size_t* count) {
  return *count = static_cast<Environment*>(environment)->accelerators.size(), 0;
}
FAKE int LiteRtGetAccelerator(void* environment, size_t index, void** accelerator) {
  return *accelerator = static_cast<Environment*>(environment)->accelerators[index].get(), 0;
}
FAKE int LiteRtGetAcceleratorHardwareSupport(void* a, int* hardware) {
  return get<int (*)(void*, int*)>(*static_cast<Accelerator*>(a), 2)(a, hardware);
}
FAKE int LiteRtGetAcceleratorEnvironment(void* a, void** environment) {
  return *environment = static_cast<Accelerator*>(a)->environment, 0;
}

namespace {

class AcceleratorTest : public testing::Test {
 protected:
  void SetUp() override {
    shift = 0, refuse = false;
    order.clear(), said.clear();
  }
  void TearDown() override { shift = 0, refuse = false; }

  static std::unique_ptr<Environment> with_cpu() {
    auto environment = std::make_unique<Environment>();
    void* cpu;
    LiteRtCreateAccelerator(&cpu);
    set(cpu, 2, reinterpret_cast<void*>(+[](void*, int* hardware) { return *hardware = 1, 0; }));
    set(cpu, 3, reinterpret_cast<void*>(create_theirs));
#ifdef REPBNN_OLD_LITERT
    set(cpu, 4, reinterpret_cast<void*>(destroy_theirs));
#endif
    LiteRtRegisterAccelerator(environment.get(), cpu, nullptr, nullptr);
    return environment;
  }

  static int add(Environment* environment, const char* key = "log_level", const char* value = "error") {
    return repbnn_register_accelerator(environment, &key, &value, 1, [](const char* text) { said = text; });
  }

  // What a compiled model does: each accelerator's delegate in turn, and the end of each.
  static void compile(Environment* environment) {
    std::vector<std::function<void()>> ends;
    for (auto& accelerator : environment->accelerators) {
      const auto create = get<Create>(*accelerator, 3);
      void* wrapper = nullptr;
      const size_t before = order.size();
#ifdef REPBNN_OLD_LITERT
      ASSERT_EQ(create(accelerator.get(), nullptr, &wrapper), 0);
      const auto destroy = get<Destroy>(*accelerator, 4);
      ends.push_back([=] { destroy(wrapper); });
      auto* delegate = static_cast<TfLiteDelegate*>(wrapper);
#else
      ASSERT_EQ(create(nullptr, environment, accelerator.get(), nullptr, &wrapper), 0);
      auto* w = static_cast<Wrapper*>(wrapper);
      ends.push_back([=] { w->deleter(w->delegate), delete w; });
      auto* delegate = w->delegate;
#endif
      if (order.size() == before) order.push_back(delegate->Prepare != nullptr ? "ours" : "nobody's");
    }
    for (const auto& end : ends) end();
  }
};

TEST_F(AcceleratorTest, OursComesBeforeTheEnvironmentsOwn) {
  const auto environment = with_cpu();
  ASSERT_EQ(add(environment.get()), 0) << said;
  for (int model = 0; model < 2; ++model) {
    order.clear();
    compile(environment.get());
    EXPECT_EQ(order, (std::vector<std::string>{"ours", "theirs", "end of theirs"}));
  }
}

TEST_F(AcceleratorTest, EnvironmentsDoNotMeet) {
  const auto one = with_cpu();
  auto other = with_cpu();
  ASSERT_EQ(add(one.get()), 0);
  ASSERT_EQ(add(other.get()), 0);
  EXPECT_EQ(add(other.get()), 1);
  EXPECT_NE(said.find("already"), std::string::npos);
  other.reset();
  compile(one.get());
  EXPECT_EQ(order, (std::vector<std::string>{"ours", "theirs", "end of theirs"}));
}

TEST_F(AcceleratorTest, AnotherLayoutKeepsTheirOrder) {
  shift = 1;
  const auto environment = with_cpu();
  ::testing::internal::CaptureStderr();
  ASSERT_EQ(add(environment.get(), "log_level", "info"), 0) << said;
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("own kernels come first"), std::string::npos);
  compile(environment.get());
  EXPECT_EQ(order[0], "theirs");
  EXPECT_EQ(order[1], "ours");
}

TEST_F(AcceleratorTest, WithoutACpuAcceleratorOursStandsAlone) {
  Environment environment;
  ASSERT_EQ(add(&environment), 0);
  compile(&environment);
  EXPECT_EQ(order, (std::vector<std::string>{"ours"}));
}

TEST_F(AcceleratorTest, FaultsAreSentences) {
  const auto environment = with_cpu();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(add(environment.get(), "colour", "red"), 1);
  EXPECT_NE(said.find("the options are"), std::string::npos);
  EXPECT_EQ(add(nullptr), 1);
  EXPECT_NE(said.find("environment is null"), std::string::npos);
  refuse = true;
  EXPECT_EQ(add(environment.get()), 1);
  EXPECT_NE(said.find("refuses"), std::string::npos);
  refuse = false;
  EXPECT_EQ(environment->accelerators.size(), 1u);
  EXPECT_EQ(add(environment.get()), 0);
  ::testing::internal::GetCapturedStderr();
}

}  // namespace
