/* One side of a link: a network namespace with a name under /run/netns, and the TUN device in it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/link/namespaces.h"

struct err;

#define SIDE_PATH_BYTES (sizeof("/run/netns/link--client") + NAMESPACES_NAME_MAX)

struct side {
	char path[SIDE_PATH_BYTES]; /* bound to the namespace; "": not made */
	int tun_fd, netlink_fd;
	int steering_fd;
	unsigned int index; /* of the device, in its namespace */
};

#define SIDE_NULL                                                                                  \
	{                                                                                          \
		.tun_fd = -1, .netlink_fd = -1, .steering_fd = -1                                  \
	}

/* "client", "server" */
const char *side_name(enum link_side side);

/* Where the namespace of that side of the link `name` is bound. */
void side_path(const char *name, enum link_side side, char ret[SIDE_PATH_BYTES]);

/* Errors as of namespaces_open(); -EEXIST: something else has bound that name. */
int side_open(const char *name, enum link_side side, const struct scenario *s, struct side *ret,
              struct err *err);

/* The calling thread enters the namespace bound at `path`, with mounts of its own. *ret_own_sys: its /sys is
 * that namespace's; where a container does not let us mount one, the old stays, and few programs look. */
int side_enter(const char *path, bool *ret_own_sys, struct err *err);

/* false: this system does not let us say which CPUs receive what the device is given. */
bool side_open_steering(struct side *s);

/* These do (a mask in hex) from the next packet on; steering is open. */
bool side_receive_on(const struct side *s, const char *cpus);

/* Takes the name away and closes all descriptors; accepts SIDE_NULL and one that is closed. */
void side_close(struct side *s);

/* Takes the name away, whoever gave it; nothing where there is none. */
void side_unbind(const char *path);

/* The number of the namespace bound at `path` (namespaces(7)); 0: none is. */
uint64_t side_number(const char *path);
