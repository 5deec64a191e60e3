/* What is told of a storm, an hour and a loop (contract sentry.md 4.7, 7.4, check 12). */
#include "agent/sentry/sentry_quota.h"

#include <stdio.h>
#include <string.h>

#include "tests/cases.h"

#define NOON_S 1767614400ULL

static struct sentry_quota q;

static int begin(void **state)
{
	(void)state;
	q = (struct sentry_quota){};
	return 0;
}

static enum sentry_quota_outcome take(const char *fingerprint, uint64_t utc_s,
                                      uint32_t want_suppressed)
{
	uint32_t suppressed = 99;
	enum sentry_quota_outcome outcome = sentry_quota_take(&q, fingerprint, utc_s, &suppressed);

	assert_int_equal(suppressed, want_suppressed);
	return outcome;
}

static void a_storm(void **state)
{
	(void)state;
	assert_int_equal(take("store WRITE_FAILED ENOSPC", NOON_S, 0), SENTRY_QUOTA_TELL);
	for (int i = 1; i < 10000; i++)
		assert_int_equal(take("store WRITE_FAILED ENOSPC", NOON_S, 0), SENTRY_QUOTA_ALIKE);
	assert_int_equal(take("store WRITE_FAILED ENOSPC", NOON_S + 3599, 0), SENTRY_QUOTA_ALIKE);
	assert_int_equal(take("store WRITE_FAILED ENOSPC", NOON_S + 3600, 10000),
	                 SENTRY_QUOTA_TELL);
	assert_int_equal(take("store WRITE_FAILED ENOSPC", NOON_S + 7200, 0), SENTRY_QUOTA_TELL);
}

static void twenty_in_an_hour(void **state)
{
	char kind[16];

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(kind, sizeof(kind), "kind %d", i);
		assert_int_equal(take(kind, NOON_S + (uint64_t)i, 0),
		                 i < SENTRY_QUOTA_HOUR ? SENTRY_QUOTA_TELL : SENTRY_QUOTA_CAPPED);
	}
	assert_int_equal(take("another", NOON_S + 3600, 0), SENTRY_QUOTA_TELL);
	assert_int_equal(take("one more", NOON_S + 3600, 0), SENTRY_QUOTA_CAPPED);
	assert_int_equal(take("one more", NOON_S + 3601, 0), SENTRY_QUOTA_TELL);
}

static void more_kinds_than_it_knows(void **state)
{
	char kind[16];

	(void)state;
	for (int i = 0; i < SENTRY_QUOTA_KINDS + 10; i++) {
		snprintf(kind, sizeof(kind), "kind %d", i);
		assert_int_equal(take(kind, NOON_S + 600 * (uint64_t)i, 0), SENTRY_QUOTA_TELL);
	}
	assert_int_equal(q.kinds, SENTRY_QUOTA_KINDS);
	assert_int_equal(take(kind, NOON_S + 600 * (SENTRY_QUOTA_KINDS + 9), 0),
	                 SENTRY_QUOTA_ALIKE);
}

static void a_crash_loop(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 60; i++)
		assert_int_equal(sentry_quota_take_crash(&q, NOON_S + i),
		                 i < SENTRY_QUOTA_CRASHES ? SENTRY_QUOTA_TELL
		                                          : SENTRY_QUOTA_CAPPED);
	assert_int_equal(sentry_quota_take_crash(&q, NOON_S + 600), SENTRY_QUOTA_TELL);
}

static void a_clock_that_goes_back(void **state)
{
	(void)state;
	assert_int_equal(take("a", NOON_S, 0), SENTRY_QUOTA_TELL);
	assert_int_equal(take("a", 0, 0), SENTRY_QUOTA_TELL);
	assert_int_equal(take("a", 1, 0), SENTRY_QUOTA_ALIKE);
}

static void outlives_a_restart(void **state)
{
	char text[SENTRY_QUOTA_TEXT_BYTES];

	(void)state;
	take("a", NOON_S, 0);
	take("a", NOON_S, 0);
	sentry_quota_take_crash(&q, NOON_S);
	sentry_quota_write(&q, text);
	sentry_quota_read(&q, text);
	assert_int_equal(take("a", NOON_S + 1, 0), SENTRY_QUOTA_ALIKE);
	assert_int_equal(take("a", NOON_S + 3600, 2), SENTRY_QUOTA_TELL);
	assert_int_equal(sentry_quota_take_crash(&q, NOON_S + 1), SENTRY_QUOTA_TELL);
	assert_int_equal(sentry_quota_take_crash(&q, NOON_S + 1), SENTRY_QUOTA_TELL);
	assert_int_equal(sentry_quota_take_crash(&q, NOON_S + 1), SENTRY_QUOTA_CAPPED);
}

/* A full one, with the largest numbers of the next centuries, is read back whole. */
static void the_longest_text(void **state)
{
	char text[SENTRY_QUOTA_TEXT_BYTES];
	struct sentry_quota full = { .kinds = SENTRY_QUOTA_KINDS };

	(void)state;
	for (size_t i = 0; i < SENTRY_QUOTA_KINDS; i++)
		full.kind[i] =
			(struct sentry_quota_kind){ UINT64_MAX - i, 999999999999, UINT32_MAX };
	for (size_t i = 0; i < SENTRY_QUOTA_HOUR; i++)
		full.told_s[i] = 999999999999;
	for (size_t i = 0; i < SENTRY_QUOTA_CRASHES; i++)
		full.crashed_s[i] = 999999999999;
	sentry_quota_write(&full, text);
	sentry_quota_read(&q, text);
	assert_memory_equal(&q, &full, sizeof(q));
}

struct text_case {
	const char *name;
	const char *text;
	size_t want_kinds;
};

static struct text_case text_cases[] = {
	{ "nothing", "", 0 },
	{ "one kind", "kind 00000000000000ff 1 2\n", 1 },
	{ "no line feed at its end", "kind ff 1 2", 1 },
	{ "cut", "kind 00000000000000ff 1", 0 },
	{ "something else", "what\n\n\xff\nkind x y z\nkind 1 2 3\n", 1 },
	{ "a number too long is long ago", "kind 1 99999999999999999999999 3\n", 1 },
};

static void R62_texts(void **state)
{
	const struct text_case *c = *state;

	sentry_quota_read(&q, c->text);
	assert_int_equal(q.kinds, c->want_kinds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_storm, begin),
		cmocka_unit_test_setup(twenty_in_an_hour, begin),
		cmocka_unit_test_setup(more_kinds_than_it_knows, begin),
		cmocka_unit_test_setup(a_crash_loop, begin),
		cmocka_unit_test_setup(a_clock_that_goes_back, begin),
		cmocka_unit_test_setup(outlives_a_restart, begin),
		cmocka_unit_test_setup(the_longest_text, begin),
	};
	int failed = CASES_RUN(R62_texts, text_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
