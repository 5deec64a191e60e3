# `cmake --build … --target package`: a package for Debian 12, of the component "pod" of cmake/install.cmake.
# cmake/package_finish.cmake makes what a package has and an installation by hand has not.
# Until somebody does, nobody answers: RFC 2606 has .invalid for that.
set(POD_MAINTAINER "unpublished build of radar-pod <nobody@radar-pod.invalid>" CACHE STRING
    "who answers for the package; whoever publishes it")

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL pod)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)

set(CPACK_DEBIAN_POD_PACKAGE_NAME radar-pod)
set(CPACK_DEBIAN_POD_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${POD_MAINTAINER}")
set(CPACK_DEBIAN_POD_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_COMPONENT_POD_DESCRIPTION "A daemon that runs the tests that the Radar pod service asks for and delivers
their results, and an ndt7 speed test for the command line that says how sure
it is, what limited the connection, and what TCP did in the kernel.")

# What is linked is found by dpkg-shlibdeps; these are loaded when they are needed. Without libcurl and SQLite
# there is no daemon, without the others something less.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_POD_PACKAGE_DEPENDS
    "ca-certificates, libcurl4, libseccomp2 (>= 2.5), libsqlite3-0 (>= 3.37), systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_POD_PACKAGE_RECOMMENDS "libbpf1, libsystemd0, libzstd1")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
  string(APPEND CPACK_DEBIAN_POD_PACKAGE_RECOMMENDS ", libipsec-mb1")
endif()
set(CPACK_DEBIAN_POD_PACKAGE_CONFLICTS radar-agent)
set(CPACK_DEBIAN_POD_PACKAGE_REPLACES radar-agent)

set(CPACK_DEBIAN_POD_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/agent/system/debian/postinst
    ${PROJECT_SOURCE_DIR}/agent/system/debian/prerm
    ${PROJECT_SOURCE_DIR}/agent/system/debian/postrm
    ${PROJECT_BINARY_DIR}/conffiles)
file(WRITE ${PROJECT_BINARY_DIR}/conffiles /etc/default/radar-pod\n)
set(CPACK_DEBIAN_POD_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)

set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/package_finish.cmake)
set(CPACK_POD_SOURCE ${PROJECT_SOURCE_DIR})
set(CPACK_POD_SYSTEMD_VERSION ${SYSTEMD_VERSION})
include(CPack)
