// What a user may set, as key=value pairs of load_delegate or as REPBNN_<KEY> in the environment.
#pragma once

#include <string>

#include "delegate/log.h"

namespace repbnn {

constexpr int kMaxThreads = 256;

struct Options {
  int num_threads = 0;  // 0: what the runtime recommends
  std::string implementation = "auto";
  bool fusion = true;
  bool require_all = false;  // an LCE operator left unclaimed is an error
  LogLevel log_level = LogLevel::kInfo;
  std::string explain;    // file that gets one JSON object about every node
  std::string profiling;  // file that gets one JSON object about every step
};

// The pairs, and the environment where they say nothing. False with a sentence in `error` when a key or value is
// unknown.
bool parse_options(const char* const* keys, const char* const* values, size_t count, Options* options,
                   std::string* error);

}  // namespace repbnn
