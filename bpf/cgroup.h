/* Control groups, version 2: where they are mounted, and in which of them a process is. */
#pragma once

#include <stddef.h>

struct err;

#define CGROUP_PATH_BYTES 512

/* The mount point, of /proc/self/mountinfo: it need not be /sys/fs/cgroup.
 *   -ENOENT  not mounted here */
int cgroup_mount_point(char ret[CGROUP_PATH_BYTES], struct err *err);

/* Opens the directory of the calling process's own group; the mount point's where that one is not
 * visible from here. Answers a descriptor. */
int cgroup_open_own(struct err *err);
