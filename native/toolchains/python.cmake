# Finds the Python that has ziglang and runs the scripts that make compiler commands. CMake reads toolchain files again
# for each of its try_compile projects, so the folders are the checkout's own, the same each time.
get_filename_component(REPBNN_SOURCE "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
if(NOT REPBNN_PYTHON)
  find_program(REPBNN_PYTHON NAMES python3 python HINTS "${REPBNN_SOURCE}/.venv/bin" NO_CMAKE_FIND_ROOT_PATH)
endif()
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES REPBNN_PYTHON)

function(repbnn_make_tools)
  execute_process(COMMAND "${REPBNN_PYTHON}" ${ARGN} RESULT_VARIABLE failed ERROR_VARIABLE why)
  if(failed)
    message(FATAL_ERROR "the cross compiler cannot be set up: ${why}")
  endif()
endfunction()
