// The runner's command line.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runner/events.h"
#include "runner/timing.h"

namespace repbnn {

struct RunnerOptions {
  bool version = false;
  std::string model, runtime_library, delegate;
  std::vector<std::pair<std::string, std::string>> delegate_options;
  int num_threads = 1;
  std::string cores;  // a hexadecimal mask; empty: all
  Effort effort;
  int warmup_runs = 0;
  bool profile = false;
  std::string steps;          // where our delegate writes the times of its own steps; not from the command line
  std::string input, output;  // files of raw bytes
  double deadline = 0;        // seconds; 0 is none
  bool roofline = false;
};

extern const char kRunnerHelp[];

// False with `failure` filled in when the command line is wrong.
bool parse_command_line(int argc, char** argv, RunnerOptions* options, Failure* failure);

}  // namespace repbnn
