/* What is cut ends behind a whole character; what is no text becomes one. And the ring that keeps such texts. */
#include "agent/sentry/sentry_text.h"

#include <stdio.h>
#include <string.h>

#include "agent/sentry/breadcrumbs.h"
#include "tests/cases.h"

struct fit_case {
	const char *name;
	const char *in;
	size_t out_bytes;
	const char *want;
};

static struct fit_case fit_cases[] = {
	{ "fits", "abc", 8, "abc" },
	{ "just fits", "abcdefg", 8, "abcdefg" },
	{ "one too long", "abcdefgh", 8, "abcd…" },
	{ "nothing", "", 8, "" },
	{ "a character is not cut", "aaa\u00e9\u00e9\u00e9", 8, "aaa…" },
	{ "four bytes are not cut", "a\U0001F600b\U0001F600", 9, "a\U0001F600…" },
	{ "not UTF-8", "a\xffz", 8, "a\uFFFDz" },
	{ "the end of a character is missing", "a\xe2\x82", 16, "a\uFFFD\uFFFD" },
	{ "not UTF-8, and cut", "\xff\xff\xff\xff", 8, "\uFFFD…" },
	{ "hardly room", "abcd", 4, "…" },
};

static void fits(void **state)
{
	const struct fit_case *c = *state;
	char out[32];

	memset(out, 'x', sizeof(out));
	sentry_text_fit(c->in, out, c->out_bytes);
	assert_string_equal(out, c->want);
	assert_true(strlen(out) < c->out_bytes);
	assert_int_equal(out[c->out_bytes], 'x');
}

static void names(void **state)
{
	char out[16];

	(void)state;
	sentry_text_name("store.db-1_A", out, sizeof(out));
	assert_string_equal(out, "store.db-1_A");
	sentry_text_name("a b\"c\n\xc3", out, sizeof(out));
	assert_string_equal(out, "a_b_c__");
	sentry_text_name("", out, sizeof(out));
	assert_string_equal(out, "unknown");
	sentry_text_name(NULL, out, sizeof(out));
	assert_string_equal(out, "unknown");
	sentry_text_name("0123456789012345678", out, sizeof(out));
	assert_string_equal(out, "012345678901234");
}

static void a_ring_keeps_the_last(void **state)
{
	static struct breadcrumbs b;

	(void)state;
	assert_int_equal(breadcrumbs_count(&b), 0);
	for (uint64_t i = 0; i < BREADCRUMBS_MAX + 7; i++) {
		char message[16];

		snprintf(message, sizeof(message), "step %d", (int)i);
		breadcrumbs_add(&b, i, SENTRY_INFO, "test", message);
	}
	assert_int_equal(breadcrumbs_count(&b), BREADCRUMBS_MAX);
	assert_string_equal(breadcrumbs_at(&b, 0)->message, "step 7");
	assert_int_equal(breadcrumbs_at(&b, 0)->utc_ns, 7);
	assert_string_equal(breadcrumbs_at(&b, BREADCRUMBS_MAX - 1)->message, "step 56");
}

static void a_long_crumb_is_cut(void **state)
{
	static struct breadcrumbs b;
	char message[300] = "";

	(void)state;
	memset(message, 'm', sizeof(message) - 1);
	breadcrumbs_add(&b, 1, SENTRY_ERROR, "a category too long", message);
	assert_int_equal(strlen(breadcrumbs_at(&b, 0)->message), BREADCRUMB_MESSAGE_BYTES - 1);
	assert_string_equal(breadcrumbs_at(&b, 0)->category, "a category …");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(a_ring_keeps_the_last),
		cmocka_unit_test(a_long_crumb_is_cut),
	};
	int failed = CASES_RUN(fits, fit_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
