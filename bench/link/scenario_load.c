#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "bench/link/scenario.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define TRACE_LINE_BYTES     12 /* more than an instant and its end of line need */
#define TRACE_TEXT_MAX_BYTES ((size_t)SCENARIO_TRACE_MAX * TRACE_LINE_BYTES)
#define READ_FIRST_BYTES     ((size_t)16 * 1024)

static int grow(char **text, size_t *capacity, size_t max_bytes)
{
	size_t wanted = *capacity ? 2 * *capacity : READ_FIRST_BYTES;
	char *grown;

	if (wanted > max_bytes)
		wanted = max_bytes;
	grown = realloc(*text, wanted);
	if (!grown)
		return -ENOMEM;
	*text = grown;
	*capacity = wanted;
	return 0;
}

/* The whole of a file of at most max_bytes. */
static int read_whole(const char *path, size_t max_bytes, char **ret, size_t *ret_bytes,
                      struct err *err)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP(freep) char *text = NULL;
	size_t n = 0, capacity = 0;
	ssize_t got;

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open %s", path);
	do {
		if (n == capacity && grow(&text, &capacity, max_bytes + 1) < 0)
			return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate what is in %s", path);
		got = read(fd, text + n, capacity - n);
		if (got < 0 && errno != EINTR)
			return ERR_SET(err, -errno, ERR_SYS, 0, "read %s", path);
		n += got > 0 ? (size_t)got : 0;
		if (n > max_bytes)
			return ERR_SET(err, -E2BIG, ERR_SYS, 0, "read %s (more than %zu bytes)",
			               path, max_bytes);
	} while (got != 0);
	*ret = TAKE(text, NULL);
	*ret_bytes = n;
	return 0;
}

/* owner: the path of the .link file. */
static int read_trace(void *owner, const char *name, uint64_t **ret, size_t *ret_count,
                      struct err *err)
{
	const char *beside = owner;
	const char *slash = strrchr(beside, '/');
	int folder_bytes = slash ? (int)(slash + 1 - beside) : 0;
	CLEANUP(freep) char *text = NULL;
	char path[PATH_MAX];
	size_t n;
	int r;

	if (snprintf(path, sizeof(path), "%.*s%s", folder_bytes, beside, name) >= (int)sizeof(path))
		return ERR_SET(err, -ENAMETOOLONG, ERR_SYS, 0, "open %s", name);
	r = read_whole(path, TRACE_TEXT_MAX_BYTES, &text, &n, err);
	if (r < 0)
		return r;
	return scenario_parse_trace(name, text, n, ret, ret_count, err);
}

/* No file is of this name, and a key has a value in it. */
static bool is_inline(const char *path)
{
	return strchr(path, '=') && access(path, F_OK) < 0 &&
	       (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG);
}

static int parse_inline(const char *words, struct scenario *ret, struct err *err)
{
	CLEANUP(freep) char *text = strdup(words);
	size_t n = strlen(words);

	if (!text)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the scenario");
	for (char *end = strchr(text, ';'); end; end = strchr(end, ';'))
		*end = '\n';
	return scenario_parse("inline", text, n, read_trace, (void *)"", ret, err);
}

int scenario_load(const char *path, struct scenario *ret, struct err *err)
{
	CLEANUP(freep) char *text = NULL;
	size_t n;
	int r;

	if (is_inline(path))
		return parse_inline(path, ret, err);
	r = read_whole(path, SCENARIO_TEXT_MAX_BYTES, &text, &n, err);
	if (r < 0)
		return r;
	return scenario_parse(path, text, n, read_trace, (void *)path, ret, err);
}
