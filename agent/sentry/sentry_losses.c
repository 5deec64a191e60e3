#include "agent/sentry/sentry_losses.h"

#include "agent/base/json_writer.h"
#include "transport/base/clock.h"

static const char *const reasons[SENTRY_LOSSES] = {
	[SENTRY_LOSS_QUEUE_OVERFLOW] = "queue_overflow",
	[SENTRY_LOSS_CACHE_OVERFLOW] = "cache_overflow",
	[SENTRY_LOSS_RATELIMIT_BACKOFF] = "ratelimit_backoff",
	[SENTRY_LOSS_SEND_ERROR] = "send_error",
	[SENTRY_LOSS_INTERNAL] = "internal_sdk_error",
	[SENTRY_LOSS_BACKPRESSURE] = "backpressure",
};

bool sentry_losses_any(const struct sentry_losses *l)
{
	for (int i = 0; i < SENTRY_LOSSES; i++)
		if (l->count[i] > 0)
			return true;
	return false;
}

void sentry_losses_add(struct sentry_losses *to, const struct sentry_losses *from)
{
	for (int i = 0; i < SENTRY_LOSSES; i++)
		if (__builtin_add_overflow(to->count[i], from->count[i], &to->count[i]))
			to->count[i] = UINT32_MAX;
}

void sentry_losses_write(struct json_writer *w, const struct sentry_losses *l, uint64_t utc_ns)
{
	char text[CLOCK_UTC_TEXT_BYTES];

	json_begin_object(w, NULL);
	json_put_text(w, "timestamp", clock_utc_text(utc_ns, 3, text));
	json_begin_array(w, "discarded_events");
	for (int i = 0; i < SENTRY_LOSSES; i++) {
		if (l->count[i] == 0)
			continue;
		json_begin_object(w, NULL);
		json_put_text(w, "reason", reasons[i]);
		json_put_text(w, "category", "error");
		json_put_count(w, "quantity", l->count[i]);
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
}
