#include "delegate/log.h"

#include <cstdio>

#include "delegate/version.h"

#ifdef __ANDROID__
#include <android/log.h>
#endif

namespace repbnn {

void log_line(LogLevel level, LogLevel limit, const std::string& text) {
  if (level > limit) return;
#ifdef __ANDROID__
  const int priority = level == LogLevel::kError     ? ANDROID_LOG_ERROR
                       : level == LogLevel::kWarning ? ANDROID_LOG_WARN
                                                     : ANDROID_LOG_INFO;
  __android_log_print(priority, "repbnn", "%s: %s", kVersion, text.c_str());
#else
  const char* prefix = level == LogLevel::kError ? "error: " : level == LogLevel::kWarning ? "warning: " : "";
  std::fprintf(stderr, "repbnn %s: %s%s\n", kVersion, prefix, text.c_str());
  std::fflush(stderr);
#endif
}

}  // namespace repbnn
