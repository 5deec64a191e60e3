/* What a request carries: its body, its form, its headers; and to whom. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/canned.h"
#include "tests/cases.h"
#include "tests/names.h"
#include "tests/process.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/http.h"
#include "transport/loop/loop.h"

#define CONFIDENTIAL "Authorization: ClientToken cjpz"
#define LARGE_BYTES  (8 * 1024 * 1024) /* more than any socket's buffers hold */

const struct names_row names_rows[] = {
	{ .name = "elsewhere.test", .addresses = { "127.0.0.1" } },
	{ .name = NULL },
};

static enum loop_body loop_body;
static struct canned_server server;

#define EMPTY "Content-Length: 0\r\n\r\n"
static const struct canned pages[] = {
	{ "/201", .answer = "HTTP/1.1 201 Created\r\n" EMPTY },
	{ "/302", .answer = "HTTP/1.1 302 Found\r\nLocation: /201\r\nSet-Cookie: a=b\r\n" EMPTY },
	{ "/307", .answer = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /201\r\n" EMPTY },
	{ "/limits",
	  .answer = "HTTP/1.1 200 OK\r\nX-Limits: first\r\nDate: now\r\nx-limits: last\r\n" EMPTY },
	{ "/413", .answer = "HTTP/1.1 413 Too Large\r\n" EMPTY, .body_unread = true },
	{ "/eof", .answer = NULL },
	{ "/silent", .answer = NULL, .stays = true },
	{ "/deaf", .answer = NULL, .stays = true, .body_unread = true },
};

struct outcome {
	struct loop *loop;
	struct http *http;
	int status;
	bool was_sent;
	char wanted[HTTP_WANTED_MAX][32];
	struct err err;
};

static void on_done(void *owner, const struct http_answer *answer, const struct err *err)
{
	struct outcome *o = owner;

	o->was_sent = http_was_sent(o->http);
	if (answer)
		o->status = answer->status;
	else
		o->err = *err;
	for (size_t i = 0; answer && i < HTTP_WANTED_MAX; i++)
		snprintf(o->wanted[i], sizeof(o->wanted[i]), "%s", answer->wanted[i]);
	loop_stop(o->loop);
}

static struct http_request post_to(const char *path, char url[128])
{
	snprintf(url, 128, "http://127.0.0.1:%d%s", server.port, path);
	return (struct http_request){ .method = HTTP_POST,
		                      .url = url,
		                      .user_agent = "radar-pod-test/1",
		                      .accept = "application/json",
		                      .answer_bytes_max = 4096,
		                      .timeout_ns = 5 * NS_PER_S,
		                      .redirects_max = 5 };
}

static struct outcome ask(const struct http_request *request)
{
	struct outcome o = { .loop = process_loop(loop_body) };

	if (http_ask(o.loop, request, on_done, &o, &o.http, &o.err) == 0)
		assert_int_equal(loop_run(o.loop, clock_now_ns() + 15 * NS_PER_S, NULL),
		                 LOOP_STOPPED);
	loop_close(o.loop);
	return o;
}

static unsigned int count(const char *text, const char *what)
{
	unsigned int n = 0;

	for (const char *at = text; (at = strcasestr(at, what)); at++)
		n++;
	return n;
}

/* A file with `text` behind eight bytes that are not to be sent. */
static int file_of(const char *text)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	assert_int_equal(write(fd, "skipped ", 8), 8);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* --- bodies ----------------------------------------------------------------------------------- */

static struct body_case {
	const char *name;
	const char *text;
	bool of_file;
} body_cases[] = {
	{ "a body in memory", "{\"a\":1}", false },
	{ "a body in a file", "{\"a\":1}", true },
	{ "no body", "", false },
};

static void body_is_sent(void **state)
{
	const struct body_case *c = *state;
	unsigned int from = canned_requests(&server);
	int fd = file_of(c->text);
	char url[128], length[40];
	struct http_request request = post_to("/201", url);
	const char *head, *body;
	struct outcome o;
	size_t n;

	request.body = (struct http_content){
		.data = c->of_file ? NULL : c->text, .fd = fd, .offset = 8, .bytes = strlen(c->text)
	};
	request.headers[request.header_count++] = "Content-Type: application/json";
	o = ask(&request);
	close(fd);
	assert_string_equal(o.err.text, "");
	assert_int_equal(o.status, 201);
	assert_true(o.was_sent);
	head = canned_head(&server, from);
	body = canned_body(&server, from, &n);
	snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", strlen(c->text));
	assert_memory_equal(head, "POST /201 HTTP/1.1\r\n", 20);
	assert_non_null(strstr(head, length));
	assert_int_equal(n, strlen(c->text));
	assert_memory_equal(body, c->text, n);
	assert_int_equal(count(head, "\nAccept:"), 1); /* R9 */
	assert_non_null(strstr(head, "\r\nAccept: application/json\r\n"));
	assert_int_equal(count(head, "\nContent-Type:"), 1);
	assert_non_null(strstr(head, "\r\nContent-Type: application/json\r\n"));
	assert_int_equal(count(head, "Expect"), 0);
}

static void large_body_is_sent(void **state)
{
	unsigned int from = canned_requests(&server);
	char url[128], *large = calloc(1, LARGE_BYTES);
	struct http_request request = post_to("/201", url);
	struct outcome o;
	size_t n;

	(void)state;
	request.body = (struct http_content){ .data = large, .bytes = LARGE_BYTES };
	o = ask(&request);
	free(large);
	assert_string_equal(o.err.text, "");
	assert_int_equal(o.status, 201);
	canned_body(&server, from, &n);
	assert_int_equal(n, LARGE_BYTES);
	assert_int_equal(count(canned_head(&server, from), "Expect"), 0);
}

static void file_that_is_too_short(void **state)
{
	int fd = file_of("short");
	char url[128];
	struct http_request request = post_to("/201", url);
	struct outcome o;

	(void)state;
	request.body = (struct http_content){ .fd = fd, .bytes = 100 };
	o = ask(&request);
	close(fd);
	assert_int_equal(o.status, 0);
	assert_true(o.err.code < 0);
	assert_false(o.was_sent);
}

/* --- forms ------------------------------------------------------------------------------------ */

/* What RFC 7578 makes of the parts below, with this boundary. */
static int form_of(char *out, size_t out_bytes, const char *boundary)
{
	return snprintf(out, out_bytes,
	                "--%s\r\nContent-Disposition: form-data; name=\"measurement[style]\"\r\n"
	                "\r\nNDT7\r\n"
	                "--%s\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n"
	                "--%s\r\nContent-Disposition: form-data; name=\"measurement[result]\"; "
	                "filename=\"result.json\"\r\nContent-Type: application/octet-stream\r\n"
	                "\r\n{\"a\":1}\n\r\n--%s--\r\n",
	                boundary, boundary, boundary, boundary);
}

static void form_is_sent(void **state)
{
	unsigned int from = canned_requests(&server);
	int fd = file_of("{\"a\":1}\n");
	char url[128], boundary[80] = "", want[1024];
	struct http_request request = post_to("/201", url);
	const char *head, *type;
	size_t n;

	(void)state;
	request.parts[0] = (struct http_part){ .name = "measurement[style]",
		                               .content = { .data = "NDT7", .bytes = 4 } };
	request.parts[1] = (struct http_part){ .name = "empty", .content = { .data = "" } };
	request.parts[2] = (struct http_part){ .name = "measurement[result]",
		                               .filename = "result.json",
		                               .type = "application/octet-stream",
		                               .content = { .fd = fd, .offset = 8, .bytes = 8 } };
	request.part_count = 3;
	assert_int_equal(ask(&request).status, 201);
	close(fd);
	head = canned_head(&server, from);
	type = strstr(head, "\r\nContent-Type: multipart/form-data; boundary=");
	assert_non_null(type);
	sscanf(strchr(type, '='), "=%79[^\r]", boundary);
	canned_body(&server, from, &n);
	assert_int_equal(n, form_of(want, sizeof(want), boundary));
	assert_memory_equal(canned_body(&server, from, &n), want, n);
	assert_int_equal(count(head, "Expect"), 0);
	assert_int_equal(count(head, "\nAccept:"), 1);
}

/* --- redirects -------------------------------------------------------------------------------- */

static struct redirect_case {
	const char *name;
	const char *path;
	int want;
} redirect_cases[] = {
	{ "302 to a POST is an answer", "/302", 302 },
	{ "307 to a POST is an answer", "/307", 307 },
};

static void body_is_sent_once(void **state)
{
	const struct redirect_case *c = *state;
	unsigned int from = canned_requests(&server);
	char url[128];
	struct http_request request = post_to(c->path, url);

	request.body = (struct http_content){ .data = "x", .bytes = 1 };
	assert_int_equal(ask(&request).status, c->want);
	assert_int_equal(canned_requests(&server) - from, 1);
}

static void headers_stay_with_their_host(void **state)
{
	char where[128], url[128];
	struct canned away = { "/away", .answer = where };
	unsigned int from = canned_requests(&server);
	struct http_request request = post_to("/201", url);
	struct canned_server first;

	(void)state;
	process_needs_threads(loop_body);
	snprintf(where, sizeof(where),
	         "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test:%d/302\r\n" EMPTY,
	         server.port);
	first = canned_start(&away, 1, NULL);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/away", first.port);
	request.method = HTTP_GET;
	request.headers[request.header_count++] = CONFIDENTIAL;
	assert_int_equal(ask(&request).status, 201);
	assert_int_equal(count(canned_head(&first, 0), CONFIDENTIAL), 1);
	canned_stop(&first);
	assert_int_equal(canned_requests(&server) - from, 2);
	for (unsigned int i = from; i < canned_requests(&server); i++) {
		assert_int_equal(count(canned_head(&server, i), "Authorization"), 0);
		assert_int_equal(count(canned_head(&server, i), "\nAccept: application/json\r"), 1);
		assert_int_equal(count(canned_head(&server, i), "Cookie"), 0);
	}
}

static void headers_go_on_within_a_host(void **state)
{
	unsigned int from = canned_requests(&server);
	char url[128];
	struct http_request request = post_to("/302", url);

	(void)state;
	request.method = HTTP_GET;
	request.headers[request.header_count++] = CONFIDENTIAL;
	assert_int_equal(ask(&request).status, 201);
	assert_int_equal(canned_requests(&server) - from, 2);
	assert_int_equal(count(canned_head(&server, from + 1), CONFIDENTIAL), 1);
	assert_int_equal(count(canned_head(&server, from + 1), "Cookie"), 0);
}

/* --- headers ---------------------------------------------------------------------------------- */

static struct header_case {
	const char *name;
	const char *header;
} header_cases[] = {
	{ "a second line behind a line feed", "X: a\r\nAuthorization: b" },
	{ "no value, which would take the header away", "Host:" },
	{ "no value but a space", "Host: " },
	{ "no colon", "X" },
	{ "no name", ": a" },
	{ "nothing", "" },
	{ "a space in the name", "X Y: a" },
};

static void header_is_refused(void **state)
{
	const struct header_case *c = *state;
	unsigned int from = canned_requests(&server);
	char url[128];
	struct http_request request = post_to("/201", url);

	request.headers[request.header_count++] = c->header;
	assert_int_equal(ask(&request).err.code, -EINVAL);
	assert_int_equal(canned_requests(&server), from);
}

static void headers_of_the_answer(void **state)
{
	char url[128];
	struct http_request request = post_to("/limits", url);
	struct outcome o;

	(void)state;
	request.wanted[0] = "X-Limits";
	request.wanted[1] = "X-Absent";
	request.wanted[3] = "Date";
	o = ask(&request);
	assert_string_equal(o.wanted[0], "last");
	assert_string_equal(o.wanted[1], "");
	assert_string_equal(o.wanted[2], "");
	assert_string_equal(o.wanted[3], "now");
}

/* --- what a failure leaves open --------------------------------------------------------------- */

static struct sent_case {
	const char *name;
	const char *path; /* NULL: where nobody listens */
	size_t bytes;
	bool want;
	int want_status;
	const char *want_text;
	uint64_t timeout_ms; /* 0: as post_to() */
} sent_cases[] = {
	{ "not sent: nobody listens", NULL, 10, false, 0, "post to http://" },
	{ "not sent: the server reads nothing of it", "/deaf", LARGE_BYTES, false, 0,
	  "sending the request", 300 },
	{ "sent: silence", "/silent", 10, true, 0, "waiting for the answer", 2000 },
	{ "sent: the connection ends", "/eof", 10, true, 0, "/eof" },
	{ "answered before it was all there", "/413", LARGE_BYTES, false, 413, "" },
};

static void sent_or_not(void **state)
{
	const struct sent_case *c = *state;
	char url[128], *large = calloc(1, LARGE_BYTES);
	struct http_request request = post_to(c->path ? c->path : "", url);
	struct outcome o;

	if (!c->path)
		request.url = "http://127.0.0.1:1/";
	if (c->timeout_ms)
		request.timeout_ns = c->timeout_ms * NS_PER_MS;
	request.body = (struct http_content){ .data = large, .bytes = c->bytes };
	o = ask(&request);
	free(large);
	assert_int_equal(o.status, c->want_status);
	assert_int_equal(o.was_sent, c->want);
	assert_non_null(strstr(o.err.text, c->want_text));
}

static int run_all(enum loop_body which)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_body_is_sent),
		cmocka_unit_test(file_that_is_too_short),
		cmocka_unit_test(form_is_sent),
		cmocka_unit_test(headers_stay_with_their_host),
		cmocka_unit_test(headers_go_on_within_a_host),
		cmocka_unit_test(headers_of_the_answer),
	};
	int failed;

	loop_body = which;
	failed = CASES_RUN(body_is_sent, body_cases);
	failed += CASES_RUN(body_is_sent_once, redirect_cases);
	failed += CASES_RUN(header_is_refused, header_cases);
	failed += CASES_RUN(sent_or_not, sent_cases);
	failed += cmocka_run_group_tests_name("http_post", tests, NULL, NULL);
	return failed;
}

int main(void)
{
	int failed;

	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	server = canned_start(pages, sizeof(pages) / sizeof(*pages), NULL);
	failed = run_all(LOOP_BODY_EPOLL);
	failed += run_all(LOOP_BODY_IO_URING);
	canned_stop(&server);
	return failed != 0;
}
