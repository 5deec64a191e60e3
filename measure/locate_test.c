#include "measure/locate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/canned.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define BEARER "ey.a-secret.token"

/* --- asking --------------------------------------------------------------------------------- */

#define TARGET(machine)                                                                            \
	"{\"machine\":\"" machine "\",\"urls\":{\"ws:///ndt/v7/upload\":\"ws://" machine           \
	"/ndt/v7/upload\"}}"
#define RESULTS(targets)   "{\"results\":[" targets "]}"
#define HEAD(status)       "HTTP/1.1 " status " X\r\nConnection: close\r\n\r\n"
#define OWN_ACCOUNT(title) "{\"error\":{\"type\":\"t\",\"title\":\"" title "\",\"status\":1}}"

static const struct canned pages[] = {
	{ "/200", HEAD("200") RESULTS(TARGET("first") "," TARGET("second")) },
	{ "/302", "HTTP/1.1 302 Found\r\nLocation: /200\r\nContent-Length: 0\r\n\r\n" },
	{ "/empty-object", HEAD("200") "{}" },
	{ "/empty-list", HEAD("200") RESULTS("") },
	{ "/truncated", HEAD("200") "{\"results\":[{\"machine\":" },
	{ "/1-mib", HEAD("200"), .pad_bytes = 1 << 20 },
	{ "/204", "HTTP/1.1 204 No Content\r\n\r\n" },
	{ "/204-later", "HTTP/1.1 204 No Content\r\nRetry-After: 120\r\n\r\n" },
	{ "/401", HEAD("401") OWN_ACCOUNT("Invalid token") },
	{ "/401-echo", HEAD("401") OWN_ACCOUNT("Invalid token " BEARER) },
	{ "/404", HEAD("404") "404 page not found" },
	{ "/429", HEAD("429") OWN_ACCOUNT("Too many") },
	{ "/429-later", "HTTP/1.1 429 Too Many\r\nRetry-After: 121\r\n\r\n" },
	{ "/429-never", "HTTP/1.1 429 Too Many\r\nRetry-After: 99999999999\r\n\r\n" },
	{ "/500", HEAD("500") OWN_ACCOUNT("No healthy servers") },
	{ "/500-bare", HEAD("500") },
	{ "/500-html", HEAD("500") "<html>Error</html>" },
	{ "/500-other", HEAD("500") "{\"code\":500,\"message\":\"backend\"}" },
	{ "/502", HEAD("502") },
	{ "/503", HEAD("503") OWN_ACCOUNT("Unknown location") },
	{ "/503-html", HEAD("503") "<html>Error</html>" },
};

static struct canned_server server;

struct heard {
	struct loop *loop;
	int calls;
	struct locate_outcome outcome;
};

static void on_located(void *owner, const struct locate_outcome *outcome)
{
	struct heard *h = owner;

	h->calls++;
	h->outcome = *outcome;
	loop_stop(h->loop);
}

static struct heard ask(struct locate_request request, const char *path)
{
	struct heard h = {};
	struct locate *c = NULL;
	char url[128];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server.port, path);
	request.url = url;
	request.user_agent = "radar-pod-test/1";
	assert_int_equal(loop_open(LOOP_BODY_AUTO, &h.loop, NULL), 0);
	assert_int_equal(locate_start(h.loop, &request, on_located, &h, &c, &h.outcome.err), 0);
	assert_int_equal(loop_run(h.loop, clock_now_ns() + LOCATE_TIMEOUT_NS, NULL), LOOP_STOPPED);
	assert_int_equal(h.calls, 1);
	loop_close(h.loop);
	return h;
}

/* Five deviations of the first wait of the back-off around its mean. */
#define BACKOFF_S                                                                                  \
	{                                                                                          \
		45, 75                                                                             \
	}
#define EXACTLY(s)                                                                                 \
	{                                                                                          \
		(s), (s)                                                                           \
	}

static struct advice_case {
	const char *name;
	const char *path;
	enum locate_advice want;
	const char *want_text; /* N73: a message of its own */
	const char *want_end;  /* of it */
	long want_status;
	uint64_t want_again_s[2]; /* N80: from, to; 0: nobody says */
} advice_cases[] = {
	{ "200 with servers", "/200", LOCATE_USE, "", "", 0, {} },
	{ "N75 302 to them", "/302", LOCATE_USE, "", "", 0, {} },
	{ "N73 N80 204", "/204", LOCATE_NO_CAPACITY, "out of capacity, try again in ",
	  " s (HTTP 204)", 204, BACKOFF_S },
	{ "N80 204, and when to come back", "/204-later", LOCATE_NO_CAPACITY,
	  "out of capacity, try again in 120 s (HTTP 204)", "", 204, EXACTLY(120) },
	{ "N73 200 {}", "/empty-object", LOCATE_NO_CAPACITY, "list is empty, try again in ", " s",
	  200, BACKOFF_S },
	{ "N73 results: []", "/empty-list", LOCATE_NO_CAPACITY, "list is empty, try again in ",
	  " s", 200, BACKOFF_S },
	{ "N73 500 JSON", "/500", LOCATE_NO_CAPACITY, "none for us, try again in ",
	  " s (HTTP 500: No healthy servers)", 500, BACKOFF_S },
	{ "500 without a body", "/500-bare", LOCATE_NO_CAPACITY, "none for us, try again in ",
	  " s (HTTP 500)", 500, BACKOFF_S },
	{ "N73 500 HTML",
	  "/500-html",
	  LOCATE_FAILED,
	  "not an answer of a locate service (HTTP 500)",
	  "",
	  500,
	  {} },
	{ "500 of a front end",
	  "/500-other",
	  LOCATE_FAILED,
	  "not an answer of a locate service (HTTP 500)",
	  "",
	  500,
	  {} },
	{ "N73 503",
	  "/503",
	  LOCATE_NO_LOCATION,
	  "name a country (HTTP 503: Unknown location)",
	  "",
	  503,
	  {} },
	{ "N80 503 of a front end", "/503-html", LOCATE_FAILED, "not an answer", " s (HTTP 503)",
	  503, BACKOFF_S },
	{ "502",
	  "/502",
	  LOCATE_FAILED,
	  "not an answer of a locate service (HTTP 502)",
	  "",
	  502,
	  {} },
	{ "N74 N80 429", "/429", LOCATE_LIMITED,
	  "too many requests from here, try again in 60 min (HTTP 429: Too many)", "", 429,
	  EXACTLY(3600) },
	{ "N80 429, and when to come back", "/429-later", LOCATE_LIMITED, "try again in 3 min", "",
	  429, EXACTLY(121) },
	{ "N80 429, and not before the end of days", "/429-never", LOCATE_LIMITED,
	  "try again in 1440 min", "", 429, EXACTLY(24 * 3600) },
	{ "401",
	  "/401",
	  LOCATE_REFUSED,
	  "refuses the access token (HTTP 401: Invalid token)",
	  "",
	  401,
	  {} },
	{ "404", "/404", LOCATE_REFUSED, "refuses the request (HTTP 404)", "", 404, {} },
	{ "N73 truncated JSON", "/truncated", LOCATE_FAILED, "read JSON at byte", "", 200, {} },
	{ "N73 1 MiB", "/1-mib", LOCATE_FAILED, "more than 524288 bytes", "", 200, {} },
};

static void ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	assert_true(m <= n);
	assert_string_equal(text + n - m, end);
}

static void advice_is_given(void **state)
{
	const struct advice_case *c = *state;
	unsigned int before = canned_requests(&server);
	struct locate_outcome o = ask((struct locate_request){}, c->path).outcome;

	assert_int_equal(o.advice, c->want);
	assert_non_null(strstr(o.err.text, c->want_text));
	ends_with(o.err.text, c->want_end);
	assert_int_equal(o.err.detail, c->want_status);
	assert_in_range(o.again_ns, c->want_again_s[0] * NS_PER_S, c->want_again_s[1] * NS_PER_S);
	assert_int_equal(o.answer != NULL, c->want == LOCATE_USE);
	if (o.answer) {
		assert_int_equal(o.answer->count, 2);
		assert_string_equal(o.answer->targets[0].machine, "first");
	}
	assert_int_equal(canned_requests(&server) - before, strcmp(c->path, "/302") ? 1 : 2);
	locate_answer_free(o.answer);
}

static void request_line_is(const char *want, struct locate_request request, const char *path)
{
	unsigned int at = canned_requests(&server);
	struct heard h = ask(request, path);

	assert_int_equal(h.outcome.advice, LOCATE_USE);
	assert_memory_equal(canned_head(&server, at), want, strlen(want));
	assert_non_null(strstr(canned_head(&server, at), "\r\nUser-Agent: radar-pod-test/1\r\n"));
	locate_answer_free(h.outcome.answer);
}

static void query_carries_the_choices(void **state)
{
	(void)state;
	request_line_is("GET /200 HTTP/1.1\r\n", (struct locate_request){}, "/200");
	request_line_is(
		"GET /200?a=b&country=DE&site=ham02&org=mlab&early_exit=250 HTTP/1.1\r\n",
		(struct locate_request){
			.country = "DE", .site = "ham02", .org = "mlab", .early_exit = true },
		"/200?a=b");
}

static void bearer_is_sent_and_not_said(void **state)
{
	unsigned int at = canned_requests(&server);
	struct heard h = ask((struct locate_request){ .bearer = BEARER }, "/401-echo?x=" BEARER);

	(void)state;
	assert_int_equal(h.outcome.advice, LOCATE_REFUSED); /* N78 */
	assert_non_null(
		strstr(canned_head(&server, at), "\r\nAuthorization: Bearer " BEARER "\r\n"));
	assert_non_null(strstr(h.outcome.err.text, "HTTP 401"));
	assert_null(strstr(h.outcome.err.text, "secret"));
}

static void bearer_has_a_path_of_its_own(void **state)
{
	(void)state;
	assert_string_equal(locate_default_url(NULL),
	                    "https://locate.measurementlab.net/v2/nearest/ndt/ndt7");
	assert_string_equal(locate_default_url(BEARER), /* N78 */
	                    "https://locate.measurementlab.net/v2/priority/nearest/ndt/ndt7");
}

static void nobody_answers(void **state)
{
	struct locate_request request = { .url = "http://127.0.0.1:1/", .user_agent = "test" };
	struct heard h = {};
	struct locate *c = NULL;

	(void)state;
	assert_int_equal(loop_open(LOOP_BODY_AUTO, &h.loop, NULL), 0);
	assert_int_equal(locate_start(h.loop, &request, on_located, &h, &c, NULL), 0);
	assert_int_equal(loop_run(h.loop, clock_now_ns() + LOCATE_TIMEOUT_NS, NULL), LOOP_STOPPED);
	assert_int_equal(h.outcome.advice, LOCATE_FAILED);
	assert_int_equal(h.outcome.err.code, -ECONNREFUSED);
	request.url = "nonsense";
	assert_int_equal(locate_start(h.loop, &request, on_located, &h, &c, NULL), -EINVAL);
	request.url = "http://127.0.0.1:1/";
	assert_int_equal(locate_start(h.loop, &request, on_located, &h, &c, NULL), 0);
	assert_null(locate_cancel(c));
	assert_null(locate_cancel(NULL));
	loop_close(h.loop);
	assert_int_equal(h.calls, 1);
}

/* --- the back-off --------------------------------------------------------------------------- */

static struct backoff_case {
	const char *name;
	unsigned int attempt;
	double want_mean_s; /* 0: give up */
} backoff_cases[] = {
	{ "N80 first: 60 s", 0, 60 },   { "N80 second: 120 s", 1, 120 },
	{ "N80 third: 240 s", 2, 240 }, { "N80 fourth: 480 s", 3, 480 },
	{ "N80 fifth: 960 s", 4, 960 }, { "N80 then not again", 5, 0 },
};

#define BACKOFF_DRAWS 4000

/* Mean and deviation of many draws: their own errors are 0.08 % and 1.1 % of one deviation. */
static void backoff_is_drawn(void **state)
{
	const struct backoff_case *c = *state;
	double sum = 0, squares = 0, mean_s, deviation_s;
	uint64_t random = 1, delay_ns = 0;

	for (int i = 0; i < BACKOFF_DRAWS; i++) {
		double s;

		assert_int_equal(locate_backoff(c->attempt, &random, &delay_ns),
		                 c->want_mean_s > 0);
		s = (double)delay_ns / (double)NS_PER_S;
		sum += s;
		squares += s * s;
	}
	mean_s = sum / BACKOFF_DRAWS;
	deviation_s = sqrt(squares / BACKOFF_DRAWS - mean_s * mean_s);
	assert_true(fabs(mean_s - c->want_mean_s) <= 0.004 * c->want_mean_s);
	assert_true(fabs(deviation_s - 0.05 * c->want_mean_s) <= 0.003 * c->want_mean_s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_carries_the_choices),
		cmocka_unit_test(bearer_is_sent_and_not_said),
		cmocka_unit_test(bearer_has_a_path_of_its_own),
		cmocka_unit_test(nobody_answers),
	};
	int failed;

	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	server = canned_start(pages, sizeof(pages) / sizeof(*pages), NULL);
	failed = CASES_RUN(advice_is_given, advice_cases);
	failed += CASES_RUN(backoff_is_drawn, backoff_cases);
	failed += cmocka_run_group_tests_name("locate", tests, NULL, NULL);
	canned_stop(&server);
	return failed != 0;
}
