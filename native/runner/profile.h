// The time of each operator, as the runtime's telemetry hook tells of it.
#pragma once

#include <string>
#include <vector>

#include "runner/tflite.h"

namespace repbnn {

class OperatorTimes {
 public:
  OperatorTimes();
  OperatorTimes(const OperatorTimes&) = delete;
  OperatorTimes& operator=(const OperatorTimes&) = delete;

  TelemetryProfiler* hook() { return &hook_; }

  // Forget what was seen: what comes before it warmed up.
  void clear() { operators_.clear(); }

  // A JSON list of {"index", "name", "type", "mean_ms", "runs", "delegated"}, in the order of execution.
  std::string json() const;

 private:
  struct Operator {
    std::string type;
    int64_t index, subgraph;
    int64_t nanoseconds;
    int runs;
    int64_t started;
  };
  Operator* find(const char* type, int64_t index, int64_t subgraph, uint32_t* place);

  TelemetryProfiler hook_;
  std::vector<Operator> operators_;
  uint32_t expected_ = 0;  // where the next operator stands, when the order is that of the run before
};

}  // namespace repbnn
