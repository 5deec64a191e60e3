# What every target of ours is compiled with. Warnings are errors, with gcc 12 and clang 14 alike.
option(POD_FUZZ "build the libFuzzer targets (clang)" OFF)
option(POD_COVERAGE "instrument for gcov" OFF)
set(POD_SANITIZE "" CACHE STRING "address,undefined | thread | memory | empty")

add_library(pod_flags INTERFACE)
target_include_directories(pod_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(pod_flags INTERFACE _GNU_SOURCE POD_VERSION="${PROJECT_VERSION}")
target_compile_options(pod_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers -Wstrict-prototypes -Wvla -Werror
  -fno-common -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

if(POD_SANITIZE)
  target_compile_options(pod_flags INTERFACE
    -fsanitize=${POD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(pod_flags INTERFACE -fsanitize=${POD_SANITIZE})
elseif(NOT POD_COVERAGE)
  target_compile_options(pod_flags INTERFACE -fstack-protector-strong -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
    target_compile_options(pod_flags INTERFACE -fcf-protection)
  endif()
  if(CMAKE_BUILD_TYPE MATCHES "Rel")
    target_compile_definitions(pod_flags INTERFACE _FORTIFY_SOURCE=2)
    target_compile_options(pod_flags INTERFACE -ffunction-sections -fdata-sections)
    target_link_options(pod_flags INTERFACE -Wl,--gc-sections)
  endif()
endif()
if(POD_FUZZ)
  target_compile_options(pod_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(POD_COVERAGE)
  target_compile_options(pod_flags INTERFACE --coverage -O0)
  target_link_options(pod_flags INTERFACE --coverage)
endif()
# What a crash was of is looked up by this; how it came there is read from the tables (agent/sentry/crash_handler.c).
target_compile_options(pod_flags INTERFACE -fasynchronous-unwind-tables)
target_link_options(pod_flags INTERFACE -Wl,--build-id=sha1)
target_link_options(pod_flags INTERFACE -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
