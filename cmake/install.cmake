# What `cmake --install` lays down: the program, its manual and completion, and the engine for
# programs that embed it: one static library, its headers, its pkg-config file.
add_library(radarpod_measure STATIC
  $<TARGET_OBJECTS:pod_base>
  $<TARGET_OBJECTS:pod_loop>
  $<TARGET_OBJECTS:pod_transport>
  $<TARGET_OBJECTS:pod_measure>)
set_target_properties(radarpod_measure PROPERTIES OUTPUT_NAME radarpod-measure LINKER_LANGUAGE C)

file(RELATIVE_PATH to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/radarpod-measure.pc.in radarpod-measure.pc @ONLY)

install(TARGETS radar-pod RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS radarpod_measure ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_BINARY_DIR}/radarpod-measure.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Headers include each other by their whole path, so the folders come along.
install(DIRECTORY measure transport DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/radarpod
        FILES_MATCHING PATTERN "*.h"
        PATTERN "libcurl.h" EXCLUDE
        PATTERN "libzstd.h" EXCLUDE
        PATTERN "loop_*.h" EXCLUDE)

install(FILES bpf/tcpstat.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/radarpod/bpf)

file(GLOB manual CONFIGURE_DEPENDS docs/man/*.1)
install(FILES ${manual} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES agent/radar-pod.bash RENAME radar-pod
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
