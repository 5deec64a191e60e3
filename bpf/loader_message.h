/* What the loader's two processes say to each other, in one message each way: they are the same
 * executable, so that the layout is no question. */
#pragma once

#include "bpf/loader.h"

#define LOADER_DESCRIPTORS_MAX (3 + LOADER_LINKS_MAX)

struct loader_request { /* with the cgroup's descriptor, if has_cgroup */
	struct loader_wish wish;
	bool has_cgroup;
};

struct loader_answer {             /* with the descriptors: three maps, then the links */
	struct loader_grant grant; /* its descriptors' numbers are the child's own */
};

/* Sends `bytes` with `fd_count` descriptors; receives exactly as many bytes, and closes what came
 * beyond max_fds. Both answer 0 or a negative errno; -ECHILD is the far side's end. */
int loader_send(int socket_fd, const void *data, size_t bytes, const int *fds, size_t fd_count);
int loader_receive(int socket_fd, void *data, size_t bytes, int *fds, size_t max_fds,
                   size_t *ret_fd_count);
