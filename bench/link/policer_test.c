#include "bench/link/policer.h"

#include "tests/cases.h"
#include "transport/base/clock.h"

#define START_NS  (5 * NS_PER_S)
#define STEPS_MAX 6

struct step {
	uint64_t after_ns; /* the start */
	uint64_t bytes;
	bool want;
};

struct policer_case {
	const char *name;
	uint64_t rate_bps, bucket_bytes;
	struct step steps[STEPS_MAX]; /* bytes 0: the end */
};

static const struct policer_case policer_cases[] = {
	{ "none", 0, 0, { { 0, 65535, true }, { 0, 65535, true } } },
	{ "a burst of the bucket, then the rate to the ns",
	  8000000,
	  3000,
	  { { 0, 1500, true },
	    { 0, 1500, true },
	    { 0, 1, false },
	    { 1499999, 1500, false },
	    { 1500000, 1500, true },
	    { 1500000, 1, false } } },
	{ "fractions of a ns add up",
	  7, /* a byte is 1142857142.857… ns */
	  1,
	  { { 0, 1, true },
	    { 1142857142, 1, false },
	    { 1142857143, 1, true },
	    { 2285714285, 1, false },
	    { 2285714286, 1, true },
	    { 3428571429, 1, true } } },
	{ "never more than the bucket, however long",
	  1000000000,
	  1500,
	  { { 0, 1500, true },
	    { UINT64_MAX / 2, 1501, false },
	    { UINT64_MAX / 2, 1500, true },
	    { UINT64_MAX / 2, 1, false } } },
	{ "a refused packet costs nothing", 8000, 1500, { { 0, 1501, false }, { 0, 1500, true } } },
	{ "a small one passes where a large one does not",
	  8000,
	  1500,
	  { { 0, 1000, true }, { 0, 501, false }, { 0, 500, true } } },
};

static void passes(void **state)
{
	const struct policer_case *c = *state;
	struct policer p = policer_of(c->rate_bps, c->bucket_bytes, START_NS);

	for (size_t i = 0; i < STEPS_MAX && c->steps[i].bytes > 0; i++)
		assert_int_equal(
			policer_passes(&p, c->steps[i].bytes, START_NS + c->steps[i].after_ns),
			c->steps[i].want);
}

/* Twice the rate for ten seconds: the bucket and ten seconds of the rate. */
static void keeps_its_rate(void **state)
{
	struct policer p = policer_of(10000000, 15000, START_NS);
	uint64_t passed = 0;

	(void)state;
	for (uint64_t at_ns = 0; at_ns < 10 * NS_PER_S; at_ns += 600000)
		passed += policer_passes(&p, 1500, START_NS + at_ns) ? 1500 : 0;
	assert_in_range(passed, 12515000 - 1500, 12515000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(keeps_its_rate) };
	int failed = CASES_RUN(passes, policer_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
