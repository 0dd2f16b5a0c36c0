#include "delegate/options.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/text.h"

namespace repbnn {
namespace {

struct Key {
  const char* name;
  const char* valid;  // the words that are valid, or what stands in their place
  bool (*set)(const std::string& value, Options* options);
};

bool set_threads(const std::string& value, Options* options) {
  char* end = nullptr;
  const long number = std::strtol(value.c_str(), &end, 10);
  if (value.empty() || *end != '\0' || number < -1 || number > kMaxThreads) return false;
  options->num_threads = number < 1 ? 0 : static_cast<int>(number);  // -1 is TFLite's word for "the default"
  return true;
}

bool set_flag(const std::string& value, bool* flag) {
  if (value == "true" || value == "1") return *flag = true, true;
  if (value == "false" || value == "0") return *flag = false, true;
  return false;
}

bool set_log_level(const std::string& value, Options* options) {
  static const char* const words[] = {"error", "warning", "info", "debug"};
  for (int i = 0; i < 4; ++i) {
    if (value == words[i]) return options->log_level = static_cast<LogLevel>(i), true;
  }
  return false;
}

bool set_fusion(const std::string& value, Options* options) {
  if (value != "full" && value != "none") return false;
  options->fusion = value == "full";
  return true;
}

// The names of the implementations are checked where they are known, by choose_implementation.
const Key kKeys[] = {
    {"num_threads", "-1 to 256", set_threads},
    {"implementation", "a name", [](const std::string& v, Options* o) { return o->implementation = v, !v.empty(); }},
    {"fusion", "full, none", set_fusion},
    {"require_all", "true, false", [](const std::string& v, Options* o) { return set_flag(v, &o->require_all); }},
    {"log_level", "error, warning, info, debug", set_log_level},
    {"explain", "a path", [](const std::string& v, Options* o) { return o->explain = v, !v.empty(); }},
    {"profiling", "a path", [](const std::string& v, Options* o) { return o->profiling = v, !v.empty(); }},
};

const Key* find_key(const char* name) {
  for (const Key& key : kKeys) {
    if (std::strcmp(key.name, name) == 0) return &key;
  }
  return nullptr;
}

std::string environment_name(const char* key) {
  std::string name = "REPBNN_";
  for (const char* c = key; *c; ++c) name += *c >= 'a' && *c <= 'z' ? static_cast<char>(*c - 'a' + 'A') : *c;
  return name;
}

bool apply(const Key& key, const std::string& source, const char* value, Options* options, std::string* error) {
  if (key.set(value, options)) return true;
  *error = format("option %s: '%s' is not valid, give %s", source.c_str(), printable(value).c_str(), key.valid);
  return false;
}

}  // namespace

bool parse_options(const char* const* keys, const char* const* values, size_t count, Options* options,
                   std::string* error) {
  if (count > 0 && (keys == nullptr || values == nullptr)) return *error = "options: the list is null", false;
  std::vector<const Key*> given;
  for (size_t i = 0; i < count; ++i) {
    const Key* key = keys[i] != nullptr ? find_key(keys[i]) : nullptr;
    if (key == nullptr) {
      std::vector<std::string> names;
      for (const Key& known : kKeys) names.push_back(known.name);
      *error = format("option '%s': it does not exist, the options are %s",
                      printable(keys[i] != nullptr ? keys[i] : "(null)").c_str(), join(names).c_str());
      return false;
    }
    if (values[i] == nullptr) return *error = format("option %s: its value is null", key->name), false;
    if (!apply(*key, key->name, values[i], options, error)) return false;
    given.push_back(key);
  }
  for (const Key& key : kKeys) {
    // Not looked at where the option is given: bench reads REPBNN_NUM_THREADS=1,2,4 and gives each in turn.
    if (std::find(given.begin(), given.end(), &key) != given.end()) continue;
    const std::string name = environment_name(key.name);
    const char* value = std::getenv(name.c_str());
    if (value != nullptr && *value != '\0' && !apply(key, name, value, options, error)) return false;
  }
  return true;
}

}  // namespace repbnn
