# pod_test(ws pod_transport)         builds ws_test.c beside its source and registers it as "ws"
# pod_role_test(courier pod_agent)   likewise, of what starts itself again
# pod_fuzz(ws pod_transport)         builds tests/fuzz/fuzz_ws.c; corpus in tests/fuzz/corpus/ws; runs for a sixth of
#                                    POD_FUZZ_SECONDS, or all of them where POD_FUZZ_WHOLE lists it; as fuzz.ws.minute
#                                    (label deep) for the bar's minute
# pod_pytest(name file [TIMEOUT s] [SERIAL] [WAITS] [LINE Gbit/s] [ENV NAME=VALUE…] [ARGS …])
#                                    a pytest file or folder that drives the executable; ARGS are pytest's.
#                                    SERIAL: its answer is a rate, and it has the machine for itself;
#                                    WAITS: it takes seconds and no processor, so others run beside it;
#                                    LINE: it measures, and this is enough for it (tests/line.py)
#
# Exit code 77 is "not on this machine", shown as skipped.
find_library(CMOCKA_LIBRARY cmocka)
option(POD_VALGRIND "run the unit tests on valgrind" OFF)
set(POD_FUZZ_SECONDS 30 CACHE STRING "of a processor, for each fuzz target of POD_FUZZ_WHOLE under ctest")
find_program(POD_PYTHON NAMES python3 HINTS /usr/bin NO_CMAKE_ENVIRONMENT_PATH)

# The memory sanitizer knows what code that was built with it writes. What OpenSSL, libcurl, zlib, libzstd and
# SQLite write is unwritten to it, and what the kernel writes for io_uring and epoll_pwait2(2). Valgrind sees it.
set(POD_MSAN_CANNOT courier flow full_disk gzip http http_post libcurl living loader locate loop loop_coalesce
    loop_splice page refusal resolve round run runner sentry sentry_courier serve store store_damage store_faults stream
    subtest tcp_dial tls tls_context tls_record tls_secrets tls_traffic trace_reader uploader wifi fuzz.json
    fuzz.store fuzz.tls_traffic fuzz.trace)

# What reads a stranger's bytes in each test.
set(POD_FUZZ_WHOLE head locate measurement url ws)

# What takes seconds and no processor: others run beside it.
set(POD_WAITS bounded_child courier http http_post resolve runner uploader)

# The bar that asks for whole suites under a sanitizer.
set(POD_LABELS)
if(POD_SANITIZE OR POD_VALGRIND)
  set(POD_LABELS M3)
endif()

# Makes a target's calls of OpenSSL visible to it.
function(pod_msan_openssl target)
  if(POD_SANITIZE STREQUAL "memory" AND TARGET ${target})
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/msan_openssl.c)
  endif()
endfunction()

# Registers a test as it runs on this build; `run` is its command.
function(pod_register name label seconds run)
  if(POD_SANITIZE STREQUAL "memory" AND name IN_LIST POD_MSAN_CANNOT)
    set(run sh -c "echo 'skip: the memory sanitizer does not see what its libraries write' && exit 77")
  endif()
  add_test(NAME ${name} COMMAND ${run})
  if(name IN_LIST POD_WAITS)
    list(APPEND label waits)
  endif()
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${seconds} LABELS "${label};${POD_LABELS}")
endfunction()

function(pod_test name)
  if(NOT CMOCKA_LIBRARY)
    return()
  endif()
  add_executable(${name}_test ${name}_test.c)
  target_link_libraries(${name}_test PRIVATE pod_flags ${ARGN} ${CMOCKA_LIBRARY})
  target_compile_options(${name}_test PRIVATE -O0) # a third of a build's time, for what runs once
  if(POD_VALGRIND)
    target_compile_definitions(${name}_test PRIVATE ON_VALGRIND=true)
    pod_register(${name} unit 600 "${PROJECT_SOURCE_DIR}/tests/on_valgrind;$<TARGET_FILE:${name}_test>")
  else()
    pod_register(${name} unit 300 ${name}_test)
  endif()
endfunction()

# As pod_test(), of what starts the test program itself again as a child in a role (transport/base/role.h):
# its /proc/self/exe is valgrind's own program there.
function(pod_role_test name)
  if(POD_VALGRIND)
    pod_register(${name} unit 120 "sh;-c;echo 'skip: valgrind cannot start the program again' && exit 77")
  else()
    pod_test(${name} ${ARGN})
  endif()
endfunction()

function(pod_fuzz name)
  if(NOT POD_FUZZ)
    return()
  endif()
  add_executable(fuzz_${name} fuzz_${name}.c)
  target_link_libraries(fuzz_${name} PRIVATE pod_flags ${ARGN})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  if(NOT TARGET fuzz)
    add_custom_target(fuzz) # all of them, and nothing else
  endif()
  add_dependencies(fuzz fuzz_${name})
  set(grown ${CMAKE_CURRENT_BINARY_DIR}/grown/${name})
  file(MAKE_DIRECTORY ${grown})
  set(seconds ${POD_FUZZ_SECONDS})
  if(NOT name IN_LIST POD_FUZZ_WHOLE)
    math(EXPR seconds "(${POD_FUZZ_SECONDS} + 14) / 15")
  endif()
  set(run "$<TARGET_FILE:fuzz_${name}>;-max_total_time=1100;-timeout=5;-rss_limit_mb=1024;-print_final_stats=1;-verbosity=0;${grown};${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name}")
  pod_register(fuzz.${name} "fuzz;M4" 1200 "${PROJECT_SOURCE_DIR}/tests/fuzz/for_cpu_seconds;${seconds};${run}")
  pod_register(fuzz.${name}.minute "deep;M4" 1200 "${PROJECT_SOURCE_DIR}/tests/fuzz/for_cpu_seconds;60;${run}")
endfunction()

function(pod_pytest name file)
  cmake_parse_arguments(arg "SERIAL;WAITS" "TIMEOUT;LINE" "ARGS;ENV" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  add_test(NAME ${name} COMMAND ${POD_PYTHON} -m pytest -q -rs -p no:cacheprovider
           ${CMAKE_CURRENT_SOURCE_DIR}/${file} ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "e2e;${POD_LABELS}"
    ENVIRONMENT "RADAR_POD=$<TARGET_FILE:radar-pod>;PYTHONDONTWRITEBYTECODE=1;${arg_ENV}"
    SKIP_RETURN_CODE 77)
  if(arg_LINE)
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT RADAR_POD_TEST_LINE=${arg_LINE})
  endif()
  if(arg_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
    set_property(TEST ${name} APPEND PROPERTY LABELS alone)
  endif()
  if(arg_WAITS)
    set_property(TEST ${name} APPEND PROPERTY LABELS waits)
  endif()
endfunction()
