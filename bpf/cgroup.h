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

/* Opens the directory of the calling process's own group; the mount point where that one is not visible
 * from here. Where there is no mount, or another one lies on it as on what `ip netns exec` shows of /sys, it
 * is one of the descriptor's own (CAP_SYS_ADMIN). Answers the descriptor, and how to call it in a message.
 *   -ENOENT  not mounted here, and not to be mounted */
int cgroup_open_own(char ret_name[CGROUP_PATH_BYTES], struct err *err);
