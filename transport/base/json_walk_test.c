#include "transport/base/json_walk.h"

#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

static int list(void *self, const char *path, const struct json_token *value, struct err *err)
{
	char *out = self;

	(void)value;
	(void)err;
	strcat(strcat(out, path), " ");
	return strcmp(path, "stop") == 0 ? -ECANCELED : 0;
}

static struct walk_case {
	const char *name;
	const char *text;
	int want;
	const char *want_paths; /* the first is the top's */
} walk_cases[] = {
	{ "a scalar", "1", 0, " " },
	{ "an object", "{\"a\":1,\"b\":{\"c\":2},\"d\":3}", 0, " a b b.c d " },
	{ "arrays", "[1,[2,{\"a\":[]}],3]", 0, " 0 1 1.0 1.1 1.1.a 2 " },
	{ "a visitor that has enough", "{\"a\":1,\"stop\":2,\"b\":3}", -ECANCELED, " a stop " },
	{ "names that no path can tell", "{\"a.b\":1,\"\":{\"c\":2},\"d\":3}", 0, " d " },
	{ "as deep as it may be", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", 0,
	  " 0 0.0 0.0.0 0.0.0.0 0.0.0.0.0 0.0.0.0.0.0 0.0.0.0.0.0.0 0.0.0.0.0.0.0.0 "
	  "0.0.0.0.0.0.0.0.0 0.0.0.0.0.0.0.0.0.0 0.0.0.0.0.0.0.0.0.0.0 0.0.0.0.0.0.0.0.0.0.0.0 "
	  "0.0.0.0.0.0.0.0.0.0.0.0.0 0.0.0.0.0.0.0.0.0.0.0.0.0.0 0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 " },
	{ "no JSON in its middle", "{\"a\":1,b}", -EINVAL, " a " },
};

static void it_walks(void **state)
{
	const struct walk_case *c = *state;
	char paths[512] = "";

	assert_int_equal(json_walk(c->text, strlen(c->text), list, paths, NULL), c->want);
	assert_string_equal(paths, c->want_paths);
}

static void deeper_is_refused(void **state)
{
	char paths[1024] = "";

	(void)state;
	assert_int_equal(json_walk("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", 34, list, paths, NULL),
	                 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(deeper_is_refused) };

	return CASES_RUN(it_walks, walk_cases) + cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
