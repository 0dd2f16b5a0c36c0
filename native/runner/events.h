// What the runner says: one JSON object a line on stdout, at once. What libraries print to stdout goes to stderr.
#pragma once

#include <string>

namespace repbnn {

// Takes stdout for events; call it before any library is loaded.
void open_events();

// {"event": "<kind>", <body>}; `body` is JSON's "key": value pairs, or empty. The process ends when nobody reads.
void emit(const char* kind, const std::string& body);

// Why something failed, in the three parts and with the exit code that repbnn_edge.errors gives it.
struct Failure {
  int code = 0;
  std::string what, why, remedy;
  std::string delegate = {};  // what it took, as JSON, where what it left may be the reason
};

// An error event; gives its exit code.
int emit_error(const Failure& failure);

// A JSON text on one line, for what others wrote on several.
std::string json_line(std::string text);

// A double that JSON can hold: null for what is not finite.
std::string json_number(double value);

}  // namespace repbnn
