/* The distributions against their own distribution functions (Kolmogorov and Smirnov), by seed. */
#include "transport/base/draw.h"

#include <math.h>
#include <stdlib.h>

#include "tests/cases.h"

#define DRAWS 20000

/* The bound of 99.99 %: a right generator fails one seed in ten thousand, and the seeds are fixed. */
#define KS_BOUND (2.23 / 141.42) /* 2.23 / sqrt(DRAWS) */

static double exponential_below(double x)
{
	return 1 - exp(-x);
}

static double normal_below(double x)
{
	return erfc(-x / sqrt(2)) / 2;
}

static double uniform_below(double x)
{
	return x;
}

struct draw_case {
	const char *name;
	double (*draw)(uint64_t *state);
	double (*below)(double x);
	uint64_t seed;
};

static struct draw_case draw_cases[] = {
	{ "uniform, seed 0", draw_uniform, uniform_below, 0 },
	{ "uniform, seed 1", draw_uniform, uniform_below, 1 },
	{ "exponential, seed 0", draw_exponential, exponential_below, 0 },
	{ "exponential, seed 1", draw_exponential, exponential_below, 1 },
	{ "exponential, all ones", draw_exponential, exponential_below, UINT64_MAX },
	{ "normal, seed 0", draw_normal, normal_below, 0 },
	{ "normal, seed 1", draw_normal, normal_below, 1 },
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void follows_its_distribution(void **state)
{
	const struct draw_case *c = *state;
	static double drawn[DRAWS];
	uint64_t random = c->seed;
	double worst = 0;

	for (size_t i = 0; i < DRAWS; i++)
		drawn[i] = c->draw(&random);
	qsort(drawn, DRAWS, sizeof(*drawn), compare);
	for (size_t i = 0; i < DRAWS; i++) {
		double below = c->below(drawn[i]);

		worst = fmax(worst, fmax(fabs(below - (double)i / DRAWS),
		                         fabs(below - (double)(i + 1) / DRAWS)));
	}
	assert_true(worst < KS_BOUND);
}

static void seeds_differ_and_repeat(void **state)
{
	uint64_t a = 1, b = 1, c = 2;

	(void)state;
	assert_true(draw_u64(&a) == draw_u64(&b));
	assert_true(draw_u64(&a) != draw_u64(&c));
}

int main(void)
{
	const struct CMUnitTest others[] = { cmocka_unit_test(seeds_differ_and_repeat) };
	int failed = CASES_RUN(follows_its_distribution, draw_cases);

	failed += cmocka_run_group_tests(others, NULL, NULL);
	return failed != 0;
}
