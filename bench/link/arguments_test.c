#include "bench/link/arguments.h"

#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

#define ALL                                                                                        \
	(OPTION_TRUTH | OPTION_SEED | OPTION_NAME | OPTION_SERVER | OPTION_QUIET | OPTION_JSON |   \
	 OPTION_AWAKE | OPTION_DOZE)

static const struct arguments_syntax run = { 1, ALL & ~OPTION_JSON, true, NULL };
static char *a_shell[] = { (char *)"sh", NULL };
static const struct arguments_syntax run_or_shell = { 1, 0, true, a_shell };
static const struct arguments_syntax list = { 0, OPTION_JSON, false, NULL };

static struct parse_case {
	const char *name;
	const struct arguments_syntax *syntax;
	const char *argv[10];
	int want;
	const char *says; /* of the error */
} parse_cases[] = {
	{ "a word and a command", &run, { "x.link", "--", "ping" }, 0, NULL },
	{ "options after the word", &run, { "x.link", "--truth", "t", "--", "a" }, 0, NULL },
	{ "options before it", &run, { "--truth=t", "x.link", "--", "a" }, 0, NULL },
	{ "an option behind -- is the command's", &run, { "x", "--", "a", "--truth" }, 0, NULL },
	{ "help asks for nothing else", &run, { "--help" }, 0, NULL },
	{ "a seed", &run, { "x", "--seed", "18446744073709551615", "--", "a" }, 0, NULL },
	{ "a switch", &list, { "--json" }, 0, NULL },
	{ "awake and asleep",
	  &run,
	  { "x", "--awake", "--doze", "--", "a" },
	  -EINVAL,
	  "one of them" },
	{ "a switch that it has not", &list, { "--awake" }, -EINVAL, "--awake" },
	{ "no word", &run, { "--", "ping" }, -EINVAL, "1 word expected" },
	{ "no command", &run, { "x.link" }, -EINVAL, "COMMAND is expected" },
	{ "no command, but a shell", &run_or_shell, { "x.link" }, 0, NULL },
	{ "nothing behind --, though a shell",
	  &run_or_shell,
	  { "x.link", "--" },
	  -EINVAL,
	  "COMMAND" },
	{ "nothing behind --", &run, { "x.link", "--" }, -EINVAL, "COMMAND is expected" },
	{ "the command without --", &run, { "x.link", "ping" }, -EINVAL, "'ping'" },
	{ "an unknown option", &run, { "x", "--tru", "t", "--", "a" }, -EINVAL, "--tru" },
	{ "another command's option", &list, { "--truth", "t" }, -EINVAL, "--truth" },
	{ "a value that is missing", &run, { "x", "--truth" }, -EINVAL, "wants a value" },
	{ "a value that is empty", &run, { "x", "--truth=", "--", "a" }, -EINVAL, "a value" },
	{ "a switch with a value", &list, { "--json=1" }, -EINVAL, "takes no value" },
	{ "a seed in letters", &run, { "x", "--seed", "one", "--", "a" }, -EINVAL, "--seed" },
	{ "a seed too long", &run, { "x", "--seed=18446744073709551616", "--", "a" }, -EINVAL, "" },
	{ "a command where there is none", &list, { "--", "a" }, -EINVAL, "no COMMAND" },
};

static void command_line_is_read(void **state)
{
	const struct parse_case *c = *state;
	struct arguments a = {};
	struct err err = {};
	int argc = 0;

	while (c->argv[argc])
		argc++;
	assert_int_equal(arguments_parse(c->syntax, argc, (char **)c->argv, &a, &err), c->want);
	if (c->says)
		assert_non_null(strstr(err.text, c->says));
}

static void values_arrive(void **state)
{
	const char *argv[] = { "x.link", "--truth=a=b", "--seed",   "7",       "--name",
		               "n",      "--quiet",     "--server", "sh -c x", "--",
		               "ping",   "-c",          NULL };
	struct arguments a = {};

	(void)state;
	assert_int_equal(arguments_parse(&run, 12, (char **)argv, &a, NULL), 0);
	assert_string_equal(a.word[0], "x.link");
	assert_string_equal(a.truth, "a=b");
	assert_string_equal(a.name, "n");
	assert_string_equal(a.server, "sh -c x");
	assert_true(a.has_seed && a.seed == 7 && a.quiet && !a.json && !a.help);
	assert_string_equal(a.command[0], "ping");
	assert_string_equal(a.command[1], "-c");
	assert_null(a.command[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(values_arrive) };
	int failed = CASES_RUN(command_line_is_read, parse_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
