#include "bench/fleet/world.h"

#include <err.h>
#include <stdlib.h>

#include "agent/schedule/backoff.h"
#include "agent/schedule/schedule.h"
#include "agent/service/cable_frames.h"
#include "agent/service/cable_state.h"
#include "agent/service/heartbeat.h"
#include "agent/service/service.h"
#include "bench/fleet/wheel.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"

#define BEAT_EVERY_NS (15 * NS_PER_S)
#define SPACING_NS    (60 * NS_PER_S)
#define PING_MS       3000
#define WORKERS       40

#define RTT_LEAST_MS  10
#define RTT_MOST_MS   120
#define PING_LATE_MS  20 /* up to */
#define TEST_LEAST_MS 20000
#define TEST_MOST_MS  26000
#define INSTALL_MS    11000 /* fetching, checking, starting again */

enum kind {
	/* at the pod */
	STARTS,
	WAKES,
	CONNECTED,
	OPENED,
	WELCOMED,
	CONFIRMED,
	PINGED,
	ENDED, /* by the service, or refused */
	BEAT_ANSWERED,
	BEAT_FAILED,
	ORDERED,
	TEST_ENDS,
	UPLOADED,
	TOLD_OF_UPDATE,
	FETCHES,
	STARTS_AGAIN,
	/* at the service */
	DIALS,
	SUBSCRIBES,
	SYNCS,
	PONGS,
	CLOSES,
	BEATS,
	UPLOADS,
	WORKER_PINGS, /* `pod` is the worker */
};

struct pod {
	struct cable_state cable;
	struct heartbeat beat;
	struct schedule schedule;
	uint64_t random;
	uint64_t wake_ms; /* an event is queued for it */
	uint64_t dialed_ms, beat_ms;
	uint64_t unseen_ms; /* since when the service does not see it; WHEEL_NEVER_MS: it does */
	uint32_t unseen_for_ms;
	uint32_t half_rtt_ms;
	uint16_t connection, call; /* the present one */
	bool started, open /* at the service */, was_unseen, asked /* over HTTP */;
};

struct world {
	struct world_options o;
	struct wheel *wheel;
	struct arrivals *arrivals;
	struct pod *pods;
	enum manner manner;
	uint64_t random;
	uint64_t back_ms; /* the service is there again since */
};

static uint64_t now_ns(const struct world *w)
{
	return wheel_now_ms(w->wheel) * NS_PER_MS;
}

static uint32_t number_of(const struct world *w, const struct pod *p)
{
	return (uint32_t)(p - w->pods);
}

static void after(struct world *w, struct pod *p, uint64_t ms, enum kind kind, uint16_t life)
{
	wheel_push(w->wheel, wheel_now_ms(w->wheel) + ms,
	           (struct wheel_event){
			   .pod = number_of(w, p), .kind = (uint16_t)kind, .life = life });
}

static void count(struct world *w, enum arrival kind)
{
	arrivals_count(w->arrivals, wheel_now_ms(w->wheel), kind);
}

static uint64_t draw_ms(uint64_t *random, uint64_t least, uint64_t most)
{
	return least + draw_u64(random) % (most - least + 1);
}

/* --- what the service sees of a pod -------------------------------------------------------------------- */

static void lose_sight(struct world *w, struct pod *p)
{
	if (p->unseen_ms == WHEEL_NEVER_MS)
		p->unseen_ms = wheel_now_ms(w->wheel);
}

static void see(struct world *w, struct pod *p)
{
	uint64_t since_ms = p->unseen_ms > w->back_ms ? p->unseen_ms : w->back_ms;

	if (p->unseen_ms == WHEEL_NEVER_MS)
		return;
	p->unseen_ms = WHEEL_NEVER_MS;
	p->was_unseen = true;
	p->unseen_for_ms = (uint32_t)(wheel_now_ms(w->wheel) - since_ms);
}

/* --- a pod ------------------------------------------------------------------------------------------------ */

static void end_connection(struct pod *p)
{
	p->connection++;
	p->open = false;
}

static void do_step(struct world *w, struct pod *p, enum cable_what what)
{
	uint16_t life = p->connection;

	switch (what) {
	case CABLE_WAIT:
		break;
	case CABLE_DIAL:
		p->dialed_ms = wheel_now_ms(w->wheel);
		after(w, p, p->half_rtt_ms, DIALS, life);
		break;
	case CABLE_SUBSCRIBE:
		after(w, p, p->half_rtt_ms, SUBSCRIBES, life);
		break;
	case CABLE_SYNC:
		after(w, p, p->half_rtt_ms, SYNCS, life);
		break;
	case CABLE_PONG:
		after(w, p, p->half_rtt_ms, PONGS, life);
		break;
	case CABLE_CLOSE:
		after(w, p, p->half_rtt_ms, CLOSES, life);
		break;
	case CABLE_DROP:
		end_connection(p);
		heartbeat_socket_failed(&p->beat, now_ns(w));
		break;
	}
}

static uint64_t turn_cable(struct world *w, struct pod *p)
{
	struct cable_step step;

	do {
		step = cable_state_turn(&p->cable, now_ns(w), true);
		do_step(w, p, step.what);
	} while (step.what != CABLE_WAIT);
	heartbeat_socket_confirmed(&p->beat, p->cable.phase == CABLE_CONFIRMED, now_ns(w));
	return step.wake_ns;
}

static uint64_t turn_beat(struct world *w, struct pod *p)
{
	uint64_t wake_ns;

	if (heartbeat_turn(&p->beat, now_ns(w), &wake_ns)) {
		p->beat_ms = wheel_now_ms(w->wheel);
		after(w, p, p->half_rtt_ms, BEATS, ++p->call);
		after(w, p, SERVICE_TIMEOUT_NS / NS_PER_MS, BEAT_FAILED, p->call);
	}
	return wake_ns;
}

static uint64_t turn_schedule(struct world *w, struct pod *p)
{
	static const struct schedule_day day = { .left_ns = 24 * 3600 * NS_PER_S };
	struct schedule_test test;
	uint64_t wake_ns;

	if (schedule_turn(&p->schedule, now_ns(w), &day, &test, &wake_ns) == SCHEDULE_BEGIN)
		after(w, p, draw_ms(&p->random, TEST_LEAST_MS, TEST_MOST_MS), TEST_ENDS, 0);
	return wake_ns;
}

/* As the daemon does after whatever happens. */
static void advance(struct world *w, struct pod *p)
{
	uint64_t wake_ns = turn_cable(w, p), other_ns = turn_beat(w, p), wake_ms;

	wake_ns = other_ns < wake_ns ? other_ns : wake_ns;
	other_ns = turn_schedule(w, p);
	wake_ns = other_ns < wake_ns ? other_ns : wake_ns;
	if (wake_ns == CLOCK_NEVER_NS)
		return;
	wake_ms = (wake_ns + NS_PER_MS - 1) / NS_PER_MS;
	if (wake_ms >= p->wake_ms)
		return; /* it is looked at again before */
	p->wake_ms = wake_ms;
	wheel_push(w->wheel, wake_ms,
	           (struct wheel_event){ .pod = number_of(w, p), .kind = WAKES });
}

static void start(struct world *w, struct pod *p)
{
	struct schedule_options schedule = { .spacing_ns = SPACING_NS,
		                             .asked_within_ns =
		                                     SCHEDULE_ASKED_WITHIN_NS(w->o.spread_ns) };

	p->started = true;
	p->wake_ms = WHEEL_NEVER_MS;
	cable_state_start(&p->cable, w->o.spread_ns, now_ns(w), draw_u64(&p->random));
	heartbeat_start(&p->beat, BEAT_EVERY_NS, now_ns(w), draw_u64(&p->random));
	schedule_start(&p->schedule, &schedule, now_ns(w), draw_u64(&p->random));
}

static void stop(struct world *w, struct pod *p)
{
	end_connection(p);
	p->call++;
	p->started = false;
	p->wake_ms = WHEEL_NEVER_MS;
	lose_sight(w, p);
	after(w, p, 1000, STARTS_AGAIN, 0);
}

static void ask(struct pod *p)
{
	struct schedule_interfaces by_default = { .count = 1 };

	schedule_ask(&p->schedule, &by_default);
}

static void take_frame(struct world *w, struct pod *p, enum cable_kind kind)
{
	static struct cable_frame f; /* of a kilobyte, and read only as far as its kind says */

	f.kind = kind;
	cable_state_heard(&p->cable, now_ns(w));
	cable_state_took(&p->cable, &f, now_ns(w));
}

/* What a connection brings; it is the present one. */
static void on_connection(struct world *w, struct pod *p, enum kind kind)
{
	switch (kind) {
	case CONNECTED:
		cable_state_connected(&p->cable, now_ns(w));
		break;
	case OPENED:
		cable_state_opened(&p->cable, now_ns(w));
		break;
	case WELCOMED:
		take_frame(w, p, CABLE_WELCOME);
		break;
	case CONFIRMED:
		take_frame(w, p, CABLE_CONFIRM);
		break;
	case PINGED:
		take_frame(w, p, CABLE_PING);
		break;
	default: /* ENDED */
		end_connection(p);
		cable_state_ended(&p->cable, now_ns(w));
		heartbeat_socket_failed(&p->beat, now_ns(w));
	}
	advance(w, p);
}

static void on_beat_answered(struct world *w, struct pod *p, bool taken)
{
	p->call++;
	heartbeat_answered(&p->beat, taken ? HEARTBEAT_TAKEN : HEARTBEAT_FAILED, 0, now_ns(w));
	if (taken && p->asked)
		ask(p);
	advance(w, p);
}

static void on_order(struct world *w, struct pod *p, enum kind kind)
{
	switch (kind) {
	case ORDERED:
		ask(p);
		break;
	case TEST_ENDS:
		schedule_ended(&p->schedule, now_ns(w), true);
		schedule_set_delivering(&p->schedule, true);
		after(w, p, p->half_rtt_ms, UPLOADS, 0);
		break;
	case UPLOADED:
		schedule_set_delivering(&p->schedule, false);
		schedule_answered(&p->schedule);
		break;
	case TOLD_OF_UPDATE:
		after(w, p, backoff_spread(w->o.spread_ns, &p->random) / NS_PER_MS, FETCHES, 0);
		break;
	default: /* FETCHES */
		count(w, ARRIVAL_DOWNLOAD);
		after(w, p, INSTALL_MS, STARTS_AGAIN, 1);
	}
	advance(w, p);
}

/* --- the service ------------------------------------------------------------------------------------------ */

/* What is lost on the way is sent again, as Linux does: 1, 3, 7 and 15 s after the first time. */
static void send_again(struct world *w, struct pod *p, uint64_t began_ms, enum kind kind,
                       uint16_t life)
{
	uint64_t gone_ms = wheel_now_ms(w->wheel) - began_ms;

	for (uint64_t next_ms = 1000; next_ms <= 15000; next_ms = 2 * next_ms + 1000)
		if (next_ms > gone_ms) {
			after(w, p, next_ms - gone_ms + p->half_rtt_ms, kind, life);
			return;
		}
}

static void take_dial(struct world *w, struct pod *p, uint16_t life)
{
	if (w->manner == SILENT) {
		send_again(w, p, p->dialed_ms, DIALS, life);
		return;
	}
	count(w, ARRIVAL_CONNECT);
	if (w->manner == REFUSES) {
		after(w, p, p->half_rtt_ms, ENDED, life);
		return;
	}
	after(w, p, p->half_rtt_ms, CONNECTED, life);
	if (w->manner != SERVES) {
		after(w, p, 5 * p->half_rtt_ms, ENDED, life);
		return;
	}
	p->open = true;
	see(w, p);
	after(w, p, 5 * p->half_rtt_ms, OPENED, life);
	after(w, p, 5 * p->half_rtt_ms + 1, WELCOMED, life);
}

static void take_beat(struct world *w, struct pod *p, uint16_t life)
{
	if (w->manner == SILENT) {
		send_again(w, p, p->beat_ms, BEATS, life);
		return;
	}
	count(w, ARRIVAL_BEAT);
	if (w->manner == SERVES || w->manner == SOCKETLESS) {
		see(w, p);
		after(w, p, p->half_rtt_ms, BEAT_ANSWERED, life);
	} else {
		after(w, p, p->half_rtt_ms, BEAT_FAILED, life);
	}
}

/* On a connection that is open. */
static void take_message(struct world *w, struct pod *p, enum kind kind, uint16_t life)
{
	if (w->manner != SERVES || !p->open)
		return;
	if (kind == SUBSCRIBES) {
		count(w, ARRIVAL_SUBSCRIBE);
		after(w, p, p->half_rtt_ms, CONFIRMED, life);
	} else if (kind == SYNCS) {
		count(w, ARRIVAL_SYNC);
	} else if (kind == PONGS) {
		count(w, ARRIVAL_PONG);
	} else {
		after(w, p, p->half_rtt_ms, ENDED, life);
	}
}

static void ping_all(struct world *w, uint32_t worker)
{
	for (uint32_t i = worker; i < w->o.pods && w->manner == SERVES; i += WORKERS)
		if (w->pods[i].open)
			after(w, &w->pods[i],
			      w->pods[i].half_rtt_ms + draw_ms(&w->random, 0, PING_LATE_MS), PINGED,
			      w->pods[i].connection);
	wheel_push(w->wheel, wheel_now_ms(w->wheel) + PING_MS,
	           (struct wheel_event){ .pod = worker, .kind = WORKER_PINGS });
}

/* --- what happens -------------------------------------------------------------------------------------- */

static void on_start(struct world *w, struct pod *p, const struct wheel_event *e)
{
	if (e->kind == STARTS_AGAIN && e->life) {
		stop(w, p);
		return;
	}
	start(w, p);
	advance(w, p);
}

static void on_event(struct world *w, const struct wheel_event *e)
{
	struct pod *p = &w->pods[e->pod];

	if (e->kind == WORKER_PINGS) {
		ping_all(w, e->pod);
	} else if (e->kind == STARTS || e->kind == STARTS_AGAIN) {
		on_start(w, p, e);
	} else if (e->kind == UPLOADS) {
		count(w, ARRIVAL_UPLOAD);
		p->asked = false;
		after(w, p, p->half_rtt_ms, UPLOADED, 0);
	} else if (!p->started) {
		return;
	} else if (e->kind == WAKES) {
		if (e->at_ms != p->wake_ms)
			return;
		p->wake_ms = WHEEL_NEVER_MS;
		advance(w, p);
	} else if (e->kind == BEATS) {
		if (e->life == p->call)
			take_beat(w, p, e->life);
	} else if (e->kind == BEAT_ANSWERED || e->kind == BEAT_FAILED) {
		if (e->life == p->call)
			on_beat_answered(w, p, e->kind == BEAT_ANSWERED);
	} else if (e->kind >= ORDERED && e->kind <= FETCHES) {
		on_order(w, p, e->kind);
	} else if (e->life != p->connection) {
		return;
	} else if (e->kind == DIALS) {
		take_dial(w, p, e->life);
	} else if (e->kind > DIALS) {
		take_message(w, p, e->kind, e->life);
	} else {
		on_connection(w, p, e->kind);
	}
}

void world_run(struct world *w, uint64_t until_ms)
{
	struct wheel_event e;

	while (wheel_pop(w->wheel, until_ms, &e))
		on_event(w, &e);
}

/* --- what is done to it ------------------------------------------------------------------------------------- */

void world_set_manner(struct world *w, enum manner manner)
{
	bool cuts = w->manner == SERVES && manner != SILENT;

	for (uint32_t i = 0; i < w->o.pods && w->manner == SERVES; i++) {
		struct pod *p = &w->pods[i];

		lose_sight(w, p);
		if (cuts && p->open)
			after(w, p, p->half_rtt_ms, ENDED, p->connection);
		p->open = false;
	}
	if (manner == SERVES)
		w->back_ms = wheel_now_ms(w->wheel);
	w->manner = manner;
}

void world_order_tests(struct world *w)
{
	for (uint32_t i = 0; i < w->o.pods; i++) {
		w->pods[i].asked = true;
		if (w->pods[i].open)
			after(w, &w->pods[i], w->pods[i].half_rtt_ms, ORDERED, 0);
	}
}

void world_order_update(struct world *w)
{
	for (uint32_t i = 0; i < w->o.pods; i++)
		if (w->pods[i].open)
			after(w, &w->pods[i], w->pods[i].half_rtt_ms, TOLD_OF_UPDATE, 0);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

size_t world_unseen(struct world *w, uint32_t **ret_ms)
{
	uint32_t *all = calloc(w->o.pods, sizeof(*all));
	size_t n = 0;

	if (!all)
		err(2, "get memory for the waits of %u pods", w->o.pods);
	for (uint32_t i = 0; i < w->o.pods; i++)
		if (w->pods[i].was_unseen)
			all[n++] = w->pods[i].unseen_for_ms;
	qsort(all, n, sizeof(*all), by_value);
	*ret_ms = all;
	return n;
}

const struct arrivals *world_arrivals(const struct world *w)
{
	return w->arrivals;
}

uint64_t world_now_ms(const struct world *w)
{
	return wheel_now_ms(w->wheel);
}

struct world *world_new(const struct world_options *options)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		err(2, "get memory for the world");
	w->o = *options;
	w->random = options->seed;
	w->wheel = wheel_new();
	w->arrivals = arrivals_new(options->end_ms);
	w->pods = calloc(options->pods, sizeof(*w->pods));
	if (!w->pods)
		err(2, "get memory for %u pods", options->pods);
	for (uint32_t i = 0; i < options->pods; i++) {
		struct pod *p = &w->pods[i];

		p->random = draw_u64(&w->random);
		p->half_rtt_ms = (uint32_t)draw_ms(&p->random, RTT_LEAST_MS, RTT_MOST_MS) / 2;
		p->unseen_ms = WHEEL_NEVER_MS;
		after(w, p, draw_ms(&p->random, 0, options->start_ms), STARTS, 0);
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		wheel_push(w->wheel, draw_ms(&w->random, 0, PING_MS),
		           (struct wheel_event){ .pod = i, .kind = WORKER_PINGS });
	return w;
}
