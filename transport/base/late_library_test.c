#include "transport/base/late_library.h"

#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

struct table {
	int (*abs)(int);
	size_t (*strlen)(const char *);
};

static const struct late_symbol symbols[] = {
	{ "strlen", offsetof(struct table, strlen) },
	{ "abs", offsetof(struct table, abs) },
	{ "no_such_function", offsetof(struct table, abs) },
};

static struct load_case {
	const char *name, *soname;
	size_t n; /* of the symbols above */
	int want;
	const char *says;
} load_cases[] = {
	{ "one that is there", "libc.so.6", 2, 0, NULL },
	{ "one that is not", "libnone.so.1", 2, -ENOPKG,
	  "load libnone.so.1 (on Debian: apt install libx)" },
	{ "one that lacks a function", "libc.so.6", 3, -ENOPKG,
	  "find no_such_function in libc.so.6" },
};

static void library_is_loaded(void **state)
{
	const struct load_case *c = *state;
	struct table table = {};
	struct err err = {};

	assert_int_equal(late_library_load(c->soname, "libx", symbols, c->n, &table, &err),
	                 c->want);
	if (c->want == 0)
		assert_int_equal(table.strlen("four") + (size_t)table.abs(-4), 8);
	else
		assert_non_null(strstr(err.text, c->says));
}

int main(void)
{
	return CASES_RUN(library_is_loaded, load_cases);
}
