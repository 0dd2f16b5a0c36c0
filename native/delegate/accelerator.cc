// The door that LiteRT 2.x's CompiledModel opens: the same delegate as an accelerator of an environment.
//
// LiteRT applies accelerators in the order in which they were registered, and its own for the CPU (XNNPACK) is
// registered when the environment is created: it would take the float operators between the binary layers and leave us
// one partition a layer. So the two exchange places: the environment's CPU accelerator gives our delegate, ours gives
// what that one gave. Where the runtime's accelerators are not laid out as we know them, they stay in their order.
#include <dlfcn.h>

#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/text.h"
#include "delegate/delegate.h"
#include "delegate/guard.h"
#include "delegate/options.h"
#include "delegate/repbnn_delegate.h"

#define REPBNN_EXPORT extern "C" __attribute__((visibility("default")))

namespace repbnn {
namespace {

// LiteRT's C interface, as versions 2.1.0 to 2.3.0 export it: handles are pointers to nothing that we know.
using Handle = void*;
using Status = int;
constexpr Status kOk = 0, kInvalidArgument = 1, kRuntimeFailure = 3;
constexpr int kHardwareCpu = 1;
struct ApiVersion {
  int major, minor, patch;
};
using GetName = Status (*)(Handle accelerator, const char** name);
using GetVersion = Status (*)(Handle accelerator, ApiVersion* version);
using GetHardware = Status (*)(Handle accelerator, int* set);
using IsResponsible = Status (*)(Handle accelerator, bool* answer);
// Before 2.1.3: accelerator, options, result. Since then: runtime, environment, accelerator, options, result. Which of
// the two called is told by where an accelerator stands that we know.
using CreateDelegate = Status (*)(Handle, Handle, Handle, Handle, Handle);
// Before 2.1.3: wrapper. Before 2.1.6: runtime, wrapper. Since then a wrapper brings its own deleter.
using DestroyDelegate = void (*)(Handle, Handle);

struct LiteRt {
  Status (*create)(Handle* accelerator);
  Status (*destroy)(Handle accelerator);
  Status (*add)(Handle environment, Handle accelerator, void* data, void (*release)(void*));
  Status (*set_name)(Handle accelerator, GetName function);
  Status (*set_version)(Handle accelerator, GetVersion function);
  Status (*set_hardware)(Handle accelerator, GetHardware function);
  Status (*set_responsible)(Handle accelerator, IsResponsible function);
  Status (*set_delegate)(Handle accelerator, CreateDelegate create, DestroyDelegate destroy);  // one less since 2.1.6
  Status (*count)(Handle environment, size_t* count);
  Status (*at)(Handle environment, size_t index, Handle* accelerator);
  Status (*hardware_of)(Handle accelerator, int* set);
  Status (*environment_of)(Handle accelerator, Handle* environment);
  void* wrap;
  bool wrapper_deletes;  // 2.1.6 and later

  Status wrap_delegate(TfLiteDelegate* delegate, Handle* wrapper) const {
    if (!wrapper_deletes) return reinterpret_cast<Status (*)(TfLiteDelegate*, Handle*)>(wrap)(delegate, wrapper);
    using Wrap = Status (*)(TfLiteDelegate*, void (*)(TfLiteDelegate*), Handle*);
    return reinterpret_cast<Wrap>(wrap)(delegate, Delegate::destroy, wrapper);
  }
};

// The beginning of an accelerator; the same in every version so far, and compared before it is believed.
struct AcceleratorLayout {
  void* data;
  Handle environment;
  void (*release)(void*);
  GetName name;
  GetVersion version;
  GetHardware hardware;
  CreateDelegate create;
  DestroyDelegate destroy;  // before 2.1.6
};

bool find_litert(LiteRt* api, std::string* error) {
  // Python's wheels load it for themselves alone, so the process's own symbols do not have it.
  void* library = dlopen("libLiteRt.so", RTLD_NOW | RTLD_NOLOAD);
  const struct {
    const char* name;
    void* target;
  } symbols[] = {
      {"LiteRtCreateAccelerator", &api->create},
      {"LiteRtDestroyAccelerator", &api->destroy},
      {"LiteRtRegisterAccelerator", &api->add},
      {"LiteRtSetAcceleratorGetName", &api->set_name},
      {"LiteRtSetAcceleratorGetVersion", &api->set_version},
      {"LiteRtSetAcceleratorGetHardwareSupport", &api->set_hardware},
      {"LiteRtSetIsAcceleratorDelegateResponsibleForJitCompilation", &api->set_responsible},
      {"LiteRtSetDelegateFunction", &api->set_delegate},
      {"LiteRtGetNumAccelerators", &api->count},
      {"LiteRtGetAccelerator", &api->at},
      {"LiteRtGetAcceleratorHardwareSupport", &api->hardware_of},
      {"LiteRtGetAcceleratorEnvironment", &api->environment_of},
      {"LiteRtWrapDelegate", &api->wrap},
  };
  for (const auto& symbol : symbols) {
    void* address = dlsym(library != nullptr ? library : RTLD_DEFAULT, symbol.name);
    if (address == nullptr) {
      *error = format("LiteRT: %s is missing, load libLiteRt.so of LiteRT 2.1 or later first", symbol.name);
      return false;
    }
    *static_cast<void**>(symbol.target) = address;
  }
  api->wrapper_deletes = dlsym(library != nullptr ? library : RTLD_DEFAULT, "LiteRtDestroyDelegateWrapper") != nullptr;
  return true;
}

// What we know of an environment that we were registered with.
struct Registered {
  LiteRt api;
  Options options;
  Handle environment = nullptr;
  Handle own = nullptr;
  Handle cpu = nullptr;               // the accelerator that gives our delegate in our place; null when none does
  CreateDelegate original = nullptr;  // what it gave before
};

struct OurDelegate {
  Handle wrapper;
  TfLiteDelegate* delegate;
};

struct Registry {
  Mutex mutex;
  std::vector<std::shared_ptr<Registered>> environments;
  std::vector<OurDelegate> delegates;        // that a wrapper does not delete
  DestroyDelegate destroy_theirs = nullptr;  // of the CPU accelerator
};
Registry& registry() {
  static auto* all = new Registry;  // outlives every environment
  return *all;
}

// Null when neither accelerator of an entry is this one.
std::shared_ptr<Registered> find(Handle accelerator) {
  const Lock lock(registry().mutex);
  for (const auto& entry : registry().environments) {
    if (accelerator != nullptr && (entry->own == accelerator || entry->cpu == accelerator)) return entry;
  }
  return nullptr;
}

void forget(void* data) {
  const Lock lock(registry().mutex);
  auto& all = registry().environments;
  for (size_t i = all.size(); i-- > 0;) {
    if (all[i].get() == data) all.erase(all.begin() + static_cast<ptrdiff_t>(i));
  }
}

void destroy_delegate(Handle a, Handle b) {
  DestroyDelegate theirs = nullptr;
  {
    const Lock lock(registry().mutex);
    auto& all = registry().delegates;
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].wrapper != a && all[i].wrapper != b) continue;
      Delegate::destroy(all[i].delegate);
      all.erase(all.begin() + static_cast<ptrdiff_t>(i));
      return;
    }
    theirs = registry().destroy_theirs;
  }
  if (theirs != nullptr) theirs(a, b);
}

Status name_of_accelerator(Handle, const char** name) { return *name = "RepBnnAccelerator", kOk; }
Status version_of_accelerator(Handle, ApiVersion* version) { return *version = {1, 0, 0}, kOk; }
Status hardware_of_accelerator(Handle, int* set) { return *set = kHardwareCpu, kOk; }
Status responsible_of_accelerator(Handle, bool* answer) { return *answer = true, kOk; }

Status give_ours(const Registered& entry, Handle result) {
  return guarded<Status>(kRuntimeFailure, [&]() -> Status {
    std::string error;
    TfLiteDelegate* delegate = Delegate::create(entry.options, &error);
    if (delegate == nullptr) return log_line(LogLevel::kError, entry.options.log_level, error), kRuntimeFailure;
    auto* wrapper = static_cast<Handle*>(result);
    const Status status = entry.api.wrap_delegate(delegate, wrapper);
    if (status != kOk) return Delegate::destroy(delegate), status;
    if (entry.api.wrapper_deletes) return kOk;
    const Lock lock(registry().mutex);
    registry().delegates.push_back({*wrapper, delegate});
    return kOk;
  });
}

Status create_delegate(Handle a, Handle b, Handle c, Handle d, Handle e) {
  std::shared_ptr<Registered> entry = find(a);
  const bool old = entry != nullptr;
  if (!old) entry = find(c);
  if (entry == nullptr) return kInvalidArgument;
  const bool exchanged = entry->cpu != nullptr;
  if (exchanged != ((old ? a : c) == entry->cpu)) {
    return old ? entry->original(entry->cpu, b, c, d, e) : entry->original(a, b, entry->cpu, d, e);
  }
  return give_ours(*entry, old ? c : e);
}

// The environment's accelerator for the CPU, when it and ours are laid out as we know them.
Handle find_cpu(const LiteRt& api, Handle environment, Handle own) {
  const auto* known = static_cast<const AcceleratorLayout*>(own);
  if (known->name != name_of_accelerator || known->hardware != hardware_of_accelerator ||
      known->create != create_delegate || known->environment != environment ||
      (!api.wrapper_deletes && known->destroy != destroy_delegate)) {
    return nullptr;
  }
  size_t count = 0;
  if (api.count(environment, &count) != kOk) return nullptr;
  for (size_t i = 0; i < count; ++i) {
    Handle accelerator = nullptr, its_environment = nullptr;
    int hardware = 0;
    if (api.at(environment, i, &accelerator) != kOk || accelerator == own) continue;
    if (api.hardware_of(accelerator, &hardware) != kOk || hardware != kHardwareCpu) continue;
    if (api.environment_of(accelerator, &its_environment) != kOk || its_environment != environment) continue;
    const auto* layout = static_cast<const AcceleratorLayout*>(accelerator);
    if (layout->environment == environment && layout->create != nullptr) return accelerator;
  }
  return nullptr;
}

bool is_registered(Handle environment) {
  const Lock lock(registry().mutex);
  for (const auto& entry : registry().environments) {
    if (entry->environment == environment) return true;
  }
  return false;
}

bool register_with(Handle environment, const Options& options, std::string* error) {
  auto entry = std::make_shared<Registered>();
  entry->options = options;
  entry->environment = environment;
  const LiteRt& api = entry->api;
  if (!find_litert(&entry->api, error)) return false;
  if (is_registered(environment)) return *error = "LiteRT: this environment has the accelerator already", false;
  *error = "LiteRT refuses the accelerator";
  if (api.create(&entry->own) != kOk) return false;
  if (api.set_name(entry->own, name_of_accelerator) != kOk ||
      api.set_version(entry->own, version_of_accelerator) != kOk ||
      api.set_hardware(entry->own, hardware_of_accelerator) != kOk ||
      api.set_responsible(entry->own, responsible_of_accelerator) != kOk ||
      api.set_delegate(entry->own, create_delegate, destroy_delegate) != kOk) {
    return api.destroy(entry->own), false;
  }
  const bool kept = guarded(false, [&] {
    const Lock lock(registry().mutex);
    return registry().environments.push_back(entry), true;
  });
  if (!kept) return api.destroy(entry->own), false;
  // From here on the environment owns it, and forgets the entry with it.
  if (api.add(environment, entry->own, entry.get(), forget) != kOk) return forget(entry.get()), false;
  const Handle cpu = find_cpu(api, environment, entry->own);
  if (cpu == nullptr) {
    log_line(LogLevel::kWarning, options.log_level,
             "LiteRT's own kernels come first: a partition for each binary layer, use the Interpreter for one");
    return true;
  }
  const auto* layout = static_cast<const AcceleratorLayout*>(cpu);
  const Lock lock(registry().mutex);
  entry->original = layout->create;
  if (!api.wrapper_deletes) registry().destroy_theirs = layout->destroy;
  if (api.set_delegate(cpu, create_delegate, destroy_delegate) == kOk) entry->cpu = cpu;
  return true;
}

}  // namespace
}  // namespace repbnn

REPBNN_EXPORT int repbnn_register_accelerator(void* environment, const char* const* keys, const char* const* values,
                                              size_t count, void (*report_error)(const char*)) {
  std::string error = "out of memory";
  const bool done = repbnn::guarded(false, [&] {
    repbnn::Options options;
    if (environment == nullptr) return error = "LiteRT: the environment is null", false;
    if (!repbnn::parse_options(keys, values, count, &options, &error)) return false;
    return repbnn::register_with(environment, options, &error);
  });
  if (done) return 0;
  repbnn::log_line(repbnn::LogLevel::kError, repbnn::LogLevel::kError, error);
  if (report_error != nullptr) report_error(error.c_str());
  return 1;
}
