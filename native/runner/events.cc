#include "runner/events.h"

#include <errno.h>
#include <unistd.h>

#include <cmath>

#include "base/text.h"

namespace repbnn {
namespace {

int events_file = STDOUT_FILENO;

}  // namespace

void open_events() {
  const int own = dup(STDOUT_FILENO);
  if (own < 0) return;
  events_file = own;
  dup2(STDERR_FILENO, STDOUT_FILENO);
}

void emit(const char* kind, const std::string& body) {
  const std::string line = std::string("{\"event\": \"") + kind + "\"" + (body.empty() ? "" : ", ") + body + "}\n";
  for (size_t done = 0; done < line.size();) {
    const ssize_t written = write(events_file, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) _exit(1);  // nobody listens: measuring on would only heat the device
    done += static_cast<size_t>(written);
  }
}

int emit_error(const Failure& failure) {
  emit("error", format("\"code\": %d, \"what\": ", failure.code) + json_quote(failure.what) +
                    ", \"why\": " + json_quote(failure.why) + ", \"do\": " + json_quote(failure.remedy) +
                    (failure.delegate.empty() ? "" : ", \"delegate\": " + failure.delegate));
  return failure.code;
}

std::string json_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';  // inside of strings they are escaped
  }
  return text;
}

std::string json_number(double value) { return std::isfinite(value) ? format("%.9g", value) : "null"; }

}  // namespace repbnn
