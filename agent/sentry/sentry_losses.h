/* Reports that did not arrive, by reason: what is told to the server, so that a silence is not taken for health.
 * Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct json_writer;

/* What the server does not count itself: a 429 is not among them. */
enum sentry_loss {
	SENTRY_LOSS_QUEUE_OVERFLOW,    /* more at once than the queue holds */
	SENTRY_LOSS_CACHE_OVERFLOW,    /* dropped from the store by its limits */
	SENTRY_LOSS_RATELIMIT_BACKOFF, /* the server had said not to send any */
	SENTRY_LOSS_SEND_ERROR,        /* refused by the server */
	SENTRY_LOSS_INTERNAL,          /* could not be made, or read back */
	SENTRY_LOSS_BACKPRESSURE,      /* our own cap for an hour */
	SENTRY_LOSSES,
};

struct sentry_losses {
	uint32_t count[SENTRY_LOSSES];
};

bool sentry_losses_any(const struct sentry_losses *l);

/* What could not be told is added to what has been lost since. */
void sentry_losses_add(struct sentry_losses *to, const struct sentry_losses *from);

/* The item's payload. */
void sentry_losses_write(struct json_writer *w, const struct sentry_losses *l, uint64_t utc_ns);
