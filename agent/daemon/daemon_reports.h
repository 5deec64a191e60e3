/* What the daemon tells of its own failures, where the configuration names a Sentry project (docs/error-reports.md).
 *
 * Without `sentry_dsn` nothing of this exists: no handler, no record, no step is noted. With it
 *   - every line that the log has at `error` is a report, by where in the source it began;
 *   - every line of the log is a step that reports and crashes tell of;
 *   - a crash, the daemon's or a child's, is told by the next start, or by the daemon.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "agent/base/child_watch.h"
#include "agent/sentry/sentry.h"
#include "agent/sentry/sentry_courier.h"
#include "transport/loop/loop.h"

struct config;
struct daemon;

struct daemon_reports {
	struct sentry *sentry; /* NULL: off */
	struct sentry_courier mail;
	struct child_watch children; /* for whoever starts some */
	struct loop_timer turn;
	pthread_t thread; /* that of the loop: nobody else's lines are heard */
	bool measuring;
	bool busy;        /* what is logged meanwhile is about a report */
	int record_fd;    /* of our own crash; -1: none */
	uint64_t stop_ns; /* then it has stopped, whatever it says */
};

/* Needs the loop, the courier and the store, whose lock makes the state directory ours. What fails is logged. */
void daemon_reports_begin(struct daemon *d);
void daemon_reports_end(struct daemon *d); /* what is not sent is in the store */

/* Whether both want the same reporter. */
bool daemon_reports_same(const struct config *a, const struct config *b);

/* Credentials are others than before: from now on they are not told. */
void daemon_reports_know(struct daemon *d);

/* Of a struct daemon. While tests run nothing is sent, nor written to the disk; what is told then says that it was so. */
void daemon_reports_measuring(void *daemon, bool on);

/* Of a struct daemon: what the log has at `warning` and somebody should look at. `class` has nothing in it that varies. */
void daemon_report(void *daemon, const char *component, const char *class, const struct err *err);

void daemon_reports_stop(struct daemon *d);
bool daemon_reports_stopped(const struct daemon *d);
