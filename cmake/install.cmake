# What `cmake --install` lays down: the program, its manual, completion and units, and the engine for
# programs that embed it: one static library, its headers, its pkg-config file. What who runs a pod
# needs is the component "pod", which the Debian package is made of.
add_library(radarpod_measure STATIC
  $<TARGET_OBJECTS:pod_base>
  $<TARGET_OBJECTS:pod_loop>
  $<TARGET_OBJECTS:pod_transport>
  $<TARGET_OBJECTS:pod_measure>)
set_target_properties(radarpod_measure PROPERTIES OUTPUT_NAME radarpod-measure LINKER_LANGUAGE C)

file(RELATIVE_PATH to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/radarpod-measure.pc.in radarpod-measure.pc @ONLY)

install(TARGETS radar-pod RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT pod)
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
install(FILES ${manual} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT pod)
install(FILES agent/radar-pod.bash RENAME radar-pod
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT pod)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES docs/operations.md docs/configuration.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT pod)

# systemd reads these below /usr and below /usr/local; there is one name for both.
include(cmake/units.cmake)
set(POD_UNITS ${PROJECT_BINARY_DIR}/units)
pod_units(${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_DOCDIR} ${SYSTEMD_VERSION} ${POD_UNITS})
install(DIRECTORY ${POD_UNITS}/ DESTINATION lib/systemd/system COMPONENT pod)
install(FILES agent/system/sysusers.conf RENAME radar-pod.conf DESTINATION lib/sysusers.d COMPONENT pod)
install(FILES agent/system/tmpfiles.conf RENAME radar-pod.conf DESTINATION lib/tmpfiles.d COMPONENT pod)
install(PROGRAMS agent/system/take-over DESTINATION lib/radar-pod COMPONENT pod)
