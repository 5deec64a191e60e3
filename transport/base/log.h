/* What the program says of itself, on standard error.
 *
 * On a terminal: one human line, coloured unless NO_COLOR is set. Under systemd (JOURNAL_STREAM
 * names our standard error): a journal entry with PRIORITY and CODE_* fields. Elsewhere: the human
 * line, uncoloured.
 *
 * Never a secret: log_url() is the only way an URL goes into a line, and it drops what a query
 * says. A line is at most LOG_LINE_BYTES; control characters are shown as '?'.
 *
 * A library does not log; the program that gives up does, once. What is retried logs at debug.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

enum log_level { /* syslog(3)'s numbers */
	         LOG_LEVEL_ERROR = 3,
	         LOG_LEVEL_WARNING = 4,
	         LOG_LEVEL_INFO = 6,
	         LOG_LEVEL_DEBUG = 7,
};

#define LOG_LINE_BYTES 1024

/* What is said, and where in the source it began. */
struct log_entry {
	enum log_level level;
	const char *file;
	int file_bytes; /* of `file`, which is not always terminated */
	long line;
	const char *function;  /* NULL: not known */
	const struct err *err; /* NULL: of none */
	const char *message;
};

/* Hears of each line that is not dropped, before it is written, in the thread that says it. */
typedef void (*log_watcher)(void *owner, const struct log_entry *entry);

/* One for the process; NULL: nobody. To be set while there is one thread. */
void log_set_watcher(log_watcher watcher, void *owner);

/* Lines above `level` are dropped; before the first call that is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __FILE__, __LINE__, __func__, __VA_ARGS__)

/* "could not …", from where `err` began. */
void log_err(enum log_level level, const struct err *err);

void log_line(enum log_level level, const char *file, int line, const char *function,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

/* `url` without its user part and with "?…" for its query, where tokens ride; cut with "…" where it
 * does not fit. out_bytes is at least 8. Answers out. */
const char *log_url(const char *url, char *out, size_t out_bytes);
