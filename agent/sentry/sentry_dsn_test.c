/* What is a DSN and what none (contract sentry.md 1, check 1), and what is made of it. */
#include "agent/sentry/sentry_dsn.h"

#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

#define KEY     "0123456789abcdef0123456789abcdef"
#define INGEST  "o1234567.ingest.us.sentry.io"
#define PROJECT "4500000000000001"

struct dsn_case {
	const char *name;
	const char *dsn;
	int want;
	const char *want_endpoint, *want_key, *want_secret, *want_project;
};

static struct dsn_case dsn_cases[] = {
	{ "a hosted one", "https://" KEY "@" INGEST "/" PROJECT, 0,
	  "https://" INGEST "/api/" PROJECT "/envelope/", KEY, "", PROJECT },
	{ "the first host style", "https://k@o1.ingest.sentry.io/2", 0,
	  "https://o1.ingest.sentry.io/api/2/envelope/", "k", "", "2" },
	{ "plain http, its own port", "http://k@sentry.example:9000/3", 0,
	  "http://sentry.example:9000/api/3/envelope/", "k", "", "3" },
	{ "the default port is not told", "https://k@sentry.example:443/3", 0,
	  "https://sentry.example/api/3/envelope/", "k", "", "3" },
	{ "a prefix", "https://k@sentry.example/a/b/3", 0,
	  "https://sentry.example/a/b/api/3/envelope/", "k", "", "3" },
	{ "slashes at its end", "https://k@sentry.example/3///", 0,
	  "https://sentry.example/api/3/envelope/", "k", "", "3" },
	{ "a secret", "https://k:s@sentry.example/3", 0, "https://sentry.example/api/3/envelope/",
	  "k", "s", "3" },
	{ "IPv6", "https://k@[2001:db8::1]:8443/3", 0, "https://[2001:db8::1]:8443/api/3/envelope/",
	  "k", "", "3" },
	{ "a project that is no number", "https://k@sentry.example/pods", 0,
	  "https://sentry.example/api/pods/envelope/", "k", "", "pods" },
	{ "the scheme in capitals", "HTTPS://k@sentry.example/3", 0,
	  "https://sentry.example/api/3/envelope/", "k", "", "3" },
	{ "nothing", "", -EPROTONOSUPPORT },
	{ "another scheme", "wss://k@sentry.example/3", -EPROTONOSUPPORT },
	{ "no scheme", "k@sentry.example/3", -EPROTONOSUPPORT },
	{ "only a scheme", "https://", -EINVAL },
	{ "no key", "https://sentry.example/3", -EINVAL },
	{ "an empty key", "https://@sentry.example/3", -EINVAL },
	{ "an empty secret", "https://k:@sentry.example/3", -EINVAL },
	{ "a key that would leave its header", "https://k\r\nX: y@sentry.example/3", -EINVAL },
	{ "a key with a comma", "https://k,sentry_key=x@sentry.example/3", -EINVAL },
	{ "two @", "https://k@k@sentry.example/3", -EINVAL },
	{ "the @ behind the host", "https://sentry.example/k@3", -EINVAL },
	{ "no host", "https://k@/3", -EINVAL },
	{ "no project", "https://k@sentry.example", -EINVAL },
	{ "no project but a slash", "https://k@sentry.example/", -EINVAL },
	{ "a project of dots", "https://k@sentry.example/..", -EINVAL },
	{ "a project with a space", "https://k@sentry.example/a b", -EINVAL },
	{ "a query", "https://k@sentry.example/3?a=b", -EINVAL },
	{ "a fragment", "https://k@sentry.example/3#a", -EINVAL },
	{ "a port too many", "https://k@sentry.example:65536/3", -EINVAL },
};

static void dsn_parses(void **state)
{
	const struct dsn_case *c = *state;
	struct sentry_dsn d = { .key = "untouched" };
	struct err err = {};

	assert_int_equal(sentry_dsn_parse(c->dsn, &d, &err), c->want);
	if (c->want < 0) {
		assert_string_equal(d.key, "untouched");
		assert_true(err.text[0] != '\0');
		return;
	}
	assert_string_equal(d.endpoint, c->want_endpoint);
	assert_string_equal(d.key, c->want_key);
	assert_string_equal(d.secret, c->want_secret);
	assert_string_equal(d.project, c->want_project);
}

static void four_kilobytes_of_junk(void **state)
{
	char text[4097] = "https://k@sentry.example/";
	struct sentry_dsn d;

	(void)state;
	memset(text + strlen(text), 'x', sizeof(text) - strlen(text) - 1);
	assert_int_equal(sentry_dsn_parse(text, &d, NULL), -EINVAL);
	memset(text, '@', sizeof(text) - 1);
	assert_int_equal(sentry_dsn_parse(text, &d, NULL), -EINVAL);
}

/* The longest that is taken fits everywhere. */
static void the_longest(void **state)
{
	char text[SENTRY_DSN_BYTES] = "https://k@sentry.example/", auth[SENTRY_AUTH_BYTES];
	struct sentry_dsn d;

	(void)state;
	memset(text + strlen(text), 'x', sizeof(text) - strlen(text) - 3);
	strcat(text, "/3");
	assert_int_equal(strlen(text), SENTRY_DSN_BYTES - 1);
	assert_int_equal(sentry_dsn_parse(text, &d, NULL), 0);
	assert_int_equal(sentry_dsn_auth(&d, "radar-pod/0.1.0", auth, sizeof(auth)), 0);
}

static void nothing_of_it_in_the_error(void **state)
{
	struct sentry_dsn d;
	struct err err = {};

	(void)state;
	assert_true(sentry_dsn_parse("https://CANARY:CANARY@CANARY:99999/CANARY", &d, &err) < 0);
	assert_null(strstr(err.text, "CANARY"));
}

static void authenticates(void **state)
{
	char auth[SENTRY_AUTH_BYTES];
	struct sentry_dsn d = { .key = "k" };

	(void)state;
	assert_int_equal(sentry_dsn_auth(&d, "radar-pod/0.1.0", auth, sizeof(auth)), 0);
	assert_string_equal(auth,
	                    "Sentry sentry_version=7, sentry_client=radar-pod/0.1.0, sentry_key=k");
	strcpy(d.secret, "s");
	assert_int_equal(sentry_dsn_auth(&d, "radar-pod/0.1.0", auth, sizeof(auth)), 0);
	assert_string_equal(auth, "Sentry sentry_version=7, sentry_client=radar-pod/0.1.0, "
	                          "sentry_key=k, sentry_secret=s");
	assert_int_equal(sentry_dsn_auth(&d, "radar-pod/0.1.0", auth, 20), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_kilobytes_of_junk),
		cmocka_unit_test(the_longest),
		cmocka_unit_test(nothing_of_it_in_the_error),
		cmocka_unit_test(authenticates),
	};
	int failed = CASES_RUN(dsn_parses, dsn_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
