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

namespace {

// The code point that starts at `at`, and its bytes; a length of 0 where these are no UTF-8 (RFC 3629).
struct CodePoint {
  unsigned code;
  size_t length;
};
CodePoint code_point(const std::string& text, size_t at) {
  static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
  if (length == 0 || length > text.size() - at) return {0, 0};
  unsigned code = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    const unsigned next = static_cast<unsigned char>(text[at + i]);
    if (next >> 6 != 2) return {0, 0};
    code = code << 6 | (next & 0x3f);
  }
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (code < least[length] || code > 0x10ffff || surrogate) return {0, 0};
  return {code, length};
}

}  // namespace

std::string printable(const std::string& text) {
  std::string safe;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = code_point(text, at);
    const bool control = point.code < 0x20 || (point.code >= 0x7f && point.code < 0xa0);
    safe += control ? "?" : text.substr(at, point.length);
    at += point.length == 0 ? 1 : point.length;
  }
  return safe;
}

std::string json_quote(const std::string& text) {
  std::string quoted = "\"";
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = code_point(text, at);
    if (point.length == 0) {
      quoted += "\\ufffd";
    } else if (point.code == '"' || point.code == '\\') {
      quoted += '\\';
      quoted += text[at];
    } else if (point.code < 0x20) {
      quoted += format("\\u%04x", point.code);
    } else {
      quoted += text.substr(at, point.length);
    }
    at += point.length == 0 ? 1 : point.length;
  }
  return quoted + '"';
}

}  // namespace repbnn
