/* Roles: this executable once more, as a child that does one thing with other rights. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* A descriptor of ours that becomes one of the child's, below ROLE_FD_MAX. */
struct role_fd {
	int ours, as;
};

#define ROLE_FD_MAX 8

/* Starts it with `role` as its argv[1] and these descriptors, of which those below 0 are left out, no signal
 * blocked, in a process group of its own: a terminal's Ctrl-C is the caller's to answer. Negative errno. */
int role_start(const char *role, const struct role_fd *fds, size_t count, pid_t *ret);

/* Likewise, with one word more behind the role; NULL: none. */
int role_start_with(const char *role, const char *word, const struct role_fd *fds, size_t count,
                    pid_t *ret);
