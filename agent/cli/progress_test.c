/* The moving line: what it says, and that it fits whatever the terminal. */
#include "agent/cli/progress.h"

#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"

struct line_case {
	const char *name;
	int columns;
	bool utf8;
	uint64_t elapsed_ns;
	const char *want;
};

static struct line_case line_cases[] = {
	{ "80 columns", 80, true, 4200 * NS_PER_MS,
	  "Download  ▕██████████▉               ▏   187.4 Mbit/s   14.2 ms     6 s left" },
	{ "80 columns, ASCII", 80, false, 4200 * NS_PER_MS,
	  "Download  [==========>               ]   187.4 Mbit/s   14.2 ms     6 s left" },
	{ "wide: the bar has its ceiling", 200, false, 0,
	  "Download  [>                             ]   187.4 Mbit/s   14.2 ms    10 s left" },
	{ "behind the ten seconds", 80, false, 11 * NS_PER_S,
	  "Download  [==========================]   187.4 Mbit/s   14.2 ms    finishing" },
	{ "no room for a bar", 56, false, NS_PER_S,
	  "Download     187.4 Mbit/s   14.2 ms     9 s left" },
	{ "no room for the time left", 40, false, NS_PER_S, "Download     187.4 Mbit/s   14.2 ms" },
	{ "no room for the round trip", 30, false, NS_PER_S, "Download     187.4 Mbit/s" },
	{ "no room at all", 12, false, NS_PER_S, "Download  " },
};

static void fits(void **state)
{
	const struct line_case *c = *state;
	const struct terminal t = { .live = true, .columns = c->columns, .utf8 = c->utf8 };
	const struct run_event e = { .kind = RUN_PROGRESS,
		                     .test = NDT7_DOWNLOAD,
		                     .live.elapsed_ns = c->elapsed_ns,
		                     .live.mean_mbps = { true, 187.42 },
		                     .live.rtt_ms = { true, 14.21 } };
	char out[PROGRESS_BYTES];

	assert_string_equal(progress_line(&t, &e, out), c->want);
	assert_true(text_columns(out) <= c->columns - 2);
}

static void nothing_known_yet(void **state)
{
	const struct terminal t = { .live = true, .columns = 56 };
	const struct run_event e = { .kind = RUN_PROGRESS, .test = NDT7_UPLOAD };
	char out[PROGRESS_BYTES];

	(void)state;
	assert_string_equal(progress_line(&t, &e, out),
	                    "Upload                  -              10 s left");
}

static void says_how_it_ended(void **state)
{
	static struct direction_result d = { .test = NDT7_UPLOAD, .state = DIRECTION_FAILED };
	const struct terminal t = { .live = true, .columns = 56 };
	char out[PROGRESS_BYTES];

	(void)state;
	assert_string_equal(progress_last_line(&t, &d, out), "Upload    failed");
	d.state = DIRECTION_PARTIAL;
	assert_non_null(strstr(progress_last_line(&t, &d, out), "ended early"));
	d.state = DIRECTION_COMPLETE;
	assert_non_null(strstr(progress_last_line(&t, &d, out), "done"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_known_yet),
		cmocka_unit_test(says_how_it_ended),
	};
	int failed = CASES_RUN(fits, line_cases);

	return (failed + cmocka_run_group_tests(tests, NULL, NULL)) != 0;
}
