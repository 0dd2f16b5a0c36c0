#include "base/text.h"

#include <cstdarg>
#include <cstdio>

namespace repbnn {

std::string format(const char* pattern, ...) {
  va_list arguments, again;
  va_start(arguments, pattern);
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, pattern, arguments);
  va_end(arguments);
  std::string text(length > 0 ? static_cast<size_t>(length) + 1 : 1, '\0');
  if (length > 0) std::vsnprintf(&text[0], text.size(), pattern, again);
  va_end(again);
  text.pop_back();
  return text;
}

std::string printable(const std::string& text) {
  std::string safe = text;
  for (char& c : safe) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return safe;
}

std::string json_quote(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    const unsigned char code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (code < 0x20) {
      quoted += format("\\u%04x", code);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace repbnn
