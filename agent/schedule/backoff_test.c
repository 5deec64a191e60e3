#include "agent/schedule/backoff.h"

#include "tests/cases.h"
#include "transport/base/clock.h"

static struct backoff_case {
	const char *name;
	uint64_t first_ms, most_ms;
	double jitter;
	uint64_t want_ms[8]; /* without the jitter */
} backoff_cases[] = {
	{ "the socket's", 500, 15000, 0.1, { 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000 } },
	{ "an upload's",
	  15000,
	  900000,
	  0.1,
	  { 15000, 30000, 60000, 120000, 240000, 480000, 900000, 900000 } },
	{ "always the same", 1000, 1000, 0, { 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000 } },
	{ "an odd ceiling", 3, 10, 0, { 3, 6, 10, 10, 10, 10, 10, 10 } },
	{ "as long as there is",
	  1,
	  UINT64_MAX / NS_PER_MS / 2,
	  0.5,
	  { 1, 2, 4, 8, 16, 32, 64, 128 } },
};

static void waits_double(void **state)
{
	const struct backoff_case *c = *state;
	struct backoff b = { .first_ns = c->first_ms * NS_PER_MS,
		             .most_ns = c->most_ms * NS_PER_MS,
		             .jitter = c->jitter };
	uint64_t random = 1;

	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < sizeof(c->want_ms) / sizeof(*c->want_ms); i++) {
			double ns = (double)backoff_next(&b, &random),
			       want = (double)(c->want_ms[i] * NS_PER_MS);

			assert_true(ns >= want * (1 - c->jitter) - 1 &&
			            ns <= want * (1 + c->jitter) + 1);
		}
		backoff_reset(&b);
	}
}

/* Two pods that fail at the same moment do not come back at the same moment. */
static void no_two_are_alike(void **state)
{
	struct backoff a = { .first_ns = NS_PER_S, .most_ns = NS_PER_S, .jitter = 0.1 }, b = a;
	uint64_t one = 1, other = 2;

	(void)state;
	assert_int_not_equal(backoff_next(&a, &one), backoff_next(&b, &other));
}

/* Of a thousand that lose the same thing, each tenth of the longest wait brings a hundred back; and none of those that
 * fail again come together. */
static void a_fleet_is_scattered_evenly(void **state)
{
	struct backoff standard = { .first_ns = NS_PER_S / 2,
		                    .most_ns = 120 * NS_PER_S,
		                    .jitter = 0.1 };
	unsigned int first[10] = {}, second[10] = {};

	(void)state;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		struct backoff b = standard;
		uint64_t random = seed, wait_ns = backoff_scatter(&b, &random), next_ns;

		assert_in_range(wait_ns, b.first_ns, b.most_ns);
		first[wait_ns * 10 / (b.most_ns + 1)]++;
		next_ns = backoff_next(&b, &random);
		assert_in_range(next_ns, b.most_ns * 9 / 10, b.most_ns * 11 / 10);
		second[(wait_ns + next_ns) / (b.most_ns / 10) % 10]++;
	}
	for (int i = 0; i < 10; i++) {
		assert_in_range(first[i], 70, 130);
		assert_in_range(second[i], 70, 130);
	}
}

static void what_is_spread_is_within(void **state)
{
	uint64_t random = 1, most_ns = 0;

	(void)state;
	assert_int_equal(backoff_spread(0, &random), 0);
	for (int i = 0; i < 1000; i++) {
		uint64_t ns = backoff_spread(NS_PER_S, &random);

		assert_true(ns < NS_PER_S);
		most_ns = ns > most_ns ? ns : most_ns;
	}
	assert_true(most_ns > 990 * NS_PER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_two_are_alike),
		cmocka_unit_test(a_fleet_is_scattered_evenly),
		cmocka_unit_test(what_is_spread_is_within),
	};
	int failed = CASES_RUN(waits_double, backoff_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
