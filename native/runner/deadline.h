// The end of the process at a given time, whatever else in it hangs.
#pragma once

namespace repbnn {

constexpr int kDeadlineExit = 124;  // as timeout(1) has it

// `seconds` from now the process ends with kDeadlineExit, by a thread of its own; a second later by the kernel's alarm,
// should that thread not run. 0 is no deadline.
void set_deadline(double seconds);

}  // namespace repbnn
