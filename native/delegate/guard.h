// Nothing may be thrown into the runtime: every entry from it runs through guarded().
#pragma once

#include <new>

namespace repbnn {

// function(), or `failure` when memory runs out. Where the build has no exceptions, running out of memory ends the
// process inside operator new, as it does for everything else there.
template <typename Result, typename Function>
Result guarded(Result failure, Function function) {
#ifdef __cpp_exceptions
  try {
    return function();
  } catch (...) {
    return failure;
  }
#else
  (void)failure;
  return function();
#endif
}

}  // namespace repbnn
