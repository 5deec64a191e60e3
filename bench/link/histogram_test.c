#include "bench/link/histogram.h"

#include "tests/cases.h"
#include "transport/base/draw.h"

static struct bucket_case {
	const char *name;
	uint64_t value;
	unsigned int bucket;
	uint64_t lower, next_lower;
} bucket_cases[] = {
	{ "0", 0, 0, 0, 1 },
	{ "63, the last of one value", 63, 63, 63, 64 },
	{ "64 to 127 are single values too", 127, 127, 127, 128 },
	{ "128, the first of two", 128, 128, 128, 130 },
	{ "129 shares it", 129, 128, 128, 130 },
	{ "a power of two begins a bucket", 1 << 20, (20 - 5) * 64, 1 << 20,
	  (1 << 20) + (1 << 14) },
	{ "one less ends the bucket before", (1 << 20) - 1, (20 - 5) * 64 - 1,
	  (1 << 20) - (1 << 13), 1 << 20 },
	{ "100 us", 100000, 11 * 64 + 33, 99328, 100352 },
	{ "the largest there is", UINT64_MAX, HISTOGRAM_BUCKETS - 1, 127ULL << 57, 0 },
};

static void value_has_its_bucket(void **state)
{
	const struct bucket_case *c = *state;

	assert_int_equal(histogram_bucket(c->value), c->bucket);
	assert_int_equal(histogram_lower(c->bucket), c->lower);
	if (c->next_lower)
		assert_int_equal(histogram_lower(c->bucket + 1), c->next_lower);
}

static void buckets_adjoin(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		assert_int_equal(histogram_bucket(histogram_lower(i)), i);
		if (i > 0)
			assert_int_equal(histogram_bucket(histogram_lower(i) - 1), i - 1);
	}
}

static struct quantile_case {
	const char *name;
	uint64_t values[8];
	unsigned int n;
	double share;
	uint64_t want;
} quantile_cases[] = {
	{ "nothing counted", { 0 }, 0, 0.5, 0 },
	{ "one value is every quantile", { 41 }, 1, 0.99, 41 },
	{ "share 0 is the smallest", { 7, 3, 9 }, 3, 0, 3 },
	{ "share 1 is the largest, exactly", { 3, 1234567 }, 2, 1, 1234567 },
	{ "median of three", { 30, 10, 20 }, 3, 0.5, 20 },
	{ "median of four is the second", { 10, 20, 30, 40 }, 4, 0.5, 20 },
	{ "the middle of a bucket", { 0, 1 << 20, 1 << 30 }, 3, 0.5, (1 << 20) + (1 << 13) - 1 },
	{ "within what was seen", { 1 << 20, 1 << 20, 1 << 20 }, 3, 0.5, 1 << 20 },
	{ "p99 of eight is the largest's", { 1, 1, 1, 1, 1, 1, 1, 60 }, 8, 0.99, 60 },
};

static void quantile_is_known(void **state)
{
	const struct quantile_case *c = *state;
	struct histogram h = {};

	for (unsigned int i = 0; i < c->n; i++)
		histogram_add(&h, c->values[i]);
	assert_int_equal(histogram_quantile(&h, c->share), c->want);
	assert_int_equal(h.count, c->n);
}

/* 1.6 %: half a bucket is less. */
static void quantile_is_near(void **state)
{
	static struct histogram h;
	uint64_t random = 1;

	(void)state;
	for (unsigned int i = 0; i < 100000; i++)
		histogram_add(&h, (uint64_t)(1e9 * draw_uniform(&random)));
	for (unsigned int percent = 1; percent < 100; percent++) {
		double want = 1e9 * percent / 100,
		       got = (double)histogram_quantile(&h, percent / 100.0);

		assert_true(got > want * 0.98 - 2e6 && got < want * 1.02 + 2e6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_adjoin),
		cmocka_unit_test(quantile_is_near),
	};
	int failed = CASES_RUN(value_has_its_bucket, bucket_cases);

	failed += CASES_RUN(quantile_is_known, quantile_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
