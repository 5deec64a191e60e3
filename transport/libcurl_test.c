#include "transport/libcurl.h"

#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

static struct load_case {
	const char *name;
	const char *soname;
	int want;
	const char *want_text;
} load_cases[] = {
	{ "the real one", LIBCURL_SONAME, 0, "" },
	{ "not installed: how to install it", "libradarpod-absent.so.4", -ENOPKG,
	  "apt install libcurl4" },
	{ "a library without its symbols", "libc.so.6", -ENOPKG, "curl_easy_cleanup" },
};

static void library_loads(void **state)
{
	const struct load_case *c = *state;
	struct libcurl curl = {};
	struct err err = {};

	assert_int_equal(libcurl_load(c->soname, &curl, &err), c->want);
	assert_non_null(strstr(err.text, c->want_text));
	assert_int_equal(c->want == 0, curl.easy_init != NULL);
}

static void same_table_each_time(void **state)
{
	const struct libcurl *first = NULL, *second = NULL;

	(void)state;
	assert_int_equal(libcurl_get(&first, NULL), 0);
	assert_int_equal(libcurl_get(&second, NULL), 0);
	assert_ptr_equal(first, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(same_table_each_time) };
	int failed = CASES_RUN(library_loads, load_cases);

	failed += cmocka_run_group_tests_name("libcurl", tests, NULL, NULL);
	return failed != 0;
}
