// Names of TFLite's builtin operators.
#pragma once

#include <cstdint>

namespace repbnn {

// "CONV_2D" for 3; nullptr for a code that the schema of LiteRT 2.1 does not have.
const char* builtin_name(int32_t code);

}  // namespace repbnn
