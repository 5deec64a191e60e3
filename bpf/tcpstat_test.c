/* The arithmetic that both sides share. */
#include "bpf/tcpstat.h"

#include "tests/cases.h"

static void every_value_has_its_bucket(void **state)
{
	uint32_t last = 0;

	(void)state;
	for (uint32_t us = 0; us < 1U << 22; us++) {
		uint32_t bucket = tcpstat_rtt_bucket(us);

		assert_true(bucket == last || bucket == last + 1);
		assert_true(tcpstat_rtt_bucket_us(bucket) <= us);
		assert_true(tcpstat_rtt_bucket_us(bucket + 1) > us);
		last = bucket;
	}
}

static void buckets_are_a_hundredth_wide(void **state)
{
	(void)state;
	for (uint32_t b = 1; b + 1 < TCPSTAT_RTT_BUCKETS; b++) {
		uint32_t from = tcpstat_rtt_bucket_us(b), to = tcpstat_rtt_bucket_us(b + 1);

		assert_true(to - from == 1 || (to - from) * 100 <= from);
		assert_int_equal(tcpstat_rtt_bucket(from), b);
		assert_int_equal(tcpstat_rtt_bucket(to - 1), b);
	}
}

struct edge {
	const char *name;
	uint32_t us, bucket;
};

static const struct edge edges[] = {
	{ "0", 0, 0 },
	{ "255 us is exact", 255, 255 },
	{ "257 us is with 256", 257, 256 },
	{ "67 s is in the last", (1U << TCPSTAT_RTT_MAX_BITS) - 1, TCPSTAT_RTT_BUCKETS - 1 },
	{ "and so is all above", 1U << TCPSTAT_RTT_MAX_BITS, TCPSTAT_RTT_BUCKETS - 1 },
	{ "up to the largest", UINT32_MAX, TCPSTAT_RTT_BUCKETS - 1 },
};

static void edge_is_where_it_belongs(void **state)
{
	const struct edge *e = *state;

	assert_int_equal(tcpstat_rtt_bucket(e->us), e->bucket);
}

/* tcp_rtt_estimator() of Linux, its srtt alone. */
static uint32_t estimate(uint32_t srtt_scaled, uint32_t sample_us)
{
	return srtt_scaled + (sample_us - (srtt_scaled >> 3));
}

static void a_sample_is_what_moved_the_estimate(void **state)
{
	static const uint32_t us[] = { 1, 7, 8, 9, 20000, 19, 250000, 3, 67000000, 1, 1, 40 };
	uint32_t srtt_scaled = 8 * 100;

	(void)state;
	for (size_t i = 0; i < sizeof(us) / sizeof(*us); i++) {
		uint32_t before = srtt_scaled;

		srtt_scaled = estimate(srtt_scaled, us[i]);
		assert_int_equal(tcpstat_rtt_sample(before, srtt_scaled), us[i]);
	}
}

/* It fell by more than one sample can make it fall. */
static void two_samples_are_none(void **state)
{
	uint32_t after = estimate(estimate(8 * 20000, 10), 10);

	(void)state;
	assert_true(tcpstat_rtt_sample(8 * 20000, after) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_has_its_bucket),
		cmocka_unit_test(buckets_are_a_hundredth_wide),
		cmocka_unit_test(a_sample_is_what_moved_the_estimate),
		cmocka_unit_test(two_samples_are_none),
	};
	int failed = CASES_RUN(edge_is_where_it_belongs, edges);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
