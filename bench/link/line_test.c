/* The line as a clock: when has what left it? Instants are ms or ns after START_NS. */
#include "bench/link/line.h"

#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define START_NS    (77 * NS_PER_S + 1)
#define NEVER       CLOCK_NEVER_NS
#define UNLIMITED   UINT64_MAX
#define MBIT        1000000ULL
#define MTU         1500 /* 12 ms at 1 Mbit/s */
#define CHANGES_MAX 4
#define SENDS_MAX   10

#define BPS(mbps) ((mbps) == UNLIMITED ? UNLIMITED : (mbps)*MBIT)

/* One change of rate. */
#define RATE(at_ms, mbps)                                                                          \
	{                                                                                          \
		.at_ns = (at_ms)*NS_PER_MS, .has_rate = true, .rate_bps = BPS(mbps)                \
	}

static uint64_t since(uint64_t at_ns)
{
	return at_ns == NEVER ? NEVER : at_ns - START_NS;
}

/* --- one packet across changes of the rate ---------------------------------------------------- */

struct send_case {
	const char *name;
	uint64_t rate_mbps;
	struct scenario_change changes[CHANGES_MAX]; /* has_rate false: the end */
	uint64_t from_us;                            /* a packet of MTU is there */
	uint64_t want_ready_us, want_left_us;        /* NEVER */
};

static const struct send_case send_cases[] = {
	{ "at its rate", 1, {}, 0, 0, 12000 },
	{ "later", 1, {}, 700, 700, 12700 },
	{ "no limit", UNLIMITED, {}, 700, 700, 700 },
	{ "twice the rate half-way", 1, { RATE(6, 2) }, 0, 0, 9000 },
	{ "a change before it", 1, { RATE(6, 2) }, 7000, 7000, 13000 },
	{ "a change as it begins", 1, { RATE(6, 2) }, 6000, 6000, 12000 },
	{ "a change as it ends", 1, { RATE(12, 2) }, 0, 0, 12000 },
	{ "an outage on the way", 1, { RATE(4, 0), RATE(10, 1) }, 0, 0, 18000 },
	{ "an outage, then another rate", 1, { RATE(6, 0), RATE(10, 3) }, 0, 0, 12000 },
	{ "an outage as it ends is none", 1, { RATE(12, 0) }, 0, 0, 12000 },
	{ "two outages", 1, { RATE(1, 0), RATE(2, 1), RATE(3, 0), RATE(5, 1) }, 0, 0, 15000 },
	{ "an outage without end", 1, { RATE(4, 0) }, 0, 0, NEVER },
	{ "within an outage it does not begin",
	  1,
	  { RATE(4, 0), RATE(10, 1) },
	  4000,
	  10000,
	  22000 },
	{ "within an outage without end", 1, { RATE(4, 0) }, 5000, NEVER, NEVER },
	{ "an outage from the beginning", 0, { RATE(3, 1) }, 0, 3000, 15000 },
	{ "no limit from half-way on", 1, { RATE(6, UNLIMITED) }, 0, 0, 6000 },
	{ "a limit after none", UNLIMITED, { RATE(6, 1) }, 6000, 6000, 18000 },
	{ "of two changes at once, the later", 1, { RATE(0, 0), RATE(0, 2) }, 0, 0, 6000 },
};

static size_t change_count(const struct scenario_change *changes)
{
	size_t n = 0;

	while (n < CHANGES_MAX && changes[n].has_rate)
		n++;
	return n;
}

static void sends(void **state)
{
	const struct send_case *c = *state;
	struct scenario_direction s = { .rate_bps = BPS(c->rate_mbps),
		                        .changes = (struct scenario_change *)c->changes,
		                        .change_count = change_count(c->changes) };
	uint64_t ready_ns;
	struct line l;

	assert_int_equal(line_open(&l, &s, START_NS, NULL), 0);
	ready_ns = line_ready_ns(&l, START_NS + c->from_us * NS_PER_US);
	assert_int_equal(since(ready_ns),
	                 c->want_ready_us == NEVER ? NEVER : c->want_ready_us * NS_PER_US);
	if (ready_ns != NEVER)
		assert_int_equal(since(line_send(&l, ready_ns, MTU)),
		                 c->want_left_us == NEVER ? NEVER : c->want_left_us * NS_PER_US);
	if (c->want_left_us == NEVER)
		assert_int_equal(line_ready_ns(&l, START_NS + NS_PER_S), NEVER);
	line_close(&l);
}

/* --- many, one behind the other --------------------------------------------------------------- */

struct rate_case {
	const char *name;
	uint64_t rate_bps;
};

static const struct rate_case rate_cases[] = {
	{ "1 Mbit/s", MBIT },
	{ "a prime, slow", 1000003 },
	{ "a prime, fast", 999999937 },
	{ "a packet in less than a ns", 30000000000000 },
};

/* The k-th has left when k packets take: at the first whole ns, however many went before. */
static void carries_fractions(void **state)
{
	const struct rate_case *c = *state;
	struct scenario_direction s = { .rate_bps = c->rate_bps };
	struct line l;

	assert_int_equal(line_open(&l, &s, START_NS, NULL), 0);
	for (uint64_t k = 1; k <= 100000; k++) {
		uint64_t left_ns = line_send(&l, line_ready_ns(&l, START_NS), MTU);
		uint64_t work = k * MTU * 8 * NS_PER_S; /* bits × 10^9 */

		assert_int_equal(since(left_ns), (work + c->rate_bps - 1) / c->rate_bps);
	}
	line_close(&l);
}

/* A fraction is for one that follows at once. */
static void an_idle_line_carries_nothing(void **state)
{
	struct scenario_direction s = { .rate_bps = 7 * NS_PER_S }; /* 7 bits a ns */
	struct line l;

	(void)state;
	assert_int_equal(line_open(&l, &s, START_NS, NULL), 0);
	assert_int_equal(since(line_send(&l, START_NS, 1)), 2);     /* 8 of 14 bits */
	assert_int_equal(since(line_send(&l, START_NS + 2, 1)), 3); /* 6 + 2 of 7 */
	assert_int_equal(since(line_send(&l, START_NS + 4, 1)), 6); /* 8 of 14 again */
	line_close(&l);
}

static void leaves_a_gap_after_what_goes_at_once(void **state)
{
	struct scenario_direction s = { .rate_bps = MBIT,
		                        .aggregate_packets = 4,
		                        .aggregate_gap_ns = 3 * NS_PER_MS };
	struct line l;

	(void)state;
	assert_int_equal(line_open(&l, &s, START_NS, NULL), 0);
	assert_int_equal(since(line_send(&l, START_NS, 2 * MTU)), 24 * NS_PER_MS);
	assert_int_equal(since(line_ready_ns(&l, START_NS)), 27 * NS_PER_MS);
	assert_int_equal(since(line_ready_ns(&l, START_NS + 28 * NS_PER_MS)), 28 * NS_PER_MS);
	line_close(&l);
}

/* --- traces ----------------------------------------------------------------------------------- */

struct trace_send {
	uint64_t from_us, bytes, want_left_us;
};

struct trace_case {
	const char *name;
	uint64_t ms[5];
	size_t count;
	struct scenario_change changes[CHANGES_MAX];
	struct trace_send sends[SENDS_MAX]; /* bytes 0: the end */
};

static const struct trace_case trace_cases[] = {
	{ "one packet an instant, and again from the last",
	  { 1, 1, 2, 5 },
	  4,
	  {},
	  { { 0, MTU, 1000 },
	    { 0, MTU, 1000 },
	    { 0, MTU, 2000 },
	    { 0, MTU, 5000 },
	    { 0, MTU, 6000 },
	    { 0, MTU, 6000 },
	    { 0, MTU, 7000 },
	    { 0, MTU, 10000 } } },
	{ "an instant at 0 comes back with the end",
	  { 0, 2 },
	  2,
	  {},
	  { { 0, MTU, 0 }, { 0, MTU, 2000 }, { 0, MTU, 2000 }, { 0, MTU, 4000 } } },
	{ "one packet of several instants",
	  { 1, 2, 3 },
	  3,
	  {},
	  { { 0, 2 * MTU, 2000 }, { 0, MTU, 3000 }, { 0, 7 * MTU, 10000 } } },
	{ "several packets in one instant",
	  { 1, 3 },
	  2,
	  {},
	  { { 0, 500, 1000 },
	    { 0, 500, 1000 },
	    { 0, 501, 3000 },
	    { 0, 1499, 3000 },
	    { 0, 1, 4000 } } },
	{ "what an instant has left is lost with it",
	  { 1, 3 },
	  2,
	  {},
	  { { 0, 500, 1000 }, { 1001, 1000, 3000 }, { 1002, 500, 3000 }, { 5000, MTU, 6000 } } },
	{ "there at the instant",
	  { 1, 3 },
	  2,
	  {},
	  { { 1000, MTU, 1000 }, { 3000, MTU, 3000 }, { 4000, MTU, 4000 } } },
	{ "long after",
	  { 1, 3 },
	  2,
	  {},
	  { { 300000000, MTU, 300000000 }, { 0, MTU, 300001000 }, { 900000001, MTU, 900001000 } } },
	{ "instants within an outage are lost",
	  { 1, 2, 3, 4, 5 },
	  5,
	  { RATE(2, 0), RATE(4, UNLIMITED) },
	  { { 0, MTU, 1000 }, { 0, MTU, 4000 }, { 0, MTU, 5000 } } },
	{ "an outage while a packet is on its way",
	  { 1, 2, 3, 4, 5 },
	  5,
	  { RATE(2, 0), RATE(4, UNLIMITED) },
	  { { 0, 2 * MTU, 4000 }, { 0, MTU, 5000 } } },
	{ "an outage of several rounds",
	  { 1 },
	  1,
	  { RATE(1, 0), RATE(1000, 1) },
	  { { 0, MTU, 1000000 } } },
	{ "an outage without end", { 1, 2 }, 2, { RATE(2, 0) }, { { 0, 3 * MTU, NEVER } } },
};

static void follows_its_trace(void **state)
{
	const struct trace_case *c = *state;
	struct scenario_direction s = { .rate_bps = UNLIMITED,
		                        .trace_count = c->count,
		                        .trace_bytes = MTU,
		                        .changes = (struct scenario_change *)c->changes,
		                        .change_count = change_count(c->changes) };
	uint64_t trace_ns[5];
	struct line l;

	for (size_t i = 0; i < c->count; i++)
		trace_ns[i] = c->ms[i] * NS_PER_MS;
	s.trace_ns = trace_ns;
	assert_int_equal(line_open(&l, &s, START_NS, NULL), 0);
	for (size_t i = 0; i < SENDS_MAX && c->sends[i].bytes > 0; i++) {
		const struct trace_send *send = &c->sends[i];
		uint64_t from_ns = START_NS + send->from_us * NS_PER_US;
		uint64_t left_ns = line_send(&l, line_ready_ns(&l, from_ns), send->bytes);

		assert_int_equal(since(left_ns), send->want_left_us == NEVER
		                                         ? NEVER
		                                         : send->want_left_us * NS_PER_US);
	}
	line_close(&l);
}

static void refuses_a_trace_that_lets_nothing_pass(void **state)
{
	uint64_t at_zero[] = { 0, 0 }, fine[] = { 0, 1 };
	struct scenario_direction s = { .trace_ns = at_zero, .trace_count = 2, .trace_bytes = MTU };
	struct err err = {};
	struct line l;

	(void)state;
	assert_int_equal(line_open(&l, &s, START_NS, &err), -EINVAL);
	assert_true(err.text[0] != '\0');
	s.trace_ns = fine;
	s.trace_bytes = 0;
	assert_int_equal(line_open(&l, &s, START_NS, &err), -EINVAL);
}

/* --- what it could have carried --------------------------------------------------------------- */

struct capacity_case {
	const char *name;
	uint64_t rate_bps;
	struct scenario_change changes[CHANGES_MAX];
	size_t trace_count; /* an instant each ms, of MTU bytes */
	uint64_t from_us, to_us, want_bytes;
};

static const struct capacity_case capacity_cases[] = {
	{ "a rate", MBIT, {}, 0, 0, 10000, 1250 },
	{ "no limit", UNLIMITED, {}, 0, 0, 10000, UINT64_MAX },
	{ "no time", MBIT, {}, 0, 5000, 5000, 0 },
	{ "an outage within", MBIT, { RATE(2, 0), RATE(7, 1) }, 0, 0, 10000, 625 },
	{ "all of it an outage", MBIT, { RATE(2, 0), RATE(17, 1) }, 0, 5000, 10000, 0 },
	{ "two rates", MBIT, { RATE(2, 2) }, 0, 0, 10000, 2250 },
	{ "no limit for a part", MBIT, { RATE(2, UNLIMITED) }, 0, 0, 10000, UINT64_MAX },
	{ "no limit after it", MBIT, { RATE(20, UNLIMITED) }, 0, 0, 10000, 1250 },
	{ "a trace: its end is another's beginning", UNLIMITED, {}, 3, 0, 10000, 9 * MTU },
	{ "a trace: the next", UNLIMITED, {}, 3, 10000, 20000, 10 * MTU },
	{ "a trace with an outage", UNLIMITED, { RATE(2, 0), RATE(7, 1) }, 3, 0, 10000, 4 * MTU },
};

static void could_have_carried(void **state)
{
	const struct capacity_case *c = *state;
	uint64_t each_ms[] = { NS_PER_MS, 2 * NS_PER_MS, 3 * NS_PER_MS };
	struct scenario_direction s = { .rate_bps = c->rate_bps,
		                        .changes = (struct scenario_change *)c->changes,
		                        .change_count = change_count(c->changes),
		                        .trace_ns = each_ms,
		                        .trace_count = c->trace_count,
		                        .trace_bytes = MTU };
	struct line l;

	assert_int_equal(line_open(&l, &s, START_NS, NULL), 0);
	assert_int_equal(line_capacity_bytes(&l, START_NS + c->from_us * NS_PER_US,
	                                     START_NS + c->to_us * NS_PER_US),
	                 c->want_bytes);
	line_close(&l);
}

/* 123.457 bytes a bin: no bin of 10 ms is whole, their sum is. */
static void bins_sum_to_the_whole(void **state)
{
	struct scenario_direction s = { .rate_bps = 98765 };
	uint64_t bin_ns = 10 * NS_PER_MS, bytes = 0;
	struct line l;

	(void)state;
	assert_int_equal(line_open(&l, &s, START_NS, NULL), 0);
	for (uint64_t at_ns = START_NS; at_ns < START_NS + 800 * NS_PER_S; at_ns += bin_ns)
		bytes += line_capacity_bytes(&l, at_ns, at_ns + bin_ns);
	assert_int_equal(bytes, 9876500);
	line_close(&l);
}

struct buffer_case {
	const char *name;
	uint64_t rate_bps;
	struct scenario_change changes[CHANGES_MAX];
	size_t trace_count; /* as above */
	uint64_t at_ms, want_bps;
};

static const struct buffer_case buffer_cases[] = {
	{ "the present rate", MBIT, { RATE(5, 2) }, 0, 5, 2 * MBIT },
	{ "the rate before an outage", MBIT, { RATE(5, 0), RATE(9, 3) }, 0, 7, MBIT },
	{ "the rate after an outage that comes first", 0, { RATE(9, 3) }, 0, 7, 3 * MBIT },
	{ "no rate ever", 0, {}, 0, 7, UNLIMITED },
	{ "the mean of a trace", UNLIMITED, {}, 3, 0, 12 * MBIT },
};

static void reckons_a_queue_by(void **state)
{
	const struct buffer_case *c = *state;
	uint64_t each_ms[] = { NS_PER_MS, 2 * NS_PER_MS, 3 * NS_PER_MS };
	struct scenario_direction s = { .rate_bps = c->rate_bps,
		                        .changes = (struct scenario_change *)c->changes,
		                        .change_count = change_count(c->changes),
		                        .trace_ns = each_ms,
		                        .trace_count = c->trace_count,
		                        .trace_bytes = MTU };
	struct line l;

	assert_int_equal(line_open(&l, &s, START_NS, NULL), 0);
	assert_int_equal(line_buffer_bps(&l, START_NS + c->at_ms * NS_PER_MS), c->want_bps);
	line_close(&l);
}

struct bits_case {
	const char *name;
	uint64_t rate_bps, duration_ns, want;
};

static const struct bits_case bits_cases[] = {
	{ "a second", 12345, NS_PER_S, 12345 },
	{ "a fraction is left out", 3, NS_PER_S / 2, 1 },
	{ "a terabit for a day", 1000000000000, 86400 * NS_PER_S, 86400000000000000 },
	{ "a terabit for a ns", 1000000000000, 1, 1000 },
	{ "more than it holds", 1000000000000, UINT64_MAX - 1, UINT64_MAX },
	{ "at no limit", UINT64_MAX, 3 * NS_PER_S, UINT64_MAX },
};

static void lets_bits_pass(void **state)
{
	const struct bits_case *c = *state;

	assert_int_equal(line_bits(c->rate_bps, c->duration_ns), c->want);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_line_carries_nothing),
		cmocka_unit_test(leaves_a_gap_after_what_goes_at_once),
		cmocka_unit_test(refuses_a_trace_that_lets_nothing_pass),
		cmocka_unit_test(bins_sum_to_the_whole),
	};
	int failed = CASES_RUN(sends, send_cases);

	failed += CASES_RUN(carries_fractions, rate_cases);
	failed += CASES_RUN(follows_its_trace, trace_cases);
	failed += CASES_RUN(could_have_carried, capacity_cases);
	failed += CASES_RUN(reckons_a_queue_by, buffer_cases);
	failed += CASES_RUN(lets_bits_pass, bits_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
