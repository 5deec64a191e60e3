/* Reports to a server over HTTP, by a real courier (contract pod-service R61; sentry.md 2). This program is its own
 * courier. */
#include "agent/sentry/sentry_courier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/service/courier.h"
#include "agent/service/courier_child.h"
#include "tests/canned.h"
#include "tests/cases.h"
#include "tests/process.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define ENDPOINT(project) "/api/" project "/envelope/"
#define OK(more)          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" more "\r\n{}"

static const struct canned pages[] = {
	{ ENDPOINT("1"), .answer = OK("") },
	{ ENDPOINT("2"), .answer = OK("X-Sentry-Rate-Limits: 600::organization\r\n") },
	{ ENDPOINT("3"),
	  .answer =
	          "HTTP/1.1 429 Too Many Requests\r\nRetry-After: Mon, 05 Jan 2026 10:10:00 GMT\r\n"
	          "Date: Mon, 05 Jan 2026 10:00:00 GMT\r\nContent-Length: 0\r\n\r\n" },
	{ ENDPOINT("4"), .answer = NULL },
	{ ENDPOINT("5"), .answer = "HTTP/1.1 200 OK\r\n\r\n", .pad_bytes = SIZE_MAX },
	{ ENDPOINT("6"),
	  .answer =
	          "HTTP/1.1 302 Found\r\nLocation: /api/1/envelope/\r\nContent-Length: 0\r\n\r\n" },
};

static struct canned_server server;

struct post_case {
	const char *name;
	int project;
	bool limited;          /* what is reported then is not sent */
	uint64_t want_wait_s;  /* until something may be */
	const char *want_said; /* by the next envelope; NULL: there is none */
};

static struct post_case post_cases[] = {
	{ "R61: accepted", 1, false, 0, NULL },
	{ "a limit is read", 2, true, 590, "ratelimit_backoff" },
	{ "a date is read", 3, true, 590, "ratelimit_backoff" },
	{ "R61: cut off is kept", 4, false, 40, "\"type\":\"event\"" },
	{ "an answer without end is none", 5, false, 40, "\"type\":\"event\"" },
	{ "a redirect is not followed", 6, false, 0, "send_error" },
};

struct rig {
	struct loop *loop;
	struct courier *courier;
	struct sentry_courier mail;
	struct sentry *sentry;
	unsigned int answers;
};

static void after(void *self)
{
	struct rig *r = self;

	r->answers++;
	loop_stop(r->loop);
}

static uint64_t shift_ns; /* of the reporter's clock: nobody waits its 5 s */

static uint64_t now_ns(void)
{
	return clock_now_ns() + shift_ns;
}

static void rig_begin(struct rig *r, int project)
{
	struct sentry_courier_options options = { .after = after, .self = r };
	struct sentry_options reporter = { .now_ns = now_ns };
	char dsn[128];

	*r = (struct rig){ .loop = process_loop(LOOP_BODY_EPOLL) };
	assert_int_equal(courier_new(r->loop, COURIER_IDLE_NS, &r->courier, NULL), 0);
	options.courier = r->courier;
	sentry_courier_begin(&r->mail, &options);
	snprintf(dsn, sizeof(dsn), "http://key@127.0.0.1:%d/%d", server.port, project);
	reporter.dsn = dsn;
	reporter.transport = sentry_courier_transport(&r->mail);
	assert_int_equal(sentry_open(&reporter, &r->sentry, NULL), 0);
}

static void rig_end(struct rig *r)
{
	r->sentry = sentry_close(r->sentry);
	r->courier = courier_free(r->courier);
	loop_close(r->loop);
}

static void send_one(struct rig *r)
{
	uint64_t until_ns = clock_now_ns() + 20 * NS_PER_S;

	sentry_report(r->sentry, "store", "WRITE_FAILED", NULL, SENTRY_FATAL);
	shift_ns += 6 * NS_PER_S;
	sentry_turn(r->sentry);
	while (r->answers == 0)
		assert_int_equal(loop_run(r->loop, until_ns, NULL), LOOP_STOPPED);
}

static void posts(void **state)
{
	const struct post_case *c = *state;
	unsigned int before = canned_requests(&server);
	char *next = NULL;
	struct rig r;
	size_t n;

	rig_begin(&r, c->project);
	send_one(&r);
	if (c->limited) {
		sentry_report(r.sentry, "store", "READ_FAILED", NULL, SENTRY_FATAL);
		shift_ns += NS_PER_S;
	}
	if (c->want_wait_s)
		assert_true(sentry_turn(r.sentry) >= now_ns() + c->want_wait_s * NS_PER_S);
	assert_int_equal(canned_requests(&server), before + 1);
	assert_int_equal(sentry_next_envelope(r.sentry, &next, &n, NULL),
	                 c->want_said ? 0 : SENTRY_OFF);
	if (c->want_said)
		assert_non_null(strstr(next, c->want_said));
	free(next);
	rig_end(&r);
}

static void R61_as_the_server_sees_it(void **state)
{
	unsigned int before = canned_requests(&server);
	const char *head, *body;
	char length[64];
	struct rig r;
	size_t n;

	(void)state;
	rig_begin(&r, 1);
	send_one(&r);
	rig_end(&r);
	head = canned_head(&server, before);
	body = canned_body(&server, before, &n);
	assert_memory_equal(head, "POST /api/1/envelope/ HTTP/1.1\r\n", 32);
	assert_non_null(strstr(head, "Content-Type: application/x-sentry-envelope\r\n"));
	assert_non_null(strstr(head, "User-Agent: radar-pod/" POD_VERSION "\r\n"));
	assert_non_null(strstr(
		head, "X-Sentry-Auth: Sentry sentry_version=7, sentry_client=radar-pod/" POD_VERSION
		      ", sentry_key=key\r\n"));
	assert_null(strstr(head, "chunked"));
	snprintf(length, sizeof(length), "Content-Length: %zu\r\n", n);
	assert_non_null(strstr(head, length));
	assert_memory_equal(body, "{\"event_id\":\"", 13);
	assert_non_null(strstr(body, "\"WRITE_FAILED\""));
}

static void taken_back(void **state)
{
	struct rig r;

	(void)state;
	rig_begin(&r, 1);
	sentry_report(r.sentry, "store", "WRITE_FAILED", NULL, SENTRY_FATAL);
	shift_ns += 6 * NS_PER_S;
	sentry_turn(r.sentry);
	sentry_hold(r.sentry, true);
	assert_null(r.mail.call);
	sentry_hold(r.sentry, false);
	sentry_turn(r.sentry);
	while (r.answers == 0)
		assert_int_equal(loop_run(r.loop, clock_now_ns() + 20 * NS_PER_S, NULL),
		                 LOOP_STOPPED);
	rig_end(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(R61_as_the_server_sees_it),
		cmocka_unit_test(taken_back),
	};
	int failed;

	if (argc >= 2 && strcmp(argv[1], COURIER_ROLE) == 0)
		courier_role();
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	server = canned_start(pages, sizeof(pages) / sizeof(*pages), NULL);
	failed = CASES_RUN(posts, post_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	canned_stop(&server);
	return failed != 0;
}
