// Whole files in and out.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace repbnn {

// Why it failed, or "".
std::string read_file(const std::string& path, std::vector<char>* data);
std::string write_file(const std::string& path, const std::vector<char>& data);

// A file without a name, for libraries that want a path: in memory, or beside where the kernel has no such files.
class NamelessFile {
 public:
  NamelessFile();
  ~NamelessFile();
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;

  const std::string& path() const { return path_; }
  std::string text() const;

 private:
  int file_ = -1;
  std::string path_;
};

}  // namespace repbnn
