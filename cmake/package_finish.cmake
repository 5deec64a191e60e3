# What CPack runs between installation and packing (CPACK_PRE_BUILD_SCRIPTS): paths of /usr, Debian's files.
include(${CPACK_POD_SOURCE}/cmake/units.cmake)
set(root ${CPACK_TEMPORARY_DIRECTORY}/pod)
set(debian ${CPACK_POD_SOURCE}/agent/system/debian)
set(doc ${root}/usr/share/doc/radar-pod)
set(readable OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)

# As dpkg's own tools compress: the same bytes each time.
function(compress)
  execute_process(COMMAND gzip -9nf ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

pod_units(/usr/bin /usr/share/doc/radar-pod "${CPACK_POD_SYSTEMD_VERSION}" ${root}/usr/lib/systemd/system)

string(TIMESTAMP CPACK_POD_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC) # SOURCE_DATE_EPOCH, if it is set
configure_file(${debian}/changelog.in ${doc}/changelog.Debian @ONLY FILE_PERMISSIONS ${readable})
configure_file(${CPACK_POD_SOURCE}/CHANGELOG.md ${doc}/changelog COPYONLY FILE_PERMISSIONS ${readable})
configure_file(${debian}/copyright ${doc}/copyright COPYONLY FILE_PERMISSIONS ${readable})
configure_file(${debian}/default ${root}/etc/default/radar-pod COPYONLY FILE_PERMISSIONS ${readable})
file(GLOB manual ${root}/usr/share/man/man1/*.1)
compress(${doc}/changelog.Debian ${doc}/changelog ${manual})
