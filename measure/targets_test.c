#include "measure/targets.h"

#include <string.h>

#include "measure/locate.h"
#include "tests/cases.h"

#define KEY(scheme, test)    "\"" scheme ":///ndt/v7/" test "\":"
#define URL(scheme, m, test) "\"" scheme "://" m "/ndt/v7/" test "\""
#define OF(scheme, m, test)  KEY(scheme, test) URL(scheme, m, test)
#define TARGET(m, urls)      "{\"machine\":\"" m "\",\"urls\":{" urls "}}"
#define BOTH(scheme, m)      OF(scheme, m, "download") "," OF(scheme, m, "upload")
#define RESULTS(...)         "{\"results\":[" __VA_ARGS__ "]}"

/* "a" and "c" speak both, "b" wss only, "d" takes downloads only. */
static const char four[] = RESULTS(TARGET("a", BOTH("ws", "a") "," BOTH("wss", "a")) "," TARGET(
	"b",
	BOTH("wss", "b")) "," TARGET("c",
                                     BOTH("ws", "c") "," BOTH(
					     "wss",
					     "c")) "," TARGET("d",
                                                              OF("ws", "d", "download") "," OF(
								      "wss", "d", "download")));

static struct locate_answer *answer_of(const char *body)
{
	struct locate_answer *a = NULL;

	assert_int_equal(locate_parse(body, strlen(body), &a, NULL), 0);
	return a;
}

/* The letters of the machines that are given out until there is none. */
static void give_all(struct targets *t, enum ndt7_test test, bool wss, char out[8])
{
	const struct locate_target *target;
	const char *url = NULL;
	size_t n = 0;

	targets_begin_direction(t);
	while ((target = targets_next(t, test, wss, &url))) {
		assert_non_null(strstr(url, wss ? "wss://" : "ws://"));
		assert_non_null(strstr(url, test == NDT7_DOWNLOAD ? "/download" : "/upload"));
		out[n++] = target->machine[0];
	}
	out[n] = '\0';
	assert_int_equal(targets_tried(t), n);
}

static const struct order_case {
	const char *name;
	enum ndt7_test test;
	bool wss;
	size_t served_by; /* its place + 1 */
	const char *want;
} order_cases[] = {
	{ "in the order given", NDT7_DOWNLOAD, true, 0, "abcd" },
	{ "only those that offer the scheme", NDT7_DOWNLOAD, false, 0, "acd" },
	{ "only those that offer the direction", NDT7_UPLOAD, true, 0, "abc" },
	{ "the one that served first, each once", NDT7_UPLOAD, true, 3, "cab" },
	{ "the first one served", NDT7_UPLOAD, true, 1, "abc" },
	{ "the one that served does not offer this", NDT7_UPLOAD, true, 4, "abc" },
};

static void each_is_tried_once(void **state)
{
	const struct order_case *c = *state;
	struct targets t = {};
	char given[8];

	targets_take(&t, answer_of(four), 1);
	t.served_by = c->served_by;
	give_all(&t, c->test, c->wss, given);
	assert_string_equal(given, c->want);
	targets_end(&t);
}

static void the_second_direction_begins_with_who_served(void **state)
{
	struct targets t = {};
	const char *url;
	char given[8];

	(void)state;
	targets_take(&t, answer_of(four), 1);
	targets_begin_direction(&t);
	targets_next(&t, NDT7_DOWNLOAD, true, &url); /* a refuses */
	targets_next(&t, NDT7_DOWNLOAD, true, &url); /* b serves */
	give_all(&t, NDT7_UPLOAD, true, given);
	assert_string_equal(given, "bac");
	targets_end(&t);
}

static void a_list_grows_stale(void **state)
{
	struct targets t = {};
	uint64_t asked_ns = 7000000000ULL;

	(void)state;
	assert_false(targets_are_stale(&t, UINT64_MAX)); /* there is none */
	targets_take(&t, answer_of(four), asked_ns);
	assert_false(targets_are_stale(&t, asked_ns + LOCATE_TOKEN_LIFE_NS));
	assert_true(targets_are_stale(&t, asked_ns + LOCATE_TOKEN_LIFE_NS + 1));
	t.served_by = 2;
	targets_take(&t, answer_of(four),
	             2 * asked_ns + LOCATE_TOKEN_LIFE_NS); /* the old one is freed */
	assert_int_equal(t.served_by, 0);
	targets_end(&t);
	targets_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_direction_begins_with_who_served),
		cmocka_unit_test(a_list_grows_stale),
	};
	int failed = CASES_RUN(each_is_tried_once, order_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
