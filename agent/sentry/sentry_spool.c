#include "agent/sentry/sentry_spool.h"

#include <stdlib.h>
#include <string.h>

#include "agent/sentry/sentry_quota.h"
#include "agent/store/store.h"

void sentry_spool_begin(struct sentry_spool *s, struct store *store)
{
	struct store_counts counts;

	*s = (struct sentry_spool){ .store = store };
	if (store && store_count(store, &counts, NULL) == 0)
		s->dropped_known = counts.dropped_events;
}

/* Takes the i-th out of the queue. */
static struct sentry_queued take_out(struct sentry_spool *s, size_t i)
{
	struct sentry_queued q = s->queue[i];

	s->queued--;
	memmove(&s->queue[i], &s->queue[i + 1], (s->queued - i) * sizeof(q));
	return q;
}

void sentry_spool_end(struct sentry_spool *s)
{
	while (s->queued > 0)
		free(take_out(s, s->queued - 1).body);
}

/* For a fatal one: the newest that is not, if there is one. */
static bool make_room(struct sentry_spool *s)
{
	for (size_t i = s->queued; i-- > 0;) {
		if (s->queue[i].fatal)
			continue;
		free(take_out(s, i).body);
		return true;
	}
	return false;
}

void sentry_spool_add(struct sentry_spool *s, uint64_t utc_ns, bool fatal, char *body, size_t bytes)
{
	if (s->queued == SENTRY_QUEUE_MAX) {
		s->losses.count[SENTRY_LOSS_QUEUE_OVERFLOW]++;
		if (!fatal || !make_room(s)) {
			free(body);
			return;
		}
	}
	s->queue[s->queued++] = (struct sentry_queued){ --s->tickets, body, bytes, utc_ns, fatal };
}

/* What the store has dropped by its limits since it was last looked at. */
static void count_dropped(struct sentry_spool *s)
{
	struct store_counts counts;

	if (store_count(s->store, &counts, NULL) < 0 || counts.dropped_events < s->dropped_known)
		return;
	s->losses.count[SENTRY_LOSS_CACHE_OVERFLOW] +=
		(uint32_t)(counts.dropped_events - s->dropped_known);
	s->dropped_known = counts.dropped_events;
}

static int put_all(struct sentry_spool *s, const struct sentry_quota *quota)
{
	char text[SENTRY_QUOTA_TEXT_BYTES];
	int r = 0, end;

	sentry_quota_write(quota, text);
	for (size_t i = 0; i < s->queued && r == 0; i++)
		r = store_event_put(s->store, s->queue[i].utc_ns, s->queue[i].fatal,
		                    s->queue[i].body, s->queue[i].bytes, NULL);
	if (r == 0)
		r = store_fact_set(s->store, SENTRY_QUOTA_FACT, text, NULL);
	end = store_batch_end(s->store, NULL);
	return r < 0 ? r : end;
}

void sentry_spool_settle(struct sentry_spool *s, const struct sentry_quota *quota)
{
	if (!s->store || s->queued == 0 || store_batch_begin(s->store, NULL) < 0)
		return;
	if (put_all(s, quota) == 0)
		sentry_spool_end(s);
	count_dropped(s);
}

bool sentry_spool_next(struct sentry_spool *s, struct sentry_item *ret)
{
	struct store_event *event = NULL;

	if (s->store && store_event_next(s->store, s->after, &event, NULL) == STORE_OK) {
		*ret = (struct sentry_item){ event->seq, event->fatal, event->body,
			                     event->body_bytes, event };
		return true;
	}
	if (s->queued == 0)
		return false;
	*ret = (struct sentry_item){ s->queue[0].ticket, s->queue[0].fatal, s->queue[0].body,
		                     s->queue[0].bytes, NULL };
	return true;
}

void sentry_item_end(struct sentry_item *item)
{
	free(item->memory);
	*item = (struct sentry_item){};
}

void sentry_spool_tried(struct sentry_spool *s, const struct sentry_item *item)
{
	if (item->seq > 0)
		store_event_tried(s->store, item->seq, NULL);
}

/* Of the queue, it may be in the store meanwhile: then it is sent again, under the same id. */
void sentry_spool_done(struct sentry_spool *s, const struct sentry_item *item)
{
	if (item->seq > 0) {
		s->after = item->seq;
		store_event_done(s->store, item->seq, NULL);
	}
	for (size_t i = 0; i < s->queued; i++)
		if (s->queue[i].ticket == item->seq) {
			free(take_out(s, i).body);
			return;
		}
}
