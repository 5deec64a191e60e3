/* The directory is locked from reading the file to its new name, so that of two savers neither undoes what the
 * other has done; and so that the new file's first name can be a fixed one, which the next saver finds and
 * removes where a killed one left it. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/directories.h"
#include "agent/base/whole_file.h"
#include "agent/config/config.h"
#include "agent/config/config_file.h"
#include "agent/config/config_keys.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define LOCK_WAIT_NS (2 * NS_PER_S)
#define LOCK_STEP_NS (20 * NS_PER_MS)

CLEANUP_DEFINE(whole_file_closep, struct whole_file *, whole_file_close)

/* --- one at a time ------------------------------------------------------------------------------ */

static int lock_directory(const char *directory, int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t until_ns = clock_now_ns() + LOCK_WAIT_NS;

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open %s", directory);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ERR_SET(err, -errno, ERR_SYS, 0, "lock %s", directory);
		if (clock_now_ns() >= until_ns)
			return ERR_SET(err, -EBUSY, ERR_SYS, 0,
			               "lock %s: another process is saving there", directory);
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_STEP_NS }, NULL);
	}
	*ret_fd = TAKE(fd, -1);
	return 0;
}

/* --- what is saved ------------------------------------------------------------------------------- */

/* What could not be read back is not written. */
static int check_change(const struct config_change *change, struct config *scratch, struct err *err)
{
	const struct config_key *key = config_key_find(change->key, strlen(change->key));

	if (!key || key->kind == CONFIG_IGNORED)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "save %s, which is not a key of ours",
		               change->key);
	if (!config_value_keeps(change->value))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "save %s: a line would not give the value back", key->name);
	return *change->value
	               ? config_key_take(key, change->value, strlen(change->value), scratch, err)
	               : 0;
}

static int check_changes(const struct config_change *changes, size_t count, struct err *err)
{
	CLEANUP(freep) struct config *scratch = calloc(1, sizeof(*scratch));
	int r = scratch ? 0 : ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the configuration");

	for (size_t i = 0; i < count && r == 0; i++)
		r = check_change(&changes[i], scratch, err);
	return r;
}

struct wanted {
	const struct config_change *changes;
	size_t count;
	bool unless_a_pod;
};

static bool names_a_pod(const char *text, size_t n)
{
	struct config_line line = {};
	bool pod = false, secret = false;

	while (config_file_next(text, n, &line)) {
		pod |= config_line_is(&line, "client_id") && line.value_bytes > 0;
		secret |= config_line_is(&line, "secret") && line.value_bytes > 0;
	}
	return pod && secret;
}

static int make_changes(const char *path, const struct wanted *w, char **text, size_t *n,
                        struct err *err)
{
	int r = config_file_read(path, text, n, err);

	if (r == 0 && memchr(*text, '\0', *n))
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "%s has NUL bytes: the file is damaged",
		               path);
	if (r == 0 && w->unless_a_pod && names_a_pod(*text, *n))
		return ERR_SET(err, -EEXIST, ERR_SYS, 0, "write over the pod that %s names by now",
		               path);
	for (size_t i = 0; i < w->count && r == 0; i++) {
		CLEANUP(freep) char *before = *text;

		*text = NULL;
		r = config_file_set(before, *n, w->changes[i].key, w->changes[i].value, text, n);
		if (r < 0)
			ERR_SET(err, r, ERR_SYS, 0, "put %s into %s", w->changes[i].key, path);
	}
	if (r == 0 && *n > CONFIG_FILE_BYTES_MAX)
		return ERR_SET(err, -EFBIG, ERR_SYS, 0, "save %s: it would be larger than 1 MiB",
		               path);
	return r;
}

static int write_text(const char *path, const char *text, size_t n, struct err *err)
{
	CLEANUP(whole_file_closep) struct whole_file *file = NULL;
	int r = whole_file_open_private(path, &file, err);

	if (r == 0)
		r = whole_file_write(file, text, n, err);
	return r < 0 ? r : whole_file_commit(file, err);
}

/* `path` is where the file is, links followed. */
static int save_at(const char *path, const struct wanted *w, struct err *err)
{
	CLEANUP(fd_closep) int lock_fd = -1;
	CLEANUP(freep) char *for_directory = strdup(path);
	CLEANUP(freep) char *text = NULL;
	size_t n = 0;
	int r;

	if (!for_directory)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a path");
	r = directories_make(path, 0);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "make the directory of %s", path);
	r = lock_directory(dirname(for_directory), &lock_fd, err);
	if (r == 0)
		r = make_changes(path, w, &text, &n, err);
	return r < 0 ? r : write_text(path, text, n, err);
}

static int save(const char *path, const struct wanted *w, struct err *err)
{
	CLEANUP(freep) char *real = realpath(path, NULL);
	int r = check_changes(w->changes, w->count, err);

	if (!real)
		real = strdup(path);
	if (!real)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a path");
	return r < 0 ? r : save_at(real, w, err);
}

int config_save(const char *path, const struct config_change *changes, size_t count,
                struct err *err)
{
	return save(path, &(struct wanted){ .changes = changes, .count = count }, err);
}

int config_save_pod(const char *path, const char *client_id, const char *secret, bool over,
                    struct err *err)
{
	const struct config_change both[] = { { "client_id", client_id }, { "secret", secret } };

	return save(path, &(struct wanted){ both, 2, .unless_a_pod = !over }, err);
}
