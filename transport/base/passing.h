/* Messages between two processes of this executable, with descriptors (unix(7), SOCK_SEQPACKET). */
#pragma once

#include <stddef.h>

#define PASSING_DESCRIPTORS_MAX 16

/* Sends `bytes` with `fd_count` descriptors; receives exactly as many bytes, and closes what came
 * beyond max_fds. Both answer 0 or a negative errno; -ECHILD is the far side's end. */
int passing_send(int socket_fd, const void *data, size_t bytes, const int *fds, size_t fd_count);
int passing_receive(int socket_fd, void *data, size_t bytes, int *fds, size_t max_fds,
                    size_t *ret_fd_count);
