// What the process uses of the machine: memory, processor time, cores.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace repbnn {

// Bytes of memory in use now, and the most that ever were; 0 where the system does not say.
int64_t resident_bytes();
int64_t peak_resident_bytes();

// Processor time of all threads, in seconds.
double cpu_seconds();

// Keep this thread, and those that it starts later, on the cores of a hexadecimal mask. Gives why it was refused, or
// "".
std::string keep_on_cores(const std::string& hexmask);

// The cores on which threads of this process worked, gathered by looking from time to time.
class CoreWatch {
 public:
  void look();
  const std::set<int>& seen() const { return seen_; }
  // The clock in kHz under the first thread, in the first and in the last quarter of the looks; empty if not told. What
  // an idle core says before and after a measurement says little of what ran.
  std::vector<int64_t> speeds() const;

 private:
  std::map<int, uint64_t> ticks_;  // thread -> processor time when it was last looked at
  std::set<int> seen_;
  std::vector<int64_t> khz_;
};

}  // namespace repbnn
