/* Error reports of the daemon, to the Sentry project that `sentry_dsn` names (docs/error-reports.md).
 *
 *   sentry_open(&options, &sentry, &err);              SENTRY_OFF without a DSN, or with a malformed one
 *   sentry_take_crash(sentry, directory, "agent");     what the run before has left, if it crashed
 *   sentry_report(sentry, "store", "WRITE_FAILED", &err, SENTRY_ERROR);
 *   wake_ns = sentry_turn(sentry);                     from the loop: now, and again at that time
 *   sentry_hold(sentry, true);                         while a test runs: nothing is written or sent
 *   sentry_stop(sentry); … sentry_stopped(sentry)      2 s at most for what is left
 *   sentry_close(sentry);
 *
 * Every function accepts NULL, which is "off". None but sentry_turn(), sentry_stop() and sentry_close() waits for a
 * disk, and none for the network: requests go through struct sentry_transport. What cannot be told is counted.
 * One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/sentry/breadcrumbs.h"
#include "agent/sentry/sentry_limits.h"
#include "agent/sentry/sentry_patterns.h"

struct crash_record;
struct err;
struct sentry;
struct store;

/* --- who sends ------------------------------------------------------------------------------------------ */

#define SENTRY_HEADERS 2

/* A POST. Redirects are not followed; of the answer's body nothing is wanted. */
struct sentry_request {
	const char *url;
	const char *user_agent;
	const char *headers[SENTRY_HEADERS]; /* "Name: value" */
	const char *body;
	size_t body_bytes;
	uint64_t timeout_ns;    /* for everything */
	size_t reply_bytes_max; /* headers and body: more is no answer */
};

/* reply->status is 0 where no whole answer came. */
typedef void (*sentry_done)(void *owner, const struct sentry_reply *reply);

struct sentry_transport {
	void *self;

	/* One at a time. What it needs of `request` it copies. `done` is called once, later, and sentry_turn() is due
	 * behind it; not where a negative errno is answered, which counts as no answer. */
	int (*post)(void *self, const struct sentry_request *request, sentry_done done,
	            void *owner);

	/* `done` will not be called. */
	void (*cancel)(void *self);
};

/* --- the reporter --------------------------------------------------------------------------------------- */

struct sentry_options {
	const char *dsn;     /* "" or NULL: off */
	struct store *store; /* NULL: nothing outlives the process; stays the caller's */
	struct sentry_transport transport;
	struct sentry_known_list known; /* the pod's secret, its host's name, …; copied */
	uint64_t (*now_ns)(void);       /* NULL: clock_now_ns(). Likewise */
	uint64_t (*utc_ns)(void);
};

#define SENTRY_OFF 1

/* Of a malformed DSN one line of the log tells, without the DSN.
 *   SENTRY_OFF, and *ret is NULL;  -ENOMEM */
int sentry_open(const struct sentry_options *options, struct sentry **ret, struct err *err);

/* Gives up what is on its way; what is not in the store is put there. Always returns NULL. */
struct sentry *sentry_close(struct sentry *s);

/* Instead of those that it was opened with; copied. -ENOMEM: then fewer are known, and it is to be closed. */
int sentry_know(struct sentry *s, const struct sentry_known_list *known);

/* Told at once, if nothing alike was within the hour. `class` groups: "WRITE_FAILED", nothing in it varies. `err`
 * may be NULL. */
void sentry_report(struct sentry *s, const char *component, const char *class,
                   const struct err *err, enum sentry_level level);

/* A step that reports and crashes will tell of. */
void sentry_breadcrumb(struct sentry *s, enum sentry_level level, const char *category,
                       const char *message);

/* What goes on, for reports from now on: "test.ndt7"; NULL: nothing. */
void sentry_operation(struct sentry *s, const char *operation);

void sentry_hold(struct sentry *s, bool hold);

/* Does what is due, and answers when it wants to be called again, CLOCK_NEVER_NS for not before another call. */
uint64_t sentry_turn(struct sentry *s);

void sentry_stop(struct sentry *s);
bool sentry_stopped(struct sentry *s);

/* The exact bytes that would be sent next, terminated, the caller's to free(3).
 *   SENTRY_OFF  there is nothing to send */
int sentry_next_envelope(struct sentry *s, char **ret, size_t *ret_n, struct err *err);

/* --- crashes -------------------------------------------------------------------------------------------- */

/* Reports the crash that a process of that role left in the directory, and logs it, also where reports are off: then
 * its record goes. To be called before crash_file_open() makes an empty one in its place. A crash that is told twice,
 * because the process was killed in between, is one to the server: the id is the record's. */
void sentry_take_crash(struct sentry *s, const char *directory, const char *role);

/* A child that has ended, with its wait status; `record_fd` of crash_file_open_unnamed(), or -1. Does nothing where
 * it was not ended by a signal that is a crash. */
void sentry_child_ended(struct sentry *s, const char *role, int wait_status, int record_fd);
