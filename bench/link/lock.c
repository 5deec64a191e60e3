#include "bench/link/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "transport/base/cleanup.h"

int lock_file(const char *path, int flags, int operation, int *ret_fd)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	int r;

	if (fd < 0)
		return -errno;
	do
		r = flock(fd, operation) < 0 ? -errno : 0;
	while (r == -EINTR);
	if (r == 0)
		*ret_fd = TAKE(fd, -1);
	return r;
}
