#include "agent/run/trace_shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define SHELF      "traces"
#define ENDING     ".jsonl.zst"
#define SOON_NS    (3600 * NS_PER_S) /* a clock that is set by so little is no matter */
#define NAME_BYTES (sizeof("2026-11-30T12-34-56.789Z" ENDING))

static int shelf_of(const char *state_dir, char ret[CONFIG_PATH_BYTES], struct err *err)
{
	struct text t = text_on(ret, CONFIG_PATH_BYTES);

	text_append(&t, "%s/" SHELF, state_dir);
	return t.overflow ? ERR_SET(err, -ENAMETOOLONG, ERR_SYS, 0, "name the directory of traces")
	                  : 0;
}

/* Sorted by name is sorted by time; no colons, which other systems have no file names with. */
static void name_of(uint64_t utc_ns, char ret[NAME_BYTES])
{
	char at[CLOCK_UTC_TEXT_BYTES];

	clock_utc_text(utc_ns, 3, at);
	for (char *c = at; *c; c++)
		if (*c == ':')
			*c = '-';
	snprintf(ret, NAME_BYTES, "%.24s" ENDING, at);
}

static bool is_ours(const char *name)
{
	return strlen(name) == NAME_BYTES - 1 && name[0] >= '0' && name[0] <= '9' &&
	       strcmp(name + NAME_BYTES - sizeof(ENDING), ENDING) == 0;
}

int trace_shelf_place(const char *state_dir, uint64_t utc_ns, char ret[CONFIG_PATH_BYTES],
                      struct err *err)
{
	char shelf[CONFIG_PATH_BYTES], name[NAME_BYTES];
	struct text t = text_on(ret, CONFIG_PATH_BYTES);
	struct statvfs room;
	int r = shelf_of(state_dir, shelf, err);

	if (r < 0)
		return r;
	if (mkdir(shelf, 0700) < 0 && errno != EEXIST)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make the directory of traces");
	if (statvfs(shelf, &room) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "see what room there is for traces");
	if ((uint64_t)room.f_bavail * room.f_frsize < TRACE_SHELF_FREE_BYTES)
		return ERR_SET(err, -ENOSPC, ERR_SYS, 0,
		               "keep a trace: less than %d MiB of the disk are free",
		               TRACE_SHELF_FREE_BYTES / (1024 * 1024));
	name_of(utc_ns, name);
	text_append(&t, "%s/%s", shelf, name);
	if (t.overflow)
		return ERR_SET(err, -ENAMETOOLONG, ERR_SYS, 0, "name a trace");
	if (access(ret, F_OK) == 0)
		return ERR_SET(err, -EEXIST, ERR_SYS, 0, "keep a trace as %s", name);
	return 0;
}

struct look {
	uint64_t bytes;
	char oldest[NAME_BYTES]; /* "": there is none */
};

/* What is named by a time to come was taken while the clock was ahead: before all others, or it would stay for ever and each
 * new one go in its place. */
static bool is_older(const char *name, const char *than, const char *soon)
{
	bool ahead = strcmp(name, soon) > 0, than_ahead = strcmp(than, soon) > 0;

	return ahead != than_ahead ? ahead : strcmp(name, than) < 0;
}

static int look_at(int shelf_fd, const char *soon, struct look *ret, struct err *err)
{
	int fd = openat(shelf_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *shelf = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	if (!shelf) {
		fd_closep(&fd);
		return ERR_SET(err, -errno, ERR_SYS, 0, "read the directory of traces");
	}
	*ret = (struct look){};
	while ((entry = readdir(shelf))) {
		if (!is_ours(entry->d_name) ||
		    fstatat(shelf_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		ret->bytes += (uint64_t)st.st_size;
		if (!*ret->oldest || is_older(entry->d_name, ret->oldest, soon))
			memcpy(ret->oldest, entry->d_name, NAME_BYTES);
	}
	closedir(shelf);
	return 0;
}

int trace_shelf_prune(const char *state_dir, uint64_t quota_bytes, uint64_t utc_ns, struct err *err)
{
	CLEANUP(fd_closep) int shelf_fd = -1;
	char shelf[CONFIG_PATH_BYTES], soon[NAME_BYTES];
	struct look look;
	int r = shelf_of(state_dir, shelf, err);

	name_of(utc_ns + SOON_NS, soon);
	if (r < 0)
		return r;
	shelf_fd = open(shelf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (shelf_fd < 0)
		return errno == ENOENT
		               ? 0
		               : ERR_SET(err, -errno, ERR_SYS, 0, "open the directory of traces");
	while ((r = look_at(shelf_fd, soon, &look, err)) == 0 && look.bytes > quota_bytes)
		if (unlinkat(shelf_fd, look.oldest, 0) < 0)
			return ERR_SET(err, -errno, ERR_SYS, 0, "remove the trace %s", look.oldest);
	return r;
}
