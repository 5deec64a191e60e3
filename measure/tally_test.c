/* What becomes of a direction's samples: bytes, limits, the steady rate, in the result. */
#include "measure/tally.h"

#include <math.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"

static struct direction_result d;
static struct tally t;

static void start(enum ndt7_test test)
{
	d = (struct direction_result){ .test = test };
	tally_start(&t, &d);
}

static void give(struct tcp_sample s)
{
	struct sample_sink sink = tally_sink(&t);

	sink.take(sink.self, &s);
}

static struct tcp_sample bytes_at(uint64_t ms, uint64_t acked, uint64_t received)
{
	return (struct tcp_sample){ .at_ns = ms * NS_PER_MS,
		                    .present = TCP_SAMPLE_BYTES,
		                    .bytes_acked = acked,
		                    .bytes_received = received };
}

/* --- bytes ----------------------------------------------------------------------------------------- */

static void what_was_acknowledged_before_is_apart(void **state)
{
	(void)state;
	start(NDT7_UPLOAD);
	give(bytes_at(1000, 800, 5000));
	give(bytes_at(1100, 800, 5000));
	assert_int_equal(t.acked_before, 800);
	assert_int_equal(t.acked_at_ns, 0); /* it has not grown */
	give(bytes_at(1200, 2800, 5000));
	give(bytes_at(1300, 2800, 6000));
	assert_int_equal(t.acked_before, 800);
	assert_int_equal(t.acked_bytes, 2800);
	assert_int_equal(t.acked_at_ns, 1200 * NS_PER_MS);
	assert_int_equal(d.local.samples, 4);
	assert_int_equal(d.local.first.bytes_acked, 800);
	assert_int_equal(d.local.last.bytes_acked, 2800);
}

static const struct rate_case {
	const char *name;
	enum ndt7_test test;
	double mbps; /* of 4 s in which 1 MB/s came and 2 MB/s were acknowledged */
} rate_cases[] = {
	{ "a download is what came", NDT7_DOWNLOAD, 8 },
	{ "an upload is what was acknowledged", NDT7_UPLOAD, 16 },
};

static void steady_rate_is_of_its_direction(void **state)
{
	const struct rate_case *c = *state;
	const struct steady_path path = {};

	start(c->test);
	for (uint64_t ms = 0; ms <= 4000; ms += 5)
		give(bytes_at(1000 + ms, 2000 * ms, 1000 * ms));
	tally_finish(&t, 5000 * NS_PER_MS, &path);
	assert_true(d.steady.known);
	assert_true(fabs(d.steady.bps - c->mbps * 1e6) < 1e4);
}

static void samples_without_bytes_are_no_timeline(void **state)
{
	const struct steady_path path = {};

	(void)state;
	start(NDT7_UPLOAD);
	for (uint64_t ms = 0; ms <= 4000; ms += 5)
		give((struct tcp_sample){ .at_ns = ms * NS_PER_MS, .bytes_acked = 2000 * ms });
	tally_finish(&t, 4000 * NS_PER_MS, &path);
	assert_false(d.steady.known);
	assert_int_equal(t.acked_bytes, 0);
}

/* --- each ACK --------------------------------------------------------------------------------------- */

static struct tcp_sample ack_at(uint64_t us)
{
	return (struct tcp_sample){ .at_ns = NS_PER_S + us * NS_PER_US,
		                    .event = TCP_SAMPLE_ACK,
		                    .present = TCP_SAMPLE_EVERYTHING,
		                    .bytes_acked = 3 * us,
		                    .busy_us = us,
		                    .srtt_us = 1000 + (uint32_t)(us % 7919),
		                    .min_rtt_us = 1000,
		                    .app_limited = us % 5000 == 0 };
}

static void tell_upload(uint64_t step_us)
{
	start(NDT7_UPLOAD);
	for (uint64_t us = 0; us <= 4000000; us += step_us)
		give(ack_at(us));
	tally_settle(&t, 0);
	tally_finish(&t, 5 * NS_PER_S, &(struct steady_path){});
}

/* A trace of each ACK changes the number of samples and no figure. */
static void figures_are_those_of_a_millisecond(void **state)
{
	static struct direction_result thinned;

	(void)state;
	tell_upload(1000);
	thinned = d;
	tell_upload(40);
	assert_int_equal(thinned.local.samples, 4001);
	assert_int_equal(d.local.samples, 100001);
	assert_memory_equal(&d.local.last, &thinned.local.last, sizeof(d.local.last));
	assert_memory_equal(&d.local.rtt, &thinned.local.rtt, sizeof(d.local.rtt));
	assert_int_equal(d.limits.whole.busy_us, thinned.limits.whole.busy_us);
	assert_int_equal(d.limits.whole.app_limited_us, thinned.limits.whole.app_limited_us);
	assert_true(d.steady.bps > 0);
	assert_true(d.steady.bps == thinned.steady.bps);
}

static void what_is_no_ack_is_taken_when_it_comes(void **state)
{
	struct tcp_sample closed = ack_at(10);

	(void)state;
	start(NDT7_UPLOAD);
	give(ack_at(0));
	closed.event = TCP_SAMPLE_STATE;
	closed.bytes_retrans = 77;
	give(closed);
	give(ack_at(20)); /* within the millisecond */
	assert_int_equal(d.local.last.bytes_retrans, 77);
	assert_int_equal(d.local.samples, 3);
}

/* --- limits ---------------------------------------------------------------------------------------- */

static struct tcp_sample limits_at(uint64_t ms, uint64_t busy_ms, uint64_t rwnd_ms)
{
	return (struct tcp_sample){ .at_ns = ms * NS_PER_MS,
		                    .present = TCP_SAMPLE_LIMITS | TCP_SAMPLE_DELIVERY_RATE,
		                    .busy_us = 1000 * busy_ms,
		                    .rwnd_limited_us = 1000 * rwnd_ms };
}

static void an_uploads_limits_are_our_kernels(void **state)
{
	double percent[LIMITS];

	(void)state;
	start(NDT7_UPLOAD);
	give(limits_at(1000, 0, 0));
	tally_settle(&t, 0);
	give(limits_at(1400, 400, 0)); /* within a stretch the latest counts */
	give(limits_at(2000, 1000, 250));
	tally_settle(&t, 0);
	assert_true(limits_percent(&d.limits, percent));
	assert_true(fabs(percent[LIMIT_NETWORK] - 75) < 1e-6);
	assert_true(fabs(percent[LIMIT_RECEIVER] - 25) < 1e-6);
}

static void an_application_that_had_nothing_to_send(void **state)
{
	struct tcp_sample s = limits_at(1000, 0, 0);
	double percent[LIMITS];

	(void)state;
	start(NDT7_UPLOAD);
	s.app_limited = true; /* the first has no time before it */
	give(s);
	tally_settle(&t, 0);
	for (uint64_t ms = 1100; ms <= 2000; ms += 100) {
		s = limits_at(ms, ms - 1000, 0);
		s.app_limited = ms <= 1400;
		give(s);
		tally_settle(&t, 0);
	}
	assert_int_equal(t.app_limited_ns, 400 * NS_PER_MS);
	assert_true(limits_percent(&d.limits, percent));
	assert_true(fabs(percent[LIMIT_APPLICATION] - 40) < 1e-6);
	assert_true(fabs(percent[LIMIT_NETWORK] - 60) < 1e-6);
}

/* Between two samples is less than a microsecond, time and again. */
static void little_time_adds_up(void **state)
{
	struct tcp_sample s = limits_at(1000, 0, 0);

	(void)state;
	start(NDT7_UPLOAD);
	s.app_limited = true;
	for (int i = 0; i < 10000; i++, s.at_ns += 900)
		give(s);
	tally_settle(&t, 0);
	assert_int_equal(d.limits.last.app_limited_us, 8999); /* 9,999 times 900 ns */
}

static void a_stretch_that_was_the_cpus(void **state)
{
	double percent[LIMITS];

	(void)state;
	start(NDT7_UPLOAD);
	give(limits_at(1000, 0, 0));
	tally_settle(&t, 0);
	give(limits_at(2000, 1000, 1000));
	tally_settle(&t, 950000);
	assert_true(limits_percent(&d.limits, percent));
	assert_true(fabs(percent[LIMIT_CPU] - 100) < 1e-6);
}

/* There our kernel only receives; the server's is asked, see server_side. */
static void a_downloads_limits_are_not_our_kernels(void **state)
{
	double percent[LIMITS];

	(void)state;
	start(NDT7_DOWNLOAD);
	give(limits_at(1000, 0, 0));
	tally_settle(&t, 0);
	give(limits_at(2000, 1000, 1000));
	tally_settle(&t, 0);
	assert_false(limits_percent(&d.limits, percent));
}

static void a_source_without_limits_has_none(void **state)
{
	double percent[LIMITS];

	(void)state;
	start(NDT7_UPLOAD);
	for (uint64_t ms = 1000; ms < 2000; ms += 100) {
		give(bytes_at(ms, ms, ms));
		tally_settle(&t, 0);
	}
	assert_false(limits_percent(&d.limits, percent));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_acknowledged_before_is_apart),
		cmocka_unit_test(samples_without_bytes_are_no_timeline),
		cmocka_unit_test(figures_are_those_of_a_millisecond),
		cmocka_unit_test(what_is_no_ack_is_taken_when_it_comes),
		cmocka_unit_test(an_uploads_limits_are_our_kernels),
		cmocka_unit_test(an_application_that_had_nothing_to_send),
		cmocka_unit_test(little_time_adds_up),
		cmocka_unit_test(a_stretch_that_was_the_cpus),
		cmocka_unit_test(a_downloads_limits_are_not_our_kernels),
		cmocka_unit_test(a_source_without_limits_has_none),
	};
	int failed = CASES_RUN(steady_rate_is_of_its_direction, rate_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
