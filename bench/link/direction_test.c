/* A direction in virtual time: its rate, its accounts, and that a seed says everything. */
#include "bench/link/direction.h"

#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"

#define START_NS (1000 * NS_PER_S) /* never 0, as the clock's is not */
#define MTU      1500

static const struct scenario_direction wire = {
	.rate_bps = UINT64_MAX,
	.queue_bytes = UINT64_MAX,
	.queue_packets = UINT64_MAX,
	.queue_ns = UINT64_MAX,
	.codel_target_ns = 5 * NS_PER_MS,
	.codel_interval_ns = 100 * NS_PER_MS,
};

/* --- one direction and what came of its packets ------------------------------------------------ */

struct bench {
	struct scenario_direction s;
	struct direction *d;
	struct direction_amount told[DROP_REASONS]; /* by the callback */
	uint64_t last_due_ns, last_order;
	uint64_t out_of_order; /* pops that were due before the one popped before */
};

static void count_drop(void *owner, const struct packet *p, enum drop_reason reason,
                       uint64_t now_ns)
{
	struct bench *b = owner;

	assert_true(now_ns >= p->arrived_ns);
	b->told[reason].packets++;
	b->told[reason].bytes += p->bytes;
}

static void bench_open(struct bench *b, uint64_t seed)
{
	assert_int_equal(
		direction_open(&b->s, LINK_DOWN, seed, START_NS, count_drop, b, &b->d, NULL), 0);
}

static void push(struct bench *b, uint16_t bytes, uint64_t at_ns)
{
	struct packet *p = packet_new(bytes);

	assert_non_null(p);
	memset(p->data, 0, bytes);
	p->arrived_ns = at_ns;
	direction_push(b->d, p);
}

static void check_accounts(const struct bench *b)
{
	const struct direction_counts *c = direction_counts(b->d);
	struct direction_amount in = c->offered, out = c->popped;

	in.packets += c->copies.packets;
	in.bytes += c->copies.bytes;
	out.packets += c->queued.packets + c->in_flight.packets;
	out.bytes += c->queued.bytes + c->in_flight.bytes;
	for (int i = 0; i < DROP_REASONS; i++) {
		out.packets += c->dropped[i].packets;
		out.bytes += c->dropped[i].bytes;
		assert_int_equal(c->dropped[i].packets, b->told[i].packets);
		assert_int_equal(c->dropped[i].bytes, b->told[i].bytes);
	}
	assert_int_equal(in.packets, out.packets);
	assert_int_equal(in.bytes, out.bytes);
}

static struct packet *pop(struct bench *b, uint64_t now_ns)
{
	struct packet *p = direction_pop(b->d, now_ns);

	if (!p)
		return NULL;
	assert_true(p->due_ns <= now_ns);
	b->out_of_order += p->due_ns < b->last_due_ns;
	b->last_due_ns = p->due_ns;
	b->last_order = p->order;
	return p;
}

/* Pops all that is due; answers their bytes. */
static uint64_t drain(struct bench *b, uint64_t now_ns)
{
	uint64_t bytes = 0;

	for (struct packet *p = pop(b, now_ns); p; p = pop(b, now_ns)) {
		bytes += p->bytes;
		packet_free(p);
	}
	return bytes;
}

/* --- rates ------------------------------------------------------------------------------------- */

struct rate_case {
	const char *name;
	uint64_t rate_bps;
	uint32_t overhead_bytes;
	uint64_t late_max_ns; /* of the caller, by chance */
};

static const struct rate_case rate_cases[] = {
	{ "56 kbit/s", 56000, 0, 0 },
	{ "1 Mbit/s, late", 1000000, 0, 10 * NS_PER_MS },
	{ "10 Mbit/s with 26 bytes of overhead", 10000000, 26, NS_PER_MS },
	{ "a rate whose packets take no whole number of ns", 333333333, 0, NS_PER_MS },
	{ "300 Mbit/s", 300000000, 0, 0 },
	{ "1 Gbit/s, late", 1000000000, 18, 3 * NS_PER_MS },
};

/* Three packets are always there to be sent, or were before the caller slept. */
static void keeps_its_rate(void **state)
{
	const struct rate_case *c = *state;
	struct bench b = { .s = wire };
	uint64_t now_ns = START_NS, end_ns = START_NS + 10 * NS_PER_S, random = 1, bytes = 0;
	uint64_t packet_ns, want;

	b.s.rate_bps = c->rate_bps;
	b.s.overhead_bytes = c->overhead_bytes;
	packet_ns = (MTU + c->overhead_bytes) * 8 * NS_PER_S / c->rate_bps;
	bench_open(&b, 1);
	while (now_ns < end_ns) {
		const struct direction_counts *n = direction_counts(b.d);
		uint64_t late_ns = c->late_max_ns ? draw_u64(&random) % c->late_max_ns : 0;
		uint64_t next_ns = now_ns + packet_ns / 2 + late_ns;
		uint64_t ahead = (next_ns - now_ns) / packet_ns + 3;

		while (n->queued.packets < ahead)
			push(&b, MTU, now_ns);
		now_ns = next_ns < end_ns ? next_ns : end_ns;
		bytes += drain(&b, now_ns);
	}
	want = c->rate_bps / 8 * 10 * MTU / (MTU + c->overhead_bytes);
	assert_in_range(bytes, want - MTU, want);
	check_accounts(&b);
	direction_close(b.d);
}

/* --- what all models together do to 100,000 packets -------------------------------------------- */

static struct scenario_change some_changes[] = {
	{ .at_ns = 100 * NS_PER_MS, .has_rate = true, .rate_bps = 0 },
	{ .at_ns = 150 * NS_PER_MS, .has_rate = true, .rate_bps = 50000000 },
	{ .at_ns = 300 * NS_PER_MS, .has_delay = true, .delay_ns = 2 * NS_PER_MS },
	{ .at_ns = 1000 * NS_PER_MS, .has_rate = true, .rate_bps = UINT64_MAX },
	{ .at_ns = 1100 * NS_PER_MS, .has_rate = true, .rate_bps = 90000000 },
	{ .at_ns = 2000 * NS_PER_MS, .has_loss = true, .loss = 0.1 },
};

static struct scenario_direction everything(bool reorders)
{
	struct scenario_direction s = wire;

	s.rate_bps = 20000000;
	s.overhead_bytes = 18;
	s.delay_ns = 10 * NS_PER_MS;
	s.jitter = JITTER_NORMAL;
	s.jitter_ns = 3 * NS_PER_MS;
	s.jitter_reorders = reorders;
	s.queue_bytes = 300000;
	s.queue_packets = 900;
	s.queue_ns = 200 * NS_PER_MS;
	s.aqm = QUEUE_CODEL;
	s.codel_ecn = true;
	s.loss = LOSS_GILBERT_ELLIOTT;
	s.enter_bad_p = 0.01;
	s.leave_bad_p = 0.2;
	s.loss_good_p = 0.001;
	s.loss_bad_p = 0.5;
	s.duplicate_p = 0.02;
	s.reorder_p = 0.01;
	s.reorder_ns = 5 * NS_PER_MS;
	s.policer_bps = 80000000;
	s.policer_bytes = 100000;
	s.aggregate_packets = 8;
	s.aggregate_gap_ns = 200000;
	s.black_hole_bytes = 1480;
	s.changes = some_changes;
	s.change_count = sizeof(some_changes) / sizeof(*some_changes);
	return s;
}

struct seed_case {
	const char *name;
	uint64_t seed;
	bool reorders;
};

static const struct seed_case seed_cases[] = {
	{ "seed 1, order kept", 1, false },
	{ "seed 2, order not kept", 2, true },
	{ "seed 3, order kept", 3, false },
	{ "seed 4, order not kept", 4, true },
};

static void accounts_for_every_byte(void **state)
{
	const struct seed_case *c = *state;
	struct bench b = { .s = everything(c->reorders) };
	uint64_t random = c->seed, now_ns = START_NS;

	bench_open(&b, c->seed);
	for (int i = 0; i < 100000; i++) {
		now_ns += draw_u64(&random) % 60000;
		push(&b, (uint16_t)(40 + draw_u64(&random) % 1461), now_ns);
		if (draw_u64(&random) % 4 == 0)
			drain(&b, now_ns);
		check_accounts(&b);
	}
	assert_int_equal(b.out_of_order, 0);
	drain(&b, now_ns + 100 * NS_PER_S);
	check_accounts(&b);
	assert_int_equal(direction_counts(b.d)->queued.packets, 0);
	assert_int_equal(direction_counts(b.d)->in_flight.packets, 0);
	assert_int_equal(direction_next_ns(b.d), CLOCK_NEVER_NS);
	direction_close(b.d);
}

int main(void)
{
	int failed = CASES_RUN(keeps_its_rate, rate_cases);

	failed += CASES_RUN(accounts_for_every_byte, seed_cases);
	return failed != 0;
}
