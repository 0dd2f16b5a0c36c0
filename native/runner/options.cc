#include "runner/options.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace repbnn {

const char kRunnerHelp[] =
    "repbnn-runner --model FILE --runtime-library FILE [options]: measures a .tflite file, one JSON object a line.\n"
    "  --model FILE              the network\n"
    "  --runtime-library FILE    a library that exports TensorFlow Lite's C API\n"
    "  --delegate FILE           an external delegate; --delegate-option KEY=VALUE for it, again and again\n"
    "  --num-threads N           of the runtime and of the delegate (1)\n"
    "  --cores HEXMASK           the cores to stay on (all)\n"
    "  --num-runs N --min-secs X --max-secs X    until both numbers are met, or the last one (128, 10, 60)\n"
    "  --warmup-runs N           runs before the first counted one, at least (0)\n"
    "  --input FILE              raw bytes of all inputs, in order (noise)\n"
    "  --output FILE             gets the raw bytes of all outputs of the first run\n"
    "  --profile                 the time of each operator, from runs of their own behind the counted ones\n"
    "  --roofline                what popcounts and copies this machine can do at best\n"
    "  --deadline SECS           the process ends itself then, with exit code 124\n"
    "  --version                 one line about this program\n";

namespace {

constexpr int kUsage = 2;

bool to_count(const char* text, int least, int* value) {
  char* end = nullptr;
  const long number = std::strtol(text, &end, 10);
  if (end == text || *end != '\0' || number < least || number > 1000000000) return false;
  *value = static_cast<int>(number);
  return true;
}

bool to_seconds(const char* text, double* value) {
  char* end = nullptr;
  *value = std::strtod(text, &end);
  return end != text && *end == '\0' && *value >= 0 && *value <= 1e6;
}

bool to_pair(const char* text, std::pair<std::string, std::string>* pair) {
  const char* equals = std::strchr(text, '=');
  if (equals == nullptr || equals == text) return false;
  *pair = {std::string(text, equals), equals + 1};
  return true;
}

struct Switch {
  const char* name;
  bool RunnerOptions::*member;
};
constexpr Switch kSwitches[] = {{"--version", &RunnerOptions::version},
                                {"--profile", &RunnerOptions::profile},
                                {"--roofline", &RunnerOptions::roofline}};

struct Text {
  const char* name;
  std::string RunnerOptions::*member;
};
constexpr Text kTexts[] = {
    {"--model", &RunnerOptions::model},       {"--runtime-library", &RunnerOptions::runtime_library},
    {"--delegate", &RunnerOptions::delegate}, {"--cores", &RunnerOptions::cores},
    {"--input", &RunnerOptions::input},       {"--output", &RunnerOptions::output}};

bool set_switch(const char* name, RunnerOptions* options) {
  for (const Switch& known : kSwitches) {
    if (std::strcmp(name, known.name) == 0) return options->*known.member = true;
  }
  return false;
}

enum class Found { kUnknown, kSet, kInvalid };

Found set_value(const char* name, const char* value, RunnerOptions* options) {
  const auto is = [name](const char* known) { return std::strcmp(name, known) == 0; };
  const auto found = [](bool valid) { return valid ? Found::kSet : Found::kInvalid; };
  for (const Text& known : kTexts) {
    if (is(known.name)) return options->*known.member = value, found(*value != '\0');
  }
  if (is("--num-threads")) return found(to_count(value, 1, &options->num_threads));
  if (is("--num-runs")) return found(to_count(value, 1, &options->effort.num_runs));
  if (is("--warmup-runs")) return found(to_count(value, 0, &options->warmup_runs));
  if (is("--min-secs")) return found(to_seconds(value, &options->effort.min_secs));
  if (is("--max-secs")) return found(to_seconds(value, &options->effort.max_secs));
  if (is("--deadline")) return found(to_seconds(value, &options->deadline));
  if (is("--delegate-option")) {
    options->delegate_options.emplace_back();
    return found(to_pair(value, &options->delegate_options.back()));
  }
  return Found::kUnknown;
}

}  // namespace

bool parse_command_line(int argc, char** argv, RunnerOptions* options, Failure* failure) {
  const auto wrong = [failure](const char* what, const std::string& why) {
    *failure = {kUsage, printable(what), why, "see --help"};
    return false;
  };
  for (int i = 1; i < argc; ++i) {
    if (set_switch(argv[i], options)) continue;
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    const Found found = set_value(argv[i], value, options);
    if (found == Found::kSet) {
      ++i;
      continue;
    }
    const std::string why = format("'%s' is not valid", printable(value).c_str());
    return wrong(argv[i], found == Found::kUnknown ? "there is no such option" : why);
  }
  if (options->version) return true;
  if (options->model.empty() != options->runtime_library.empty()) {
    return wrong(options->model.empty() ? "--model" : "--runtime-library", "it is missing");
  }
  if (options->model.empty() && !options->roofline) return wrong("--model", "it is missing");
  return true;
}

}  // namespace repbnn
