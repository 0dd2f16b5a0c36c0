# Boards: 64-bit Arm Linux with glibc 2.27 (Ubuntu 18.04, Debian 10) or newer.
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(REPBNN_ABI linux-aarch64)
set(REPBNN_GLIBC 2.27)
include("${CMAKE_CURRENT_LIST_DIR}/zig.cmake")
