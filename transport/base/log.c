/* One line is composed whole and leaves with one write(2), so that lines of two processes on the
 * same terminal or pipe do not mix. Where it goes is found out for each line: two system calls,
 * and no state that a redirection could make stale.
 *
 * libsystemd is loaded only when a line has to go to the journal. Where it cannot be (not
 * installed, or barred by the sandbox), or where the journal's socket is out of reach, the line
 * goes to standard error with the priority prefix of sd-daemon(3), which the journal reads too.
 */
#include "transport/base/log.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/late_library.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define FIELDS_MAX     8
#define FIELD_BYTES    (LOG_LINE_BYTES + 32)

static _Atomic int level_max = LOG_LEVEL_INFO;
static log_watcher watcher;
static void *watcher_owner;

void log_set_level(enum log_level level)
{
	level_max = (int)level;
}

void log_set_watcher(log_watcher seen, void *owner)
{
	watcher_owner = owner;
	watcher = seen;
}

/* --- the journal ------------------------------------------------------------------------------ */

static int (*journal_send)(const struct iovec *iov, int n); /* NULL: not to be had */

static void load_journal(void)
{
	void *lib = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);

	late_library_tell();
	if (lib)
		*(void **)&journal_send = dlsym(lib, "sd_journal_sendv");
}

/* systemd.exec(5): JOURNAL_STREAM is "device:inode" of the stream that it connected to the journal;
 * a program whose standard error was redirected since finds other numbers there. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[48];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, ours) == 0;
}

struct fields {
	struct iovec iov[FIELDS_MAX];
	char text[FIELDS_MAX][FIELD_BYTES];
	int count;
};

__attribute__((format(printf, 2, 3))) static void add_field(struct fields *f, const char *format,
                                                            ...)
{
	char *text = f->text[f->count];
	va_list args;

	va_start(args, format);
	bytes_print_line(text, FIELD_BYTES, format, args);
	va_end(args);
	f->iov[f->count++] = (struct iovec){ text, strlen(text) };
}

/* Answers false where the journal did not take it. */
static bool send_to_journal(const struct log_entry *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct fields f = {};

	pthread_once(&once, load_journal);
	/* sd_journal_sendv(3) drops entries and answers 0 where there is no socket. */
	if (!journal_send || access(JOURNAL_SOCKET, W_OK) < 0)
		return false;
	add_field(&f, "MESSAGE=%s", e->message);
	add_field(&f, "PRIORITY=%d", (int)e->level);
	add_field(&f, "SYSLOG_IDENTIFIER=radar-pod");
	add_field(&f, "CODE_FILE=%.*s", e->file_bytes, e->file);
	add_field(&f, "CODE_LINE=%ld", e->line);
	if (e->function)
		add_field(&f, "CODE_FUNC=%s", e->function);
	if (e->err)
		add_field(&f, "ERRNO=%d", -e->err->code);
	return journal_send(f.iov, f.count) >= 0;
}

/* --- standard error -----------------------------------------------------------------------------
 */

struct look {
	const char *colour;
	const char *word;
};

static struct look look_of(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return (struct look){ "\x1b[1;31m", "error: " };
	case LOG_LEVEL_WARNING:
		return (struct look){ "\x1b[33m", "warning: " };
	case LOG_LEVEL_INFO:
		return (struct look){ "", "" };
	case LOG_LEVEL_DEBUG:
		return (struct look){ "\x1b[2m", "debug: " };
	}
	return (struct look){ "", "" };
}

static void write_all(const char *at, size_t left_bytes)
{
	while (left_bytes > 0) {
		ssize_t n = write(STDERR_FILENO, at, left_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* there is no one left to tell */
		at += n;
		left_bytes -= (size_t)n;
	}
}

__attribute__((format(printf, 3, 4))) static void print_line(char *out, size_t out_bytes,
                                                             const char *format, ...)
{
	va_list args;

	va_start(args, format);
	bytes_print_line(out, out_bytes, format, args);
	va_end(args);
}

/* no-color.org: set and not empty. */
static bool colour_wanted(void)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDERR_FILENO) && !(no_color && *no_color);
}

static void write_line(const struct log_entry *e, bool priority_prefix)
{
	struct look look = look_of(e->level);
	bool colour = *look.colour && !priority_prefix && colour_wanted();
	char before[32], text[LOG_LINE_BYTES], whole[LOG_LINE_BYTES + 1];
	const char *after = colour ? "\x1b[0m\n" : "\n";
	size_t room_bytes;

	if (priority_prefix)
		snprintf(before, sizeof(before), "<%d>", (int)e->level);
	else
		snprintf(before, sizeof(before), "%s%s", colour ? look.colour : "", look.word);
	room_bytes = LOG_LINE_BYTES - strlen(before) - strlen(after) + 1;
	if (e->level == LOG_LEVEL_DEBUG)
		print_line(text, room_bytes, "%.*s:%ld: %s", e->file_bytes, e->file, e->line,
		           e->message);
	else
		print_line(text, room_bytes, "%s", e->message);
	write_all(whole, (size_t)snprintf(whole, sizeof(whole), "%s%s%s", before, text, after));
}

static void emit(const struct log_entry *e)
{
	int saved_errno = errno;
	bool journal = stderr_is_journal();

	if (watcher)
		watcher(watcher_owner, e);
	if (!journal || !send_to_journal(e))
		write_line(e, journal);
	errno = saved_errno;
}

/* --- what the program calls ---------------------------------------------------------------------
 */

void log_line(enum log_level level, const char *file, int line, const char *function,
              const char *format, ...)
{
	char message[LOG_LINE_BYTES];
	va_list args;

	if ((int)level > level_max)
		return;
	va_start(args, format);
	bytes_print_line(message, sizeof(message), format, args);
	va_end(args);
	emit(&(struct log_entry){
		.level = level,
		.file = file,
		.file_bytes = (int)strlen(file),
		.line = line,
		.function = function,
		.message = message,
	});
}

void log_err(enum log_level level, const struct err *err)
{
	const char *where = err->where ? err->where : "?";
	const char *colon = strrchr(where, ':'); /* ERR_SET() writes "file:line" */
	char message[LOG_LINE_BYTES];

	if ((int)level > level_max)
		return;
	emit(&(struct log_entry){
		.level = level,
		.file = where,
		.file_bytes = (int)(colon ? (size_t)(colon - where) : strlen(where)),
		.line = colon ? strtol(colon + 1, NULL, 10) : 0,
		.err = err,
		.message = err_sentence(err, message, sizeof(message)),
	});
}

const char *log_url(const char *url, char *out, size_t out_bytes)
{
	const char *scheme_end = strstr(url, "://");
	size_t shown_bytes = strcspn(url, "?#"); /* a fragment is nobody's business either */
	const char *authority = scheme_end && scheme_end < url + shown_bytes ? scheme_end + 3 : url;
	size_t authority_bytes = strcspn(authority, "/?#");
	const char *at = memrchr(authority, '@', authority_bytes);
	const char *rest = at ? at + 1 : authority;

	print_line(out, out_bytes, "%.*s%.*s%s", (int)(authority - url), url,
	           (int)(url + shown_bytes - rest), rest, url[shown_bytes] == '?' ? "?…" : "");
	return out;
}
