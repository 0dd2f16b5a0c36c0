# The pinned ziglang package as a cross compiler: what it links runs on the glibc that is named and on every later one.
# Included by the toolchain files beside it, which set REPBNN_ABI, REPBNN_GLIBC and CMAKE_SYSTEM_PROCESSOR.
set(CMAKE_SYSTEM_NAME Linux)
include("${CMAKE_CURRENT_LIST_DIR}/python.cmake")
set(tools "${REPBNN_SOURCE}/build/toolchains/${REPBNN_ABI}")
repbnn_make_tools("${CMAKE_CURRENT_LIST_DIR}/zig.py" "${tools}" "${CMAKE_SYSTEM_PROCESSOR}" "${REPBNN_GLIBC}")

set(CMAKE_C_COMPILER "${tools}/cc")
set(CMAKE_CXX_COMPILER "${tools}/c++")
set(CMAKE_AR "${tools}/ar" CACHE FILEPATH "")
set(CMAKE_RANLIB "${tools}/ranlib" CACHE FILEPATH "")
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
