/* Text stays within its columns, whatever the words. */
#include "agent/cli/terminal.h"

#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"

struct wrap_case {
	const char *name;
	const char *text;
	int column, indent, columns;
	const char *want;
};

static struct wrap_case wrap_cases[] = {
	{ "nothing", "", 0, 0, 10, "\n" },
	{ "fits to the last column", "aaaa bbbbb", 0, 0, 10, "aaaa bbbbb\n" },
	{ "one column too many", "aaaaa bbbbb", 0, 0, 10, "aaaaa\nbbbbb\n" },
	{ "an indent", "aaaa bbbb", 2, 2, 10, "aaaa\n  bbbb\n" },
	{ "the first word is beyond the line", "aa", 9, 2, 10, "\n  aa\n" },
	{ "a word longer than a line", "a bbbbbbbbbbb c", 2, 2, 10, "a\n  bbbbbbbb\n  bbb c\n" },
	{ "characters are not cut", "±±±±±±±±±", 0, 0, 8, "±±±±±±±±\n±\n" },
	{ "no room at all", "aaaa bbb cc", 4, 4, 3, "aaaa bbb\n    cc\n" },
};

static void wraps(void **state)
{
	const struct wrap_case *c = *state;
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	assert_non_null(to);
	text_wrap(to, c->text, c->column, c->indent, c->columns);
	fclose(to);
	assert_string_equal(text, c->want);
	free(text);
}

int main(void)
{
	return CASES_RUN(wraps, wrap_cases) != 0;
}
