# What `cmake --install` lays down: the program, the engine as a library, the manual.
install(TARGETS radar-pod RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
