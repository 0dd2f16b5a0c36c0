// What the library says: errors always, one summary line by default.
#pragma once

#include <string>

namespace repbnn {

enum class LogLevel { kError = 0, kWarning = 1, kInfo = 2, kDebug = 3 };

// To stderr, on Android to logcat, as one line "repbnn 0.1.0: ..."; `limit` is the level that the user asked for.
void log_line(LogLevel level, LogLevel limit, const std::string& text);

}  // namespace repbnn
