#pragma once

namespace repbnn {

#ifndef REPBNN_VERSION
#define REPBNN_VERSION "0.1.0"
#endif
constexpr const char* kVersion = REPBNN_VERSION;

}  // namespace repbnn
