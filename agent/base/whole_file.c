/* A new file has no name until it is complete (O_TMPFILE); only where a file is replaced, or there are no
 * nameless files to be named, a temporary name exists for an instant. A file that cannot be replaced,
 * such as one mounted by itself, is written over, from a nameless file that is complete by then. */
#include "agent/base/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/directories.h"
#include "agent/base/spill.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

/* As much as a usual result has, asked for before the test: a full disk is found in time. */
#define PROBE_BYTES (16 * 1024)

#define COPY_BYTES (64 * 1024)

struct unborn {
	int fd;
	bool named; /* as the temporary one */
};

struct whole_file {
	char *path;
	char *temporary; /* in the same directory */
	char *directory;
	mode_t mode; /* of the file that is replaced, else of a new one */
	bool replaces;
	int device_fd; /* of a path that is no regular file, such as a pipe */
	struct unborn unborn;
	bool homeless; /* it is in another directory, and can only be copied */
	bool owned;    /* it goes to `uid` and `gid` */
	uid_t uid;
	gid_t gid;
};

CLEANUP_DEFINE(whole_file_closep, struct whole_file *, whole_file_close)

static int write_full(int fd, const char *data, size_t left_bytes)
{
	while (left_bytes > 0) {
		ssize_t n = write(fd, data, left_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		left_bytes -= (size_t)n;
	}
	return 0;
}

/* --- a file of the directory, complete before it has its name ------------------------------------ */

#define PROC_NAME_BYTES 48

/* What linkat(2) takes for a file without a name, unless one has CAP_DAC_READ_SEARCH. */
static const char *proc_name(int fd, char out[PROC_NAME_BYTES])
{
	snprintf(out, PROC_NAME_BYTES, "/proc/self/fd/%d", fd);
	return out;
}

static int unborn_create(const struct whole_file *f, struct unborn *ret)
{
	char itself[PROC_NAME_BYTES];

	ret->named = false;
	ret->fd = open(f->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, f->mode);
	if (ret->fd >= 0 && access(proc_name(ret->fd, itself), F_OK) == 0)
		return 0;
	if (ret->fd >= 0)
		close(ret->fd); /* without /proc it would stay without a name */
	else if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	ret->fd = open(f->temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, f->mode);
	ret->named = ret->fd >= 0;
	return ret->named ? 0 : -errno;
}

/* Without a commit nothing is left. */
static void unborn_end(const struct whole_file *f, struct unborn *u)
{
	if (u->fd >= 0)
		close(u->fd);
	if (u->named)
		unlink(f->temporary);
	*u = (struct unborn){ .fd = -1 };
}

static int unborn_link(const struct unborn *u, const char *name)
{
	char itself[PROC_NAME_BYTES];

	return linkat(AT_FDCWD, proc_name(u->fd, itself), AT_FDCWD, name, AT_SYMLINK_FOLLOW) < 0
	               ? -errno
	               : 0;
}

/* Gives it f->path. linkat(2) replaces nothing, rename(2) does. */
static int unborn_publish(const struct whole_file *f, struct unborn *u)
{
	int r;

	if (!u->named) {
		r = unborn_link(u, f->path);
		if (r != -EEXIST)
			return r;
		r = unborn_link(u, f->temporary);
		if (r < 0)
			return r;
		u->named = true;
	}
	if (rename(f->temporary, f->path) < 0)
		return -errno;
	u->named = false;
	return 0;
}

/* --- a file that has to stay the one it is -------------------------------------------------------- */

/* It is mounted by itself (EBUSY), somebody else's in a sticky directory (EPERM), or its directory is
 * not to be written to. */
static bool cannot_be_replaced(int r)
{
	return r == -EBUSY || r == -EPERM || r == -EACCES || r == -EROFS;
}

static int copy(int from, int to, off_t *ret_bytes)
{
	CLEANUP(freep) char *buffer = malloc(COPY_BYTES);
	ssize_t n;
	int r = 0;

	*ret_bytes = 0;
	if (!buffer)
		return -ENOMEM;
	while (r == 0 && (n = pread(from, buffer, COPY_BYTES, *ret_bytes)) != 0) {
		r = n < 0 ? -errno : write_full(to, buffer, (size_t)n);
		*ret_bytes += n;
	}
	return r;
}

/* The old text is cut off last: until then there is something of either. */
static int write_over(const struct whole_file *f)
{
	CLEANUP(fd_closep) int fd = open(f->path, O_WRONLY | O_CLOEXEC);
	off_t bytes = 0;
	int r = fd < 0 ? -errno : copy(f->unborn.fd, fd, &bytes);

	if (r < 0)
		return r;
	return ftruncate(fd, bytes) < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* --- opening -------------------------------------------------------------------------------------- */

/* Could a result be written here? Asked by writing one, which is then gone. */
static int probe(const struct whole_file *f)
{
	static const char zeros[PROBE_BYTES];
	struct unborn u;
	int r = unborn_create(f, &u);

	if (r < 0)
		return r;
	r = write_full(u.fd, zeros, sizeof(zeros));
	unborn_end(f, &u);
	return r;
}

static int name_parts(struct whole_file *f, const char *path)
{
	CLEANUP(freep) char *for_directory = NULL;
	uint64_t random;

	f->path = realpath(path, NULL); /* of what is there; a link stays a link */
	if (!f->path)
		f->path = strdup(path);
	for_directory = f->path ? strdup(f->path) : NULL;
	if (!for_directory)
		return -ENOMEM;
	f->directory = strdup(dirname(for_directory));
	bytes_random(&random, sizeof(random));
	if (!f->directory || asprintf(&f->temporary, "%s/.radar-pod.%016llx", f->directory,
	                              (unsigned long long)random) < 0)
		return -ENOMEM;
	return 0;
}

/* A pipe nobody reads is -ENXIO and not a wait without end. */
static int open_device(struct whole_file *f)
{
	f->device_fd = open(f->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (f->device_fd < 0)
		return -errno;
	return fcntl(f->device_fd, F_SETFL, 0) < 0 ? -errno : 0;
}

static int open_new(const struct whole_file *f)
{
	size_t n = strlen(f->path);

	if (n == 0)
		return -ENOENT;
	/* As open(2) with O_CREAT says; linkat(2) would say it after the test. */
	return f->path[n - 1] == '/' ? -EISDIR : probe(f);
}

/* Now, while other directories can be reached. */
static int begin_elsewhere(struct whole_file *f, int why)
{
	f->unborn.fd = spill_open(NULL, NULL);
	f->homeless = true;
	return f->unborn.fd < 0 ? why : 0;
}

static int open_path(struct whole_file *f, const char *path)
{
	struct stat st;
	int r = name_parts(f, path);

	if (r < 0)
		return r;
	f->mode = 0666; /* less the umask */
	if (stat(f->path, &st) < 0)
		return errno == ENOENT ? open_new(f) : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return open_device(f);
	if (access(f->path, W_OK) < 0)
		return -errno;
	f->replaces = true;
	f->mode = st.st_mode & 0777;
	r = probe(f);
	return cannot_be_replaced(r) ? begin_elsewhere(f, r) : r;
}

int whole_file_open(const char *path, struct whole_file **ret, struct err *err)
{
	CLEANUP(whole_file_closep) struct whole_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a file");
	f->device_fd = -1;
	f->unborn.fd = -1;
	r = open_path(f, path);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "write to %s", path);
	*ret = TAKE(f, NULL);
	return 0;
}

/* What root writes stays readable for whose it was, or for whose directory it is in. */
static void take_owner(struct whole_file *f)
{
	struct stat st;

	if (geteuid() != 0 || (stat(f->path, &st) < 0 && stat(f->directory, &st) < 0))
		return;
	f->owned = true;
	f->uid = st.st_uid;
	f->gid = st.st_gid;
}

int whole_file_open_private(const char *path, struct whole_file **ret, struct err *err)
{
	CLEANUP(whole_file_closep) struct whole_file *f = NULL;
	char *temporary;
	int r = whole_file_open(path, &f, err);

	if (r < 0)
		return r;
	if (asprintf(&temporary, "%s.new", f->path) < 0)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a file");
	free(f->temporary);
	f->temporary = temporary;
	f->mode = 0600;
	take_owner(f);
	unlink(f->temporary);
	*ret = TAKE(f, NULL);
	return 0;
}

/* --- writing -------------------------------------------------------------------------------------- */

/* Where what is written goes until it is complete. */
static int begin(struct whole_file *f)
{
	int r = unborn_create(f, &f->unborn);

	if (r == 0 || !f->replaces || !cannot_be_replaced(r))
		return r;
	return begin_elsewhere(f, r);
}

int whole_file_write(struct whole_file *f, const void *data, size_t bytes, struct err *err)
{
	int r = f->device_fd < 0 && f->unborn.fd < 0 ? begin(f) : 0;

	if (r == 0)
		r = write_full(f->device_fd >= 0 ? f->device_fd : f->unborn.fd, data, bytes);
	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "write %s", f->path) : 0;
}

int whole_file_or_stdout_write(void *self, const void *data, size_t bytes, struct err *err)
{
	if (self)
		return whole_file_write(self, data, bytes, err);
	if (fwrite(data, 1, bytes, stdout) < bytes)
		return ERR_SET(err, -EIO, ERR_SYS, 0, "write to standard output");
	return 0;
}

static int publish(struct whole_file *f)
{
	int r = 0;

	if (f->homeless)
		return write_over(f);
	if (f->replaces && fchmod(f->unborn.fd, f->mode) < 0)
		r = -errno;
	if (f->owned && fchown(f->unborn.fd, f->uid, f->gid) < 0)
		r = -errno;
	if (r == 0 && fsync(f->unborn.fd) < 0)
		r = -errno;
	if (r == 0)
		r = unborn_publish(f, &f->unborn);
	if (f->replaces && cannot_be_replaced(r))
		return write_over(f);
	return r < 0 ? r : directory_sync(f->directory);
}

int whole_file_commit(struct whole_file *f, struct err *err)
{
	int r;

	if (f->device_fd >= 0)
		return 0;
	r = f->unborn.fd < 0 ? begin(f) : 0; /* an empty file */
	if (r == 0)
		r = publish(f);
	unborn_end(f, &f->unborn);
	return r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "write %s", f->path) : 0;
}

const char *whole_file_path(const struct whole_file *f)
{
	return f->path;
}

const char *whole_file_directory(const struct whole_file *f)
{
	return f->device_fd < 0 ? f->directory : NULL;
}

struct whole_file *whole_file_close(struct whole_file *f)
{
	if (!f)
		return NULL;
	unborn_end(f, &f->unborn);
	if (f->device_fd >= 0)
		close(f->device_fd);
	free(f->path);
	free(f->temporary);
	free(f->directory);
	free(f);
	return NULL;
}
