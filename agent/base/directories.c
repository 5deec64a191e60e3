#include "agent/base/directories.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/base/cleanup.h"

static int make(const char *path, mode_t mode)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int directories_make(const char *path, mode_t mode)
{
	CLEANUP(freep) char *at = strdup(path);
	int r = at ? 0 : -ENOMEM;

	if (!at || !*at)
		return at ? -ENOENT : r;
	for (char *slash = strchr(at + 1, '/'); slash && r == 0; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		r = make(at, 0755);
		*slash = '/';
	}
	return r == 0 && mode ? make(at, mode) : r;
}

int directory_sync(const char *path)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || (fsync(fd) < 0 && errno != EINVAL) ? -errno : 0;
}
