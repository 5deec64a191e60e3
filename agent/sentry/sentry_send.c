/* When a report leaves, and what its answer means. Only what had no answer is sent again: an answer is final, whatever
 * it says (contract: a 5xx that ten thousand pods repeat is more load for a server in trouble). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/sentry/sentry_envelope.h"
#include "agent/sentry/sentry_internal.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"
#include "transport/base/err.h"

#define START_WAIT_NS   (5 * NS_PER_S)
#define SPREAD_NS       (60 * NS_PER_S) /* of what is not fatal */
#define PACE_NS         (100 * NS_PER_MS)
#define LOSSES_EACH_NS  (60 * NS_PER_S) /* where no report takes them along */
#define REFUSED_MAX     3
#define REFUSED_WAIT_NS (3600 * NS_PER_S)
#define STOP_NS         (2 * NS_PER_S)
#define TIMEOUT_NS      (30 * NS_PER_S)
#define FLIGHT_NS       (TIMEOUT_NS + 5 * NS_PER_S) /* a transport that forgets its own */
#define REPLY_BYTES_MAX (64 * 1024)

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* --- when -------------------------------------------------------------------------------------------------- */

void sentry_send_soon(struct sentry *s, bool fatal)
{
	uint64_t now_ns = s->now_ns();

	if (fatal)
		s->send_ns = earlier(s->send_ns, now_ns);
	else if (s->send_ns == CLOCK_NEVER_NS)
		s->send_ns = now_ns + (uint64_t)(draw_uniform(&s->seed) * (double)SPREAD_NS);
}

void sentry_send_begin(struct sentry *s)
{
	struct sentry_item item;

	s->backoff = (struct backoff){ .first_ns = 60 * NS_PER_S,
		                       .most_ns = 3600 * NS_PER_S,
		                       .jitter = 0.25 };
	s->not_before_ns = s->now_ns() + START_WAIT_NS;
	s->send_ns = CLOCK_NEVER_NS;
	if (!sentry_spool_next(&s->spool, &item))
		return;
	sentry_send_soon(s, item.fatal);
	sentry_item_end(&item);
}

/* What is lost is told by the next report, or alone after a while; before the end, at once. */
static void want_losses_told(struct sentry *s, uint64_t now_ns)
{
	uint64_t at_ns = s->stopping ? now_ns : later(now_ns, s->losses_told_ns + LOSSES_EACH_NS);

	if (s->send_ns == CLOCK_NEVER_NS && sentry_losses_any(&s->spool.losses))
		s->send_ns = at_ns;
}

/* --- the answer -------------------------------------------------------------------------------------------- */

static uint64_t pause_after(struct sentry *s, enum sentry_outcome outcome)
{
	s->refused = outcome == SENTRY_REFUSED ? s->refused + 1 : 0;
	if (outcome == SENTRY_UNSENT)
		return backoff_next(&s->backoff, &s->seed);
	backoff_reset(&s->backoff);
	if (s->refused < REFUSED_MAX)
		return PACE_NS;
	s->refused = 0;
	return REFUSED_WAIT_NS;
}

static void end_flight(struct sentry *s, enum sentry_outcome outcome)
{
	struct sentry_flight *f = &s->flight;
	uint64_t now_ns = s->now_ns();

	if (f->has_item && outcome == SENTRY_UNSENT)
		sentry_spool_tried(&s->spool, &f->item);
	else if (f->has_item)
		sentry_spool_done(&s->spool, &f->item);
	if (f->has_item && (outcome == SENTRY_DROPPED || outcome == SENTRY_REFUSED))
		s->spool.losses.count[SENTRY_LOSS_SEND_ERROR]++;
	if (outcome == SENTRY_UNSENT || outcome == SENTRY_LIMITED)
		sentry_losses_add(&s->spool.losses, &f->losses);
	else
		s->losses_told_ns = now_ns;
	sentry_item_end(&f->item);
	*f = (struct sentry_flight){};
	s->not_before_ns = now_ns + pause_after(s, outcome);
	s->send_ns = now_ns; /* whether there is more is seen then */
}

static void on_done(void *owner, const struct sentry_reply *reply)
{
	struct sentry *s = owner;

	if (!s->flight.active)
		return;
	sentry_limits_apply(&s->limits, reply, s->now_ns());
	end_flight(s, sentry_outcome(reply->status));
}

/* Taken back before an answer; it is nobody's failure. */
void sentry_send_cancel(struct sentry *s)
{
	struct sentry_flight *f = &s->flight;

	if (!f->active)
		return;
	s->transport.cancel(s->transport.self);
	sentry_losses_add(&s->spool.losses, &f->losses);
	sentry_item_end(&f->item);
	*f = (struct sentry_flight){};
	s->send_ns = s->now_ns();
}

/* --- sending ----------------------------------------------------------------------------------------------- */

/* What the server will not take now is gone: there is no queue for it (contract 6.2). */
static void drop_limited(struct sentry *s, uint64_t now_ns)
{
	struct sentry_item item;

	if (sentry_limits_left_ns(&s->limits, SENTRY_CATEGORY_ERROR, now_ns) == 0)
		return;
	while (sentry_spool_next(&s->spool, &item)) {
		sentry_spool_done(&s->spool, &item);
		sentry_item_end(&item);
		s->spool.losses.count[SENTRY_LOSS_RATELIMIT_BACKOFF]++;
	}
}

static int write_envelope(struct sentry *s, const struct sentry_item *item,
                          const struct sentry_losses *losses, char **ret, size_t *ret_n,
                          struct err *err)
{
	return sentry_envelope_write(&s->identity, item->body, item->bytes,
	                             sentry_losses_any(losses) ? losses : NULL, s->utc_ns(), ret,
	                             ret_n, err);
}

static int post(struct sentry *s, const char *envelope, size_t n)
{
	char auth[sizeof("X-Sentry-Auth: ") + SENTRY_AUTH_BYTES] = "X-Sentry-Auth: ";
	char client[80];
	struct sentry_request request = {
		.url = s->dsn.endpoint,
		.user_agent = client,
		.headers = { "Content-Type: " SENTRY_ENVELOPE_TYPE, auth },
		.body = envelope,
		.body_bytes = n,
		.timeout_ns = TIMEOUT_NS,
		.reply_bytes_max = REPLY_BYTES_MAX,
	};
	size_t name = sizeof("X-Sentry-Auth: ") - 1;
	int r;

	snprintf(client, sizeof(client), "%s/%s", s->identity.program, s->identity.version);
	r = sentry_dsn_auth(&s->dsn, client, auth + name, sizeof(auth) - name);
	return r < 0 ? r : s->transport.post(s->transport.self, &request, on_done, s);
}

static void begin_flight(struct sentry *s, const char *envelope, size_t n, uint64_t now_ns)
{
	s->flight.active = true;
	s->flight.until_ns = now_ns + FLIGHT_NS;
	if (post(s, envelope, n) < 0)
		end_flight(s, SENTRY_UNSENT);
}

/* The next report, and what was lost, as far as the server takes each. */
static void send_next(struct sentry *s, uint64_t now_ns)
{
	CLEANUP(freep) char *envelope = NULL;
	struct sentry_flight *f = &s->flight;
	uint64_t wait_ns = sentry_limits_left_ns(&s->limits, SENTRY_CATEGORY_INTERNAL, now_ns);
	size_t n;
	int r;

	drop_limited(s, now_ns);
	f->has_item = sentry_spool_next(&s->spool, &f->item);
	if (wait_ns == 0)
		f->losses = TAKE(s->spool.losses, (struct sentry_losses){});
	if (!f->has_item && !sentry_losses_any(&f->losses)) {
		s->send_ns =
			sentry_losses_any(&s->spool.losses) ? now_ns + wait_ns : CLOCK_NEVER_NS;
		return;
	}
	r = write_envelope(s, &f->item, &f->losses, &envelope, &n, NULL);
	if (r < 0) {
		s->spool.losses.count[SENTRY_LOSS_INTERNAL] += r != -ENOMEM;
		end_flight(s, r == -ENOMEM ? SENTRY_UNSENT : SENTRY_LIMITED);
		return;
	}
	begin_flight(s, envelope, n, now_ns);
}

uint64_t sentry_turn(struct sentry *s)
{
	uint64_t now_ns;

	if (!s)
		return CLOCK_NEVER_NS;
	now_ns = s->now_ns();
	if (s->flight.active && now_ns >= s->flight.until_ns) {
		s->transport.cancel(s->transport.self);
		end_flight(s, SENTRY_UNSENT);
	}
	if (s->flight.active)
		return s->flight.until_ns;
	if (s->held)
		return CLOCK_NEVER_NS;
	sentry_spool_settle(&s->spool, &s->quota);
	want_losses_told(s, now_ns);
	if (later(s->send_ns, s->not_before_ns) <= now_ns)
		send_next(s, now_ns);
	if (s->flight.active)
		return s->flight.until_ns;
	return s->send_ns == CLOCK_NEVER_NS ? CLOCK_NEVER_NS : later(s->send_ns, s->not_before_ns);
}

/* --- what the daemon says ------------------------------------------------------------------------------------ */

void sentry_hold(struct sentry *s, bool hold)
{
	if (!s)
		return;
	s->held = hold;
	if (hold)
		sentry_send_cancel(s);
}

/* What is left is sent without the spread over a minute; not against a server that did not answer lately. */
void sentry_stop(struct sentry *s)
{
	uint64_t now_ns;

	if (!s || s->stopping)
		return;
	now_ns = s->now_ns();
	sentry_spool_settle(&s->spool, &s->quota);
	s->stopping = true;
	s->stop_ns = now_ns + STOP_NS;
	if (s->backoff.next_ns == 0 && s->refused == 0)
		s->not_before_ns = earlier(s->not_before_ns, now_ns + PACE_NS);
	s->send_ns = now_ns;
}

bool sentry_stopped(struct sentry *s)
{
	if (!s || !s->stopping || s->now_ns() >= s->stop_ns)
		return true;
	if (s->flight.active)
		return false;
	return s->held || later(s->send_ns, s->not_before_ns) >= s->stop_ns;
}

int sentry_next_envelope(struct sentry *s, char **ret, size_t *ret_n, struct err *err)
{
	struct sentry_item item = {};
	int r;

	if (!s)
		return SENTRY_OFF;
	if (!sentry_spool_next(&s->spool, &item) && !sentry_losses_any(&s->spool.losses))
		return SENTRY_OFF;
	r = write_envelope(s, &item, &s->spool.losses, ret, ret_n, err);
	sentry_item_end(&item);
	return r;
}
