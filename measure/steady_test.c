#include "measure/steady.h"

#include "measure/people.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"

#define SEGMENT 1448

static const struct steady_path path = { SEGMENT, 0 };

/* --- known series, known answers ---------------------------------------------------------------- */

/* Bytes in the 10 ms that begin `ms` after the start, 1,000,000 on average once steady. */
struct series {
	const char *name;
	double (*bytes)(uint64_t ms, uint64_t *random, double *state);
	uint64_t length_ms;
	uint64_t from_min_ms, from_max_ms; /* where the cut may lie */
	double tolerance;                  /* of the rate, a share */
	bool unknown;
};

static double constant(uint64_t ms, uint64_t *random, double *state)
{
	(void)ms, (void)random, (void)state;
	return 1e6;
}

/* Slow start: doubles each 100 ms up to one second. */
static double doubling_start(uint64_t ms, uint64_t *random, double *state)
{
	(void)state;
	return ms < 1000 ? 1e6 / (double)(1U << (10 - ms / 100))
	                 : 1e6 * (1 + 0.02 * draw_normal(random));
}

static double long_ramp(uint64_t ms, uint64_t *random, double *state)
{
	(void)state;
	return (ms < 3000 ? 1e6 * (double)ms / 3000 : 1e6) * (1 + 0.02 * draw_normal(random));
}

/* Too high at first: a burst from a full token bucket. */
static double burst_first(uint64_t ms, uint64_t *random, double *state)
{
	(void)state;
	return (ms < 700 ? 3e6 : 1e6) * (1 + 0.02 * draw_normal(random));
}

/* Cubic's: falls by 30 % and climbs back in two seconds, around the same mean. */
static double sawtooth(uint64_t ms, uint64_t *random, double *state)
{
	(void)random, (void)state;
	return 1e6 * (0.85 + 0.30 * (double)(ms % 2000) / 1990);
}

/* A bin in ten carries all: a path of 100 ms and one burst a round trip. */
static double bursts(uint64_t ms, uint64_t *random, double *state)
{
	(void)random, (void)state;
	return ms % 100 == 0 ? 1e7 : 0;
}

static double nothing(uint64_t ms, uint64_t *random, double *state)
{
	(void)ms, (void)random, (void)state;
	return 0;
}

static const struct series known_series[] = {
	{ "constant", constant, 10000, 0, 5000, 1e-9, false },
	{ "slow start is cut", doubling_start, 10000, 950, 1100, 0.002, false },
	{ "a long ramp is cut", long_ramp, 10000, 2800, 3300, 0.003, false },
	{ "a burst at the start is cut", burst_first, 10000, 650, 800, 0.002, false },
	{ "a sawtooth is its mean", sawtooth, 10000, 0, 5000, 0.03, false },
	{ "bursts of a long path", bursts, 10000, 0, 5000, 0.02, false },
	{ "two seconds", constant, 2000, 0, 1000, 1e-9, false },
	{ "half a second is too short", constant, 500, .unknown = true },
	{ "nothing came", nothing, 10000, .unknown = true },
};

static void play(const struct series *c, uint64_t seed, struct steady *s)
{
	uint64_t random = seed;
	double bytes = 0, state = 0;

	steady_start(s);
	steady_add(s, 77, 0);
	for (uint64_t ms = 0; ms < c->length_ms; ms += 10) {
		double more = c->bytes(ms, &random, &state);

		bytes += more > 0 ? more : 0;
		steady_add(s, 77 + (ms + 10) * NS_PER_MS, (uint64_t)bytes);
	}
}

static void series_has_its_rate(void **test)
{
	const struct series *c = *test;
	struct steady s;
	struct steady_rate rate;

	play(c, 1, &s);
	steady_estimate(&s, CLOCK_NEVER_NS, &path, &rate);
	assert_int_equal(rate.known, !c->unknown);
	if (c->unknown)
		return;
	assert_in_range(rate.from_ns, c->from_min_ms * NS_PER_MS, c->from_max_ms * NS_PER_MS);
	assert_int_equal(rate.until_ns, c->length_ms * NS_PER_MS);
	assert_true(rate.bps >= 8e8 * (1 - c->tolerance) && rate.bps <= 8e8 * (1 + c->tolerance));
	assert_true(rate.ci95_low_bps < rate.bps && rate.bps < rate.ci95_high_bps);
}

/* --- an interval by hand -------------------------------------------------------------------------- */

/* Turns about every 250 ms: of forty batches each is the other way. */
static double in_turns(uint64_t ms, uint64_t *random, double *state)
{
	(void)random, (void)state;
	return ms / 250 % 2 == 0 ? 1.1e6 : 0.9e6;
}

/* Two seconds more, two less: no fewer than ten batches are independent. */
static double in_long_turns(uint64_t ms, uint64_t *random, double *state)
{
	(void)random, (void)state;
	return ms / 2000 % 2 == 0 ? 1.1e6 : 0.9e6;
}

/* The correlation that ten batches have of it is more than is reckoned with. */
static double one_turn(uint64_t ms, uint64_t *random, double *state)
{
	(void)random, (void)state;
	return ms < 6000 ? 0.85e6 : 1.225e6;
}

/* Half of the interval from textbook figures: Student's quantile of 0.975 for so many batches less one, the deviation of
 * the batches' means, and of the correlation r that is left sqrt((1 + r) / (1 - r)). */
static const struct hand_case {
	const char *name;
	double (*bytes)(uint64_t ms, uint64_t *random, double *state);
	uint32_t batches;
	double correlation, mean, student, deviation, left;
} hand_cases[] = {
	{ "forty batches in turns", in_turns, 40, -39 / 40.0, 1, 2.022691, 0.1012739, 0 },
	{ "ten batches, some correlation", in_long_turns, 10, 0.1, 1.02, 2.262157, 0.1032796,
	  0.24 },
	{ "ten batches, much correlation", one_turn, 10, 0.6833333, 1, 2.262157, 0.1936492, 0.9 },
};

static void interval_is_as_by_hand(void **test)
{
	const struct hand_case *c = *test;
	struct series series = { c->name, c->bytes, 10000, 0, 0, 0, false };
	struct steady_rate rate;
	struct steady s;
	double half = 8e8 * c->student * c->deviation *
	              __builtin_sqrt((1 + c->left) / (1 - c->left) / c->batches);

	play(&series, 1, &s);
	steady_estimate(&s, CLOCK_NEVER_NS, &path, &rate);
	assert_int_equal(rate.batches, c->batches);
	assert_int_equal(rate.from_ns, 0);
	assert_true(__builtin_fabs(rate.correlation - c->correlation) < 1e-6);
	assert_true(__builtin_fabs(rate.bps - 8e8 * c->mean) < 1);
	assert_true(__builtin_fabs((rate.ci95_high_bps - rate.bps) / half - 1) < 3e-4);
	assert_true(__builtin_fabs((rate.bps - rate.ci95_low_bps) / half - 1) < 3e-4);
}

/* --- the interval covers the truth as often as it says ------------------------------------------ */

static double independent(uint64_t ms, uint64_t *random, double *state)
{
	(void)ms, (void)state;
	return 1e6 * (1 + 0.3 * draw_normal(random));
}

/* AR(1): what was much is followed by much. */
static double autoregressive(double phi, uint64_t *random, double *state)
{
	*state = phi * *state + 0.1 * draw_normal(random);
	return 1e6 * (1 + *state);
}

static double correlated(uint64_t ms, uint64_t *random, double *state)
{
	(void)ms;
	return autoregressive(0.5, random, state);
}

static double much_correlated(uint64_t ms, uint64_t *random, double *state)
{
	(void)ms;
	return autoregressive(0.9, random, state);
}

/* A correlation time of half a second, of ten: the choice of the cut, where chance had it, costs five points. */
static double long_correlated(uint64_t ms, uint64_t *random, double *state)
{
	(void)ms;
	return autoregressive(0.98, random, state);
}

/* BBR's eight round trips of 100 ms: a tenth more in two of them and less in the others, 1e6 on average. It begins
 * anywhere. */
static double cycles(uint64_t ms, uint64_t *random, double *state)
{
	if (*state <= 0)
		*state = 1 + 800 * draw_uniform(random);
	return 1e6 *
	       (((ms + (uint64_t)*state) % 800 < 200 ? 1.15 : 0.95) + 0.05 * draw_normal(random));
}

static double heavy_tailed(uint64_t ms, uint64_t *random, double *state)
{
	(void)ms, (void)state;
	return 1e6 * draw_exponential(random);
}

/* What docs/measurement.md says, and 1.5 of a hundred to either side. */
struct coverage {
	const char *name;
	double (*bytes)(uint64_t ms, uint64_t *random, double *state);
	double percent;
};

static const struct coverage coverages[] = {
	{ "independent bins", independent, 96 },    { "correlation 0.5", correlated, 95 },
	{ "correlation 0.9", much_correlated, 94 }, { "correlation 0.98", long_correlated, 87 },
	{ "cycles of 0.8 s", cycles, 100 },         { "exponential bins", heavy_tailed, 95 },
};

static void interval_covers(void **test)
{
	enum { RUNS = 1000 };
	const struct coverage *c = *test;
	struct series series = { c->name, c->bytes, 10000, 0, 0, 0, false };
	unsigned int covered = 0;
	struct steady s;
	struct steady_rate rate;

	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		play(&series, seed * 7919, &s);
		steady_estimate(&s, CLOCK_NEVER_NS, &path, &rate);
		covered += rate.known && rate.ci95_low_bps <= 8e8 && rate.ci95_high_bps >= 8e8;
	}
	print_message("%s: %.1f %% of %d\n", c->name, 100.0 * covered / RUNS, RUNS);
	assert_true(__builtin_fabs(100.0 * covered / RUNS - c->percent) <= 1.5);
}

/* --- how wide it is ------------------------------------------------------------------------------- */

/* What others leave of two processors, over loopback: behind the half in which the cut may lie another level. */
static double late_step(uint64_t ms, uint64_t *random, double *state)
{
	(void)state;
	return (ms < 6000 ? 0.85e6 : 1.225e6) * (1 + 0.05 * draw_normal(random));
}

/* Half of the interval, in percent of the rate. Beyond PEOPLE_STEADY_PERCENT_MAX nobody is told of a steady one: ten
 * batches that hang together so much are worth less than a single one. */
struct width {
	const char *name;
	double (*bytes)(uint64_t ms, uint64_t *random, double *state);
	double least_percent, most_percent;
};

static const struct width widths[] = {
	{ "independent bins", independent, 1, 5 },
	{ "behind slow start", doubling_start, 0.01, 1 },
	{ "a sawtooth", sawtooth, 1, 10 },
	{ "another level at six seconds", late_step, 1.5 * PEOPLE_STEADY_PERCENT_MAX, 100 },
};

static void interval_is_as_wide(void **test)
{
	const struct width *c = *test;
	struct series series = { c->name, c->bytes, 10000, 0, 0, 0, false };
	struct steady s;
	struct steady_rate rate;
	double half;

	play(&series, 1, &s);
	steady_estimate(&s, CLOCK_NEVER_NS, &path, &rate);
	half = 50 * (rate.ci95_high_bps - rate.ci95_low_bps) / rate.bps;
	print_message("%s: %.2f %%\n", c->name, half);
	assert_true(half >= c->least_percent && half <= c->most_percent);
}

/* --- single looks --------------------------------------------------------------------------------- */

static void interval_is_never_finer_than_a_segment(void **state)
{
	struct series c = { "", constant, 10000, 0, 0, 0, false };
	struct steady s;
	struct steady_rate rate;

	(void)state;
	play(&c, 1, &s);
	steady_estimate(&s, CLOCK_NEVER_NS, &path, &rate);
	assert_true(rate.ci95_high_bps - rate.ci95_low_bps >=
	            2 * 2 * 8.0 * SEGMENT * NS_PER_S / (double)(rate.until_ns - rate.from_ns) *
	                    0.999);
}

static void what_runs_backwards_is_not_taken(void **state)
{
	struct steady s;

	(void)state;
	steady_start(&s);
	steady_add(&s, 1000, 500);
	steady_add(&s, 999, 600);
	steady_add(&s, 2000, 400);
	assert_int_equal(s.last_ns, 1000);
	assert_int_equal(s.last_bytes, 500);
}

/* An edge that no sample stands on has its share of what came around it. */
static void edges_are_interpolated(void **state)
{
	static const double want[] = { 0, 1000, 2000, 4500, 8500 };
	struct steady s;

	(void)state;
	steady_start(&s);
	steady_add(&s, 1000, 700);
	steady_add(&s, 1000 + 25 * NS_PER_MS, 700 + 2500);
	steady_add(&s, 1000 + 40 * NS_PER_MS, 700 + 8500);
	steady_add(&s, 1000 + 49 * NS_PER_MS, 700 + 9000);
	assert_int_equal(s.bins, 4);
	for (uint32_t i = 0; i <= s.bins; i++)
		assert_true(__builtin_fabs(s.edge_bytes[i] - want[i]) < 1e-6);
}

/* Rare samples: the bins between are filled evenly. */
static void gaps_are_filled(void **state)
{
	struct steady s;
	struct steady_rate rate;

	(void)state;
	steady_start(&s);
	for (uint64_t second = 0; second <= 10; second++)
		steady_add(&s, second * NS_PER_S, second * 1000000);
	steady_estimate(&s, CLOCK_NEVER_NS, &path, &rate);
	assert_int_equal(s.bins, 1000);
	assert_true(rate.known && rate.bps > 7.999e6 && rate.bps < 8.001e6);
}

/* What the closing of an upload takes is no part of its rate. */
static void what_follows_is_not_looked_at(void **state)
{
	struct series c = { "", constant, 10000, 0, 0, 0, false };
	struct steady s;
	struct steady_rate rate;

	(void)state;
	play(&c, 1, &s);
	for (uint64_t ms = 10010; ms <= 13000; ms += 10)
		steady_add(&s, 77 + ms * NS_PER_MS, s.last_bytes);
	steady_estimate(&s, 77 + 10 * NS_PER_S, &path, &rate);
	assert_true(rate.known && rate.bps > 7.9999e8 && rate.bps < 8.0001e8);
	assert_int_equal(rate.until_ns, 10 * NS_PER_S);
}

/* --- BBR's probes for the minimum RTT --------------------------------------------------------------- */

struct probe_case {
	const char *name;
	uint32_t rtt_ms, in_flight; /* while it probes */
	uint64_t from_ms, until_ms; /* when it probes */
	double bin_bytes;           /* else, of 10 ms */
	bool found;
};

static const struct probe_case probe_cases[] = {
	{ "in the middle, 20 ms", 20, 4, 5000, 5220, 362000, true },
	{ "in the middle, 100 ms", 100, 4, 4000, 4300, 362000, true },
	{ "5 ms, 10 Mbit/s: hardly slower, left in", 5, 4, 5000, 5205, 12066, false },
	{ "5 ms, 10 Mbit/s: a quarter slower", 5, 3, 5000, 5205, 12066, true },
	{ "5 ms, 10 Mbit/s: too long", 5, 3, 5000, 5500, 12066, false },
	{ "20 ms, 10 Mbit/s: a quarter slower is no probe", 20, 12, 5000, 5220, 12066, false },
	{ "at the end", 20, 4, 9900, 10000, 362000, true },
	{ "nothing at all is an outage", 20, 0, 5000, 5220, 362000, false },
	{ "too short", 20, 4, 5000, 5100, 362000, false },
	{ "a slower path is no probe", 20, 60, 5000, 5220, 362000, false },
	{ "a path that is always so slow", 100, 4, 0, 10000, 600, false },
	{ "a third of the time", 20, 4, 3000, 6200, 362000, false },
	{ "a fifth of the time", 20, 4, 3000, 4900, 362000, true },
};

static void probe_is_taken_out(void **state)
{
	const struct probe_case *c = *state;
	struct steady_path p = { SEGMENT, c->rtt_ms * 1000 };
	double bytes = 0, probing = 10.0 * c->in_flight * SEGMENT / c->rtt_ms;
	struct steady_rate rate;
	struct steady s;

	steady_start(&s);
	steady_add(&s, 0, 0);
	for (uint64_t ms = 0; ms < 10000; ms += 10) {
		bool probes = ms >= c->from_ms && ms < c->until_ms && probing < c->bin_bytes;

		bytes += probes ? probing : c->bin_bytes;
		steady_add(&s, (ms + 10) * NS_PER_MS, (uint64_t)bytes);
	}
	steady_estimate(&s, CLOCK_NEVER_NS, &p, &rate);
	assert_true(rate.known);
	if (c->found)
		assert_true(rate.bps > 799.9 * c->bin_bytes && rate.bps < 800.1 * c->bin_bytes);
	else
		assert_int_equal(rate.probed_ns, 0);
	p.rtt_us = 0; /* a sender that does not probe */
	steady_estimate(&s, CLOCK_NEVER_NS, &p, &rate);
	assert_int_equal(rate.probed_ns, 0);
}

/* Its six round trips at 99 % of the path's rate after two at the whole: what the interval says of a path of
 * 1,000,000 bytes in 10 ms. */
struct dry_case {
	const char *name;
	uint32_t rtt_ms; /* 0: not BBR's */
	bool covers;
};

static const struct dry_case dry_cases[] = {
	{ "BBR over 100 ms stays below the path", 100, true },
	{ "BBR over 50 ms does not", 50, false },
	{ "no other sender does", 0, false },
};

static void interval_reaches_to_what_the_path_carries(void **state)
{
	const struct dry_case *c = *state;
	struct steady_path p = { SEGMENT, c->rtt_ms * 1000 };
	struct steady_rate rate;
	struct steady s;
	double bytes = 0;

	steady_start(&s);
	steady_add(&s, 0, 0);
	for (uint64_t ms = 0; ms < 10000; ms += 10) {
		bytes += ms % 800 < 200 ? 1e6 : 0.99e6;
		steady_add(&s, (ms + 10) * NS_PER_MS, (uint64_t)bytes);
	}
	steady_estimate(&s, CLOCK_NEVER_NS, &p, &rate);
	assert_true(rate.known && rate.bps > 8e8 * 0.991 && rate.bps < 8e8 * 0.994);
	assert_true(rate.ci95_low_bps < rate.bps);
	assert_int_equal(rate.ci95_high_bps >= 8e8, c->covers);
	assert_true(rate.ci95_high_bps < 8e8 * 1.01);
}

/* BBR's are five seconds apart and more. */
static void dips_that_are_near_are_no_probes(void **state)
{
	struct steady_path p = { SEGMENT, 5000 };
	struct steady_rate rate;
	struct steady s;
	double bytes = 0;

	(void)state;
	steady_start(&s);
	steady_add(&s, 0, 0);
	for (uint64_t ms = 0; ms < 10000; ms += 10) {
		bytes += ms >= 3000 && ms % 2000 < 200 ? 8700 : 12066;
		steady_add(&s, (ms + 10) * NS_PER_MS, (uint64_t)bytes);
	}
	steady_estimate(&s, CLOCK_NEVER_NS, &p, &rate);
	assert_int_equal(rate.probed_ns, 0);
}

static void more_than_fits_is_left_out(void **state)
{
	struct steady s;

	(void)state;
	steady_start(&s);
	steady_add(&s, 0, 0);
	steady_add(&s, UINT64_MAX, 1000);
	assert_int_equal(s.bins, STEADY_BINS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interval_is_never_finer_than_a_segment),
		cmocka_unit_test(what_runs_backwards_is_not_taken),
		cmocka_unit_test(edges_are_interpolated),
		cmocka_unit_test(gaps_are_filled),
		cmocka_unit_test(what_follows_is_not_looked_at),
		cmocka_unit_test(dips_that_are_near_are_no_probes),
		cmocka_unit_test(more_than_fits_is_left_out),
	};
	int failed = CASES_RUN(series_has_its_rate, known_series);

	failed += CASES_RUN(probe_is_taken_out, probe_cases);
	failed += CASES_RUN(interval_reaches_to_what_the_path_carries, dry_cases);
	failed += CASES_RUN(interval_is_as_by_hand, hand_cases);
	failed += CASES_RUN(interval_covers, coverages);
	failed += CASES_RUN(interval_is_as_wide, widths);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
