/* What RFC 8289 says CoDel does, with its own parameters: a target of 5 ms, an interval of 100 ms.
 */
#include "bench/link/codel.h"

#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"

#define DROPS_MAX 16
#define MTU       1500
#define ECT_0     2

/* --- a queue whose packets wait as long as the test says -------------------------------------- */

struct bench {
	struct codel c;
	struct queue q;
	size_t depth; /* packets that are there as one is taken, it included */
	uint8_t ecn;  /* of the packets */
	uint64_t now_ms;
	size_t drops;
	uint64_t drop_ms[DROPS_MAX]; /* of each drop or mark */
};

static void note(struct bench *b, uint64_t now_ns)
{
	assert_true(b->drops < DROPS_MAX);
	b->drop_ms[b->drops++] = now_ns / NS_PER_MS;
}

static void note_drop(void *owner, struct packet *p, uint64_t now_ns)
{
	note(owner, now_ns);
	packet_free(p);
}

static void bench_open(struct bench *b, size_t depth)
{
	*b = (struct bench){ .depth = depth };
	b->c.target_ns = 5 * NS_PER_MS;
	b->c.interval_ns = 100 * NS_PER_MS;
	b->c.dropped = note_drop;
	b->c.owner = b;
}

static void fill(struct bench *b)
{
	while (b->q.packets < b->depth) {
		struct packet *p = packet_new(MTU);

		assert_non_null(p);
		memset(p->data, 0, MTU);
		p->data[0] = 0x60;
		p->data[1] = (uint8_t)(b->ecn << 4);
		queue_push(&b->q, p);
	}
}

/* The line takes a packet now, all of which have waited for wait_ns. */
static void serve(struct bench *b, uint64_t wait_ns)
{
	uint64_t now_ns = b->now_ms * NS_PER_MS, marked = b->c.ce_marked;
	struct packet *p;

	fill(b);
	for (p = b->q.head; p; p = p->next)
		p->arrived_ns = now_ns - wait_ns;
	p = codel_dequeue(&b->c, &b->q, now_ns);
	assert_non_null(p);
	assert_int_equal(p->info.ecn, b->c.ce_marked > marked ? 3 : 0);
	if (b->c.ce_marked > marked)
		note(b, now_ns);
	packet_free(p);
}

/* A packet every `every_ms` until end_ms. */
static void serve_until(struct bench *b, uint64_t end_ms, uint64_t every_ms, uint64_t wait_ns)
{
	for (; b->now_ms < end_ms; b->now_ms += every_ms)
		serve(b, wait_ns);
}

static void check_drops(const struct bench *b, const uint64_t *want, size_t count)
{
	for (size_t i = 0; i < count && i < b->drops; i++)
		assert_int_equal(b->drop_ms[i], want[i]);
	assert_int_equal(b->drops, count);
}

/* --- from rest, with all packets alike -------------------------------------------------------- */

struct series_case {
	const char *name;
	size_t depth;
	uint64_t every_ms, end_ms, wait_ns;
	bool ecn;
	uint8_t packet_ecn;
	size_t count;
	uint64_t want_ms[DROPS_MAX];
	uint64_t want_marked;
};

/* The law: 1000 + 100, then 100, 70.7, 57.7, 50, 44.7, 40.8 ms later, each at the next packet. */
#define THE_LAW                                                                                    \
	7,                                                                                         \
	{                                                                                          \
		1100, 1200, 1271, 1329, 1379, 1424, 1464                                           \
	}

static const struct series_case series_cases[] = {
	{ "an interval above the target, then by the square root of the count", 10, 1, 1500,
	  50 * NS_PER_MS, false, 0, THE_LAW, 0 },
	{ "a wait of just the target is too long", 10, 1, 1500, 5 * NS_PER_MS, false, 0, THE_LAW,
	  0 },
	{ "a wait of less than the target is none",
	  10,
	  1,
	  1500,
	  5 * NS_PER_MS - 1,
	  false,
	  0,
	  0,
	  { 0 },
	  0 },
	{ "no drop while no more than one packet is left",
	  2,
	  1,
	  1500,
	  50 * NS_PER_MS,
	  false,
	  0,
	  0,
	  { 0 },
	  0 },
	{ "two are enough for a drop, but leave one, and it starts over",
	  3,
	  1,
	  1500,
	  50 * NS_PER_MS,
	  false,
	  0,
	  4,
	  { 1100, 1201, 1302, 1403 },
	  0 },
	{ "a slow line has several drops due at once",
	  10,
	  250,
	  1501,
	  50 * NS_PER_MS,
	  false,
	  0,
	  4,
	  { 1250, 1500, 1500, 1500 },
	  0 },
	{ "marks what can be marked, by the same law", 10, 1, 1500, 50 * NS_PER_MS, true, ECT_0,
	  THE_LAW, 7 },
	{ "drops what cannot be marked", 10, 1, 1500, 50 * NS_PER_MS, true, 0, THE_LAW, 0 },
	{ "marks nothing unless it is asked to", 10, 1, 1500, 50 * NS_PER_MS, false, ECT_0, THE_LAW,
	  0 },
	{ "one mark at a time", 10, 250, 1501, 50 * NS_PER_MS, true, ECT_0, 2, { 1250, 1500 }, 2 },
};

static void drops_at(void **state)
{
	const struct series_case *c = *state;
	struct bench b;

	bench_open(&b, c->depth);
	b.c.ecn = c->ecn;
	b.ecn = c->packet_ecn;
	b.now_ms = 1000;
	serve_until(&b, c->end_ms, c->every_ms, c->wait_ns);
	check_drops(&b, c->want_ms, c->count);
	assert_int_equal(b.c.ce_marked, c->want_marked);
	queue_clear(&b.q);
}

/* --- leaving and coming back ------------------------------------------------------------------ */

/* One packet in time, and the interval begins anew. */
static void one_good_packet_starts_it_over(void **state)
{
	static const uint64_t want[] = { 1200, 1300 };
	struct bench b;

	(void)state;
	bench_open(&b, 10);
	b.now_ms = 1000;
	serve_until(&b, 1099, 1, 50 * NS_PER_MS);
	serve_until(&b, 1100, 1, NS_PER_MS);
	serve_until(&b, 1350, 1, 50 * NS_PER_MS);
	check_drops(&b, want, 2);
	queue_clear(&b.q);
}

static void an_empty_queue_starts_it_over(void **state)
{
	static const uint64_t want[] = { 1150 };
	struct bench b;

	(void)state;
	bench_open(&b, 10);
	b.now_ms = 1000;
	serve_until(&b, 1050, 1, 50 * NS_PER_MS);
	queue_clear(&b.q);
	assert_null(codel_dequeue(&b.c, &b.q, b.now_ms * NS_PER_MS));
	serve_until(&b, 1200, 1, 50 * NS_PER_MS);
	check_drops(&b, want, 1);
	queue_clear(&b.q);
}

struct return_case {
	const char *name;
	uint64_t rest_ms; /* below the target, after the fifth drop at 1379 */
	uint64_t want_ms[3];
};

/* Five drops have brought the count to 5, 4 more than it began with: soon after, it goes on at 4,
 * with 50 ms to the next drop and 44.7 to the one after; later, at 1. "Later" is 16 intervals
 * after the drop that was due at 1423. */
static const struct return_case return_cases[] = {
	{ "soon: as fast as it was", 120, { 1600, 1650, 1695 } },
	{ "just in time", 1543, { 3023, 3073, 3118 } },
	{ "too late: from the beginning", 1544, { 3024, 3124, 3195 } },
};

static void comes_back(void **state)
{
	const struct return_case *c = *state;
	struct bench b;

	bench_open(&b, 10);
	b.now_ms = 1000;
	serve_until(&b, 1380, 1, 50 * NS_PER_MS);
	assert_int_equal(b.drops, 5);
	serve_until(&b, 1380 + c->rest_ms, 1, NS_PER_MS);
	assert_int_equal(b.drops, 5);
	assert_false(b.c.dropping);
	b.drops = 0;
	serve_until(&b, c->want_ms[2] + 1, 1, 50 * NS_PER_MS);
	check_drops(&b, c->want_ms, 3);
	queue_clear(&b.q);
}

/* --- the control law -------------------------------------------------------------------------- */

struct spacing_case {
	const char *name;
	uint64_t count, want_ns;
};

static const struct spacing_case spacing_cases[] = {
	{ "1", 1, 100000000 },
	{ "2", 2, 70710678 },
	{ "3", 3, 57735026 },
	{ "4", 4, 50000000 },
	{ "7", 7, 37796447 },
	{ "100", 100, 10000000 },
	{ "1,000,000", 1000000, 100000 },
};

static void is_spaced(void **state)
{
	const struct spacing_case *c = *state;

	assert_int_equal(codel_spacing_ns(100 * NS_PER_MS, c->count), c->want_ns);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_good_packet_starts_it_over),
		cmocka_unit_test(an_empty_queue_starts_it_over),
	};
	int failed = CASES_RUN(drops_at, series_cases);

	failed += CASES_RUN(comes_back, return_cases);
	failed += CASES_RUN(is_spaced, spacing_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
