// Nothing may be thrown into the runtime: every entry from it runs through guarded().
#pragma once

#include <new>

#include "delegate/abi.h"

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

// The same, and the runtime hears that it was memory: Android's door makes its OutOfMemoryError from these words.
template <typename Result, typename Function>
Result guarded(TfLiteContext* context, Result failure, Function function) {
  bool finished = false;
  const Result result = guarded(failure, [&] {
    const Result made = function();
    finished = true;
    return made;
  });
  if (!finished) context->ReportError(context, "repbnn: out of memory");
  return result;
}

}  // namespace repbnn
