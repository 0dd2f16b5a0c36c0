# Android without the NDK: cmake -DCMAKE_TOOLCHAIN_FILE=native/toolchains/android/toolchain.cmake [-DANDROID_ABI=x86_64]
#
# Clang and lld out of the pinned ziglang package, stub libraries in place of Android's own: see docs/binaries.md. Whoever
# has the NDK gives its toolchain file instead, with -DANDROID_ABI=arm64-v8a -DANDROID_PLATFORM=21.
set(CMAKE_SYSTEM_NAME Linux)
set(ANDROID_ABI arm64-v8a CACHE STRING "arm64-v8a, or x86_64 for emulators")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ANDROID_ABI)
if(ANDROID_ABI STREQUAL "x86_64")
  set(machine x86_64)
  set(CMAKE_SYSTEM_PROCESSOR x86_64)
else()
  set(machine arm64)
  set(CMAKE_SYSTEM_PROCESSOR aarch64)
  # Atomics inline, since the outlined ones are compiler-rt's.
  set(CMAKE_C_FLAGS_INIT "-mno-outline-atomics")
  set(CMAKE_CXX_FLAGS_INIT "-mno-outline-atomics")
endif()
set(REPBNN_ABI android-${machine})

include("${CMAKE_CURRENT_LIST_DIR}/../python.cmake")
set(REPBNN_SYSROOT "${REPBNN_SOURCE}/build/toolchains/${REPBNN_ABI}")
repbnn_make_tools("${CMAKE_CURRENT_LIST_DIR}/sysroot.py" "${REPBNN_SYSROOT}" ${machine})

set(CMAKE_C_COMPILER "${REPBNN_SYSROOT}/bin/clang")
set(CMAKE_CXX_COMPILER "${REPBNN_SYSROOT}/bin/clang++")
set(CMAKE_AR "${REPBNN_SYSROOT}/bin/ar" CACHE FILEPATH "")
set(CMAKE_RANLIB "${REPBNN_SYSROOT}/bin/ranlib" CACHE FILEPATH "")
set(CMAKE_FIND_ROOT_PATH "${REPBNN_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

string(APPEND CMAKE_CXX_FLAGS_INIT " -fno-rtti")

# Threads are in Android's libc; CMake's own test calls pthread_cancel, which Android lacks.
set(CMAKE_HAVE_LIBC_PTHREAD TRUE CACHE INTERNAL "")

set(link "-nostdlib -Wl,-z,max-page-size=16384 -Wl,-z,separate-loadable-segments -Wl,-z,relro -Wl,-z,now")
set(link "${link} -Wl,--no-undefined -Wl,--as-needed -Wl,--gc-sections -Wl,--hash-style=both -Wl,--build-id")
set(link "${link} -Wl,--exclude-libs,libsupport.a")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "${link} -L${REPBNN_SYSROOT}/shared ${REPBNN_SYSROOT}/lib/start_shared.o")
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "${link} -pie -L${REPBNN_SYSROOT}/executable ${REPBNN_SYSROOT}/lib/start_executable.o -Wl,-dynamic-linker,/system/bin/linker64")
# Behind everything else on the line.
set(CMAKE_C_STANDARD_LIBRARIES "${REPBNN_SYSROOT}/lib/libsupport.a -lc -lm -ldl -llog")
set(CMAKE_CXX_STANDARD_LIBRARIES "${CMAKE_C_STANDARD_LIBRARIES}")
