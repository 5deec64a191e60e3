/* The two network namespaces of a link, the TUN device in each, and finding again what a run that was killed has left.
 *
 * A link NAME has the namespaces `link-NAME-client` and `link-NAME-server` under /run/netns (so that
 * `ip netns exec` knows them) and a folder /run/radar-pod-link/NAME whose `lock` is held (flock(2))
 * as long as its owner lives. A folder whose lock nobody holds is a dead link's: namespaces_sweep() removes
 * it and its namespaces, and nothing else. The host's own network is never touched.
 *
 * In both namespaces: `lo` up, one TUN device `link0`, addresses of the benchmarking networks
 * (RFC 2544 C.2.2, RFC 5180), routes to the other side, no IPv6 address detection wait.
 */
#pragma once

#include <stdbool.h>

#include "bench/link/scenario.h"

struct err;
struct namespaces;
struct netlink_drops;

#define NAMESPACES_NAME_MAX 32 /* [a-z0-9][a-z0-9-]* */

#define NAMESPACES_FOLDER     "/run/radar-pod-link"
#define NAMESPACES_PATH_BYTES (sizeof(NAMESPACES_FOLDER "//control") + NAMESPACES_NAME_MAX)

#define LINK_CLIENT_V4 "198.18.0.1"
#define LINK_SERVER_V4 "198.18.0.2"
#define LINK_CLIENT_V6 "2001:2::1"
#define LINK_SERVER_V6 "2001:2::2"

enum link_side { LINK_CLIENT, LINK_SERVER, LINK_SIDES };

bool namespaces_name_is_valid(const char *name);

/* The path of a file in the link's folder: `lock`, and `about`, `new` and `control` of its owner's, which go
 * with the folder.   -EINVAL  no such name */
int namespaces_path(const char *name, const char *file, char ret[NAMESPACES_PATH_BYTES],
                    struct err *err);

/* 1: a link of this name is up; 0: none is, or a dead one. */
int namespaces_living(const char *name, struct err *err);

/* Makes the link's namespaces; first removes those of dead links.
 *   -EPERM   not root (CAP_SYS_ADMIN, CAP_NET_ADMIN)
 *   -EEXIST  a living link has this name
 *   -ENOSYS  no namespaces in this kernel;  -ENODEV  no TUN */
int namespaces_open(const char *name, const struct scenario *s, struct namespaces **ret,
                    struct err *err);

/* The TUN device, non-blocking, packets without a header of its own (IFF_NO_PI). Stays the namespaces'. */
int namespaces_tun(const struct namespaces *n, enum link_side side);

/* The CPU that is the emulator's among links, so that namespaces_receive_elsewhere() can keep it free;
 * OWN_CPU_NONE: there is none. */
int namespaces_cpu(const struct namespaces *n);

/* Whether what is written to the TUN devices goes through the receiver's network stack on other CPUs, or here
 * before write(2) is back, as it does at first. Back only when nothing has passed for a while. */
void namespaces_receive_elsewhere(struct namespaces *n, bool elsewhere);

/* Packets the kernel dropped on the way to us, and behind us, read from both devices. */
int namespaces_drops(const struct namespaces *n, struct netlink_drops *ret, struct err *err);

/* Ends what runs in them but the caller: SIGTERM, and two seconds later SIGKILL. */
void namespaces_end_processes(const struct namespaces *n);

/* For a child: enters one side's network namespace, and sees its /sys where that may be mounted. */
int namespaces_enter(const char *name, enum link_side side, struct err *err);

/* Removes them, and ends what still runs in them. Accepts NULL; always NULL. */
struct namespaces *namespaces_close(struct namespaces *n);

/* Removes what dead links have left, processes included; answers how many. */
int namespaces_sweep(struct err *err);
