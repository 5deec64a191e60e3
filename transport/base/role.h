/* Roles: this executable once more, as a child that does one thing with other rights. */
#pragma once

#include <sys/types.h>

/* Starts it with `role` as its argv[1] and `socket_fd` as its descriptor `as_fd`, no signal blocked, in a process
 * group of its own: a terminal's Ctrl-C is the caller's to answer. Negative errno. */
int role_start(const char *role, int socket_fd, int as_fd, pid_t *ret);
