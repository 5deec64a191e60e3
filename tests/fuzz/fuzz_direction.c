/* Any bytes as a scenario and its packets: the accounts hold after every step, packets come out in
 * the order they are due, and a caller that looks rarely sees what one sees that looks whenever
 * there is something to see. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/direction.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"

#define START_NS    (3 * NS_PER_S)
#define STEPS_MAX   4096
#define CHANGES_MAX 8
#define TRACE_MAX   8

/* What any of ours reads of a packet. */
#define HEAD_BYTES 40

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* --- the input as numbers --------------------------------------------------------------------- */

struct input {
	const uint8_t *at;
	size_t n;
};

/* In [0, max], of as many bytes as that takes; 0 where there are none left. */
static uint64_t take(struct input *in, uint64_t max)
{
	uint64_t value = 0;

	for (uint64_t rest = max; rest > 0; rest >>= 8) {
		value = value << 8 | (in->n > 0 ? *in->at : 0);
		in->at += in->n > 0;
		in->n -= in->n > 0;
	}
	return max == UINT64_MAX ? value : value % (max + 1);
}

static double take_p(struct input *in)
{
	return (double)take(in, UINT8_MAX) / UINT8_MAX;
}

/* Short as often as long. */
static uint64_t take_time_ns(struct input *in)
{
	static const uint64_t most_ns[] = { 0, NS_PER_MS, NS_PER_S, SCENARIO_TIME_MAX_NS };

	return take(in, most_ns[take(in, 3)]);
}

static uint64_t take_rate_bps(struct input *in)
{
	static const uint64_t most_bps[] = { 0, 1000000, 1000000000, SCENARIO_RATE_MAX_BPS };
	uint64_t kind = take(in, 4);

	return kind == 4 ? UINT64_MAX : take(in, most_bps[kind]);
}

static uint64_t take_limit(struct input *in, uint64_t max)
{
	return take(in, 1) ? UINT64_MAX : take(in, max);
}

static size_t take_changes(struct input *in, struct scenario_change changes[CHANGES_MAX])
{
	size_t n = take(in, CHANGES_MAX);
	uint64_t at_ns = 0;

	for (size_t i = 0; i < n; i++) {
		struct scenario_change *c = &changes[i];

		*c = (struct scenario_change){ .at_ns = at_ns += take_time_ns(in) };
		c->has_rate = take(in, 1);
		c->has_delay = take(in, 1);
		c->has_loss = take(in, 1);
		c->rate_bps = c->has_rate ? take_rate_bps(in) : 0;
		c->delay_ns = c->has_delay ? take_time_ns(in) : 0;
		c->loss = c->has_loss ? take_p(in) : 0;
	}
	return n;
}

static size_t take_trace(struct input *in, uint64_t trace_ns[TRACE_MAX])
{
	size_t n = take(in, TRACE_MAX);
	uint64_t at_ns = 0;

	for (size_t i = 0; i < n; i++)
		trace_ns[i] = at_ns += take(in, 1000) * NS_PER_MS;
	return at_ns > 0 ? n : 0; /* one that ends at 0 is no trace */
}

static void take_models(struct input *in, struct scenario_direction *s)
{
	s->aqm = (enum queue_aqm)take(in, QUEUE_CODEL);
	s->codel_target_ns = take(in, NS_PER_S);
	s->codel_interval_ns = s->codel_target_ns + 1 + take(in, NS_PER_S);
	s->codel_ecn = take(in, 1);
	s->loss = (enum loss_model)take(in, LOSS_GILBERT_ELLIOTT);
	s->loss_p = take_p(in);
	s->enter_bad_p = take_p(in);
	s->leave_bad_p = take_p(in);
	s->loss_good_p = take_p(in);
	s->loss_bad_p = take_p(in);
	s->duplicate_p = take_p(in);
	s->reorder_p = take_p(in);
	s->reorder_ns = take_time_ns(in);
	s->policer_bps = take(in, 1) ? take_rate_bps(in) : 0;
	s->policer_bytes = take(in, UINT32_MAX);
	s->aggregate_packets = (uint32_t)take(in, UINT8_MAX);
	s->aggregate_gap_ns = take_time_ns(in);
	s->black_hole_bytes = take(in, 1) ? (uint32_t)take(in, UINT16_MAX) : 0;
}

static struct scenario_direction take_scenario(struct input *in, struct scenario_change *changes,
                                               uint64_t *trace_ns)
{
	struct scenario_direction s = { .changes = changes, .trace_ns = trace_ns };

	s.rate_bps = take_rate_bps(in);
	s.overhead_bytes = (uint32_t)take(in, UINT16_MAX);
	s.delay_ns = take_time_ns(in);
	s.jitter = (enum jitter_distribution)take(in, JITTER_EXPONENTIAL);
	s.jitter_ns = take_time_ns(in);
	s.jitter_reorders = take(in, 1);
	s.queue_bytes = take_limit(in, UINT16_MAX);
	s.queue_packets = take_limit(in, UINT8_MAX);
	s.queue_ns = take_limit(in, NS_PER_S);
	take_models(in, &s);
	s.change_count = take_changes(in, changes);
	s.trace_count = take_trace(in, trace_ns);
	s.trace_bytes = 100 + (uint32_t)take(in, UINT16_MAX - 100);
	return s;
}

/* --- one run ------------------------------------------------------------------------------------ */

struct run {
	struct direction *d;
	struct direction_amount told[DROP_REASONS];
	uint64_t last_due_ns;
	uint64_t pops, drops; /* digests */
};

static void digest(uint64_t *d, uint64_t value)
{
	*d ^= value;
	*d = draw_u64(d);
}

static void count_drop(void *owner, const struct packet *p, enum drop_reason reason,
                       uint64_t now_ns)
{
	struct run *r = owner;

	CHECK(now_ns >= p->arrived_ns && reason < DROP_REASONS);
	r->told[reason].packets++;
	r->told[reason].bytes += p->bytes;
	digest(&r->drops, p->order);
	digest(&r->drops, reason);
	digest(&r->drops, now_ns);
}

static void check_accounts(const struct run *r)
{
	const struct direction_counts *c = direction_counts(r->d);
	uint64_t packets = c->popped.packets + c->queued.packets + c->in_flight.packets;
	uint64_t bytes = c->popped.bytes + c->queued.bytes + c->in_flight.bytes;

	for (int i = 0; i < DROP_REASONS; i++) {
		CHECK(memcmp(&c->dropped[i], &r->told[i], sizeof(r->told[i])) == 0);
		packets += c->dropped[i].packets;
		bytes += c->dropped[i].bytes;
	}
	CHECK(packets == c->offered.packets + c->copies.packets);
	CHECK(bytes == c->offered.bytes + c->copies.bytes);
}

static void drain(struct run *r, uint64_t now_ns)
{
	for (struct packet *p = direction_pop(r->d, now_ns); p; p = direction_pop(r->d, now_ns)) {
		CHECK(p->due_ns <= now_ns && p->due_ns >= r->last_due_ns);
		CHECK(p->due_ns >= p->arrived_ns);
		r->last_due_ns = p->due_ns;
		digest(&r->pops, p->order);
		digest(&r->pops, p->due_ns);
		digest(&r->pops, p->duplicate);
		packet_free(p);
	}
	check_accounts(r);
}

static void push(struct run *r, struct input *in, uint64_t now_ns)
{
	uint16_t bytes = (uint16_t)(HEAD_BYTES + take(in, PACKET_MAX_BYTES - HEAD_BYTES));
	struct packet *p = packet_new(bytes);

	CHECK(p);
	memset(p->data, 0, HEAD_BYTES);
	p->data[0] = 0x60;
	p->data[1] = (uint8_t)(take(in, 3) << 4);
	p->arrived_ns = now_ns;
	direction_push(r->d, p);
	check_accounts(r);
}

/* Two halves of a time, and the whole: the same but for a byte a change. */
static void check_capacity(const struct run *r, uint64_t from_ns, uint64_t middle_ns,
                           uint64_t to_ns)
{
	uint64_t first = direction_capacity_bytes(r->d, from_ns, middle_ns);
	uint64_t second = direction_capacity_bytes(r->d, middle_ns, to_ns);
	uint64_t whole = direction_capacity_bytes(r->d, from_ns, to_ns);

	if (first == UINT64_MAX || second == UINT64_MAX)
		CHECK(whole == UINT64_MAX);
	else
		CHECK(whole - first - second <= CHANGES_MAX ||
		      first + second - whole <= CHANGES_MAX);
}

static struct run play(struct input in, bool eager)
{
	struct scenario_change changes[CHANGES_MAX];
	uint64_t trace_ns[TRACE_MAX], now_ns = START_NS;
	struct scenario_direction s = take_scenario(&in, changes, trace_ns);
	struct run r = {};

	CHECK(direction_open(&s, LINK_UP, take(&in, UINT8_MAX), START_NS, count_drop, &r, &r.d,
	                     NULL) == 0);
	for (int i = 0; i < STEPS_MAX && in.n > 0; i++) {
		uint64_t next_ns = now_ns + take_time_ns(&in);

		while (eager && direction_next_ns(r.d) <= next_ns) {
			uint64_t at_ns = direction_next_ns(r.d);

			drain(&r, at_ns);
			CHECK(direction_next_ns(r.d) > at_ns);
		}
		push(&r, &in, next_ns);
		check_capacity(&r, START_NS, now_ns, next_ns);
		now_ns = next_ns;
	}
	drain(&r, CLOCK_NEVER_NS - 1);
	CHECK(direction_counts(r.d)->in_flight.packets == 0);
	direction_close(r.d);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct input in = { data, n };
	struct run eager = play(in, true), lazy = play(in, false);

	CHECK(eager.pops == lazy.pops && eager.drops == lazy.drops);
	return 0;
}
