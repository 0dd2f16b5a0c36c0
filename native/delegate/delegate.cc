#include "delegate/delegate.h"

#include <fcntl.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/text.h"
#include "delegate/claim.h"
#include "delegate/guard.h"
#include "delegate/kernel.h"
#include "delegate/version.h"

namespace repbnn {
namespace {

constexpr Isa kIsas[] = {Isa::kScalar, Isa::kNeon, Isa::kSme2, Isa::kSme2Neon, Isa::kAvx2, Isa::kAvx512Vpopcntdq};

bool write_file(const std::string& path, const std::string& text, std::string* error) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  const bool written = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const int code = errno;
  const bool closed = file != nullptr && std::fclose(file) == 0;
  if (written && closed) return true;
  *error = format("%s: it cannot be written (%s)", printable(path).c_str(), std::strerror(code));
  return false;
}

// By its number on Linux: on Android we import what TensorFlow Lite's own library imports, and unlink is not among it.
void remove_file(const char* path) {
#if defined(__linux__)
  syscall(SYS_unlinkat, AT_FDCWD, path, 0);
#else
  unlink(path);
#endif
}

// Said when the delegate is made: a profile that cannot be written would be missed at the very end.
bool can_write(const char* option, const std::string& path, std::string* error) {
  if (path.empty()) return true;
  const int made = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (made >= 0) {
    close(made);
    remove_file(path.c_str());  // no file rather than an empty one, should nothing be written later
    return true;
  }
  if (std::FILE* file = std::fopen(path.c_str(), "ab")) return std::fclose(file), true;
  *error = format("option %s: %s: it cannot be written (%s)", option, printable(path).c_str(), std::strerror(errno));
  return false;
}

bool choose_isa(const std::string& name, Isa* isa, std::string* error) {
  std::vector<std::string> usable = {"auto"};
  for (Isa candidate : kIsas) {
    if (isa_built(candidate) && cpu_supports(candidate)) usable.push_back(isa_name(candidate));
  }
  if (!isa_from_name(name.c_str(), isa)) {
    *error = format("option implementation: '%s' does not exist, this machine runs %s", printable(name).c_str(),
                    join(usable).c_str());
    return false;
  }
  if (isa_built(*isa) && cpu_supports(*isa)) return true;
  *error = format("option implementation: '%s' is not %s, this machine runs %s", name.c_str(),
                  isa_built(*isa) ? "supported by this processor" : "in this build", join(usable).c_str());
  return false;
}

// What can be checked of a running context before anything of it is used.
std::string check_context(const TfLiteContext* context) {
  if (context == nullptr) return "the runtime's context is null";
  if (context->GetExecutionPlan == nullptr || context->GetNodeAndRegistration == nullptr ||
      context->ReplaceNodeSubsetsWithDelegateKernels == nullptr || context->ResizeTensor == nullptr ||
      context->ReportError == nullptr) {
    return "the runtime's context lacks a function";
  }
  if (context->tensors_size > 0 && context->tensors == nullptr) return "the runtime's tensors are not accessible";
  if (context->tensors_size > (1u << 24)) return "the runtime's context is laid out in another way";
  return "";
}

}  // namespace

void report(TfLiteContext* context, const std::string& text) {
  context->ReportError(context, "repbnn: %s", text.c_str());
}

Delegate::Delegate(const Options& options, Isa isa) : options_(options), isa_(isa) {
  handle_.Prepare = prepare;
  // Without it the runtime prepares LCE's operators, which it does not know, before it asks us.
  handle_.flags = kTfLiteDelegateFlagsAllowDynamicTensors;
}

TfLiteDelegate* Delegate::create(const Options& options, std::string* error) {
  Isa isa;
  if (!choose_isa(options.implementation, &isa, error)) return nullptr;
  if (!can_write("explain", options.explain, error)) return nullptr;
  if (!can_write("profiling", options.profiling, error)) return nullptr;
  std::unique_ptr<std::shared_ptr<Delegate>> owner(new std::shared_ptr<Delegate>(new Delegate(options, isa)));
  TfLiteDelegate* handle = &(*owner)->handle_;
  handle->data_ = owner.release();
  return handle;
}

std::shared_ptr<Delegate> Delegate::of(TfLiteDelegate* delegate) {
  return *static_cast<std::shared_ptr<Delegate>*>(delegate->data_);
}

void Delegate::destroy(TfLiteDelegate* delegate) { delete static_cast<std::shared_ptr<Delegate>*>(delegate->data_); }

int Delegate::threads_for(const TfLiteContext* context) const {
  if (options_.num_threads > 0) return options_.num_threads;
  return std::min(std::max(context->recommended_num_threads, 1), kMaxThreads);
}

std::shared_ptr<ThreadPool> Delegate::add_partition(TfLiteContext* context) {
  const Lock lock(mutex_);
  for (Network& network : networks_) {
    const std::shared_ptr<ThreadPool> pool = network.pool.lock();
    if (network.context == context && pool != nullptr) return ++network.partitions, pool;
  }
  auto pool = std::make_shared<ThreadPool>(threads_for(context));
  networks_.push_back({context, pool, 1});
  return pool;
}

void Delegate::report_profile(const std::string& steps) {
  const Lock lock(mutex_);
  profiles_.push_back(steps);
  std::string error;
  const std::string text =
      format("{\"schema\": \"repbnn.profile/1\", \"version\": \"%s\", \"partitions\": [", kVersion) + join(profiles_) +
      "]}\n";
  if (!write_file(options_.profiling, text, &error)) log_line(LogLevel::kError, options_.log_level, error);
}

TfLiteStatus Delegate::prepare(TfLiteContext* context, TfLiteDelegate* delegate) {
  return guarded(context, kTfLiteError, [&] {
    const std::shared_ptr<Delegate> self = of(delegate);
    const std::string why = check_context(context);
    if (!why.empty()) {
      log_line(LogLevel::kError, self->options_.log_level, why + ", use a runtime of TFLite 2.14 to LiteRT 2.x");
      return kTfLiteError;
    }
    return self->claim_nodes(context);
  });
}

TfLiteStatus Delegate::claim_nodes(TfLiteContext* context) {
  std::vector<NodeClaim> claims;
  std::string error;
  if (!choose_nodes(context, &claims, &error)) return report(context, error), kTfLiteError;

  std::string left;  // the first operator of LCE that is not taken
  for (const NodeClaim& claim : claims) {
    if (claim.claimed || !claim.lce) continue;
    const std::string text =
        format("%s (node %d) is not taken: %s", printable(claim.op).c_str(), claim.node, claim.reason.c_str());
    if (left.empty()) left = text;
    if (!options_.require_all) log_line(LogLevel::kWarning, options_.log_level, text);
  }
  const bool refuses = options_.require_all && !left.empty();
  int partitions = 0;
  if (!refuses && hand_over(context, claims, &partitions) != kTfLiteOk) return kTfLiteError;
  const int threads = threads_for(context);
  if (!options_.explain.empty() &&
      !write_file(options_.explain, explain_json(claims, partitions, isa_name(isa_), threads), &error)) {
    return report(context, "option explain: " + error), kTfLiteError;
  }
  if (refuses) return report(context, left), kTfLiteError;
  const auto claimed = std::count_if(claims.begin(), claims.end(), [](const NodeClaim& c) { return c.claimed; });
  log_line(LogLevel::kInfo, options_.log_level,
           format("%d/%zu nodes, %d partition%s, %s, %d thread%s", static_cast<int>(claimed), claims.size(), partitions,
                  partitions == 1 ? "" : "s", isa_name(isa_), threads, threads == 1 ? "" : "s"));
  return kTfLiteOk;
}

// Give the runtime our kernel in place of the claimed nodes: one for each partition that they make.
TfLiteStatus Delegate::hand_over(TfLiteContext* context, const std::vector<NodeClaim>& claims, int* partitions) {
  std::vector<int> nodes = {0};  // laid out as a TfLiteIntArray: its size, then the nodes
  for (const NodeClaim& claim : claims) {
    if (claim.claimed) nodes.push_back(claim.node);
  }
  nodes[0] = static_cast<int>(nodes.size()) - 1;
  if (nodes[0] == 0) return kTfLiteOk;
  forget(context);
  const auto* array = reinterpret_cast<const TfLiteIntArray*>(nodes.data());
  const TfLiteStatus status =
      context->ReplaceNodeSubsetsWithDelegateKernels(context, kernel_registration(), array, &handle_);
  const Lock lock(mutex_);
  for (const Network& network : networks_) {
    if (network.context == context) *partitions = network.partitions;
  }
  return status;
}

// A context may lie where one that has ended lay.
void Delegate::forget(const TfLiteContext* context) {
  const Lock lock(mutex_);
  const auto gone = [=](const Network& n) { return n.context == context || n.pool.expired(); };
  networks_.erase(std::remove_if(networks_.begin(), networks_.end(), gone), networks_.end());
}

}  // namespace repbnn
