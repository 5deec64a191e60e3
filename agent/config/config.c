#include "agent/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/config/config_file.h"
#include "agent/config/config_keys.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

/* M-Lab's acceptable use: no more than four tests a day, as gaps of 6 h in the mean make them. */
#define MLAB                 "https://locate.measurementlab.net/"
#define MLAB_SCHEDULE_NS_MIN (6 * 3600 * NS_PER_S)

#define NAME_SHOWN 80 /* of a path in a sentence: its end says more than its beginning */

/* --- what a person should hear ------------------------------------------------------------------- */

struct reader {
	const char *name;
	struct config *into;
	struct config_notes *notes; /* or NULL */
};

static __attribute__((format(printf, 2, 3))) void note(struct config_notes *notes,
                                                       const char *format, ...)
{
	va_list args;

	if (!notes)
		return;
	if (notes->count == CONFIG_NOTES_MAX) {
		notes->more++;
		return;
	}
	va_start(args, format);
	bytes_print_line(notes->text[notes->count++], sizeof(notes->text[0]), format, args);
	va_end(args);
}

/* "/etc/radar-pod/config.conf", "…/of/a/long/path" */
static const char *shown_name(const char *name, char out[NAME_SHOWN + 8])
{
	size_t n = strlen(name);

	snprintf(out, NAME_SHOWN + 8, "%s%s", n > NAME_SHOWN ? "…" : "",
	         n > NAME_SHOWN ? name + n - NAME_SHOWN : name);
	return out;
}

static void note_unknown(const struct reader *reader, const struct config_line *line)
{
	size_t n = line->key_bytes, skip = 0;
	char shown[NAME_SHOWN + 8];
	const char *why = "is not a key";

	while (skip < n && (line->key[skip] == ' ' || line->key[skip] == '\t'))
		skip++;
	while (n > skip && (line->key[n - 1] == ' ' || line->key[n - 1] == '\t'))
		n--;
	if (config_key_find(line->key + skip, n - skip))
		why = "is not a key with space around it";
	note(reader->notes, "%s line %u: \"%.*s\" %s; the line is ignored",
	     shown_name(reader->name, shown), line->number,
	     (int)(line->key_bytes < 40 ? line->key_bytes : 40), line->key, why);
}

/* --- reading ------------------------------------------------------------------------------------- */

static void take_defaults(struct config *into)
{
	memset(into, 0, sizeof(*into));
	for (size_t i = 0; i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (*key->standard)
			config_key_take(key, key->standard, strlen(key->standard), into, NULL);
	}
}

static int take_line(const struct reader *reader, const struct config_line *line, struct err *err)
{
	const struct config_key *key = config_key_find(line->key, line->key_bytes);
	char shown[NAME_SHOWN + 8];
	struct err why = {};

	shown_name(reader->name, shown);
	if (!key) {
		note_unknown(reader, line);
		return 0;
	}
	if (line->value_bytes == 0 || key->kind == CONFIG_IGNORED ||
	    config_key_take(key, line->value, line->value_bytes, reader->into, &why) == 0)
		return 0;
	if (key->kind != CONFIG_STATE && key->kind != CONFIG_INSTANT)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "%s line %u: %s", shown, line->number,
		               why.text);
	note(reader->notes, "%s line %u: %s; the line is ignored", shown, line->number, why.text);
	return 0;
}

static bool is_own_host(const char *url)
{
	const char *host = strstr(url, "://") + 3;

	return strncmp(host, "localhost", 9) == 0 || strncmp(host, "127.", 4) == 0 ||
	       strncmp(host, "[::1]", 5) == 0;
}

/* What is valid key by key, and should yet be said. */
static void check_together(const struct reader *reader)
{
	struct config *c = reader->into;
	char shown[NAME_SHOWN + 8];

	shown_name(reader->name, shown);
	if (strncmp(c->server_url, "http:", 5) == 0 && !is_own_host(c->server_url))
		note(reader->notes,
		     "%s: server_url is http://: the pod's secret is sent readable for everybody "
		     "on "
		     "the way",
		     shown);
	if (!*c->client_id != !*c->secret)
		note(reader->notes,
		     "%s: client_id and secret only work together, and %s is missing", shown,
		     *c->secret ? "client_id" : "secret");
	if (c->schedule_ns == 0 || c->schedule_ns >= MLAB_SCHEDULE_NS_MIN || !config_is_mlab(c))
		return;
	c->schedule_ns = MLAB_SCHEDULE_NS_MIN;
	note(reader->notes, "%s: M-Lab's servers are for four tests a day: schedule is 6h", shown);
}

static int check_text(const char *name, const char *text, size_t n, struct err *err)
{
	const char *nul = n > 0 ? memchr(text, '\0', n) : NULL;
	char shown[NAME_SHOWN + 8];
	unsigned int line = 1;

	if (!nul)
		return 0;
	for (const char *at = text; at < nul; at++)
		line += *at == '\n';
	return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
	               "%s line %u: a NUL byte, which no text has: the file is damaged",
	               shown_name(name, shown), line);
}

int config_parse(const char *name, const char *text, size_t n, struct config *ret,
                 struct config_notes *notes, struct err *err)
{
	CLEANUP(freep) struct config *c = malloc(sizeof(*c));
	struct reader reader = { .name = name, .into = c, .notes = notes };
	struct config_line line = {};
	int r = check_text(name, text, n, err);

	if (notes)
		notes->count = notes->more = 0;
	if (!c)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the configuration");
	take_defaults(c);
	while (r == 0 && config_file_next(text, n, &line))
		if (line.assigns)
			r = take_line(&reader, &line, err);
	if (r < 0)
		return r;
	check_together(&reader);
	*ret = *c;
	return 0;
}

/* --- the file ------------------------------------------------------------------------------------ */

/* Whatever is at `path`, within the ceiling. */
static int read_fd(int fd, const char *path, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(freep) char *text = NULL;
	char shown[NAME_SHOWN + 8];
	struct stat st;
	size_t n = 0;

	shown_name(path, shown);
	if (fstat(fd, &st) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "read %s", shown);
	if (!S_ISREG(st.st_mode))
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "%s is no regular file", shown);
	if (st.st_size > CONFIG_FILE_BYTES_MAX)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
		               "%s is larger than 1 MiB: no configuration", shown);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the configuration");
	while (n < (size_t)st.st_size) {
		ssize_t got = read(fd, text + n, (size_t)st.st_size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ERR_SET(err, -errno, ERR_SYS, 0, "read %s", shown);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret = TAKE(text, NULL);
	*ret_n = n;
	return 0;
}

int config_file_read(const char *path, char **ret, size_t *ret_n, struct err *err)
{
	/* Of a pipe nobody writes to, even open(2) would wait. */
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char shown[NAME_SHOWN + 8];

	if (fd >= 0)
		return read_fd(fd, path, ret, ret_n, err);
	if (errno != ENOENT)
		return ERR_SET(err, -errno, ERR_SYS, 0, "read %s", shown_name(path, shown));
	*ret = strdup("");
	*ret_n = 0;
	return *ret ? 0 : ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the configuration");
}

/* Of test rigs and of whoever keeps a list of their own. */
static void take_environment(struct config *c, struct config_notes *notes)
{
	static const char name[] = "crl_url";
	const struct config_key *key = config_key_find(name, strlen(name));
	const char *value = getenv("CRL_URL");
	struct err why = {};

	if (value && *value && config_key_take(key, value, strlen(value), c, &why) < 0)
		note(notes, "CRL_URL in the environment is ignored: %s", why.text);
}

bool config_is_mlab(const struct config *config)
{
	return strncmp(config->locate_url, MLAB, strlen(MLAB)) == 0;
}

int config_load(const char *path, struct config *ret, struct config_notes *notes, struct err *err)
{
	CLEANUP(freep) char *text = NULL;
	size_t n;
	int r = config_file_read(path, &text, &n, err);

	if (r == 0)
		r = config_parse(path, text, n, ret, notes, err);
	if (r == 0)
		take_environment(ret, notes);
	return r;
}

void config_each_key(void (*visit)(void *self, const char *key, const char *standard,
                                   const char *takes),
                     void *self)
{
	for (size_t i = 0; i < config_keys_count; i++)
		visit(self, config_keys[i].name, config_keys[i].standard, config_keys[i].takes);
}
