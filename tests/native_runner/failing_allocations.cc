// Loads and runs a network again and again, and lets one allocation more of the delegate's succeed each time; then one
// fails, and in a second round all that come after it. Every failure must be an error, and the network must give its
// own answer after each.
//   failing_allocations MODEL RUNTIME DELEGATE INPUT OUTPUT [STRIDE]
// The runtime's own allocations are left alone. Prints one line of JSON.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <link.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "base/text.h"
#include "runner/session.h"

namespace {

constexpr long kNoLimit = -1;
std::atomic<bool> limited{false};
std::atomic<bool> for_good;  // whether all that come after the first failure fail too
std::atomic<long> left;

const char* delegate;  // its path

int is_delegates(dl_phdr_info* library, size_t, void* address) {
  if (std::strcmp(library->dlpi_name, delegate) != 0) return 0;
  for (int i = 0; i < library->dlpi_phnum; ++i) {
    const auto& part = library->dlpi_phdr[i];
    const uintptr_t start = library->dlpi_addr + part.p_vaddr;
    const auto at = reinterpret_cast<uintptr_t>(address);
    if (part.p_type == PT_LOAD && at >= start && at - start < part.p_memsz) return 1;
  }
  return 0;
}

bool fails(void* caller) {
  if (!limited || dl_iterate_phdr(is_delegates, caller) == 0) return false;
  const long before = left.fetch_sub(1);
  return before == 0 || (for_good && before < 0);
}

template <typename Function>
Function* next(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) void* malloc(size_t bytes) {
  static auto* const from = next(&malloc, "malloc");
  return fails(__builtin_return_address(0)) ? nullptr : from(bytes);
}

__attribute__((visibility("default"))) void* calloc(size_t count, size_t bytes) {
  static auto* const from = next(&calloc, "calloc");
  return fails(__builtin_return_address(0)) ? nullptr : from(count, bytes);
}

// musl's refuses where malloc alone is replaced.
__attribute__((visibility("default"))) void* aligned_alloc(size_t alignment, size_t bytes) {
  static auto* const from = next(&aligned_alloc, "aligned_alloc");
  return from(alignment, bytes);
}

__attribute__((visibility("default"))) int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  if (fails(__builtin_return_address(0))) return ENOMEM;
  *memory = aligned_alloc(alignment, bytes);
  return *memory != nullptr ? 0 : ENOMEM;
}

}  // extern "C"

namespace repbnn {
namespace {

struct Attempt {
  std::vector<char> output;  // empty where it could not be loaded or run
  bool failed;               // whether an allocation did
};

Attempt attempt(const RunnerOptions& options, const std::vector<char>& input, long limit) {
  Failure failure;
  left = limit;
  limited = limit != kNoLimit;
  const std::unique_ptr<Session> session = Session::open(options, nullptr, &failure);
  const bool ran = session != nullptr && session->fill(input) && session->run();
  const bool failed = limited.exchange(false) && left < 0;
  return {ran ? session->outputs() : std::vector<char>(), failed};
}

int report(const char* what, long limit) {
  return emit_error({1, format("%ld allocations", limit), what, "see where it was made"});
}

int main(int argc, char** argv) {
  if (argc < 6) return 2;
  open_events();
  RunnerOptions options;
  options.model = argv[1];
  options.runtime_library = argv[2];
  options.delegate = delegate = argv[3];
  options.num_threads = 2;
  const long stride = argc > 6 ? std::atoi(argv[6]) : 1;
  std::vector<char> input;
  if (!read_file(argv[4], &input).empty()) return 2;
  const std::vector<char> expected = attempt(options, input, kNoLimit).output;
  if (expected.empty()) return report("it does not run", kNoLimit);
  long errors = 0, spared = 0;  // spared: it ran all the same, and gave the same answer
  for (const bool all : {false, true}) {
    for_good = all;
    for (long limit = 0;; limit += stride) {
      const Attempt made = attempt(options, input, limit);
      if (made.output.empty() && !made.failed) return report("it does not run", limit);
      if (!made.output.empty() && made.output != expected) return report("another answer", limit);
      if (!made.failed) break;
      ++(made.output.empty() ? errors : spared);
      if (attempt(options, input, kNoLimit).output != expected) return report("another answer after a failure", limit);
    }
  }
  emit("done", format("\"errors\": %ld, \"spared\": %ld", errors, spared));
  return write_file(argv[5], expected).empty() ? 0 : 1;
}

}  // namespace
}  // namespace repbnn

int main(int argc, char** argv) { return repbnn::main(argc, argv); }
