#ifndef _GNU_SOURCE
#define _GNU_SOURCE  // the affinity functions
#endif
#include "runner/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace repbnn {
namespace {

// A small file of /proc, whole; "" when it cannot be read.
std::string read_small(const char* path) {
  char text[4096];
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  const ssize_t length = read(file, text, sizeof(text));
  close(file);
  return std::string(text, length > 0 ? static_cast<size_t>(length) : 0);
}

// The kilobytes behind "VmHWM:" and its like in /proc/self/status. getrusage's figure will not do: it keeps that of
// the program which was there before exec.
int64_t status_bytes(const char* field) {
  const std::string status = read_small("/proc/self/status");
  const size_t at = status.find(field);
  return at == std::string::npos ? 0 : std::strtoll(status.c_str() + at + std::strlen(field), nullptr, 10) * 1024;
}

// 0 where the system does not say.
int64_t clock_khz(int core) {
  const std::string path = format("/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", core);
  return std::strtoll(read_small(path.c_str()).c_str(), nullptr, 10);
}

int64_t median(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

int64_t resident_bytes() { return status_bytes("VmRSS:"); }
int64_t peak_resident_bytes() { return status_bytes("VmHWM:"); }

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + double(now.tv_nsec) / 1e9;
}

std::string keep_on_cores(const std::string& hexmask) {
  cpu_set_t asked, given;
  CPU_ZERO(&asked);
  const size_t length = hexmask.size();
  for (size_t i = 0; i < length; ++i) {
    const int digit = digit_of(hexmask[length - 1 - i]);
    if (digit < 0 || 4 * i + 3 >= CPU_SETSIZE) return "the mask is no hexadecimal number";
    for (int bit = 0; bit < 4; ++bit) {
      if (digit >> bit & 1) CPU_SET(4 * i + bit, &asked);
    }
  }
  if (sched_setaffinity(0, sizeof(asked), &asked) != 0) return std::strerror(errno);
  if (sched_getaffinity(0, sizeof(given), &given) != 0) return std::strerror(errno);
  // Android's groups cut a mask down without a word.
  return CPU_EQUAL(&asked, &given) ? "" : "the system keeps this process on other cores";
}

void CoreWatch::look() {
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return;
  while (const dirent* entry = readdir(tasks)) {
    const int thread = std::atoi(entry->d_name);
    if (thread <= 0) continue;
    const std::string stat = read_small(format("/proc/self/task/%d/stat", thread).c_str());
    // "pid (name) state ...": the name may hold anything, the fields behind it are numbers.
    const size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) continue;
    const char* at = stat.c_str() + name_end + 1;
    uint64_t ticks = 0;
    int core = -1;
    for (int field = 3; field <= 39 && *at != '\0'; ++field) {
      while (*at == ' ') ++at;
      if (field == 14 || field == 15) ticks += std::strtoull(at, nullptr, 10);
      if (field == 39) core = std::atoi(at);
      while (*at != '\0' && *at != ' ') ++at;
    }
    const auto known = ticks_.find(thread);
    if (core >= 0 && known != ticks_.end()) {
      if (ticks > known->second) seen_.insert(core);
      const int64_t khz = thread == getpid() ? clock_khz(core) : 0;
      if (khz > 0) khz_.push_back(khz);
    }
    ticks_[thread] = ticks;
  }
  closedir(tasks);
}

std::vector<int64_t> CoreWatch::speeds() const {
  const auto quarter = static_cast<std::ptrdiff_t>(khz_.size() / 4);
  if (quarter < 1) return {};
  return {median({khz_.begin(), khz_.begin() + quarter}), median({khz_.end() - quarter, khz_.end()})};
}

}  // namespace repbnn
