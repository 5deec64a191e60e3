#include "agent/sentry/crash_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sentry/crash_record.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define NAME_BYTES 64

static int open_directory(const char *directory, int *ret_fd, struct err *err)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open %s", directory);
	*ret_fd = fd;
	return 0;
}

static int make_name(const char *role, const char *ending, char ret[NAME_BYTES])
{
	int n = snprintf(ret, NAME_BYTES, "crash-%s.%s", role, ending);

	return n < 0 || n >= NAME_BYTES ? -ENAMETOOLONG : 0;
}

/* At most one byte more than a record: what is longer is none. */
int crash_file_read(int fd, struct crash_record *ret, struct err *err)
{
	char data[sizeof(*ret) + 1];
	size_t n = 0;

	while (n < sizeof(data)) {
		ssize_t got = pread(fd, data + n, sizeof(data) - n, (off_t)n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ERR_SET(err, -errno, ERR_SYS, 0, "read the record of a crash");
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return crash_record_read(data, n, ret, err);
}

/* A link is not followed, a pipe not waited for. */
static int read_named(int directory_fd, const char *name, struct crash_record *ret, struct err *err)
{
	CLEANUP(fd_closep)
	int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return CRASH_NONE;
	if (fd < 0 || fstat(fd, &st) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open %s", name);
	if (!S_ISREG(st.st_mode))
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "read %s: it is no file", name);
	return crash_file_read(fd, ret, err);
}

int crash_file_take(const char *directory, const char *role, struct crash_record *ret,
                    struct err *err)
{
	CLEANUP(fd_closep) int directory_fd = -1;
	char name[NAME_BYTES], aside[NAME_BYTES];
	int r;

	if (make_name(role, "record", name) < 0 || make_name(role, "bad", aside) < 0)
		return ERR_SET(err, -ENAMETOOLONG, ERR_SYS, 0, "name the record of a crash");
	r = open_directory(directory, &directory_fd, err);
	if (r < 0)
		return r;
	r = read_named(directory_fd, name, ret, err);
	if (r < 0)
		renameat(directory_fd, name, directory_fd, aside);
	return r;
}

/* The directory, without a record of that role in it. */
static int open_without(const char *directory, const char *role, char name[NAME_BYTES], int *ret_fd,
                        struct err *err)
{
	int r;

	if (make_name(role, "record", name) < 0)
		return ERR_SET(err, -ENAMETOOLONG, ERR_SYS, 0, "name the record of a crash");
	r = open_directory(directory, ret_fd, err);
	if (r == 0 && unlinkat(*ret_fd, name, 0) < 0 && errno != ENOENT)
		r = ERR_SET(err, -errno, ERR_SYS, 0, "remove %s/%s", directory, name);
	return r;
}

int crash_file_remove(const char *directory, const char *role, struct err *err)
{
	CLEANUP(fd_closep) int directory_fd = -1;
	char name[NAME_BYTES];

	return open_without(directory, role, name, &directory_fd, err);
}

/* posix_fallocate(3) writes where the file system cannot do better. */
static int make_room(int fd, struct err *err)
{
	int error = posix_fallocate(fd, 0, sizeof(struct crash_record));

	return error ? ERR_SET(err, -error, ERR_SYS, 0, "make room for the record of a crash") : 0;
}

int crash_file_open(const char *directory, const char *role, int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep) int directory_fd = -1;
	CLEANUP(fd_closep) int fd = -1;
	char name[NAME_BYTES];
	int r = open_without(directory, role, name, &directory_fd, err);

	if (r < 0)
		return r;
	fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make %s/%s", directory, name);
	r = make_room(fd, err);
	if (r < 0)
		return r;
	*ret_fd = TAKE(fd, -1);
	return 0;
}

int crash_file_open_unnamed(int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep) int fd = memfd_create("crash", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make the record of a child's crash");
	r = make_room(fd, err);
	if (r < 0)
		return r;
	*ret_fd = TAKE(fd, -1);
	return 0;
}
