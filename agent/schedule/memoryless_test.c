#include "agent/schedule/memoryless.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define HOUR_NS (3600 * NS_PER_S)
#define DRAWS   10000

/* N83 */
static struct check_case {
	const char *name;
	struct memoryless m;
	int want;
} check_cases[] = {
	{ "N83: M-Lab's", { 21600 * NS_PER_S, 2160 * NS_PER_S, 54000 * NS_PER_S }, 0 },
	{ "N83: no longest", { HOUR_NS, 0, 0 }, 0 },
	{ "N83: all the same", { HOUR_NS, HOUR_NS, HOUR_NS }, 0 },
	{ "N83: the least above the mean", { HOUR_NS, 2 * HOUR_NS, 3 * HOUR_NS }, -EINVAL },
	{ "N83: the most below the mean", { HOUR_NS, 0, HOUR_NS / 2 }, -EINVAL },
	{ "N83: no mean", { 0, 0, 0 }, -EINVAL },
};

static void limits_are_checked(void **state)
{
	const struct check_case *c = *state;
	struct err err = {};

	assert_int_equal(memoryless_check(&c->m, &err), c->want);
	assert_int_equal(err.code, c->want);
}

static void a_means_limits_are_valid(void **state)
{
	struct memoryless m = memoryless_of(6 * HOUR_NS);

	(void)state;
	assert_int_equal(memoryless_check(&m, NULL), 0);
	assert_int_equal(m.least_ns, 2160 * NS_PER_S);
	assert_int_equal(m.most_ns, 54000 * NS_PER_S);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* exp(-x) for x >= 0, to double precision: halve until small, then square back. No mathematics library here. */
static double exp_of_minus(double x)
{
	double y = x / 1024, e = 1 - y + y * y / 2 - y * y * y / 6 + y * y * y * y / 24;

	for (int i = 0; i < 10; i++)
		e *= e;
	return e;
}

/* N82. Kolmogorov and Smirnov: of n values that are what they are said to be, the largest distance of the
 * empirical distribution is above 1.63 / sqrt(n) in one of a hundred seeds; the seed is fixed. */
static void draws_are_exponential_between_their_limits(void **state)
{
	struct memoryless m = memoryless_of(21600 * NS_PER_S);
	double *inside = malloc(DRAWS * sizeof(*inside)), sum_s = 0, distance = 0;
	double low = 0.1, high = 2.5, below = exp_of_minus(low), above = exp_of_minus(high);
	uint64_t random = 7;
	size_t n = 0;

	(void)state;
	assert_non_null(inside);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t ns = memoryless_draw_ns(&m, &random);

		assert_in_range(ns, m.least_ns, m.most_ns);
		sum_s += (double)ns / NS_PER_S;
		if (ns > m.least_ns && ns < m.most_ns)
			inside[n++] = (double)ns / (double)m.mean_ns;
	}
	qsort(inside, n, sizeof(*inside), by_value);
	for (size_t i = 0; i < n; i++) {
		double want = (below - exp_of_minus(inside[i])) / (below - above);
		double high_side = (double)(i + 1) / (double)n - want,
		       low_side = want - (double)i / (double)n;

		distance = high_side > distance ? high_side : distance;
		distance = low_side > distance ? low_side : distance;
	}
	free(inside);
	assert_true(distance * distance * (double)n < 1.63 * 1.63);
	/* The clamped mean: mean * (0.1 + exp(-0.1) - exp(-2.5)) = 19,932 s; its own error is 14,000 s / 100. */
	assert_true(sum_s / DRAWS > 19932 - 450 && sum_s / DRAWS < 19932 + 450);
}

/* N84 */
static void two_pods_differ(void **state)
{
	struct memoryless m = memoryless_of(HOUR_NS);
	uint64_t one = 1, other = 2;
	int same = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		same += memoryless_draw_ns(&m, &one) == memoryless_draw_ns(&m, &other);
	assert_in_range(same, 0, 25); /* those that both are clamped */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_means_limits_are_valid),
		cmocka_unit_test(draws_are_exponential_between_their_limits),
		cmocka_unit_test(two_pods_differ),
	};
	int failed = CASES_RUN(limits_are_checked, check_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
