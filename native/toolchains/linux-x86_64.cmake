# Wheels for x86-64 Linux with glibc 2.27 or newer.
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(REPBNN_ABI linux-x86_64)
set(REPBNN_GLIBC 2.27)
include("${CMAKE_CURRENT_LIST_DIR}/zig.cmake")
