#include "bench/link/truth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

/* --- opening ------------------------------------------------------------------------------------ */

static int name_temporary(const char *path, char **ret)
{
	CLEANUP(freep) char *for_folder = strdup(path), *for_name = strdup(path);
	uint64_t random;

	if (!for_folder || !for_name)
		return -ENOMEM;
	bytes_random(&random, sizeof(random));
	return asprintf(ret, "%s/.%s.%016llx", dirname(for_folder), basename(for_name),
	                (unsigned long long)random) < 0
	               ? -ENOMEM
	               : 0;
}

static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* A pipe that nobody reads is -ENXIO and not a wait without end. */
static int open_special(const char *path)
{
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

/* Without a name as long as it grows, so that nothing is left of a run that is killed; where the file
 * system cannot do that, under the temporary one. */
static int open_unpublished(struct truth_file *f, int *ret)
{
	CLEANUP(freep) char *copy = strdup(f->temporary);

	if (!copy)
		return -ENOMEM;
	*ret = open(dirname(copy), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	f->nameless = *ret >= 0;
	if (!f->nameless)
		*ret = open(f->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
	return *ret < 0 ? -errno : 0;
}

static int open_descriptor(struct truth_file *f, const char *path, int *ret)
{
	int r;

	f->path = realpath(path, NULL); /* of what is there: a link stays a link */
	if (!f->path)
		f->path = strdup(path);
	if (!f->path)
		return -ENOMEM;
	if (is_special(f->path)) {
		*ret = open_special(f->path);
		return *ret < 0 ? -errno : 0;
	}
	r = name_temporary(f->path, &f->temporary);
	if (r < 0)
		return r;
	r = open_unpublished(f, ret);
	if (r < 0)
		f->temporary = (free(f->temporary), NULL); /* there is none to remove */
	return r;
}

int truth_file_open(struct truth_file *f, const char *path, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	int r = open_descriptor(f, path, &fd);

	if (r == 0) {
		f->to = fdopen(fd, "w");
		r = f->to ? 0 : -errno;
	}
	if (r < 0) {
		r = ERR_SET(err, r, ERR_SYS, 0, "write to %s", path);
		truth_file_close(f);
		return r;
	}
	TAKE(fd, -1);
	return 0;
}

/* --- writing ------------------------------------------------------------------------------------ */

static int fail(struct truth_file *f, int code, struct err *err)
{
	if (f->error == 0)
		f->error = code < 0 ? code : -EIO;
	return ERR_SET(err, f->error, ERR_SYS, 0, "write to %s", f->path);
}

int truth_file_check(struct truth_file *f, struct err *err)
{
	if (f->error < 0 || ferror(f->to))
		return fail(f, -errno, err);
	return 0;
}

int truth_file_flush(struct truth_file *f, struct err *err)
{
	if (f->error < 0 || ferror(f->to) || fflush(f->to) == EOF)
		return fail(f, -errno, err);
	return 0;
}

int truth_file_sync(struct truth_file *f, struct err *err)
{
	int r = truth_file_flush(f, err);

	if (r < 0)
		return r;
	if (f->temporary && fsync(fileno(f->to)) < 0)
		return fail(f, -errno, err);
	return 0;
}

static int sync_folder(const char *path)
{
	CLEANUP(freep) char *copy = strdup(path);
	CLEANUP(fd_closep) int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || (fsync(fd) < 0 && errno != EINVAL) ? -errno : 0;
}

/* linkat(2) takes no name that another has, rename(2) does. */
static int name_it(const struct truth_file *f)
{
	char proc[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fileno(f->to));
	return linkat(AT_FDCWD, proc, AT_FDCWD, f->temporary, AT_SYMLINK_FOLLOW);
}

int truth_file_publish(struct truth_file *f, struct err *err)
{
	int r;

	if (!f->temporary)
		return 0;
	if (f->nameless && name_it(f) < 0)
		return fail(f, -errno, err);
	if (rename(f->temporary, f->path) < 0)
		return fail(f, -errno, err);
	f->temporary = (free(f->temporary), NULL);
	r = sync_folder(f->path);
	return r < 0 ? fail(f, r, err) : 0;
}

void truth_file_close(struct truth_file *f)
{
	if (f->to)
		fclose(f->to);
	if (f->temporary)
		unlink(f->temporary);
	free(f->temporary);
	free(f->path);
	*f = (struct truth_file){};
}
