#include "bench/link/direction.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "bench/link/codel.h"
#include "bench/link/delay.h"
#include "bench/link/flight.h"
#include "bench/link/line.h"
#include "bench/link/loss.h"
#include "bench/link/policer.h"
#include "bench/link/queue.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"
#include "transport/base/err.h"

/* Random numbers: one stream each. The order is part of what a seed means. */
enum stream {
	STREAM_BERNOULLI,
	STREAM_GILBERT_ELLIOTT,
	STREAM_COPY,
	STREAM_REORDER,
	STREAM_JITTER,
	STREAM_COPY_JITTER,
	STREAMS,
};

struct direction {
	const struct scenario_direction *s;
	direction_dropped dropped;
	void *owner;
	uint64_t start_ns;
	size_t next_change; /* of s->changes, for delay and loss; the line reads them itself */

	struct policer policer;
	struct queue queue; /* what waits */
	struct codel codel;
	struct line line;
	struct queue on_line;
	uint64_t left_ns; /* when on_line has left the line */
	struct loss loss;
	uint64_t copy_random;
	struct delay delay;
	struct flight flight;

	uint64_t line_ns; /* when the line next has something to do */
	struct direction_counts counts;
};

static void add(struct direction_amount *a, const struct packet *p)
{
	a->packets++;
	a->bytes += p->bytes;
}

static void subtract(struct direction_amount *a, const struct packet *p)
{
	a->packets--;
	a->bytes -= p->bytes;
}

static void drop(struct direction *d, struct packet *p, enum drop_reason reason, uint64_t now_ns)
{
	add(&d->counts.dropped[reason], p);
	d->dropped(d->owner, p, reason, now_ns);
	packet_free(p);
}

/* --- after the line --------------------------------------------------------------------------- */

/* What the schedule says of delay and loss at now_ns. */
static void apply_changes(struct direction *d, uint64_t now_ns)
{
	for (; d->next_change < d->s->change_count; d->next_change++) {
		const struct scenario_change *c = &d->s->changes[d->next_change];

		if (now_ns < d->start_ns || now_ns - d->start_ns < c->at_ns)
			return;
		if (c->has_delay)
			d->delay.propagation_ns = c->delay_ns;
		if (c->has_loss)
			loss_set_bernoulli(&d->loss, c->loss);
	}
}

static void fly(struct direction *d, struct packet *p, uint64_t due_ns, uint64_t now_ns)
{
	p->due_ns = due_ns;
	if (flight_push(&d->flight, p))
		add(&d->counts.in_flight, p);
	else
		drop(d, p, DROP_CEILING, now_ns);
}

static uint64_t held_bytes(const struct direction *d)
{
	const struct direction_amount *queued = &d->counts.queued, *flying = &d->counts.in_flight;

	return queued->bytes + flying->bytes +
	       (queued->packets + flying->packets) * sizeof(struct packet);
}

static bool is_full(const struct direction *d, const struct packet *p)
{
	return held_bytes(d) + sizeof(*p) + p->bytes > DIRECTION_HELD_MAX_BYTES;
}

static void fly_copy(struct direction *d, const struct packet *p, uint64_t now_ns)
{
	struct packet *copy = is_full(d, p) ? NULL : packet_copy(p);

	add(&d->counts.copies, p);
	if (copy) {
		fly(d, copy, delay_copy_due_ns(&d->delay, now_ns), now_ns);
		return;
	}
	add(&d->counts.dropped[DROP_CEILING], p);
	d->dropped(d->owner, p, DROP_CEILING, now_ns);
}

/* Every draw is made, whatever comes of it: direction.h. */
static void decide_fate(struct direction *d, struct packet *p, uint64_t now_ns)
{
	bool lost = loss_hits(&d->loss);
	bool copied = draw_uniform(&d->copy_random) < d->s->duplicate_p;
	uint64_t due_ns = delay_due_ns(&d->delay, now_ns);

	if (copied && !lost)
		fly_copy(d, p, now_ns);
	subtract(&d->counts.queued, p);
	if (lost)
		drop(d, p, DROP_LOSS, now_ns);
	else
		fly(d, p, due_ns, now_ns);
}

/* --- the line --------------------------------------------------------------------------------- */

static void plan(struct direction *d)
{
	if (d->on_line.head)
		d->line_ns = d->left_ns;
	else if (d->queue.head)
		d->line_ns = line_ready_ns(&d->line, d->queue.head->arrived_ns);
	else
		d->line_ns = CLOCK_NEVER_NS;
}

static void drop_by_codel(void *owner, struct packet *p, uint64_t now_ns)
{
	struct direction *d = owner;

	subtract(&d->counts.queued, p);
	drop(d, p, DROP_AQM, now_ns);
}

static struct packet *dequeue(struct direction *d, uint64_t now_ns)
{
	struct packet *p;

	if (d->s->aqm != QUEUE_CODEL)
		return queue_pop(&d->queue);
	p = codel_dequeue(&d->codel, &d->queue, now_ns);
	d->counts.ce_marked = d->codel.ce_marked;
	return p;
}

/* What waits takes the line: one packet, or as many as go at once. */
static void begin(struct direction *d, uint64_t now_ns)
{
	uint64_t packets_max = d->s->aggregate_packets > 0 ? d->s->aggregate_packets : 1;
	uint64_t line_bytes = 0;

	while (d->on_line.packets < packets_max && line_bytes < LINE_SEND_MAX_BYTES / 2) {
		struct packet *p = dequeue(d, now_ns);

		if (!p)
			break;
		line_bytes += (uint64_t)p->bytes + d->s->overhead_bytes;
		queue_push(&d->on_line, p);
	}
	if (d->on_line.head)
		d->left_ns = line_send(&d->line, now_ns, line_bytes);
}

static void leave(struct direction *d, uint64_t now_ns)
{
	apply_changes(d, now_ns);
	for (struct packet *p = queue_pop(&d->on_line); p; p = queue_pop(&d->on_line))
		decide_fate(d, p, now_ns);
}

void direction_advance(struct direction *d, uint64_t now_ns)
{
	while (d->line_ns <= now_ns && d->line_ns != CLOCK_NEVER_NS) {
		if (d->on_line.head)
			leave(d, d->line_ns);
		else
			begin(d, d->line_ns);
		plan(d);
	}
}

/* --- the entrance ----------------------------------------------------------------------------- */

static bool meets_free_line(struct direction *d, const struct packet *p)
{
	return !d->on_line.head && !d->queue.head &&
	       line_ready_ns(&d->line, p->arrived_ns) == p->arrived_ns;
}

static uint64_t limit_line_bytes(const struct direction *d, uint64_t now_ns)
{
	uint64_t rate_bps;

	if (d->s->queue_ns == UINT64_MAX)
		return UINT64_MAX;
	rate_bps = line_buffer_bps(&d->line, now_ns);
	return rate_bps == UINT64_MAX ? UINT64_MAX : line_bits(rate_bps, d->s->queue_ns) / 8;
}

static bool fits_queue(struct direction *d, const struct packet *p)
{
	struct queue_limit limit = {
		.packets = d->s->queue_packets,
		.bytes = d->s->queue_bytes,
		.line_bytes = limit_line_bytes(d, p->arrived_ns),
		.overhead_bytes = d->s->overhead_bytes,
	};

	return queue_has_room(&d->queue, &limit, p->bytes) || meets_free_line(d, p);
}

/* Why it cannot enter; DROP_REASONS: it can. */
static enum drop_reason refusal(struct direction *d, const struct packet *p)
{
	if (d->s->black_hole_bytes > 0 && p->bytes > d->s->black_hole_bytes)
		return DROP_BLACK_HOLE;
	if (!policer_passes(&d->policer, p->bytes, p->arrived_ns))
		return DROP_POLICER;
	if (!fits_queue(d, p))
		return DROP_QUEUE;
	return is_full(d, p) ? DROP_CEILING : DROP_REASONS;
}

void direction_push(struct direction *d, struct packet *p)
{
	uint64_t now_ns = p->arrived_ns;
	enum drop_reason reason;

	direction_advance(d, now_ns);
	add(&d->counts.offered, p);
	p->order = d->counts.offered.packets;
	reason = refusal(d, p);
	if (reason != DROP_REASONS) {
		drop(d, p, reason, now_ns);
		return;
	}
	add(&d->counts.queued, p);
	queue_push(&d->queue, p);
	if (d->queue.head == p)
		plan(d);
	direction_advance(d, now_ns);
}

/* --- the way out ------------------------------------------------------------------------------ */

struct packet *direction_pop(struct direction *d, uint64_t now_ns)
{
	struct packet *p;

	direction_advance(d, now_ns);
	if (flight_next_ns(&d->flight) > now_ns)
		return NULL;
	p = flight_pop(&d->flight);
	if (!p)
		return NULL;
	subtract(&d->counts.in_flight, p);
	add(&d->counts.popped, p);
	return p;
}

uint64_t direction_next_ns(const struct direction *d)
{
	uint64_t due_ns = flight_next_ns(&d->flight);

	return due_ns < d->line_ns ? due_ns : d->line_ns;
}

const struct direction_counts *direction_counts(const struct direction *d)
{
	return &d->counts;
}

uint64_t direction_capacity_bytes(const struct direction *d, uint64_t from_ns, uint64_t to_ns)
{
	return line_capacity_bytes(&d->line, from_ns, to_ns);
}

/* --- birth and end ---------------------------------------------------------------------------- */

/* Where a model's random numbers begin. */
static uint64_t stream_seed(uint64_t seed, enum link_direction which, enum stream stream)
{
	uint64_t key = (uint64_t)which * STREAMS + stream;

	return draw_u64(&seed) ^ draw_u64(&key);
}

CLEANUP_DEFINE(direction_closep, struct direction *, direction_close)

static void set_models(struct direction *d, enum link_direction which, uint64_t seed)
{
	const struct scenario_direction *s = d->s;

	d->policer = policer_of(s->policer_bps, s->policer_bytes, d->start_ns);
	d->codel = (struct codel){
		.target_ns = s->codel_target_ns,
		.interval_ns = s->codel_interval_ns,
		.ecn = s->codel_ecn,
		.dropped = drop_by_codel,
		.owner = d,
	};
	d->loss = loss_of(s, stream_seed(seed, which, STREAM_BERNOULLI),
	                  stream_seed(seed, which, STREAM_GILBERT_ELLIOTT));
	d->copy_random = stream_seed(seed, which, STREAM_COPY);
	d->delay = delay_of(s, stream_seed(seed, which, STREAM_JITTER),
	                    stream_seed(seed, which, STREAM_REORDER),
	                    stream_seed(seed, which, STREAM_COPY_JITTER));
}

int direction_open(const struct scenario_direction *s, enum link_direction which, uint64_t seed,
                   uint64_t start_ns, direction_dropped dropped, void *owner,
                   struct direction **ret, struct err *err)
{
	CLEANUP(direction_closep) struct direction *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a link's direction");
	d->s = s;
	d->dropped = dropped;
	d->owner = owner;
	d->start_ns = start_ns;
	d->line_ns = CLOCK_NEVER_NS;
	set_models(d, which, seed);
	r = line_open(&d->line, s, start_ns, err);
	if (r < 0)
		return r;
	*ret = TAKE(d, NULL);
	return 0;
}

struct direction *direction_close(struct direction *d)
{
	if (!d)
		return NULL;
	queue_clear(&d->queue);
	queue_clear(&d->on_line);
	flight_clear(&d->flight);
	line_close(&d->line);
	free(d);
	return NULL;
}
