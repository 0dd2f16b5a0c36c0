#include "runner/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "base/text.h"

namespace repbnn {
namespace {

bool read_all(int file, std::vector<char>* data) {
  data->clear();
  for (;;) {
    const size_t had = data->size();
    data->resize(had + (had < (1 << 20) ? 1 << 16 : had));  // doubled: a model is read in a few calls
    const ssize_t count = read(file, data->data() + had, data->size() - had);
    if (count < 0 && errno == EINTR) {
      data->resize(had);
      continue;
    }
    data->resize(had + (count > 0 ? static_cast<size_t>(count) : 0));
    if (count <= 0) return count == 0;
  }
}

}  // namespace

std::string read_file(const std::string& path, std::vector<char>* data) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::strerror(errno);
  const bool whole = read_all(file, data);
  const int code = errno;
  close(file);
  return whole ? "" : std::strerror(code);
}

std::string write_file(const std::string& path, const std::vector<char>& data) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return std::strerror(errno);
  std::string why;
  for (size_t done = 0; done < data.size() && why.empty();) {
    const ssize_t written = write(file, data.data() + done, data.size() - done);
    if (written > 0) done += static_cast<size_t>(written);
    if (written < 0 && errno != EINTR) why = std::strerror(errno);
  }
  if (close(file) != 0 && why.empty()) why = std::strerror(errno);
  return why;
}

NamelessFile::NamelessFile() {
  file_ = static_cast<int>(syscall(SYS_memfd_create, "repbnn", 1u));  // 1: closed on exec
  if (file_ >= 0) {
    path_ = format("/proc/self/fd/%d", file_);
    return;
  }
  path_ = format(".repbnn-runner-%d", static_cast<int>(getpid()));
  file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

NamelessFile::~NamelessFile() {
  if (path_[0] != '/') unlink(path_.c_str());
  if (file_ >= 0) close(file_);
}

std::string NamelessFile::text() const {
  std::vector<char> data;
  return read_file(path_, &data).empty() ? std::string(data.begin(), data.end()) : "";
}

}  // namespace repbnn
