/* The grammar line by line, and changes that touch nothing else. */
#include "agent/config/config_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"

struct line_case {
	const char *name, *text;
	const char *key, *value; /* of the first line; NULL: it assigns nothing */
};

static struct line_case line_cases[] = {
	{ "an assignment", "ping_freq=5\n", "ping_freq", "5" },
	{ "no line feed at the end", "ping_freq=5", "ping_freq", "5" },
	{ "CR LF", "ping_freq=5\r\n", "ping_freq", "5" },
	{ "CR in the middle is of the value", "a=b\rc\n", "a", "b\rc" },
	{ "spaces at both ends of the line", "  a=b  \n", "a", "b" },
	{ "tabs behind spaces", " \ta=b\t \n", "a", "b" },
	{ "spaces behind tabs stay, as in the first agent", "\t a=b\n", " a", "b" },
	{ "space around = is of key and value", "a = b\n", "a ", " b" },
	{ "further =", "u=http://h/?a=b&c=d\n", "u", "http://h/?a=b&c=d" },
	{ "= alone", "=\n", "", "" },
	{ "no key", "=x\n", "", "x" },
	{ "no value", "a=\n", "a", "" },
	{ "only the last space of a value is trimmed", "a=b c \n", "a", "b c" },
	{ "a comment", "# a=b\n", NULL, NULL },
	{ "a comment behind space", "  #a=b\n", NULL, NULL },
	{ "# inside is of the value", "a=b # c\n", "a", "b # c" },
	{ "no =", "word\n", NULL, NULL },
	{ "nothing", "\n", NULL, NULL },
	{ "spaces", "   \t \n", NULL, NULL },
};

static void line_reads(void **state)
{
	const struct line_case *c = *state;
	struct config_line line = {};

	assert_true(config_file_next(c->text, strlen(c->text), &line));
	assert_int_equal(line.number, 1);
	assert_int_equal(line.bytes, strlen(c->text));
	assert_int_equal(line.assigns, c->key != NULL);
	if (c->key) {
		assert_true(config_line_is(&line, c->key));
		assert_int_equal(line.value_bytes, strlen(c->value));
		assert_memory_equal(line.value, c->value, line.value_bytes);
	}
	assert_false(config_file_next(c->text, strlen(c->text), &line));
}

struct set_case {
	const char *name, *before, *key, *value, *after;
};

static struct set_case set_cases[] = {
	{ "a new key goes to the end", "a=1\n", "b", "2", "a=1\nb=2\n" },
	{ "into an empty file", "", "b", "2", "b=2\n" },
	{ "behind a last line without a line feed", "a=1", "b", "2", "a=1\nb=2\n" },
	{ "R7: shorter", "secret=abcdefghijk\nb=2\n", "secret", "x", "secret=x\nb=2\n" },
	{ "longer", "a=1\nb=2\n", "a", "123", "a=123\nb=2\n" },
	{ "R6: comments, unknown keys and order stay", "# c\nz=9\n\n a=1\nnot a line\n#a=5\n", "a",
	  "2", "# c\nz=9\n\n a=2\nnot a line\n#a=5\n" },
	{ "R6: CR LF stays", "a=1\r\nb=2\r\n", "a", "3", "a=3\r\nb=2\r\n" },
	{ "R6: a missing last line feed stays missing", "b=2\na=1", "a", "3", "b=2\na=3" },
	{ "of two lines the last", "a=1\na=2\n", "a", "3", "a=1\na=3\n" },
	{ "a last line of nothing", "a=1\na=\n", "a", "3", "a=1\na=3\n" },
	{ "W16: a value with =", "a=1\n", "a", "x=y", "a=x=y\n" },
	{ "cleared in every line", "a=1\nb=2\na=3\n", "a", "", "a=\nb=2\na=\n" },
	{ "cleared where it is not", "b=2\n", "a", "", "b=2\n" },
	{ "space at the line's ends stays", "\ta=1 \n", "a", "2", "\ta=2 \n" },
};

static void set_changes(void **state)
{
	const struct set_case *c = *state;
	char *after = NULL;
	size_t n;

	assert_int_equal(
		config_file_set(c->before, strlen(c->before), c->key, c->value, &after, &n), 0);
	assert_int_equal(n, strlen(c->after));
	assert_memory_equal(after, c->after, n);
	free(after);
}

struct keeps_case {
	const char *name, *value;
	bool keeps;
};

static struct keeps_case keeps_cases[] = {
	{ "a word", "word", true },
	{ "space inside and before", " a b", true },
	{ "nothing", "", true },
	{ "a space at the end", "a ", false },
	{ "a tab at the end", "a\t", false },
	{ "a line feed", "a\nb=c", false },
	{ "CR", "a\r", false },
};

static void value_keeps(void **state)
{
	const struct keeps_case *c = *state;
	char *after = NULL;
	size_t n;

	assert_int_equal(config_value_keeps(c->value), c->keeps);
	assert_int_equal(config_file_set("", 0, "a", c->value, &after, &n), c->keeps ? 0 : -EINVAL);
	free(after);
}

int main(void)
{
	int failed = CASES_RUN(line_reads, line_cases);

	failed += CASES_RUN(set_changes, set_cases);
	failed += CASES_RUN(value_keeps, keeps_cases);
	return failed != 0;
}
