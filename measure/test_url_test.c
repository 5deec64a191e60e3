#include "measure/test_url.h"

#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"
#include "transport/url.h"

static const struct server_case {
	const char *name;
	const char *server;
	enum ndt7_test test;
	const char *want; /* the target */
} server_cases[] = {
	{ "a host alone", "wss://h", NDT7_DOWNLOAD, "/ndt/v7/download" },
	{ "a host alone, upload", "wss://h", NDT7_UPLOAD, "/ndt/v7/upload" },
	{ "a path is a prefix", "ws://h/lab", NDT7_UPLOAD, "/lab/ndt/v7/upload" },
	{ "a path that ends in a slash", "ws://h/lab/", NDT7_UPLOAD, "/lab/ndt/v7/upload" },
	{ "the test's own path", "ws://h/ndt/v7/upload", NDT7_UPLOAD, "/ndt/v7/upload" },
	{ "the other test's path", "ws://h/lab/ndt/v7/download", NDT7_UPLOAD,
	  "/lab/ndt/v7/upload" },
	{ "a token is kept", "wss://h/ndt/v7/download?access_token=x", NDT7_UPLOAD,
	  "/ndt/v7/upload?access_token=x" },
	{ "a slash in the query is no path", "wss://h/a?u=/ndt/v7/upload", NDT7_UPLOAD,
	  "/a/ndt/v7/upload?u=/ndt/v7/upload" },
	{ "a query and no path", "wss://h?t=1", NDT7_DOWNLOAD, "/ndt/v7/download?t=1" },
};

static void path_is_the_tests(void **state)
{
	const struct server_case *c = *state;
	static struct url server, u;

	assert_int_equal(url_parse(c->server, &server, NULL), 0);
	assert_int_equal(test_url_of_server(&server, c->test, &u, NULL), 0);
	assert_string_equal(u.target, c->want);
	assert_string_equal(u.host, "h");
}

static void too_long_a_prefix_is_refused(void **state)
{
	static struct url server, u;
	struct err err = {};

	(void)state;
	assert_int_equal(url_parse("wss://h/", &server, NULL), 0);
	memset(server.target + 1, 'a', sizeof(server.target) - 2);
	server.target[sizeof(server.target) - 1] = '\0';
	assert_int_equal(test_url_of_server(&server, NDT7_UPLOAD, &u, &err), -EINVAL);
	assert_non_null(strstr(err.text, "too long"));
}

static const struct describe_case {
	const char *name;
	const char *url;
	struct test_url_client who;
	const char *parameter, *want; /* NULL: it is not there */
} describe_cases[] = {
	{ "our name", "wss://h/", { "x", "9.9", false }, "client_name", "x" },
	{ "our version", "wss://h/", { "x", "9.9", false }, "client_version", "9.9" },
	{ "the library",
	  "wss://h/",
	  { "x", "9", false },
	  "client_library_name",
	  "radarpod-measure" },
	{ "the library's version",
	  "wss://h/",
	  { "x", "9", false },
	  "client_library_version",
	  POD_VERSION },
	{ "the system", "wss://h/", { "x", "9", false }, "client_os", "linux" },
	{ "what the URL says of us is ours to say",
	  "wss://h/?client_name=liar",
	  { "x", "9", false },
	  "client_name",
	  "x" },
	{ "a token is kept", "wss://h/?access_token=t", { "x", "9", false }, "access_token", "t" },
	{ "no early exit", "wss://h/", { "x", "9", false }, "early_exit", NULL },
	{ "early exit", "wss://h/", { "x", "9", true }, "early_exit", "250" },
	{ "a name with a space", "wss://h/", { "a b&c", "9", false }, "client_name", "a b&c" },
};

static void query_tells_who_asks(void **state)
{
	const struct describe_case *c = *state;
	static struct url u;
	char value[256] = "";
	int found;

	assert_int_equal(url_parse(c->url, &u, NULL), 0);
	assert_int_equal(test_url_describe(&u, &c->who, NULL), 0);
	found = url_query_get(u.target, c->parameter, value, sizeof(value));
	if (c->want)
		assert_string_equal(value, c->want);
	else
		assert_true(found <= 0);
}

/* The ndt7 text allows 4096 bytes. */
static void too_long_a_query_is_refused(void **state)
{
	const struct test_url_client who = { "x", "9", false };
	static struct url u;
	struct err err = {};

	(void)state;
	assert_int_equal(url_parse("wss://h/?", &u, NULL), 0);
	memcpy(u.target + 2, "t=", 2);
	memset(u.target + 4, 'a', 4096 - 100);
	u.target[4 + 4096 - 100] = '\0';
	assert_int_equal(test_url_describe(&u, &who, &err), -EINVAL);
	assert_non_null(strstr(err.text, "4096"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_long_a_prefix_is_refused),
		cmocka_unit_test(too_long_a_query_is_refused),
	};
	int failed = CASES_RUN(path_is_the_tests, server_cases);

	failed += CASES_RUN(query_tells_who_asks, describe_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
