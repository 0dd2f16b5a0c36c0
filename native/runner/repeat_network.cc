// Runs a network a given number of times, and nothing else: for a counter of instructions, which wants no clock.
//   repeat_network MODEL RUNTIME DELEGATE full|none RUNS
#include <cstdlib>

#include "runner/session.h"

int main(int argc, char** argv) {
  using namespace repbnn;
  if (argc != 6) return 2;
  open_events();
  RunnerOptions options;
  options.model = argv[1];
  options.runtime_library = argv[2];
  options.delegate = argv[3];
  options.delegate_options = {{"fusion", argv[4]}};
  Failure failure;
  const std::unique_ptr<Session> session = Session::open(options, nullptr, &failure);
  if (session == nullptr) return emit_error(failure);
  session->fill_with_noise();
  for (int run = std::atoi(argv[5]); run > 0; --run) {
    if (!session->run()) return 1;
  }
  emit("loaded", "\"delegate\": " + session->delegate_facts());
  return 0;
}
