/* Control groups, version 2: where they are mounted, and in which of them a process is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

#define CGROUP_PATH_BYTES 4096

/* One line of /proc/self/mountinfo as a mount of cgroup2: where it is, and which of the groups is to be
 * seen there ("/": all of them). False: of another file system. */
bool cgroup_mount_line(const char *line, char ret_point[CGROUP_PATH_BYTES],
                       char ret_root[CGROUP_PATH_BYTES]);

/* The mount point, of /proc/self/mountinfo: it need not be /sys/fs/cgroup.
 *   -ENOENT  not mounted here */
int cgroup_mount_point(char ret[CGROUP_PATH_BYTES], struct err *err);

/* The directory of the calling process's own group; the mount point where that one is not visible from
 * here. */
int cgroup_own_path(char ret[CGROUP_PATH_BYTES], struct err *err);

/* Opens it. Answers a descriptor. */
int cgroup_open_own(struct err *err);
