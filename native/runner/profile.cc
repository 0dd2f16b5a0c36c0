#include "runner/profile.h"

#include "base/text.h"
#include "runner/events.h"
#include "runner/timing.h"

namespace repbnn {
namespace {

OperatorTimes* self(TelemetryProfiler* hook) { return static_cast<OperatorTimes*>(hook->data); }

}  // namespace

OperatorTimes::OperatorTimes() {
  hook_.data = this;
  hook_.event = [](TelemetryProfiler*, const char*, uint64_t) {};
  hook_.op_event = [](TelemetryProfiler*, const char*, int64_t, int64_t, uint64_t) {};
  hook_.settings = [](TelemetryProfiler*, const char*, const void*) {};
  hook_.begin_op = [](TelemetryProfiler* hook, const char* name, int64_t index, int64_t subgraph) {
    uint32_t place = 0;
    Operator* op = self(hook)->find(name, index, subgraph, &place);
    op->started = monotonic_nanoseconds();
    return place;
  };
  hook_.end_op = [](TelemetryProfiler* hook, uint32_t place) {
    const int64_t now = monotonic_nanoseconds();
    std::vector<Operator>& operators = self(hook)->operators_;
    if (place >= operators.size()) return;
    operators[place].nanoseconds += now - operators[place].started;
    ++operators[place].runs;
  };
  hook_.op_time = [](TelemetryProfiler* hook, const char* name, uint64_t microseconds, int64_t index,
                     int64_t subgraph) {
    uint32_t place = 0;
    Operator* op = self(hook)->find(name, index, subgraph, &place);
    op->nanoseconds += static_cast<int64_t>(microseconds) * 1000;
    ++op->runs;
  };
}

OperatorTimes::Operator* OperatorTimes::find(const char* type, int64_t index, int64_t subgraph, uint32_t* place) {
  const uint32_t count = static_cast<uint32_t>(operators_.size());
  for (uint32_t tried = 0; tried < count; ++tried) {
    *place = (expected_ + tried) % count;
    Operator& op = operators_[*place];
    if (op.index == index && op.subgraph == subgraph && op.type == type) {
      expected_ = *place + 1;
      return &op;
    }
  }
  operators_.push_back({type, index, subgraph, 0, 0, 0});
  *place = count;
  expected_ = count + 1;
  return &operators_.back();
}

std::string OperatorTimes::json() const {
  std::string list;
  for (const Operator& op : operators_) {
    if (op.runs == 0) continue;
    const bool delegated = op.type.find("Delegate") != std::string::npos;
    const std::string name = op.type + format(":%lld", static_cast<long long>(op.index));
    list += format("%s{\"index\": %lld, \"name\": ", list.empty() ? "" : ", ", static_cast<long long>(op.index)) +
            json_quote(name) + ", \"type\": " + json_quote(op.type) +
            ", \"mean_ms\": " + json_number(double(op.nanoseconds) / 1e6 / op.runs) +
            format(", \"runs\": %d, \"delegated\": %s}", op.runs, delegated ? "true" : "false");
  }
  return "[" + list + "]";
}

}  // namespace repbnn
