/* What the locate service answers, as far as it is text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure/locate.h"
#include "tests/cases.h"

/* --- reading a reply ------------------------------------------------------------------------ */

#define TOKEN_URL                 "wss://ndt-a.example/ndt/v7/download?access_token=a.b-c_d%2Be&index=0&index=1"
#define TARGET(machine, key, url) "{\"machine\":\"" machine "\",\"urls\":{\"" key "\":\"" url "\"}}"
#define GOOD_TARGET(machine)                                                                       \
	TARGET(machine, "ws:///ndt/v7/upload", "ws://" machine "/ndt/v7/upload")
#define RESULTS(targets) "{\"results\":[" targets "]}"

static const char whole_reply[] =
	"{\"next_request\":{\"nbf\":\"2026-03-01T16:02:11Z\",\"exp\":\"2026-03-01T16:32:11Z\","
	"\"url\":\"https://locate.example/v2/nearest/ndt/ndt7?token=x\"},"
	"\"results\":[{\"machine\":\"mlab9-xyz01.example\",\"hostname\":\"ndt-mlab9-xyz01."
	"example\","
	"\"location\":{\"city\":\"Springfield\",\"country\":\"US\"},\"new\":[1,{}],"
	"\"urls\":{\"ws:///ndt/v7/download\":\"ws://a.example/ndt/v7/download?t=1\","
	"\"ws:///ndt/v7/upload\":\"ws://a.example/ndt/v7/upload?t=2\","
	"\"wss:///ndt/v7/download\":\"" TOKEN_URL "\","
	"\"wss:///ndt/v7/upload\":\"wss://a.example/ndt/v7/upload?t=4\"}}]}\n";

static void whole_reply_is_read(void **state)
{
	struct locate_answer *a = NULL;
	const struct locate_target *t;

	(void)state;
	assert_int_equal(locate_parse(whole_reply, sizeof(whole_reply) - 1, &a, NULL), 0);
	assert_int_equal(a->count, 1);
	t = &a->targets[0];
	assert_string_equal(t->machine, "mlab9-xyz01.example");
	assert_string_equal(t->hostname, "ndt-mlab9-xyz01.example");
	assert_string_equal(t->city, "Springfield");
	assert_string_equal(t->country, "US");
	assert_string_equal(t->download[0], "ws://a.example/ndt/v7/download?t=1");
	assert_string_equal(t->upload[0], "ws://a.example/ndt/v7/upload?t=2");
	assert_string_equal(t->download[1], TOKEN_URL); /* N77: byte for byte */
	assert_string_equal(t->upload[1], "wss://a.example/ndt/v7/upload?t=4");
	assert_string_equal(a->next_request_url, /* N79 */
	                    "https://locate.example/v2/nearest/ndt/ndt7?token=x");
	assert_string_equal(a->next_request_nbf, "2026-03-01T16:02:11Z");
	assert_string_equal(a->next_request_exp, "2026-03-01T16:32:11Z");
	assert_null(locate_answer_free(a));
}

/* No part of a reply is a reply: every truncation is refused, none is read beyond its end. */
static void truncated_reply_is_refused(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(whole_reply) - 2; n++) { /* the newline may be missing */
		struct locate_answer *a = NULL;
		char *cut = malloc(n ? n : 1);

		memcpy(cut, whole_reply, n);
		assert_int_equal(locate_parse(cut, n, &a, NULL), -EINVAL);
		assert_null(a);
		free(cut);
	}
}

static struct parse_case {
	const char *name;
	const char *body;
	int want;
	size_t want_count;
	const char *want_machines; /* in the order given, each with a space after it */
} parse_cases[] = {
	{ "N73 an empty object", "{}", 0, 0, "" },
	{ "N73 an empty list", RESULTS(""), 0, 0, "" },
	{ "the list is null", "{\"results\":null}", 0, 0, "" },
	{ "the list is a text", "{\"results\":\"none\"}", 0, 0, "" },
	{ "three targets keep their order",
	  RESULTS(GOOD_TARGET("c") "," GOOD_TARGET("a") "," GOOD_TARGET("b")), 0, 3, "c a b " },
	{ "a target without urls is left out", RESULTS("{\"machine\":\"x\"}," GOOD_TARGET("a")), 0,
	  1, "a " },
	{ "a target of another kind is left out", RESULTS("1,null,[]," GOOD_TARGET("a")), 0, 1,
	  "a " },
	{ "a key with two slashes is another key",
	  RESULTS(TARGET("x", "ws://ndt/v7/upload", "ws://x/ndt/v7/upload")), 0, 0, "" },
	{ "another scheme than its key says is left out",
	  RESULTS(TARGET("x", "wss:///ndt/v7/upload", "http://x/ndt/v7/upload")), 0, 0, "" },
	{ "wss where the key says ws is left out",
	  RESULTS(TARGET("x", "ws:///ndt/v7/upload", "wss://x/ndt/v7/upload")), 0, 0, "" },
	{ "not a URL is left out", RESULTS(TARGET("x", "ws:///ndt/v7/upload", "ws://x y/")), 0, 0,
	  "" },
	{ "a URL that is a number is left out",
	  RESULTS("{\"machine\":\"x\",\"urls\":{\"ws:///ndt/v7/upload\":7}}"), 0, 0, "" },
	{ "URLs that are no object", RESULTS("{\"machine\":\"x\",\"urls\":[\"ws://a/\"]}"), 0, 0,
	  "" },
	{ "a URL that comes twice",
	  RESULTS("{\"machine\":\"x\",\"urls\":{\"ws:///ndt/v7/upload\":\"ws://a/\","
	          "\"ws:///ndt/v7/upload\":\"ws://b/\"}}"),
	  0, 1, "x " },
	{ "an escaped key and value",
	  RESULTS("{\"\\u006dachine\":\"\\u0078\",\"urls\":{\"ws:\\/\\/\\/ndt\\/v7\\/upload\":"
	          "\"ws:\\/\\/a\\/\"}}"),
	  0, 1, "x " },
	{ "white space around it", " \t\r\n{} \n", 0, 0, "" },
	{ "empty", "", -EINVAL, 0, "" },
	{ "a page", "<html>Bad Gateway</html>", -EINVAL, 0, "" },
	{ "an array", "[]", -EINVAL, 0, "" },
	{ "a number", "7", -EINVAL, 0, "" },
	{ "more than one object", "{}{}", -EINVAL, 0, "" },
};

static void reply_parses(void **state)
{
	const struct parse_case *c = *state;
	struct locate_answer *a = NULL;
	char machines[256] = "";
	struct err err = {};

	assert_int_equal(locate_parse(c->body, strlen(c->body), &a, &err), c->want);
	assert_int_equal(a != NULL, c->want == 0);
	assert_int_equal(err.text[0] != '\0', c->want < 0);
	if (!a)
		return;
	assert_int_equal(a->count, c->want_count);
	for (size_t i = 0; i < a->count; i++) {
		strcat(machines, a->targets[i].machine);
		strcat(machines, " ");
	}
	assert_string_equal(machines, c->want_machines);
	assert_null(a->next_request_url);
	locate_answer_free(a);
}

static void targets_have_a_ceiling(void **state)
{
	char body[8192] = "{\"results\":[" GOOD_TARGET("a");
	struct locate_answer *a = NULL;

	(void)state;
	for (size_t i = 1; i < LOCATE_TARGETS_MAX + 5; i++)
		strcat(body, "," GOOD_TARGET("b"));
	strcat(body, "]}");
	assert_int_equal(locate_parse(body, strlen(body), &a, NULL), 0);
	assert_int_equal(a->count, LOCATE_TARGETS_MAX);
	locate_answer_free(a);
}

/* The largest body that is taken, as deep and as wide as it can be made. */
static void nested_and_wide_bodies_are_bounded(void **state)
{
	static char body[LOCATE_BODY_MAX];
	struct locate_answer *a = NULL;

	(void)state;
	memset(body, '[', sizeof(body));
	assert_int_equal(locate_parse(body, sizeof(body), &a, NULL), -EINVAL);
	memset(body, ' ', sizeof(body));
	memcpy(body, "{\"results\":[0", 13);
	for (size_t i = 13; i + 3 < sizeof(body); i += 2)
		memcpy(body + i, ",0", 2);
	memcpy(body + sizeof(body) - 2, "]}", 2);
	assert_int_equal(locate_parse(body, sizeof(body), &a, NULL), 0);
	assert_int_equal(a->count, 0);
	locate_answer_free(a);
}

static struct problem_case {
	const char *name;
	const char *body;
	bool want;
	const char *want_title;
} problem_cases[] = {
	{ "the service's own",
	  "{\"error\":{\"type\":\"nearest\",\"title\":\"No servers\",\"status\":500}}", true,
	  "No servers" },
	{ "without a title", "{\"error\":{}}", true, "" },
	{ "control characters are not repeated", "{\"error\":{\"title\":\"a\\n\\u001b[31mb\"}}",
	  true, "a??[31mb" },
	{ "of something in front of it", "{\"code\":500,\"message\":\"backend\"}", false, "" },
	{ "a page", "<html></html>", false, "" },
	{ "nothing", "", false, "" },
};

static void problem_is_read(void **state)
{
	const struct problem_case *c = *state;
	char title[LOCATE_PROBLEM_MAX];

	assert_int_equal(locate_problem(c->body, strlen(c->body), title), c->want);
	assert_string_equal(title, c->want_title);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_reply_is_read),
		cmocka_unit_test(truncated_reply_is_refused),
		cmocka_unit_test(targets_have_a_ceiling),
		cmocka_unit_test(nested_and_wide_bodies_are_bounded),
	};
	int failed = CASES_RUN(reply_parses, parse_cases);

	failed += CASES_RUN(problem_is_read, problem_cases);
	failed += cmocka_run_group_tests_name("locate_parse", tests, NULL, NULL);
	return failed != 0;
}
