// repbnn-runner: measures one network once, in a process of its own, where nothing but a C library is. docs/bench.md.
#include <unistd.h>

#include <cstring>

#include "base/text.h"
#include "runner/deadline.h"
#include "runner/events.h"
#include "runner/files.h"
#include "runner/machine.h"
#include "runner/options.h"
#include "runner/profile.h"
#include "runner/roofline.h"
#include "runner/session.h"
#include "runner/timing.h"

namespace repbnn {
namespace {

constexpr int kBadInput = 3, kUnsupported = 4, kStorage = 9;
constexpr int kProfileRuns = 50;
constexpr double kProfileSeconds = 2.0;

int failed_run(const RunnerOptions& options) {
  return emit_error({kUnsupported, options.model, "the runtime failed to run it", "see its message on stderr"});
}

std::string join_numbers(const std::vector<int64_t>& numbers) {
  std::string list;
  for (int64_t number : numbers) list += format("%s%lld", list.empty() ? "" : ", ", static_cast<long long>(number));
  return list;
}

class Measurement final : public Subject {
 public:
  Measurement(Session& session, CoreWatch& cores) : session_(session), cores_(cores) {}
  bool run() override { return session_.run(); }
  void batch(const std::vector<int64_t>& nanoseconds) override {
    emit("runs", "\"ns\": [" + join_numbers(nanoseconds) + "]");
    cores_.look();
  }

 private:
  Session& session_;
  CoreWatch& cores_;
};

// The first inference, and whether the second says the same: a wrong answer must not be timed.
int first_run(const RunnerOptions& options, Session& session) {
  std::vector<char> input;
  if (options.input.empty()) {
    session.fill_with_noise();
  } else {
    const std::string why = read_file(options.input, &input);
    if (!why.empty()) return emit_error({kBadInput, options.input, why, "check --input"});
    if (!session.fill(input)) {
      return emit_error({kBadInput, options.input,
                         format("it has %zu bytes, the inputs have %zu", input.size(), session.input_bytes()),
                         "give the raw bytes of all inputs in order"});
    }
  }
  const int64_t began = monotonic_nanoseconds();
  if (!session.run()) return failed_run(options);
  const double first_ms = double(monotonic_nanoseconds() - began) / 1e6;
  const std::vector<char> output = session.outputs();
  if (!options.output.empty()) {
    const std::string why = write_file(options.output, output);
    if (!why.empty()) return emit_error({kStorage, options.output, why, "free some space or check --output"});
  }
  if (!session.run()) return failed_run(options);
  const bool repeatable = session.outputs() == output && session.outputs_finite();
  emit("first", "\"first_ms\": " + json_number(first_ms) + ", \"repeatable\": " + (repeatable ? "true" : "false"));
  return 0;
}

int timed_runs(const RunnerOptions& options, Session& session, int64_t resident_before) {
  CoreWatch cores;
  cores.look();
  Measurement measurement(session, cores);
  Warmup warmup;
  if (!warm_up(measurement, options.warmup_runs, &warmup)) return failed_run(options);
  emit("warm", format("\"runs\": %d, \"steady\": %s", warmup.runs, warmup.steady ? "true" : "false"));
  const double cpu = cpu_seconds();
  if (!measure(measurement, options.effort)) return failed_run(options);
  const double used = cpu_seconds() - cpu;
  const int64_t peak = peak_resident_bytes() - resident_before;
  const std::string ran_on = join_numbers({cores.seen().begin(), cores.seen().end()});
  const std::string khz = join_numbers(cores.speeds());
  emit("cores", "\"ran_on\": [" + ran_on + "], \"khz\": " + (khz.empty() ? "null" : "[" + khz + "]"));
  emit("end", "\"cpu_seconds\": " + json_number(used) +
                  format(", \"peak_memory_bytes\": %lld", static_cast<long long>(peak > 0 ? peak : 0)));
  return 0;
}

// In a session of its own, so that the hook costs the counted runs nothing.
int profile(RunnerOptions options) {
  OperatorTimes times;
  NamelessFile steps;
  options.steps = steps.path();
  Failure failure;
  std::unique_ptr<Session> session = Session::open(options, times.hook(), &failure);
  if (session == nullptr) return emit_error(failure);
  if (!session->has_profiler()) return 0;  // no such hook in this runtime: nothing is said
  session->fill_with_noise();
  if (!session->run()) return failed_run(options);
  times.clear();
  const int64_t start = monotonic_nanoseconds();
  for (int run = 0; run < kProfileRuns && double(monotonic_nanoseconds() - start) < kProfileSeconds * 1e9; ++run) {
    if (!session->run()) return failed_run(options);
  }
  session.reset();  // our delegate writes its own steps when it ends
  const std::string own = steps.text();
  emit("ops", "\"ops\": " + times.json() + (own.empty() ? "" : ", \"delegate_steps\": " + json_line(own)));
  return 0;
}

int run_network(const RunnerOptions& options) {
  const int64_t resident_before = resident_bytes(), began = monotonic_nanoseconds();
  Failure failure;
  const std::unique_ptr<Session> session = Session::open(options, nullptr, &failure);
  if (session == nullptr) return emit_error(failure);
  const double init_ms = double(monotonic_nanoseconds() - began) / 1e6;
  emit("loaded", "\"init_ms\": " + json_number(init_ms) + ", \"runtime\": [\"tflite\", " +
                     json_quote(session->runtime_version()) + "], \"delegate\": " + session->delegate_facts());
  if (const int code = first_run(options, *session)) return code;
  return timed_runs(options, *session, resident_before);
}

int run(const RunnerOptions& options) {
  set_deadline(options.deadline);
  emit("started", format("\"pid\": %d", static_cast<int>(getpid())));
  if (!options.cores.empty()) {
    const std::string refused = keep_on_cores(options.cores);
    if (!refused.empty()) emit("affinity", "\"refused\": " + json_quote(refused));
  }
  if (!options.model.empty()) {
    if (const int code = run_network(options)) return code;
    if (options.profile) {
      if (const int code = profile(options)) return code;
    }
  }
  if (options.roofline) {
    const Roofline roofline = measure_roofline(options.num_threads);
    emit("roofline", "\"popcount_per_s\": " + json_number(roofline.popcount_per_s) +
                         ", \"bytes_per_s\": " + json_number(roofline.bytes_per_s));
  }
  return 0;
}

}  // namespace
}  // namespace repbnn

int main(int argc, char** argv) {
  using namespace repbnn;
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
    return write(STDOUT_FILENO, kRunnerHelp, std::strlen(kRunnerHelp)) < 0;
  }
  open_events();
  RunnerOptions options;
  Failure wrong;
  if (!parse_command_line(argc, argv, &options, &wrong)) return emit_error(wrong);
  if (options.version) {
    emit("version", "\"version\": \"" REPBNN_VERSION "\", \"abi\": \"" REPBNN_ABI "\"");
    return 0;
  }
  return run(options);
}
