#include "transport/base/clock.h"

#include <string.h>
#include <time.h>

#include "tests/cases.h"

struct text_case {
	const char *name;
	uint64_t utc_ns;
	int decimals;
	const char *want;
};

static struct text_case text_cases[] = {
	{ "the epoch", 0, 0, "1970-01-01T00:00:00Z" },
	{ "milliseconds", 1767225600000000000, 3, "2026-01-01T00:00:00.000Z" },
	{ "nanoseconds", 1767225600123456789, 9, "2026-01-01T00:00:00.123456789Z" },
	{ "leading zeros of the fraction", 1000, 6, "1970-01-01T00:00:00.000001Z" },
	{ "cut, not rounded", NS_PER_S - 1, 3, "1970-01-01T00:00:00.999Z" },
	{ "no decimals cut too", 2 * NS_PER_S - 1, 0, "1970-01-01T00:00:01Z" },
	{ "leap day", 1709164800 * NS_PER_S, 0, "2024-02-29T00:00:00Z" },
	{ "after 2038", 2147483648 * NS_PER_S, 0, "2038-01-19T03:14:08Z" },
	{ "the last instant", UINT64_MAX, 9, "2554-07-21T23:34:33.709551615Z" },
};

static void text_is_rfc3339(void **state)
{
	const struct text_case *c = *state;
	char out[CLOCK_UTC_TEXT_BYTES];

	assert_ptr_equal(clock_utc_text(c->utc_ns, c->decimals, out), out);
	assert_string_equal(out, c->want);
}

static void clocks_run(void **state)
{
	uint64_t before_ns = clock_now_ns();
	uint64_t utc_s = clock_utc_ns() / NS_PER_S;
	uint64_t cpu_ns = clock_cpu_ns();

	(void)state;
	assert_in_range((uint64_t)time(NULL), utc_s, utc_s + 60);
	while (clock_cpu_ns() == cpu_ns)
		;
	assert_true(clock_now_ns() > before_ns);
	assert_true(clock_cpu_ns() > cpu_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(clocks_run) };
	int failed = CASES_RUN(text_is_rfc3339, text_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
