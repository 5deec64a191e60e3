/* What the error server has said of how much it takes, and what an answer of its means. Pure: time is an
 * argument, CLOCK_MONOTONIC, so that a step of the wall clock changes nothing.
 *
 *   switch (sentry_outcome(reply.status)) …
 *   sentry_limits_apply(&limits, &reply, now_ns);       after every answer, whatever its status
 *   if (sentry_limits_left_ns(&limits, SENTRY_CATEGORY_ERROR, now_ns) > 0) …   before sending
 */
#pragma once

#include <stdint.h>

#define SENTRY_LIMIT_NS_MAX (24 * 3600 * 1000000000ULL) /* a longer one counts as this */

/* As the server names them; what it may name beyond these is nothing that we send. */
enum sentry_category {
	SENTRY_CATEGORY_DEFAULT,
	SENTRY_CATEGORY_ERROR, /* an event; `default` limits it too */
	SENTRY_CATEGORY_TRANSACTION,
	SENTRY_CATEGORY_SECURITY,
	SENTRY_CATEGORY_ATTACHMENT,
	SENTRY_CATEGORY_SESSION,
	SENTRY_CATEGORY_PROFILE,
	SENTRY_CATEGORY_REPLAY,
	SENTRY_CATEGORY_MONITOR,
	SENTRY_CATEGORY_FEEDBACK,
	SENTRY_CATEGORY_METRIC_BUCKET,
	SENTRY_CATEGORY_LOG_ITEM,
	SENTRY_CATEGORY_INTERNAL, /* a client report: only a limit of everything holds it */
	SENTRY_CATEGORIES,
};

/* All zero: no limit. */
struct sentry_limits {
	uint64_t all_until_ns;
	uint64_t until_ns[SENTRY_CATEGORIES];
};

/* What came back. A header that came more than once is one text, joined by commas (RFC 9110 5.3). */
struct sentry_reply {
	int status;              /* 0: no answer came */
	const char *rate_limits; /* X-Sentry-Rate-Limits; NULL: none. Likewise below */
	const char *retry_after; /* Retry-After: seconds, or a date */
	const char *date;        /* Date: what a date is compared with, never our own clock */
};

void sentry_limits_apply(struct sentry_limits *l, const struct sentry_reply *reply,
                         uint64_t now_ns);

/* How long nothing of that category may be sent; 0: it may. */
uint64_t sentry_limits_left_ns(const struct sentry_limits *l, enum sentry_category category,
                               uint64_t now_ns);

enum sentry_outcome {
	SENTRY_ACCEPTED, /* done */
	SENTRY_DROPPED,  /* gone, and counted as send_error: a repetition would be refused again */
	SENTRY_REFUSED,  /* likewise; three in a row are a wrong DSN */
	SENTRY_LIMITED,  /* gone, and the server has counted it */
	SENTRY_UNSENT,   /* no answer: the network's trouble. Only this one is tried again */
};

enum sentry_outcome sentry_outcome(int status);
