# pod_test(ws pod_transport)         builds ws_test.c beside its source and registers it as "ws"
# pod_fuzz(ws pod_transport)         builds tests/fuzz/fuzz_ws.c; corpus in tests/fuzz/corpus/ws
# pod_pytest(name file [TIMEOUT s] [SERIAL] [ENV NAME=VALUE…] [ARGS …])
#                                    a pytest file or folder that drives the executable; ARGS are pytest's
#
# Exit code 77 is "not on this machine", shown as skipped.
find_library(CMOCKA_LIBRARY cmocka)
option(POD_VALGRIND "run the unit tests on valgrind" OFF)
set(POD_FUZZ_SECONDS 30 CACHE STRING "how long each fuzz target runs under ctest")
find_program(POD_PYTHON NAMES python3 HINTS /usr/bin NO_CMAKE_ENVIRONMENT_PATH)

function(pod_test name)
  if(NOT CMOCKA_LIBRARY)
    return()
  endif()
  set(seconds 120)
  set(run "")
  if(POD_VALGRIND)
    set(seconds 600)
    set(run ${PROJECT_SOURCE_DIR}/tests/on_valgrind)
  endif()
  add_executable(${name}_test ${name}_test.c)
  target_link_libraries(${name}_test PRIVATE pod_flags ${ARGN} ${CMOCKA_LIBRARY})
  add_test(NAME ${name} COMMAND ${run} $<TARGET_FILE:${name}_test>)
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${seconds} LABELS unit)
endfunction()

function(pod_fuzz name)
  if(NOT POD_FUZZ)
    return()
  endif()
  add_executable(fuzz_${name} fuzz_${name}.c)
  target_link_libraries(fuzz_${name} PRIVATE pod_flags ${ARGN})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  set(grown ${CMAKE_CURRENT_BINARY_DIR}/grown/${name})
  file(MAKE_DIRECTORY ${grown})
  add_test(NAME fuzz.${name} COMMAND fuzz_${name} -max_total_time=${POD_FUZZ_SECONDS} -timeout=5
           -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 ${grown}
           ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 1200 LABELS fuzz)
endfunction()

function(pod_pytest name file)
  cmake_parse_arguments(arg "SERIAL" "TIMEOUT" "ARGS;ENV" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND ${POD_PYTHON} -m pytest -q -rs -p no:cacheprovider
           ${CMAKE_CURRENT_SOURCE_DIR}/${file} ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS e2e
    ENVIRONMENT "RADAR_POD=$<TARGET_FILE:radar-pod>;PYTHONDONTWRITEBYTECODE=1;${arg_ENV}"
    SKIP_RETURN_CODE 77)
  if(arg_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()
