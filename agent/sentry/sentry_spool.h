/* Reports between being made and being sent: a queue in memory, so that who reports never waits for a disk, and
 * behind it the store, within whose limits they outlive the process.
 *
 *   sentry_spool_add(spool, utc_ns, fatal, body, n);     never waits
 *   sentry_spool_settle(spool, quota);                   in an idle moment: from the queue into the store
 *   sentry_spool_next(spool, &item);                     the oldest, whether it reached the store or not
 *   sentry_spool_tried(spool, &item), or sentry_spool_done(spool, &item);
 *
 * A store that is NULL or cannot be written to costs only durability. Losses are counted in spool->losses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/sentry/sentry_losses.h"

#define SENTRY_QUEUE_MAX  16
#define SENTRY_QUOTA_FACT "sentry_quota" /* in the store */

struct sentry_quota;
struct store;

struct sentry_queued {
	int64_t ticket; /* below 0, never given twice */
	char *body;
	size_t bytes;
	uint64_t utc_ns;
	bool fatal;
};

struct sentry_spool {
	struct store *store; /* NULL: none */
	int64_t tickets;     /* the last that was given */
	size_t queued;
	struct sentry_queued queue[SENTRY_QUEUE_MAX]; /* from the oldest */
	int64_t after; /* of the store, what was sent in this run although it could not be removed */
	uint64_t dropped_known; /* by the store, as far as counted */
	struct sentry_losses losses;
};

/* `store` stays the caller's. */
void sentry_spool_begin(struct sentry_spool *s, struct store *store);
void sentry_spool_end(struct sentry_spool *s);

/* Takes `body` over, also where it has no room for it: then, of what is not fatal, the newest is lost. */
void sentry_spool_add(struct sentry_spool *s, uint64_t utc_ns, bool fatal, char *body,
                      size_t bytes);

/* With what `quota` has counted, in one transaction; what fails stays in the queue. Waits for the disk. */
void sentry_spool_settle(struct sentry_spool *s, const struct sentry_quota *quota);

struct sentry_item {
	int64_t seq; /* of the store; below 0 it is the queue's ticket */
	bool fatal;
	const char *body;
	size_t bytes;
	void *memory; /* to be freed by sentry_item_end() */
};

/* false: there is none. */
bool sentry_spool_next(struct sentry_spool *s, struct sentry_item *ret);
void sentry_item_end(struct sentry_item *item);

/* Begun to be sent, without an answer; and delivered, or given up. */
void sentry_spool_tried(struct sentry_spool *s, const struct sentry_item *item);
void sentry_spool_done(struct sentry_spool *s, const struct sentry_item *item);
