#include "bpf/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

CLEANUP_DEFINE(file_closep, FILE *, fclose)

/* "41 31 0:38 / /sys/fs/cgroup/unified rw,… - cgroup2 cgroup2 rw": the fifth word, in which a space
 * is \040; such a path is not looked for. */
int cgroup_mount_point(char ret[CGROUP_PATH_BYTES], struct err *err)
{
	CLEANUP(file_closep) FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[4096], point[CGROUP_PATH_BYTES];

	if (!mounts)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open /proc/self/mountinfo");
	while (fgets(line, sizeof(line), mounts)) {
		if (!strstr(line, " - cgroup2 ") ||
		    sscanf(line, "%*s %*s %*s %*s %511s", point) != 1)
			continue;
		memcpy(ret, point, sizeof(point));
		return 0;
	}
	return ERR_SET(err, -ENOENT, ERR_SYS, 0, "find a mount of cgroup2");
}

/* "0::/user.slice/…" */
static bool own_path(char ret[CGROUP_PATH_BYTES])
{
	CLEANUP(file_closep) FILE *groups = fopen("/proc/self/cgroup", "re");
	char line[CGROUP_PATH_BYTES];

	while (groups && fgets(line, sizeof(line), groups)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::/", 4) == 0)
			return bytes_copy_text(ret, CGROUP_PATH_BYTES, line + 3);
	}
	return false;
}

int cgroup_open_own(struct err *err)
{
	char point[CGROUP_PATH_BYTES], path[CGROUP_PATH_BYTES], whole[2 * CGROUP_PATH_BYTES];
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int fd = -1, r = cgroup_mount_point(point, err);

	if (r < 0)
		return r;
	if (own_path(path) && !strstr(path, "/..")) {
		snprintf(whole, sizeof(whole), "%s%s", point, path);
		fd = open(whole, flags);
	}
	if (fd < 0)
		fd = open(point, flags);
	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open the control group %s", point);
	return fd;
}
