/* A direction in virtual time: its rate, its accounts, and that a seed says everything. */
#include "bench/link/direction.h"

#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"

#define START_NS (1000 * NS_PER_S) /* never 0, as the clock's is not */
#define MTU      1500
#define MBIT     1000000ULL

/* What anything of ours reads of a packet. */
#define HEAD_BYTES 40

static const struct scenario_direction wire = {
	.rate_bps = UINT64_MAX,
	.queue_bytes = UINT64_MAX,
	.queue_packets = UINT64_MAX,
	.queue_ns = UINT64_MAX,
	.codel_target_ns = 5 * NS_PER_MS,
	.codel_interval_ns = 100 * NS_PER_MS,
};

/* --- one direction and what came of its packets ----------------------------------------------- */

struct bench {
	struct scenario_direction s;
	struct direction *d;
	struct direction_amount told[DROP_REASONS]; /* by the callback */
	uint64_t last_due_ns, last_order;
	uint64_t early;               /* pops that were due before the one popped before */
	uint64_t overtakes;           /* pops that had arrived before it */
	uint64_t ce;                  /* pops that carry CE */
	uint64_t pops, drops, losses; /* digests of all that came of the packets, in order */
};

static void digest(uint64_t *d, uint64_t value)
{
	*d ^= value;
	*d = draw_u64(d);
}

static void count_drop(void *owner, const struct packet *p, enum drop_reason reason,
                       uint64_t now_ns)
{
	struct bench *b = owner;

	assert_true(now_ns >= p->arrived_ns);
	b->told[reason].packets++;
	b->told[reason].bytes += p->bytes;
	digest(&b->drops, p->order);
	digest(&b->drops, reason);
	digest(&b->drops, now_ns);
	if (reason == DROP_LOSS)
		digest(&b->losses, p->order);
}

static void bench_open(struct bench *b, enum link_direction which, uint64_t seed)
{
	int r = direction_open(&b->s, which, seed, START_NS, count_drop, b, &b->d, NULL);

	assert_int_equal(r, 0);
}

static void push(struct bench *b, uint16_t bytes, uint64_t at_ns)
{
	struct packet *p = packet_new(bytes);

	assert_non_null(p);
	memset(p->data, 0, bytes < HEAD_BYTES ? bytes : HEAD_BYTES);
	p->data[0] = 0x60; /* v6, and ECT(0) */
	p->data[1] = 0x20;
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
	b->early += p->due_ns < b->last_due_ns;
	b->overtakes += p->order < b->last_order;
	b->ce += p->info.ecn == 3;
	b->last_due_ns = p->due_ns;
	b->last_order = p->order;
	digest(&b->pops, p->order);
	digest(&b->pops, p->due_ns);
	digest(&b->pops, p->duplicate);
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

/* --- rates ------------------------------------------------------------------------------------ */

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
	bench_open(&b, LINK_DOWN, 1);
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

/* --- what all models together do to 100,000 packets ------------------------------------------- */

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

	bench_open(&b, LINK_DOWN, c->seed);
	for (int i = 0; i < 100000; i++) {
		now_ns += draw_u64(&random) % 60000;
		push(&b, (uint16_t)(40 + draw_u64(&random) % 1461), now_ns);
		if (draw_u64(&random) % 4 == 0)
			drain(&b, now_ns);
		check_accounts(&b);
	}
	assert_int_equal(b.early, 0);
	drain(&b, now_ns + 100 * NS_PER_S);
	check_accounts(&b);
	assert_int_equal(direction_counts(b.d)->queued.packets, 0);
	assert_int_equal(direction_counts(b.d)->in_flight.packets, 0);
	assert_int_equal(direction_next_ns(b.d), CLOCK_NEVER_NS);
	direction_close(b.d);
}

/* --- where packets come out -------------------------------------------------------------------- */

#define PUSHES_MAX 8
#define POPS_MAX   8

struct due {
	uint64_t order; /* 0: the end */
	uint64_t us;    /* since the start */
};

struct due_case {
	const char *name;
	struct scenario_direction s;
	size_t pushes;
	uint64_t push_us[PUSHES_MAX]; /* packets of MTU */
	struct due want[POPS_MAX];
};

static struct scenario_change half_way[] = {
	{ .at_ns = 6 * NS_PER_MS, .has_rate = true, .rate_bps = 2 * MBIT },
};
static struct scenario_change outage[] = {
	{ .at_ns = 4 * NS_PER_MS, .has_rate = true, .rate_bps = 0 },
	{ .at_ns = 10 * NS_PER_MS, .has_rate = true, .rate_bps = MBIT },
};
static struct scenario_change outage_for_ever[] = {
	{ .at_ns = 14 * NS_PER_MS, .has_rate = true, .rate_bps = 0 },
};
static struct scenario_change other_delay[] = {
	{ .at_ns = 13 * NS_PER_MS, .has_delay = true, .delay_ns = 30 * NS_PER_MS },
	{ .at_ns = 25 * NS_PER_MS, .has_delay = true, .delay_ns = 2 * NS_PER_MS },
};
static struct scenario_change all_lost[] = {
	{ .at_ns = 13 * NS_PER_MS, .has_loss = true, .loss = 1 },
	{ .at_ns = 25 * NS_PER_MS, .has_loss = true, .loss = 0 },
};
static uint64_t trace[] = { NS_PER_MS, NS_PER_MS, 4 * NS_PER_MS };

#define LINE                                                                                       \
	.rate_bps = MBIT, .queue_bytes = UINT64_MAX, .queue_packets = UINT64_MAX,                  \
	.queue_ns = UINT64_MAX
#define CHANGES(array) .changes = array, .change_count = sizeof(array) / sizeof(*(array))

static const struct due_case due_cases[] = {
	{ "one behind the other",
	  { LINE },
	  3,
	  { 1, 1, 1 },
	  { { 1, 12001 }, { 2, 24001 }, { 3, 36001 } } },
	{ "an idle line begins when they come",
	  { LINE },
	  2,
	  { 1, 20000 },
	  { { 1, 12001 }, { 2, 32000 } } },
	{ "overhead",
	  { LINE, .overhead_bytes = 1500 },
	  2,
	  { 0, 0 },
	  { { 1, 24000 }, { 2, 48000 } } },
	{ "delay",
	  { LINE, .delay_ns = 5 * NS_PER_MS },
	  2,
	  { 0, 0 },
	  { { 1, 17000 }, { 2, 29000 } } },
	{ "another rate half-way",
	  { LINE, CHANGES(half_way) },
	  2,
	  { 0, 0 },
	  { { 1, 9000 }, { 2, 15000 } } },
	{ "an outage half-way",
	  { LINE, CHANGES(outage) },
	  2,
	  { 0, 0 },
	  { { 1, 18000 }, { 2, 30000 } } },
	{ "an outage without end",
	  { LINE, CHANGES(outage_for_ever) },
	  3,
	  { 0, 0, 15000 },
	  { { 1, 12000 } } },
	{ "another delay: for what leaves the line then, and nobody overtakes",
	  { LINE, CHANGES(other_delay) },
	  3,
	  { 0, 0, 0 },
	  { { 1, 12000 }, { 2, 54000 }, { 3, 54000 } } },
	{ "loss by the schedule",
	  { LINE, CHANGES(all_lost) },
	  3,
	  { 0, 0, 0 },
	  { { 1, 12000 }, { 3, 36000 } } },
	{ "a trace",
	  { LINE, .trace_ns = trace, .trace_count = 3, .trace_bytes = MTU },
	  5,
	  { 0, 0, 0, 0, 2000 },
	  { { 1, 1000 }, { 2, 1000 }, { 3, 4000 }, { 4, 5000 }, { 5, 5000 } } },
	{ "there at a trace's instant",
	  { LINE, .trace_ns = trace, .trace_count = 3, .trace_bytes = MTU },
	  4,
	  { 1000, 1000, 1000, 4000 },
	  { { 1, 1000 }, { 2, 1000 }, { 3, 4000 }, { 4, 5000 } } },
	{ "three at once, and a gap",
	  { LINE, .aggregate_packets = 3, .aggregate_gap_ns = 7 * NS_PER_MS },
	  5,
	  { 0, 1, 1, 1, 1 },
	  { { 1, 12000 }, { 2, 55000 }, { 3, 55000 }, { 4, 55000 }, { 5, 74000 } } },
	{ "a gap that is over is none",
	  { LINE, .aggregate_packets = 3, .aggregate_gap_ns = 7 * NS_PER_MS },
	  3,
	  { 0, 19000, 19000 },
	  { { 1, 12000 }, { 2, 31000 }, { 3, 50000 } } },
	{ "each twice",
	  { LINE, .duplicate_p = 1 },
	  2,
	  { 0, 0 },
	  { { 1, 12000 }, { 1, 12000 }, { 2, 24000 }, { 2, 24000 } } },
	{ "what is lost is not copied",
	  { LINE, .loss = LOSS_BERNOULLI, .loss_p = 1, .duplicate_p = 1 },
	  2,
	  { 0, 0 },
	  {} },
	{ "all held back",
	  { LINE, .reorder_p = 1, .reorder_ns = 3000 },
	  1,
	  { 0 },
	  { { 1, 12003 } } },
	{ "too large for the path", { LINE, .black_hole_bytes = MTU - 1 }, 1, { 0 }, {} },
	{ "just small enough for the path",
	  { LINE, .black_hole_bytes = MTU },
	  1,
	  { 0 },
	  { { 1, 12000 } } },
};

static void is_due_at(void **state)
{
	const struct due_case *c = *state;
	uint64_t end_ns = START_NS + NS_PER_S;
	struct bench b = { .s = c->s };

	bench_open(&b, LINK_DOWN, 1);
	for (size_t i = 0; i < c->pushes; i++)
		push(&b, MTU, START_NS + c->push_us[i] * NS_PER_US);
	for (size_t i = 0; i < POPS_MAX && c->want[i].order > 0; i++) {
		struct packet *p = pop(&b, end_ns);

		assert_non_null(p);
		assert_int_equal(p->order, c->want[i].order);
		assert_int_equal(p->due_ns - START_NS, c->want[i].us * NS_PER_US);
		packet_free(p);
	}
	assert_null(pop(&b, end_ns));
	check_accounts(&b);
	direction_close(b.d);
}

/* --- the queue's limits ------------------------------------------------------------------------ */

struct limit_case {
	const char *name;
	uint64_t queue_packets, queue_bytes, queue_ns;
	uint32_t overhead_bytes;
	uint64_t want_waiting; /* beside the one on the line */
};

#define NONE UINT64_MAX

static const struct limit_case limit_cases[] = {
	{ "none", NONE, NONE, NONE, 0, 9 },
	{ "three packets", 3, NONE, NONE, 0, 3 },
	{ "no packet", 0, NONE, NONE, 0, 0 },
	{ "bytes of three packets", NONE, 4500, NONE, 0, 3 },
	{ "a byte less", NONE, 4499, NONE, 0, 2 },
	{ "less than a packet", NONE, 1499, NONE, 0, 0 },
	{ "the time of three packets", NONE, NONE, 36 * NS_PER_MS, 0, 3 },
	{ "a byte's time less", NONE, NONE, 36 * NS_PER_MS - 8000, 0, 2 },
	{ "the time of two with their overhead", NONE, NONE, 36 * NS_PER_MS, 300, 2 },
	{ "the smallest of three", 5, 6000, 30 * NS_PER_MS, 0, 2 },
};

/* Ten at once: one takes the line, so many wait. */
static void queue_takes(void **state)
{
	const struct limit_case *c = *state;
	struct bench b = { .s = wire };

	b.s.rate_bps = MBIT;
	b.s.queue_packets = c->queue_packets;
	b.s.queue_bytes = c->queue_bytes;
	b.s.queue_ns = c->queue_ns;
	b.s.overhead_bytes = c->overhead_bytes;
	bench_open(&b, LINK_DOWN, 1);
	for (int i = 0; i < 10; i++)
		push(&b, MTU, START_NS);
	assert_int_equal(direction_counts(b.d)->queued.packets, c->want_waiting + 1);
	assert_int_equal(b.told[DROP_QUEUE].packets, 9 - c->want_waiting);
	check_accounts(&b);
	direction_close(b.d);
}

/* The first has left at 12 ms, and then the second no longer waits. */
static void a_departure_makes_room_for_an_arrival(void **state)
{
	struct bench b = { .s = wire };

	(void)state;
	b.s.rate_bps = MBIT;
	b.s.queue_packets = 1;
	bench_open(&b, LINK_DOWN, 1);
	push(&b, MTU, START_NS);
	push(&b, MTU, START_NS);
	push(&b, MTU, START_NS + 12 * NS_PER_MS - 1);
	assert_int_equal(b.told[DROP_QUEUE].packets, 1);
	push(&b, MTU, START_NS + 12 * NS_PER_MS);
	assert_int_equal(b.told[DROP_QUEUE].packets, 1);
	direction_close(b.d);
}

/* Memory is what ends a queue without limits, and the accounts stand. */
static void holds_so_much_and_no_more(void **state)
{
	struct bench b = { .s = wire };
	uint64_t held;

	(void)state;
	b.s.rate_bps = 0;
	bench_open(&b, LINK_DOWN, 1);
	while (b.told[DROP_CEILING].packets == 0)
		push(&b, PACKET_MAX_BYTES, START_NS);
	held = direction_counts(b.d)->queued.packets * (sizeof(struct packet) + PACKET_MAX_BYTES);
	assert_in_range(held, DIRECTION_HELD_MAX_BYTES - 100000, DIRECTION_HELD_MAX_BYTES);
	check_accounts(&b);
	assert_int_equal(direction_next_ns(b.d), CLOCK_NEVER_NS);
	direction_close(b.d);
}

/* --- CoDel in its place ------------------------------------------------------------------------ */

struct codel_case {
	const char *name;
	bool ecn;
};

static const struct codel_case codel_cases[] = { { "drops", false }, { "marks", true } };

/* Twice the rate for three seconds: nothing for an interval, then it acts. */
static void codel_acts(void **state)
{
	const struct codel_case *c = *state;
	struct bench b = { .s = wire };
	uint64_t at_ns = START_NS;

	b.s.rate_bps = 12 * MBIT; /* a packet a ms */
	b.s.aqm = QUEUE_CODEL;
	b.s.codel_ecn = c->ecn;
	bench_open(&b, LINK_DOWN, 1);
	for (; at_ns < START_NS + 100 * NS_PER_MS; at_ns += NS_PER_MS / 2)
		push(&b, MTU, at_ns);
	assert_int_equal(b.told[DROP_AQM].packets + direction_counts(b.d)->ce_marked, 0);
	for (; at_ns < START_NS + 3 * NS_PER_S; at_ns += NS_PER_MS / 2)
		push(&b, MTU, at_ns);
	drain(&b, START_NS + 1000 * NS_PER_S);
	check_accounts(&b);
	assert_int_equal(b.ce, direction_counts(b.d)->ce_marked);
	assert_true((b.ce > 20) == c->ecn);
	assert_true((b.told[DROP_AQM].packets > 20) == !c->ecn);
	direction_close(b.d);
}

/* --- a seed says everything -------------------------------------------------------------------- */

enum pace {
	PACE_PUSHES, /* the caller looks only when packets come, and at the end */
	PACE_NEXT,   /* whenever direction_next_ns() says so */
	PACE_LATE,   /* whenever it pleases */
};

/* Lets time pass until end_ns. */
static void let_pass(struct bench *b, uint64_t end_ns, enum pace pace, uint64_t *random)
{
	if (pace == PACE_LATE && draw_u64(random) % 16 == 0)
		drain(b, end_ns);
	while (pace == PACE_NEXT && direction_next_ns(b->d) < end_ns) {
		uint64_t now_ns = direction_next_ns(b->d);

		direction_advance(b->d, now_ns);
		drain(b, now_ns);
		assert_true(direction_next_ns(b->d) > now_ns);
	}
}

/* The same 20,000 packets, whatever the scenario and the caller's pace. */
static struct bench play(const struct scenario_direction *s, enum link_direction which,
                         uint64_t seed, enum pace pace)
{
	struct bench b = { .s = *s };
	uint64_t traffic = 5, random = 6, now_ns = START_NS;

	bench_open(&b, which, seed);
	for (int i = 0; i < 20000; i++) {
		uint64_t next_ns = now_ns + draw_u64(&traffic) % 200000;

		let_pass(&b, next_ns, pace, &random);
		now_ns = next_ns;
		push(&b, (uint16_t)(HEAD_BYTES + draw_u64(&traffic) % 1461), now_ns);
	}
	let_pass(&b, CLOCK_NEVER_NS, pace == PACE_LATE ? PACE_PUSHES : pace, &random);
	drain(&b, now_ns + 100 * NS_PER_S);
	check_accounts(&b);
	direction_close(b.d);
	return b;
}

static bool same_fates(const struct bench *a, const struct bench *b)
{
	return a->pops == b->pops && a->drops == b->drops;
}

static void a_seed_says_everything(void **state)
{
	struct scenario_direction s = everything(true);
	struct bench a = play(&s, LINK_DOWN, 7, PACE_LATE),
		     again = play(&s, LINK_DOWN, 7, PACE_LATE);
	struct bench seed = play(&s, LINK_DOWN, 8, PACE_LATE), up = play(&s, LINK_UP, 7, PACE_LATE);

	(void)state;
	assert_true(same_fates(&a, &again));
	assert_false(same_fates(&a, &seed));
	assert_int_not_equal(a.losses, seed.losses);
	assert_int_not_equal(a.losses, up.losses);
}

static void the_callers_pace_says_nothing(void **state)
{
	const struct seed_case *c = *state;
	struct scenario_direction s = everything(c->reorders);
	struct bench pushes = play(&s, LINK_UP, c->seed, PACE_PUSHES);
	struct bench next = play(&s, LINK_UP, c->seed, PACE_NEXT);
	struct bench late = play(&s, LINK_UP, c->seed, PACE_LATE);

	assert_true(same_fates(&pushes, &next));
	assert_true(same_fates(&pushes, &late));
}

/* --- models leave each other alone ------------------------------------------------------------- */

static void add_jitter(struct scenario_direction *s)
{
	s->jitter = JITTER_EXPONENTIAL;
	s->jitter_ns = 10 * NS_PER_MS;
}

static void add_copies(struct scenario_direction *s)
{
	s->duplicate_p = 0.1;
}

static void add_reordering(struct scenario_direction *s)
{
	s->reorder_p = 0.1;
	s->reorder_ns = NS_PER_MS;
}

static void add_delay(struct scenario_direction *s)
{
	s->delay_ns = 50 * NS_PER_MS;
}

static void add_aggregation(struct scenario_direction *s)
{
	s->aggregate_packets = 5;
	s->aggregate_gap_ns = NS_PER_MS;
}

static void add_chain(struct scenario_direction *s)
{
	s->enter_bad_p = 0.1;
	s->leave_bad_p = 0.1;
	s->loss_bad_p = 1;
}

struct model_case {
	const char *name;
	void (*add)(struct scenario_direction *s);
};

static const struct model_case model_cases[] = {
	{ "jitter", add_jitter },           { "copies", add_copies },
	{ "reordering", add_reordering },   { "delay", add_delay },
	{ "aggregation", add_aggregation }, { "figures of the other loss model", add_chain },
};

static void loss_is_the_same_with(void **state)
{
	const struct model_case *c = *state;
	struct scenario_direction s = wire;
	struct bench plain, more;

	s.rate_bps = 100 * MBIT;
	s.loss = LOSS_BERNOULLI;
	s.loss_p = 0.05;
	plain = play(&s, LINK_DOWN, 3, PACE_NEXT);
	c->add(&s);
	more = play(&s, LINK_DOWN, 3, PACE_NEXT);
	assert_in_range(plain.told[DROP_LOSS].packets, 800, 1200);
	assert_int_equal(plain.losses, more.losses);
}

/* --- order ------------------------------------------------------------------------------------- */

struct order_case {
	const char *name;
	enum jitter_distribution jitter;
	bool reorders;
};

static const struct order_case order_cases[] = {
	{ "uniform, kept", JITTER_UNIFORM, false },
	{ "normal, kept", JITTER_NORMAL, false },
	{ "exponential, kept", JITTER_EXPONENTIAL, false },
	{ "uniform, not kept", JITTER_UNIFORM, true },
};

static void overtakes_only_where_it_may(void **state)
{
	const struct order_case *c = *state;
	struct scenario_direction s = wire;
	struct bench b;

	s.rate_bps = 100 * MBIT;
	s.delay_ns = 20 * NS_PER_MS;
	s.jitter = c->jitter;
	s.jitter_ns = 5 * NS_PER_MS;
	s.jitter_reorders = c->reorders;
	s.duplicate_p = 0.05;
	b = play(&s, LINK_DOWN, 3, PACE_LATE);
	assert_int_equal(b.early, 0);
	assert_true((b.overtakes > 1000) == c->reorders);
	assert_true(c->reorders || b.overtakes == 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_departure_makes_room_for_an_arrival),
		cmocka_unit_test(holds_so_much_and_no_more),
		cmocka_unit_test(a_seed_says_everything),
	};
	int failed = CASES_RUN(keeps_its_rate, rate_cases);

	failed += CASES_RUN(is_due_at, due_cases);
	failed += CASES_RUN(queue_takes, limit_cases);
	failed += CASES_RUN(codel_acts, codel_cases);
	failed += CASES_RUN(accounts_for_every_byte, seed_cases);
	failed += CASES_RUN(the_callers_pace_says_nothing, seed_cases);
	failed += CASES_RUN(loss_is_the_same_with, model_cases);
	failed += CASES_RUN(overtakes_only_where_it_may, order_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
