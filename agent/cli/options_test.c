/* The table-driven parser: what is taken, what is refused and with which words, and --help. */
#include "agent/cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/terminal.h"
#include "tests/cases.h"
#include "transport/base/err.h"

struct wish {
	int protocol, scheme;
	const char *server;
	uint64_t max_bytes, port, interval_ns;
	bool upload, ipv4;
	const char *file;
};

#define ROW(...) OPTION_ROW(wish, __VA_ARGS__)

static const struct option table[] = {
	ROW(CHOICE, "ndt7", "ndt7|ookla", protocol, "test"),
	OPTION_HEADING("Heading"),
	ROW(TEXT, "--server", "HOST[:PORT]|URL", server,
	    "a meaning that is long enough to be broken over lines, because it goes on, and on, "
	    "and on"),
	ROW(CHOICE, "--scheme", "auto|ws|wss", scheme, "scheme"),
	ROW(TEXT, "FILE", NULL, file, "file"),
	ROW(SIZE, "--max-bytes", "SIZE", max_bytes, "ceiling"),
	ROW(TIME, "--interval", "DUR", interval_ns, "interval"),
	ROW(NUMBER, "--port", "PORT", port, "port", .min = 1, .max = 65535),
	ROW(SWITCH, "--upload", NULL, upload, "upload"),
	ROW(SWITCH, "-4", NULL, ipv4, "IPv4 only"),
	OPTION_REFUSED("--trace"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod try",
	.operands = "[ndt7]",
	.summary = "Tries.",
	.table = table,
	.count = sizeof(table) / sizeof(*table),
};

static int parse(const char *const *words, struct wish *w, struct err *err)
{
	int argc = 0;

	while (words[argc])
		argc++;
	return options_parse(&syntax, argc, (char **)words, w, err);
}

#define WORDS(...)                                                                                 \
	(const char *[])                                                                           \
	{                                                                                          \
		"try", __VA_ARGS__, NULL                                                           \
	}

struct taken_case {
	const char *name;
	const char *words[6];
	struct wish want;
};

static struct taken_case taken_cases[] = {
	{ "nothing given", { "try" }, {} },
	{ "a value in the next word", { "try", "--server", "h" }, { .server = "h" } },
	{ "a value behind =", { "try", "--server=h=1" }, { .server = "h=1" } },
	{ "the last of two wins", { "try", "--server=a", "--server", "b" }, { .server = "b" } },
	{ "a lone dash is a value", { "try", "--server", "-" }, { .server = "-" } },
	{ "a switch", { "try", "--upload", "-4" }, { .upload = true, .ipv4 = true } },
	{ "the place of a word", { "try", "--scheme", "wss" }, { .scheme = 2 } },
	{ "a size", { "try", "--max-bytes", "250MB" }, { .max_bytes = 250000000 } },
	{ "a number", { "try", "--port=65535" }, { .port = 65535 } },
	{ "a time", { "try", "--interval", "250ms" }, { .interval_ns = 250000000 } },
	{ "no time at all", { "try", "--interval=0" }, {} },
	{ "two operands",
	  { "try", "ookla", "-4", "f" },
	  { .protocol = 1, .ipv4 = true, .file = "f" } },
	{ "an operand", { "try", "ookla", "-4" }, { .protocol = 1, .ipv4 = true } },
	{ "an operand behind --", { "try", "-4", "--", "ookla" }, { .protocol = 1, .ipv4 = true } },
};

static void takes(void **state)
{
	const struct taken_case *c = *state;
	struct wish w = {};
	struct err err = {};

	assert_int_equal(parse(c->words, &w, &err), OPTIONS_OK);
	assert_int_equal(w.protocol, c->want.protocol);
	assert_int_equal(w.scheme, c->want.scheme);
	assert_int_equal(w.max_bytes, c->want.max_bytes);
	assert_int_equal(w.port, c->want.port);
	assert_int_equal(w.upload, c->want.upload);
	assert_int_equal(w.ipv4, c->want.ipv4);
	assert_string_equal(w.server ? w.server : "", c->want.server ? c->want.server : "");
}

struct refused_case {
	const char *name;
	const char *words[6];
	int want;
	const char *says; /* the whole clause */
};

static struct refused_case refused_cases[] = {
	{ "a typing error",
	  { "try", "--sever", "h" },
	  -EINVAL,
	  "there is no option --sever; did you mean --server?" },
	{ "no option at all like it",
	  { "try", "--frobnicate" },
	  -EINVAL,
	  "there is no option --frobnicate" },
	{ "a short one", { "try", "-x" }, -EINVAL, "there is no option -x" },
	{ "no value", { "try", "--server" }, -EINVAL, "--server needs a value: HOST[:PORT]|URL" },
	{ "another option instead of a value",
	  { "try", "--server", "--upload" },
	  -EINVAL,
	  "--server needs a value: HOST[:PORT]|URL" },
	{ "an empty value",
	  { "try", "--server=" },
	  -EINVAL,
	  "--server takes HOST[:PORT]|URL, not an empty word" },
	{ "an empty operand",
	  { "try", "ndt7", "" },
	  -EINVAL,
	  "FILE takes a value, not an empty word" },
	{ "a value for a switch", { "try", "--upload=yes" }, -EINVAL, "--upload takes no value" },
	{ "another word",
	  { "try", "--scheme", "http" },
	  -EINVAL,
	  "--scheme takes auto, ws or wss, not \"http\"" },
	{ "half a word",
	  { "try", "--scheme", "w" },
	  -EINVAL,
	  "--scheme takes auto, ws or wss, not \"w\"" },
	{ "a size without a number",
	  { "try", "--max-bytes", "many" },
	  -EINVAL,
	  "--max-bytes takes a size such as 1000, 250MB or 1GiB, not \"many\"" },
	{ "a negative size",
	  { "try", "--max-bytes", "-1" },
	  -EINVAL,
	  "--max-bytes takes a size such as 1000, 250MB or 1GiB, not \"-1\"" },
	{ "a number outside",
	  { "try", "--port", "65536" },
	  -EINVAL,
	  "--port takes a whole number from 1 to 65535, not \"65536\"" },
	{ "a number with more behind it",
	  { "try", "--port", "80x" },
	  -EINVAL,
	  "--port takes a whole number from 1 to 65535, not \"80x\"" },
	{ "another operand",
	  { "try", "iperf" },
	  -EINVAL,
	  "there is no test \"iperf\"; there is ndt7 or ookla" },
	{ "one operand too many",
	  { "try", "ndt7", "f", "ndt7" },
	  -EINVAL,
	  "\"ndt7\" is not understood here" },
	{ "an escape sequence in a word",
	  { "try", "--scheme", "\x1b[2J" },
	  -EINVAL,
	  "--scheme takes auto, ws or wss, not \"?[2J\"" },
	{ "of a release to come",
	  { "try", "--trace", "f" },
	  -EOPNOTSUPP,
	  "--trace is not in this release" },
	{ "likewise with =",
	  { "try", "--trace=f" },
	  -EOPNOTSUPP,
	  "--trace is not in this release" },
	{ "likewise without its value",
	  { "try", "--trace" },
	  -EOPNOTSUPP,
	  "--trace is not in this release" },
};

static void refuses(void **state)
{
	const struct refused_case *c = *state;
	struct wish w = {};
	struct err err = {};

	assert_int_equal(parse(c->words, &w, &err), c->want);
	assert_string_equal(err.text, c->says);
}

static void a_long_name_is_no_overflow(void **state)
{
	char name[4096];
	struct wish w = {};
	struct err err = {};

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[0] = name[1] = '-';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(parse(WORDS(name), &w, &err), -EINVAL);
}

static void help_wins(void **state)
{
	struct wish w = {};
	struct err err = {};

	(void)state;
	assert_int_equal(parse(WORDS("--bogus", "--help"), &w, &err), OPTIONS_HELP);
	assert_int_equal(parse(WORDS("-h"), &w, &err), OPTIONS_HELP);
}

/* What is behind the program's name is the program's, whatever it looks like. */
static void a_command_takes_the_rest(void **state)
{
	struct program_wish {
		const char *server;
		char **command;
	};
	static const struct option rows[] = {
		OPTION_ROW(program_wish, COMMAND, "COMMAND", NULL, command, "command"),
		OPTION_ROW(program_wish, TEXT, "--server", "HOST", server, "server"),
	};
	const struct option_syntax with_command = { .command = "try",
		                                    .summary = "Tries.",
		                                    .operands = "-- COMMAND",
		                                    .table = rows,
		                                    .count = 2 };
	const char *const lines[][7] = {
		{ "try", "--server", "h", "--", "prog", "--server=x", NULL },
		{ "try", "--server", "h", "prog", "--help", NULL },
		{ "try", "--server", "h", "--", "--help", "x", NULL },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct program_wish w = {};
		int argc = 0;

		while (lines[i][argc])
			argc++;
		assert_int_equal(options_parse(&with_command, argc, (char **)lines[i], &w, NULL),
		                 0);
		assert_string_equal(w.server, "h");
		assert_string_equal(w.command[0], i == 2 ? "--help" : "prog");
		assert_non_null(w.command[1]);
		assert_null(w.command[2]);
	}
}

static void help_without_headings_is_set_off(void **state)
{
	const struct option_syntax bare = {
		.command = "try", .summary = "Tries.", .table = &syntax.table[2], .count = 1
	};
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	options_help(&bare, to);
	fclose(to);
	assert_non_null(strstr(text, "\nTries.\n\n  --"));
	free(text);
}

static void help_fits_and_tells(void **state)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	options_help(&syntax, to);
	fclose(to);
	assert_non_null(strstr(text, "Usage: radar-pod try [ndt7] [OPTION...]\n"));
	assert_non_null(strstr(text, "\nHeading:\n"));
	assert_non_null(strstr(text, "--server HOST[:PORT]|URL"));
	assert_null(strstr(text, "--trace"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(text_columns(line) <= 80);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_name_is_no_overflow),
		cmocka_unit_test(help_wins),
		cmocka_unit_test(a_command_takes_the_rest),
		cmocka_unit_test(help_without_headings_is_set_off),
		cmocka_unit_test(help_fits_and_tells),
	};
	int failed = CASES_RUN(takes, taken_cases);

	failed += CASES_RUN(refuses, refused_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
