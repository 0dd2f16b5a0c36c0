// printf into a std::string; iostreams are kept out of the library for their size.
#pragma once

#include <string>

namespace repbnn {

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

// The text as a JSON string, with its quotes; bytes that are no UTF-8 become U+FFFD.
std::string json_quote(const std::string& text);

// The text without what could steer a terminal, and without bytes that are no UTF-8, which Python could not read.
std::string printable(const std::string& text);

// "a, b, c"
template <typename List>
std::string join(const List& names) {
  std::string all;
  for (const auto& name : names) {
    if (!all.empty()) all += ", ";
    all += name;
  }
  return all;
}

}  // namespace repbnn
