/* This program is its own courier: started with the role's name it is the real one, or with COURIER_TEST_BAD one that
 * breaks what was agreed. */
#include "agent/service/courier.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/service/courier_child.h"
#include "agent/service/courier_frame.h"
#include "tests/canned.h"
#include "tests/cases.h"
#include "tests/process.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/passing.h"
#include "transport/loop/loop.h"

#define SECRET      "hT7wQ9mZp2K"
#define LARGE_BYTES (1024 * 1024 + 7)
#define BAD         "COURIER_TEST_BAD"

static enum loop_body loop_body;
static struct canned_server server;

#define EMPTY "Content-Length: 0\r\n\r\n"
static const struct canned pages[] = {
	{ "/201", .answer = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
	                    "X-Limits: 60\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nhello" },
	{ "/204", .answer = "HTTP/1.1 204 No Content\r\n\r\n" },
	{ "/large", .answer = "HTTP/1.1 200 OK\r\n\r\n", .pad_bytes = LARGE_BYTES },
	{ "/eof", .answer = NULL },
	{ "/silent", .answer = NULL, .stays = true },
};

struct outcome {
	struct loop *loop;
	struct courier_call *call;
	int calls, status;
	size_t body_bytes;
	char body[16], content_type[32], wanted[32];
	uint64_t retry_after_s;
	bool was_sent;
	struct err err;
	struct courier **frees; /* in its done */
};

static void on_done(void *owner, const struct http_answer *answer, const struct err *err)
{
	struct outcome *o = owner;

	o->calls++;
	o->was_sent = courier_was_sent(o->call);
	if (answer) {
		o->status = answer->status;
		o->body_bytes = answer->body_bytes;
		o->retry_after_s = answer->retry_after_s;
		assert_int_equal(answer->body[answer->body_bytes], '\0');
		snprintf(o->body, sizeof(o->body), "%.15s", answer->body);
		snprintf(o->content_type, sizeof(o->content_type), "%s", answer->content_type);
		snprintf(o->wanted, sizeof(o->wanted), "%s", answer->wanted[1]);
	} else {
		o->err = *err;
	}
	if (o->frees)
		*o->frees = courier_free(*o->frees);
	loop_stop(o->loop);
}

struct rig {
	struct loop *loop;
	struct courier *courier;
	int descriptors;
};

static struct rig rig_begin(uint64_t idle_ns)
{
	struct rig r = { .descriptors = process_descriptors(NULL) };

	r.loop = process_loop(loop_body);
	assert_int_equal(courier_new(r.loop, idle_ns, &r.courier, NULL), 0);
	return r;
}

/* Nothing is left: no descriptor, no child. */
static void rig_end(struct rig *r)
{
	assert_null(courier_free(r->courier));
	loop_close(r->loop);
	assert_int_equal(process_descriptors(NULL), r->descriptors);
	for (int i = 0; i < 2; i++) /* the canned server is one */
		if (waitpid(-1, NULL, WNOHANG) > 0)
			fail_msg("a courier was left behind");
}

static struct http_request request_to(const char *path, char url[128])
{
	snprintf(url, 128, "http://127.0.0.1:%d%s", server.port, path);
	return (struct http_request){ .url = url,
		                      .user_agent = "radar-pod-test/1",
		                      .accept = "application/json",
		                      .wanted = { NULL, "X-Limits" },
		                      .answer_bytes_max = 2 * LARGE_BYTES,
		                      .timeout_ns = 10 * NS_PER_S };
}

static void ask(struct rig *r, const struct http_request *request, struct outcome *o)
{
	o->loop = r->loop;
	assert_int_equal(courier_ask(r->courier, request, on_done, o, &o->call, NULL), 0);
	assert_int_equal(o->calls, 0);
}

static void run_until_told(struct rig *r, const struct outcome *o)
{
	uint64_t until_ns = clock_now_ns() + 20 * NS_PER_S;

	while (o->calls == 0)
		assert_int_equal(loop_run(r->loop, until_ns, NULL), LOOP_STOPPED);
	assert_int_equal(o->calls, 1);
}

static struct outcome ask_for(struct rig *r, const char *path)
{
	char url[128];
	struct http_request request = request_to(path, url);
	struct outcome o = {};

	ask(r, &request, &o);
	run_until_told(r, &o);
	return o;
}

/* --- what comes back -------------------------------------------------------------------------- */

static void answer_comes_whole(void **state)
{
	struct rig r = rig_begin(COURIER_IDLE_NS);
	struct outcome o;

	(void)state;
	assert_int_equal(courier_pid(r.courier), 0);
	o = ask_for(&r, "/201");
	assert_string_equal(o.err.text, "");
	assert_int_equal(o.status, 201);
	assert_string_equal(o.body, "hello");
	assert_string_equal(o.content_type, "application/json");
	assert_string_equal(o.wanted, "60");
	assert_int_equal(o.retry_after_s, 7);
	assert_true(o.was_sent);
	o = ask_for(&r, "/204");
	assert_int_equal(o.status, 204);
	assert_int_equal(o.body_bytes, 0);
	o = ask_for(&r, "/large");
	assert_int_equal(o.status, 200);
	assert_int_equal(o.body_bytes, LARGE_BYTES);
	rig_end(&r);
}

static void contents_go_over(void **state)
{
	struct rig r = rig_begin(COURIER_IDLE_NS);
	unsigned int from = canned_requests(&server);
	char url[128], file[] = "/tmp/courier_test.XXXXXX";
	struct http_request request = request_to("/204", url);
	struct outcome o = {};
	int fd = mkostemp(file, O_CLOEXEC);
	const char *body;
	size_t n;

	(void)state;
	unlink(file);
	assert_int_equal(write(fd, "a file's", 8), 8);
	request.method = HTTP_POST;
	request.part_count = 2;
	request.parts[0] = (struct http_part){ .name = "client_secret",
		                               .content = { .data = SECRET, .bytes = 11 } };
	request.parts[1] = (struct http_part){ .name = "result",
		                               .filename = "result.json",
		                               .content = { .fd = fd, .offset = 2, .bytes = 6 } };
	ask(&r, &request, &o);
	close(fd);
	run_until_told(&r, &o);
	assert_int_equal(o.status, 204);
	body = canned_body(&server, from, &n);
	assert_non_null(strstr(body, "name=\"client_secret\"\r\n\r\n" SECRET "\r\n"));
	assert_non_null(strstr(body, "\r\n\r\nfile's\r\n"));
	rig_end(&r);
}

static struct failure_case {
	const char *name;
	const char *url; /* or a path of the server */
	uint64_t timeout_ms;
	size_t answer_bytes_max;
	int want;
	bool want_sent;
} failure_cases[] = {
	{ "nobody listens", "http://127.0.0.1:1/", 5000, 10, -ECONNREFUSED, false },
	{ "not a URL", "nonsense", 5000, 10, -EINVAL, false },
	{ "cut", "/eof", 5000, 10, -ECONNRESET, true },
	{ "silence", "/silent", 3000, 10, -ETIMEDOUT, true },
	{ "too large", "/large", 5000, 1000, -EMSGSIZE, true },
};

static void failure_is_told(void **state)
{
	const struct failure_case *c = *state;
	struct rig r = rig_begin(COURIER_IDLE_NS);
	char url[128];
	struct http_request request = request_to(c->url, url);
	struct outcome o = {};
	int pid;

	if (c->url[0] != '/')
		request.url = c->url;
	request.timeout_ns = c->timeout_ms * NS_PER_MS;
	request.answer_bytes_max = c->answer_bytes_max;
	ask(&r, &request, &o);
	run_until_told(&r, &o);
	assert_int_equal(o.err.code, c->want);
	assert_int_equal(o.was_sent, c->want_sent);
	pid = courier_pid(r.courier); /* it lives, and serves the next one */
	assert_int_equal(ask_for(&r, "/204").status, 204);
	assert_int_equal(courier_pid(r.courier), pid);
	rig_end(&r);
}

/* --- what it costs and shows ------------------------------------------------------------------- */

static bool file_has(const char *path, const char *what, size_t what_bytes)
{
	static char text[1024 * 1024];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	for (ssize_t got; fd >= 0 && (got = read(fd, text + n, sizeof(text) - n)) > 0;)
		n += (size_t)got;
	close(fd);
	return memmem(text, n, what, what_bytes);
}

static void libcurl_is_loaded_elsewhere(void **state)
{
	struct rig r = rig_begin(COURIER_IDLE_NS);
	char path[64];

	(void)state;
	assert_int_equal(ask_for(&r, "/201").status, 201);
	snprintf(path, sizeof(path), "/proc/%d/maps", courier_pid(r.courier));
	assert_true(file_has(path, "libcurl", 7));
	assert_false(file_has("/proc/self/maps", "libcurl", 7));
	rig_end(&r);
}

static void secret_is_in_no_process_list(void **state)
{
	struct rig r = rig_begin(COURIER_IDLE_NS);
	char url[128], path[64];
	struct http_request request = request_to("/201", url);
	struct outcome o = {};

	(void)state;
	request.headers[request.header_count++] = "X-Secret: " SECRET;
	ask(&r, &request, &o);
	run_until_told(&r, &o);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", courier_pid(r.courier));
	assert_true(file_has(path, "radar-pod\0courier", 17));
	assert_false(file_has(path, SECRET, 11)); /* R8, P6 */
	snprintf(path, sizeof(path), "/proc/%d/environ", courier_pid(r.courier));
	assert_false(file_has(path, SECRET, 11));
	rig_end(&r);
}

static void idle_one_goes(void **state)
{
	struct rig r = rig_begin(50 * NS_PER_MS);

	(void)state;
	assert_int_equal(ask_for(&r, "/204").status, 204);
	for (int i = 0; i < 100 && courier_pid(r.courier) != 0; i++)
		loop_run(r.loop, clock_now_ns() + 100 * NS_PER_MS, NULL);
	assert_int_equal(courier_pid(r.courier), 0);
	assert_int_equal(ask_for(&r, "/204").status, 204);
	rig_end(&r);
}

static void one_under_way_is_not_idle(void **state)
{
	struct rig r = rig_begin(20 * NS_PER_MS);
	char url[128];
	struct http_request request = request_to("/silent", url);
	struct outcome o = {};

	(void)state;
	request.timeout_ns = 3 * NS_PER_S; /* the courier starts within it */
	ask(&r, &request, &o);
	run_until_told(&r, &o);
	assert_non_null(strstr(o.err.text, "waiting for the answer"));
	rig_end(&r);
}

/* --- several ----------------------------------------------------------------------------------- */

static void four_at_once(void **state)
{
	struct rig r = rig_begin(COURIER_IDLE_NS);
	char url[128];
	struct http_request request = request_to("/204", url);
	struct outcome o[COURIER_CALLS_MAX + 1] = {};
	struct err err = {};

	(void)state;
	for (size_t i = 0; i < COURIER_CALLS_MAX; i++)
		ask(&r, &request, &o[i]);
	assert_int_equal(courier_ask(r.courier, &request, on_done, &o[COURIER_CALLS_MAX],
	                             &o[COURIER_CALLS_MAX].call, &err),
	                 -EBUSY);
	for (size_t i = 0; i < COURIER_CALLS_MAX; i++) {
		run_until_told(&r, &o[i]);
		assert_int_equal(o[i].status, 204);
	}
	assert_int_equal(ask_for(&r, "/204").status, 204);
	rig_end(&r);
}

static struct cancel_case {
	const char *name;
	uint64_t run_ms;
} cancel_cases[] = {
	{ "before the courier was started", 0 },
	{ "while it waits for the answer", 300 },
};

static void cancelled_is_not_heard_of(void **state)
{
	const struct cancel_case *c = *state;
	struct rig r = rig_begin(COURIER_IDLE_NS);
	char url[128];
	struct http_request request = request_to("/silent", url);
	struct outcome o = {};

	ask(&r, &request, &o);
	if (c->run_ms)
		loop_run(r.loop, clock_now_ns() + c->run_ms * NS_PER_MS, NULL);
	assert_null(courier_cancel(o.call));
	for (size_t i = 0; i < 2 * COURIER_CALLS_MAX; i++) /* its place is free again, there too */
		assert_int_equal(ask_for(&r, "/204").status, 204);
	assert_int_equal(o.calls, 0);
	rig_end(&r);
}

static void freed_while_one_is_under_way(void **state)
{
	struct rig r = rig_begin(COURIER_IDLE_NS);
	char url[128];
	struct http_request request = request_to("/silent", url);
	struct outcome o = {};

	(void)state;
	ask(&r, &request, &o);
	loop_run(r.loop, clock_now_ns() + 200 * NS_PER_MS, NULL);
	rig_end(&r);
	assert_int_equal(o.calls, 0);
}

static void freed_in_an_answer(void **state)
{
	struct rig r = rig_begin(COURIER_IDLE_NS);
	char url[128];
	struct http_request request = request_to("/204", url);
	struct outcome o[2] = { { .frees = &r.courier }, { .frees = &r.courier } };

	(void)state;
	ask(&r, &request, &o[0]);
	ask(&r, &request, &o[1]);
	loop_run(r.loop, clock_now_ns() + 10 * NS_PER_S, NULL);
	assert_int_equal(o[0].calls + o[1].calls, 1);
	rig_end(&r);
}

/* --- a courier that fails ---------------------------------------------------------------------- */

static struct lost_case {
	const char *name;
	int signal;
	int want;
	const char *want_text;
} lost_cases[] = {
	{ "killed", SIGKILL, -ECHILD, "signal 9" },
	{ "hung (M7)", SIGSTOP, -ETIMEDOUT, "in time" },
};

static void lost_one_is_replaced(void **state)
{
	const struct lost_case *c = *state;
	struct rig r = rig_begin(COURIER_IDLE_NS);
	char url[128];
	struct http_request request = request_to("/silent", url);
	struct outcome o = {};
	int pid;

	request.timeout_ns = 3 * NS_PER_S;
	ask(&r, &request, &o);
	loop_run(r.loop, clock_now_ns() + 300 * NS_PER_MS, NULL);
	pid = courier_pid(r.courier);
	assert_true(pid > 0);
	kill(pid, c->signal);
	run_until_told(&r, &o);
	assert_int_equal(o.err.code, c->want);
	assert_non_null(strstr(o.err.text, c->want_text));
	assert_true(o.was_sent);
	assert_int_equal(ask_for(&r, "/204").status, 204);
	assert_int_not_equal(courier_pid(r.courier), pid);
	rig_end(&r);
}

static void killed_while_it_has_nothing_to_do(void **state)
{
	struct rig r = rig_begin(COURIER_IDLE_NS);
	siginfo_t how;
	int pid;

	(void)state;
	assert_int_equal(ask_for(&r, "/204").status, 204);
	pid = courier_pid(r.courier);
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &how, WEXITED | WNOWAIT);
	assert_int_equal(ask_for(&r, "/204").status, 204); /* the next one's */
	assert_int_not_equal(courier_pid(r.courier), pid);
	rig_end(&r);
}

static void signals_to_the_group_are_not_its(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct rig r = rig_begin(COURIER_IDLE_NS);
	int pid;

	(void)state;
	assert_int_equal(ask_for(&r, "/204").status, 204);
	pid = courier_pid(r.courier);
	for (size_t i = 0; i < 3; i++)
		kill(pid, signals[i]);
	assert_int_equal(ask_for(&r, "/204").status, 204);
	assert_int_equal(courier_pid(r.courier), pid);
	rig_end(&r);
}

/* --- a courier that lies ----------------------------------------------------------------------- */

static void say(const struct courier_said *said)
{
	static uint8_t message[COURIER_SAID_BYTES_MAX];

	send(COURIER_FD, message, courier_said_write(said, message), MSG_NOSIGNAL);
}

static void say_bytes(size_t n)
{
	static uint8_t bytes[2 * COURIER_SAID_BYTES_MAX];

	memset(bytes, 0xff, sizeof(bytes));
	send(COURIER_FD, bytes, n, MSG_NOSIGNAL);
}

static uint32_t hear(void)
{
	struct courier_notice notice;
	size_t fds;
	int fd;

	if (passing_receive(COURIER_FD, &notice, sizeof(notice), &fd, 1, &fds) < 0)
		_exit(0);
	return notice.id;
}

#define ANSWER(id_, bytes)                                                                         \
	&(struct courier_said)                                                                     \
	{                                                                                          \
		.kind = COURIER_ANSWER, .id = id_, .answer = {.status = 200, .body_bytes = bytes } \
	}
#define PIECE(id_, bytes)                                                                          \
	&(struct courier_said)                                                                     \
	{                                                                                          \
		.kind = COURIER_BODY, .id = id_, .data = (const uint8_t *)"0123456789",            \
		.data_bytes = bytes                                                                \
	}
#define FAILURE(id_)                                                                               \
	&(struct courier_said)                                                                     \
	{                                                                                          \
		.kind = COURIER_FAILED, .id = id_, .code = -EIO, .text = "fail\033[2J"             \
	}

/* In the order of bad_cases. */
static void lie(char which, uint32_t id)
{
	say(which == 'a' ? PIECE(id, 1) : ANSWER(id, which == 'b' ? COURIER_ANSWER_BYTES_MAX : 5));
	if (which == 'c')
		say(ANSWER(id, 5));
	if (which == 'd')
		say(PIECE(id, 6));
	if (which == 'e')
		say(FAILURE(id));
	if (which == 'f')
		say_bytes(64);
	if (which == 'g')
		say_bytes(2 * COURIER_SAID_BYTES_MAX);
	if (which == 'h')
		say_bytes(1);
}

_Noreturn static void bad_role(char which)
{
	uint32_t id = hear();

	if (which == 'i')
		_exit(3);
	if (which == 'j')
		abort();
	if (which == 'k' && fork() > 0)
		_exit(4);
	if (which != 'k')
		lie(which, id);
	for (;;)
		hear();
}

static struct bad_case {
	const char *name;
	char which;
	int want;
	const char *want_text;
} bad_cases[] = {
	{ "a body before its answer", 'a', -EPROTO, "understand the courier" },
	{ "an answer above the request's ceiling", 'b', -EPROTO, "understand the courier" },
	{ "two answers", 'c', -EPROTO, "understand the courier" },
	{ "more of a body than was said", 'd', -EPROTO, "understand the courier" },
	{ "a failure in an answer", 'e', -EPROTO, "understand the courier" },
	{ "no message of ours", 'f', -EPROTO, "understand the courier" },
	{ "a message that is too long", 'g', -EPROTO, "understand the courier" },
	{ "a single byte", 'h', -EPROTO, "understand the courier" },
	{ "ends with 3", 'i', -ECHILD, "ended with 3" },
	{ "aborts", 'j', -ECHILD, "signal 6" },
	{ "ends with 4, and its child has its socket", 'k', -ECHILD, "ended with 4" },
};

static void ask_bad_one(struct rig *rig, const struct bad_case *c)
{
	const char which[2] = { c->which, '\0' };
	char url[128];
	struct http_request request = request_to("/204", url);
	struct outcome o = {};

	setenv(BAD, which, 1);
	request.answer_bytes_max = 1000;
	ask(rig, &request, &o);
	run_until_told(rig, &o);
	unsetenv(BAD);
	assert_int_equal(o.err.code, c->want);
	assert_non_null(strstr(o.err.text, c->want_text));
	assert_true(o.was_sent); /* for all that we know */
}

static void bad_one_is_ended(void **state)
{
	struct rig r = rig_begin(COURIER_IDLE_NS);

	ask_bad_one(&r, *state);
	assert_int_equal(ask_for(&r, "/204").status, 204);
	rig_end(&r);
}

/* What one was ended for is not why the next one ended. */
static void bad_one_follows_another(void **state)
{
	struct rig r = rig_begin(COURIER_IDLE_NS);

	ask_bad_one(&r, &bad_cases[0]);
	ask_bad_one(&r, *state);
	rig_end(&r);
}

static int run_all(enum loop_body which)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_comes_whole),
		cmocka_unit_test(contents_go_over),
		cmocka_unit_test(libcurl_is_loaded_elsewhere),
		cmocka_unit_test(secret_is_in_no_process_list),
		cmocka_unit_test(idle_one_goes),
		cmocka_unit_test(one_under_way_is_not_idle),
		cmocka_unit_test(four_at_once),
		cmocka_unit_test(freed_while_one_is_under_way),
		cmocka_unit_test(freed_in_an_answer),
		cmocka_unit_test(killed_while_it_has_nothing_to_do),
		cmocka_unit_test(signals_to_the_group_are_not_its),
	};
	int failed;

	loop_body = which;
	failed = CASES_RUN(failure_is_told, failure_cases);
	failed += CASES_RUN(cancelled_is_not_heard_of, cancel_cases);
	failed += CASES_RUN(lost_one_is_replaced, lost_cases);
	failed += CASES_RUN(bad_one_is_ended, bad_cases);
	failed += CASES_RUN(bad_one_follows_another, bad_cases);
	failed += cmocka_run_group_tests_name("courier", tests, NULL, NULL);
	return failed;
}

int main(int argc, char **argv)
{
	int failed;

	if (argc >= 2 && strcmp(argv[1], COURIER_ROLE) == 0 && getenv(BAD))
		bad_role(getenv(BAD)[0]);
	if (argc >= 2 && strcmp(argv[1], COURIER_ROLE) == 0)
		courier_role();
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	server = canned_start(pages, sizeof(pages) / sizeof(*pages), NULL);
	failed = run_all(LOOP_BODY_EPOLL);
	failed += run_all(LOOP_BODY_IO_URING);
	canned_stop(&server);
	return failed != 0;
}
