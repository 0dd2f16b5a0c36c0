// Memory that runs out, at each allocation in turn, gives an error and never a crash or a leak.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "fake_network.h"

namespace {
long allocations_left = -1;  // -1: no limit

bool refuse() { return allocations_left >= 0 && allocations_left-- == 0; }
}  // namespace

void* operator new(size_t bytes) {
  void* memory = refuse() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
// std::stable_sort asks by this one; left to a sanitizer, its memory would not be ours to free.
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return refuse() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  const size_t unit = static_cast<size_t>(alignment);
  void* memory = refuse() ? nullptr : std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

extern "C" TfLiteDelegate* tflite_plugin_create_delegate(const char* const*, const char* const*, size_t,
                                                         void (*)(const char*));
extern "C" void tflite_plugin_destroy_delegate(TfLiteDelegate*);

namespace repbnn {
namespace {

// Creates, prepares and runs with `limit` allocations; true when all of it worked.
bool attempt(long limit, bool wide) {
  FakeNetwork network(true, 5, wide);
  static const char* const keys[] = {"log_level"};
  static const char* const values[] = {"error"};
  network.runtime.errors.reserve(1 << 16);  // so that the runtime itself does not allocate
  allocations_left = limit;
  TfLiteDelegate* delegate = tflite_plugin_create_delegate(keys, values, 1, nullptr);
  bool worked = delegate != nullptr && delegate->Prepare(&network.runtime.context, delegate) == kTfLiteOk &&
                network.runtime.prepare() == kTfLiteOk;
  allocations_left = -1;
  if (worked) {
    network.runtime.allocate();
    worked = network.runtime.invoke() == kTfLiteOk;
  }
  if (delegate != nullptr) tflite_plugin_destroy_delegate(delegate);
  return worked;
}

class Allocation : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Networks, Allocation, testing::Bool());

TEST_P(Allocation, EveryFailureIsAnError) {
  ASSERT_TRUE(attempt(-1, GetParam()));
  long limit = 0;
  ::testing::internal::CaptureStderr();
  while (limit < 100000 && !attempt(limit, GetParam())) ++limit;
  ::testing::internal::GetCapturedStderr();
  EXPECT_GT(limit, 50);
  EXPECT_LT(limit, 100000);
}

}  // namespace
}  // namespace repbnn
