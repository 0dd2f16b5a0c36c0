// One network, ready to run in a runtime that was opened by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runner/events.h"
#include "runner/files.h"
#include "runner/options.h"
#include "runner/tflite.h"

namespace repbnn {

class Session {
 public:
  // Loads it all. Null with `failure` filled in when it cannot. `profiler`, if any, hears of each operator.
  static std::unique_ptr<Session> open(const RunnerOptions& options, TelemetryProfiler* profiler, Failure* failure);
  ~Session();

  std::string runtime_version() const { return api_.version(); }
  bool has_profiler() const { return api_.options_set_telemetry_profiler != nullptr; }

  // What the delegate took, as JSON: the fields of repbnn_edge.runtime.sessions.DelegateFacts; "null" where there is no
  // delegate, or one that does not say.
  std::string delegate_facts() const;

  // Fill the inputs: from the bytes of a file, or with noise. False when the bytes are not as many as the inputs'.
  bool fill(const std::vector<char>& bytes);
  void fill_with_noise();
  size_t input_bytes() const;

  bool run() { return api_.invoke(interpreter_) == 0; }
  std::vector<char> outputs() const;
  bool outputs_finite() const;

 private:
  Session() = default;
  std::string create_delegate(const RunnerOptions& options);

  TfLiteApi api_ = {};
  DelegateApi delegate_api_ = {};
  NamelessFile explanation_;
  bool explains_ = false;
  std::vector<char> model_bytes_;
  TfLiteDelegate* delegate_ = nullptr;
  TfLiteModel* model_ = nullptr;
  TfLiteInterpreter* interpreter_ = nullptr;
};

}  // namespace repbnn
