/* A flow along time: what its samples say is what its curves say. */
#include "measure/report/curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "tests/trace_samples.h"
#include "transport/base/clock.h"

static struct curves *begin(uint64_t origin_ns)
{
	struct curves *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	curves_start(c, origin_ns);
	return c;
}

static double all(const struct thin_sum *t)
{
	double sum = 0;

	for (uint32_t i = 0; i < THIN_BINS; i++)
		sum += t->bins[i];
	return sum;
}

static struct thin_bin span(const struct thin_gauge *t)
{
	struct thin_bin whole = { .min = UINT32_MAX };

	for (uint32_t i = 0; i < THIN_BINS; i++) {
		const struct thin_bin *b = &t->bins[i];

		if (b->samples == 0)
			continue;
		whole.samples += b->samples;
		whole.min = b->min < whole.min ? b->min : whole.min;
		whole.max = b->max > whole.max ? b->max : whole.max;
		whole.last = b->last;
	}
	return whole;
}

static struct tcp_sample at(uint64_t us, uint64_t received)
{
	return (struct tcp_sample){ .at_ns = us * NS_PER_US,
		                    .present = TRACE_SAMPLE_GROUPS,
		                    .srtt_us = 20000,
		                    .latest_rtt_us = 20000,
		                    .min_rtt_us = 19000,
		                    .snd_cwnd_segments = 10,
		                    .bytes_received = received };
}

/* 10 s at 80 Mbit/s, a sample each ms; in one of them an RTT of a second, in one 10 ms no byte. */
static void a_transfer(void **state)
{
	struct curves *c = begin(5 * NS_PER_S);
	struct thin_bin rtt, rate;
	uint64_t received = 1000;

	(void)state;
	for (uint64_t ms = 0; ms <= 10000; ms++) {
		struct tcp_sample s = at(5000000 + 1000 * ms, received);

		if (ms == 7777)
			s.srtt_us = s.latest_rtt_us = 1000000;
		curves_take(c, &s);
		received += ms >= 4000 && ms < 4010 ? 0 : 10000;
	}
	rtt = span(&c->gauges[CURVE_SRTT_US]);
	assert_int_equal(rtt.samples, 10001);
	assert_int_equal(rtt.max, 1000000);
	assert_int_equal(rtt.min, 20000);
	rate = span(&c->gauges[CURVE_RECEIVED_KBPS]);
	assert_int_equal(rate.samples, 1000);
	assert_int_equal(rate.max, 80000);
	assert_int_equal(rate.min, 0);
	assert_true(fabs(all(&c->sums[CURVE_RECEIVED_BYTES]) - 99900000) < 1);
	assert_int_equal(c->latest.max_us, 1000000);
	assert_true(c->sum_totals[CURVE_ACKED_BYTES] == 0);
	assert_true(c->grid.shift > 0 && thin_grid_width_ns(&c->grid) < 5 * NS_PER_MS);
	free(c);
}

/* By a clock that ticks in 4 ms, looked at each ms: neither tick nor look may show. */
static void limits_are_those_of_the_clocks(void **state)
{
	struct curves *c = begin(0);
	double network, receiver, application;

	(void)state;
	for (uint64_t ms = 0; ms <= 4000; ms++) {
		struct tcp_sample s = at(1000 * ms, 0);

		s.busy_us = (ms < 3000 ? ms : 3000) / 4 * 4000;
		s.rwnd_limited_us = (ms < 1000 ? ms : 1000) / 4 * 4000;
		curves_take(c, &s);
	}
	network = all(&c->sums[CURVE_LIMITS_US + LIMIT_NETWORK]);
	receiver = all(&c->sums[CURVE_LIMITS_US + LIMIT_RECEIVER]);
	application = all(&c->sums[CURVE_LIMITS_US + LIMIT_APPLICATION]);
	assert_true(fabs(receiver - 1e6) < 2e4);
	assert_true(fabs(network - 2e6) < 2e4);
	assert_true(fabs(application - 1e6) < 2e4);
	assert_true(fabs(network + receiver + application - 4e6) < 1);
	free(c);
}

static void what_the_sender_held_back_is_the_applications(void **state)
{
	struct curves *c = begin(0);

	(void)state;
	for (uint64_t ms = 0; ms <= 1000; ms++) {
		struct tcp_sample s = at(1000 * ms, 0);

		s.busy_us = 1000 * ms;
		s.app_limited = ms > 500;
		curves_take(c, &s);
	}
	assert_true(fabs(all(&c->sums[CURVE_LIMITS_US + LIMIT_APPLICATION]) - 5e5) < 1e5);
	assert_true(fabs(all(&c->sums[CURVE_LIMITS_US + LIMIT_NETWORK]) - 5e5) < 1e5);
	free(c);
}

/* Of samples that are closer than a microsecond, too. */
static void no_time_that_was_held_back_is_dropped(void **state)
{
	struct curves *c = begin(0);
	double network, application;

	(void)state;
	for (uint64_t i = 0; i <= 1000000; i++) {
		struct tcp_sample s = at(0, 0);

		s.at_ns = 600 * i;
		s.busy_us = s.at_ns / NS_PER_US;
		s.app_limited = true;
		curves_take(c, &s);
	}
	network = all(&c->sums[CURVE_LIMITS_US + LIMIT_NETWORK]);
	application = all(&c->sums[CURVE_LIMITS_US + LIMIT_APPLICATION]);
	assert_true(application > 4e5 && network < 1e-4 * application);
	free(c);
}

/* When it was is known, however long before that the last look was. */
static void a_retransmission_stands_where_it_was(void **state)
{
	struct curves *c = begin(0);
	struct tcp_sample s = at(0, 0);

	(void)state;
	curves_take(c, &s);
	s = at(200000, 0);
	s.event = TCP_SAMPLE_RETRANSMIT;
	curves_take(c, &s);
	assert_true(c->sums[CURVE_RETRANSMITS].bins[thin_grid_bin(&c->grid, s.at_ns)] == 1);
	assert_true(all(&c->sums[CURVE_RETRANSMITS]) == 1);
	free(c);
}

static void what_is_absent_has_no_curve(void **state)
{
	struct curves *c = begin(0);
	struct tcp_sample bare = { .event = TCP_SAMPLE_RETRANSMIT };

	(void)state;
	for (bare.at_ns = 0; bare.at_ns < NS_PER_S; bare.at_ns += 10 * NS_PER_MS)
		curves_take(c, &bare);
	for (int i = 0; i < CURVE_GAUGES; i++)
		assert_int_equal(c->gauge_samples[i], 0);
	for (int i = 0; i < CURVE_SUMS; i++)
		assert_true(c->sum_totals[i] == (i == CURVE_RETRANSMITS ? 100 : 0));
	assert_int_equal(c->latest.count, 0);
	assert_false(c->limits.begun);
	free(c);
}

static void an_rtt_of_0_is_none(void **state)
{
	struct curves *c = begin(0);
	struct tcp_sample s = at(0, 0);

	(void)state;
	s.srtt_us = s.latest_rtt_us = s.min_rtt_us = 0;
	curves_take(c, &s);
	assert_int_equal(c->gauge_samples[CURVE_SRTT_US], 0);
	assert_int_equal(c->gauge_samples[CURVE_RCV_RTT_US], 0);
	assert_int_equal(c->gauge_samples[CURVE_CWND], 1);
	assert_int_equal(c->latest.count, 0);
	free(c);
}

static void counters_and_clocks_that_run_backwards(void **state)
{
	struct curves *c = begin(NS_PER_S);
	struct tcp_sample s;

	(void)state;
	s = at(2000000, 5000);
	curves_take(c, &s);
	s = at(1500000, 4000); /* back in time, and fewer bytes */
	curves_take(c, &s);
	s = at(2500000, 9000);
	curves_take(c, &s);
	s = at(500000, 9000); /* before the origin */
	curves_take(c, &s);
	assert_int_equal(c->samples, 3);
	assert_int_equal(c->early, 1);
	assert_true(fabs(all(&c->sums[CURVE_RECEIVED_BYTES]) - 5000) < 1e-6);
	free(c);
}

/* Whatever a trace may say: nothing overflows, and time has an end. */
static void anything_is_taken(void **state)
{
	struct curves *c = begin(0);
	uint64_t seed = 99;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct tcp_sample s = trace_draw_sample(&seed, 1, draw_u64(&seed) >> (i % 64));

		curves_take(c, &s);
	}
	assert_int_equal(c->samples, 20000);
	for (int i = 0; i < CURVE_SUMS; i++)
		assert_true(isfinite(all(&c->sums[i])));
	free(c);
}

static void widening_keeps_all(void **state)
{
	struct curves *c = begin(0);
	struct thin_bin before, after;

	(void)state;
	for (uint64_t us = 0; us < 100000; us += 10) {
		struct tcp_sample s = at(us, us);

		s.srtt_us = 1 + (uint32_t)(us % 997);
		curves_take(c, &s);
	}
	before = span(&c->gauges[CURVE_SRTT_US]);
	curves_widen(c, c->grid.shift + 3);
	after = span(&c->gauges[CURVE_SRTT_US]);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_true(fabs(all(&c->sums[CURVE_RECEIVED_BYTES]) - 99990) < 1e-3);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_transfer),
		cmocka_unit_test(limits_are_those_of_the_clocks),
		cmocka_unit_test(what_the_sender_held_back_is_the_applications),
		cmocka_unit_test(no_time_that_was_held_back_is_dropped),
		cmocka_unit_test(a_retransmission_stands_where_it_was),
		cmocka_unit_test(what_is_absent_has_no_curve),
		cmocka_unit_test(an_rtt_of_0_is_none),
		cmocka_unit_test(counters_and_clocks_that_run_backwards),
		cmocka_unit_test(anything_is_taken),
		cmocka_unit_test(widening_keeps_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
