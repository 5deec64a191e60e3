#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "measure/summary.h"
#include "tests/cases.h"

/* --- percentiles, against sorting --------------------------------------------------------------- */

#define DRAWS 20000

static double uniform(uint64_t *state) /* (0, 1) */
{
	*state = *state * 6364136223846793005 + 1442695040888963407;
	return ((double)(*state >> 11) + 0.5) * 0x1p-53;
}

static double draw_uniform(uint64_t *state)
{
	return 5000 + 90000 * uniform(state);
}

static double draw_exponential(uint64_t *state)
{
	return 8000 - 30000 * log(uniform(state));
}

static double draw_normal(uint64_t *state)
{
	double r = sqrt(-2 * log(uniform(state)));

	return 20000 + 700 * r * cos(6.283185307179586 * uniform(state));
}

static double draw_heavy_tail(uint64_t *state) /* Pareto of exponent 0.7 */
{
	return fmin(300 * pow(uniform(state), -1 / 0.7), UINT32_MAX);
}

static double draw_two_modes(uint64_t *state)
{
	return uniform(state) < 0.3 ? 11000 + 100 * uniform(state) : 250000 + 9000 * uniform(state);
}

static double draw_loopback(uint64_t *state) /* where a bucket is less than a microsecond */
{
	return floor(3 + 50 * uniform(state));
}

static double draw_constant(uint64_t *state)
{
	(void)state;
	return 12345;
}

struct percentile_case {
	const char *name;
	double (*draw)(uint64_t *state);
	size_t draws;
};

static const struct percentile_case percentile_cases[] = {
	{ "uniform", draw_uniform, DRAWS },
	{ "exponential", draw_exponential, DRAWS },
	{ "normal", draw_normal, DRAWS },
	{ "heavy tail up to 2^32 us", draw_heavy_tail, DRAWS },
	{ "two modes", draw_two_modes, DRAWS },
	{ "loopback, tens of microseconds", draw_loopback, DRAWS },
	{ "constant", draw_constant, DRAWS },
	{ "43 samples, as of a server", draw_exponential, 43 },
	{ "one sample", draw_uniform, 1 },
	{ "two samples", draw_uniform, 2 },
};

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void percentiles_are_close(void **state)
{
	static const double fractions[] = { 0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1 };
	const struct percentile_case *c = *state;
	struct summary_rtt r = {};
	uint32_t *sorted = calloc(c->draws, sizeof(*sorted));
	uint64_t random = 20260101;

	assert_non_null(sorted);
	for (size_t i = 0; i < c->draws; i++) {
		sorted[i] = (uint32_t)c->draw(&random);
		summary_rtt_add(&r, sorted[i]);
	}
	qsort(sorted, c->draws, sizeof(*sorted), compare_u32);
	assert_int_equal(r.min_us, sorted[0]);
	assert_int_equal(r.max_us, sorted[c->draws - 1]);
	for (size_t i = 0; i < sizeof(fractions) / sizeof(*fractions); i++) {
		size_t rank = (size_t)ceil(fractions[i] * (double)c->draws);
		double exact_us = sorted[rank ? rank - 1 : 0];
		double got_us;

		assert_true(summary_rtt_percentile(&r, fractions[i], &got_us));
		assert_true(fabs(got_us - exact_us) <= exact_us / SUMMARY_RTT_STEPS);
		assert_true(got_us >= r.min_us && got_us <= r.max_us);
	}
	free(sorted);
}

static void percentile_of_nothing(void **state)
{
	struct summary_rtt r = {};
	double us = -1;

	(void)state;
	assert_false(summary_rtt_percentile(&r, 0.5, &us));
	assert_true(us == -1);
}

static void no_time_at_all_is_within_a_microsecond(void **state)
{
	struct summary_rtt r = {};
	double us;

	(void)state;
	summary_rtt_add(&r, 0);
	summary_rtt_add(&r, 1000);
	assert_int_equal(r.min_us, 0);
	assert_true(summary_rtt_percentile(&r, 0.25, &us) && us >= 0 && us <= 1.1);
}

static void percentile_outside_its_range(void **state)
{
	struct summary_rtt r = {};
	double us;

	(void)state;
	summary_rtt_add(&r, 1);
	summary_rtt_add(&r, 1000);
	summary_rtt_add(&r, UINT32_MAX);
	assert_true(summary_rtt_percentile(&r, -3, &us) && us == 1);
	assert_true(summary_rtt_percentile(&r, 7, &us) && us == UINT32_MAX);
	assert_true(summary_rtt_percentile(&r, NAN, &us) && us == 1);
}

/* --- the sink ------------------------------------------------------------------------------------- */

static struct tcp_sample look(uint64_t bytes_acked, uint32_t srtt_us, uint32_t min_rtt_us)
{
	return (struct tcp_sample){
		.present = TCP_SAMPLE_BYTES | TCP_SAMPLE_BYTES_SENT | TCP_SAMPLE_RTT |
		           TCP_SAMPLE_MIN_RTT,
		.bytes_acked = bytes_acked,
		.bytes_sent = bytes_acked,
		.srtt_us = srtt_us,
		.min_rtt_us = min_rtt_us,
	};
}

static void give(struct summary *s, struct tcp_sample sample)
{
	struct sample_sink sink = summary_sink(s);

	sink.take(sink.self, &sample);
}

static void sink_keeps_first_last_and_min(void **state)
{
	struct summary s;

	(void)state;
	summary_start(&s, false);
	give(&s, look(100, 20000, 0)); /* no minimum yet */
	assert_int_equal(s.min_rtt_us, 0);
	give(&s, look(200, 30000, 19000));
	give(&s, look(300, 25000, 18000));
	give(&s, look(400, 25000, 21000)); /* the kernel's window has moved on */
	assert_int_equal(s.samples, 4);
	assert_int_equal(s.first.bytes_acked, 100);
	assert_int_equal(s.last.bytes_acked, 400);
	assert_int_equal(s.min_rtt_us, 18000);
}

static void each_estimate_counts_once(void **state)
{
	struct summary s;

	(void)state;
	summary_start(&s, false);
	for (int i = 0; i < 50; i++)
		give(&s, look(1, 20000, 1));
	give(&s, look(1, 21000, 1));
	give(&s, look(1, 20000, 1));
	give(&s, look(1, 0, 1)); /* none yet */
	assert_int_equal(s.rtt.count, 3);
	assert_int_equal(s.samples, 53);
}

static void absent_is_not_zero(void **state)
{
	struct summary s;

	(void)state;
	summary_start(&s, false);
	give(&s, look(500, 20000, 15000));
	give(&s, (struct tcp_sample){ .event = TCP_SAMPLE_STATE }); /* offers nothing */
	assert_int_equal(s.min_rtt_us, 15000);
	assert_int_equal(s.rtt.count, 1);
	assert_int_equal(s.samples, 2);
}

struct backwards_case {
	const char *name;
	struct tcp_sample sample;
};

#define COUNTERS .present = TCP_SAMPLE_BYTES | TCP_SAMPLE_BYTES_SENT

static const struct backwards_case backwards_cases[] = {
	{ "bytes_acked",
	  { COUNTERS, .bytes_acked = 99, .bytes_received = 100, .bytes_sent = 100,
	    .bytes_retrans = 100 } },
	{ "bytes_received",
	  { COUNTERS, .bytes_acked = 100, .bytes_received = 99, .bytes_sent = 100,
	    .bytes_retrans = 100 } },
	{ "bytes_sent",
	  { COUNTERS, .bytes_acked = 100, .bytes_received = 100, .bytes_sent = 99,
	    .bytes_retrans = 100 } },
	{ "bytes_retrans",
	  { COUNTERS, .bytes_acked = 100, .bytes_received = 100, .bytes_sent = 100,
	    .bytes_retrans = 99 } },
};

static void backwards_is_not_taken(void **state) /* N43 */
{
	const struct backwards_case *c = *state;
	const struct tcp_sample before = { COUNTERS, .bytes_acked = 100, .bytes_received = 100,
		                           .bytes_sent = 100, .bytes_retrans = 100 };
	struct summary s;

	summary_start(&s, false);
	give(&s, before);
	give(&s, c->sample);
	assert_memory_equal(&s.last, &before, sizeof(before));
	assert_int_equal(s.samples, 2);
}

/* A receiver sends next to nothing: its own srtt is of the handshake still. */
static void a_receiver_has_another_estimate(void **state)
{
	struct tcp_sample sample = { .present = TCP_SAMPLE_RTT | TCP_SAMPLE_RCV_RTT,
		                     .srtt_us = 5000 };
	struct summary s;
	double us;

	(void)state;
	summary_start(&s, true);
	give(&s, sample);
	sample.rcv_rtt_us = 40000;
	give(&s, sample);
	give(&s, sample);
	assert_int_equal(s.rtt.count, 1);
	assert_true(summary_rtt_percentile(&s.rtt, 0.5, &us) && us == 40000);
}

/* --- retransmissions ------------------------------------------------------------------------------- */

struct retransmit_case {
	const char *name;
	uint64_t sent, retrans;
	bool known;
	double percent;
};

static const struct retransmit_case retransmit_cases[] = {
	{ "N41: 10 of 1000", 1000, 10, true, 1.0 },
	{ "N41: nothing sent", 0, 0, false, 0 },
	{ "none", 123456789, 0, true, 0 },
	{ "all", 5, 5, true, 100 },
	{ "N43: more again than at all", 5, 6, false, 0 },
	{ "N42: above 2^53", 1ULL << 60, 1ULL << 58, true, 25 },
};

static void retransmit_percent(void **state)
{
	const struct retransmit_case *c = *state;
	double percent = -1;

	assert_int_equal(summary_retransmit_percent(c->sent, c->retrans, &percent), c->known);
	assert_true(c->known ? percent == c->percent : percent == -1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(percentile_of_nothing),
	cmocka_unit_test(percentile_outside_its_range),
	cmocka_unit_test(no_time_at_all_is_within_a_microsecond),
	cmocka_unit_test(sink_keeps_first_last_and_min),
	cmocka_unit_test(each_estimate_counts_once),
	cmocka_unit_test(absent_is_not_zero),
	cmocka_unit_test(a_receiver_has_another_estimate),
};

int main(void)
{
	int failed = CASES_RUN(percentiles_are_close, percentile_cases);

	failed += CASES_RUN(backwards_is_not_taken, backwards_cases);
	failed += CASES_RUN(retransmit_percent, retransmit_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
