# What systemd reads of us, for a program that lies in `bindir`: `cmake --install` and the Debian package
# (cmake/package.cmake) have different ones.
#
#   pod_units(BINDIR DOCDIR SYSTEMD-VERSION INTO)
set(POD_SYSTEM ${CMAKE_CURRENT_LIST_DIR}/../agent/system)

function(pod_units bindir docdir version into)
  if(version VERSION_GREATER_EQUAL 254) # an older one warns of what it does not know
    set(backoff "RestartSteps=6\nRestartMaxDelaySec=5min")
  else()
    set(backoff "# Since systemd 254: RestartSteps=6, RestartMaxDelaySec=5min")
  endif()
  foreach(unit radar-pod.service radar-pod-bpf@.service)
    configure_file(${POD_SYSTEM}/${unit}.in ${into}/${unit} @ONLY)
  endforeach()
  configure_file(${POD_SYSTEM}/radar-pod-bpf.socket ${into}/radar-pod-bpf.socket COPYONLY)
endfunction()
