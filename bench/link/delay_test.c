#include "bench/link/delay.h"

#include <math.h>

#include "tests/cases.h"
#include "transport/base/clock.h"

#define START_NS  (9 * NS_PER_S)
#define PACKETS   100000
#define DELAY_NS  (20 * NS_PER_MS)
#define JITTER_NS (4 * NS_PER_MS)

/* --- distributions ---------------------------------------------------------------------------- */

struct jitter_case {
	const char *name;
	enum jitter_distribution jitter;
	double min, max, mean, deviation; /* of delay minus DELAY_NS, in units of the jitter */
};

static const struct jitter_case jitter_cases[] = {
	{ "none", JITTER_NONE, 0, 0, 0, 0 },
	{ "uniform", JITTER_UNIFORM, -1, 1, 0, 0.57735 },
	{ "normal", JITTER_NORMAL, -4, 4, 0, 1 },
	{ "exponential", JITTER_EXPONENTIAL, 0, INFINITY, 1, 1 },
};

static void is_distributed(void **state)
{
	const struct jitter_case *c = *state;
	struct scenario_direction s = { .delay_ns = DELAY_NS,
		                        .jitter = c->jitter,
		                        .jitter_ns = JITTER_NS,
		                        .jitter_reorders = true };
	struct delay d = delay_of(&s, 1, 2, 3);
	double sum = 0, squares = 0, error = 5 * c->deviation / sqrt(PACKETS) + 1e-6;

	for (int i = 0; i < PACKETS; i++) {
		double x = (double)(delay_due_ns(&d, START_NS) - START_NS);

		x = (x - (double)DELAY_NS) / (double)JITTER_NS;
		assert_true(x >= c->min && x <= c->max);
		sum += x;
		squares += x * x;
	}
	sum /= PACKETS;
	assert_true(fabs(sum - c->mean) <= error);
	assert_true(fabs(sqrt(fmax(squares / PACKETS - sum * sum, 0)) - c->deviation) <= 2 * error);
}

/* A packet a microsecond, which is nothing to a jitter of 4 ms. */
static void keeps_the_order(void **state)
{
	const struct jitter_case *c = *state;
	struct scenario_direction s = { .delay_ns = DELAY_NS,
		                        .jitter = c->jitter,
		                        .jitter_ns = JITTER_NS };
	struct delay d = delay_of(&s, 1, 2, 3);
	uint64_t latest_ns = 0;

	for (uint64_t i = 0; i < PACKETS; i++) {
		uint64_t left_ns = START_NS + i * NS_PER_US, due_ns = delay_due_ns(&d, left_ns);

		assert_true(due_ns >= latest_ns && due_ns >= left_ns);
		latest_ns = due_ns;
		if (i % 7 == 0) {
			latest_ns = delay_copy_due_ns(&d, left_ns);
			assert_true(latest_ns >= due_ns);
		}
	}
}

static void is_never_due_before_it_has_left(void **state)
{
	const struct jitter_case *c = *state;
	struct scenario_direction s = { .delay_ns = NS_PER_MS,
		                        .jitter = c->jitter,
		                        .jitter_ns = 5 * NS_PER_MS,
		                        .jitter_reorders = true };
	struct delay d = delay_of(&s, 1, 2, 3);

	for (int i = 0; i < PACKETS; i++)
		assert_true(delay_due_ns(&d, START_NS) >= START_NS);
}

/* --- being held back, and changes of the delay ------------------------------------------------ */

static void holds_back_by_so_much(void **state)
{
	struct scenario_direction s = { .delay_ns = DELAY_NS,
		                        .reorder_p = 0.1,
		                        .reorder_ns = NS_PER_MS };
	struct delay d = delay_of(&s, 1, 2, 3);
	int held = 0;

	(void)state;
	for (uint64_t i = 0; i < PACKETS; i++) {
		uint64_t left_ns = START_NS + i * NS_PER_US;
		uint64_t more_ns = delay_due_ns(&d, left_ns) - left_ns - DELAY_NS;

		assert_true(more_ns == 0 || more_ns == NS_PER_MS);
		held += more_ns > 0;
	}
	assert_in_range(held, PACKETS / 10 - 400, PACKETS / 10 + 400); /* 4 deviations: 380 */
}

struct fall_case {
	const char *name;
	bool reorders;
	uint64_t want_due_ms; /* of one that leaves 5 ms after the first, its delay 10 less */
};

static const struct fall_case fall_cases[] = {
	{ "a fall of the delay: nobody overtakes", false, 20 },
	{ "a fall of the delay: overtaking allowed", true, 15 },
};

static void falls(void **state)
{
	const struct fall_case *c = *state;
	struct scenario_direction s = { .delay_ns = DELAY_NS, .jitter_reorders = c->reorders };
	struct delay d = delay_of(&s, 1, 2, 3);

	assert_int_equal(delay_due_ns(&d, START_NS), START_NS + DELAY_NS);
	d.propagation_ns -= 10 * NS_PER_MS;
	assert_int_equal(delay_due_ns(&d, START_NS + 5 * NS_PER_MS),
	                 START_NS + c->want_due_ms * NS_PER_MS);
	assert_int_equal(delay_due_ns(&d, START_NS + 15 * NS_PER_MS), START_NS + 25 * NS_PER_MS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(holds_back_by_so_much) };
	int failed = CASES_RUN(is_distributed, jitter_cases);

	failed += CASES_RUN(keeps_the_order, jitter_cases);
	failed += CASES_RUN(is_never_due_before_it_has_left, jitter_cases);
	failed += CASES_RUN(falls, fall_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
