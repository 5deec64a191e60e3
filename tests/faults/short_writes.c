/* For LD_PRELOAD: a write to a regular file takes half of what it is given, and says so, as a file system may at any time
 * (bar D3). Standard streams, which are the log's, are left alone. $SHORT_WRITES_NOTE is made where one was cut. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void note(void)
{
	static bool noted;
	const char *path = getenv("SHORT_WRITES_NOTE");
	int fd;

	if (noted || !path)
		return;
	noted = true;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

static size_t granted(int fd, size_t bytes)
{
	struct stat st;

	if (fd <= STDERR_FILENO || bytes < 2 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return bytes;
	note();
	return bytes / 2;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
	return syscall(SYS_write, fd, data, granted(fd, bytes));
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at)
{
	return syscall(SYS_pwrite64, fd, data, granted(fd, bytes), at);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at)
{
	return syscall(SYS_pwrite64, fd, data, granted(fd, bytes), at);
}
