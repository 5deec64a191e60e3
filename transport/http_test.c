#include "transport/http.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/canned.h"
#include "tests/cases.h"
#include "tests/certificates.h"
#include "tests/names.h"
#include "tests/process.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define BODY_MAX 4096
#define BEARER   "ey.a-secret.token"

/* Ten thousand zeros. */
#define GZIP_BOMB                                                                                  \
	"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xed\xc1\x01\x0d\x00\x00\x00\xc2\xa0\xf7"         \
	"\x4f\x6d\x0e\x37\xa0\x00\x00\x00\x00\x00\x00\x00\x00\x00\xe0\xdf\x00\x2e\xca\x3b\x4d"     \
	"\x10\x27\x00\x00"
/* "hello" */
#define GZIP_HELLO                                                                                 \
	"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36"     \
	"\x05\x00\x00\x00"
/* A name follows, and what is padded to it never ends it. */
#define GZIP_UNENDING_NAME "\x1f\x8b\x08\x08\x00\x00\x00\x00\x02\xff"

#define NOTHING        .answer = NULL
#define TEXT(literal)  .answer = (literal)
#define BYTES(literal) .answer = (literal), .answer_bytes = sizeof(literal) - 1
#define GZIP_HEAD      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"

const struct names_row names_rows[] = {
	{ .name = "ndt.test", .addresses = { "127.0.0.1" } },
	{ .name = "half-dead.test",
	  .addresses = { "127.0.0.9", "127.0.0.1" } },                     /* .9: nobody listens */
	{ .name = "six-first.test", .addresses = { "::1", "127.0.0.1" } }, /* likewise ::1 */
	{ .name = "mute6.test", .hang_without = AF_INET, .addresses = { "127.0.0.1" } },
	{ .name = "hangs.test", .hang = true, .addresses = { "127.0.0.1" } },
	{ .name = "none.test", .eai = EAI_NONAME },
	{ .name = "again.test", .eai = EAI_AGAIN },
	{ .name = "v4.test", .addresses = { "127.0.0.1" } },
	{ .name = NULL },
};

static enum loop_body body;
static struct canned_server server;
static int threads_at_start;

static const struct canned pages[] = {
	{ "/hello",
	  TEXT("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello") },
	{ "/to-the-end", TEXT("HTTP/1.1 200 OK\r\n\r\nhello") },
	{ "/chunked", TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	                   "chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n") },
	{ "/trailers", TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	                    "chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n") },
	{ "/interim", TEXT("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
	                   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") },
	{ "/nul", BYTES("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\0b") },
	{ "/204", TEXT("HTTP/1.1 204 No Content\r\n\r\n") },
	{ "/429",
	  TEXT("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n") },
	{ "/500", TEXT("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops") },
	{ "/302", TEXT("HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n") },
	{ "/circle", TEXT("HTTP/1.1 302 Found\r\nLocation: /circle\r\nContent-Length: 0\r\n\r\n") },
	{ "/to-ftp",
	  TEXT("HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/x\r\nContent-Length: 0\r\n\r\n") },
	{ "/at-ceiling", TEXT("HTTP/1.1 200 OK\r\n\r\n"), .pad_bytes = BODY_MAX },
	{ "/above-ceiling", TEXT("HTTP/1.1 200 OK\r\n\r\n"), .pad_bytes = BODY_MAX + 1 },
	{ "/endless", TEXT("HTTP/1.1 200 OK\r\n\r\n"), .pad_bytes = SIZE_MAX },
	{ "/endless-head", TEXT("HTTP/1.1 200 OK\r\nX: "), .pad_bytes = SIZE_MAX },
	{ "/gzip", BYTES(GZIP_HEAD GZIP_HELLO) },
	{ "/gzip-bomb", BYTES(GZIP_HEAD GZIP_BOMB) },
	{ "/gzip-of-nothing", BYTES(GZIP_HEAD GZIP_UNENDING_NAME), .pad_bytes = SIZE_MAX },
	{ "/gzip-broken", TEXT(GZIP_HEAD "this is not gzip") },
	{ "/cut", TEXT("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello") },
	{ "/cut-in-head", TEXT("HTTP/1.1 201 Created\r\nContent-Le") },
	{ "/cut-between-lines", TEXT("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n") },
	{ "/eof", NOTHING },
	{ "/garbage", TEXT("\1\2\3 not HTTP at all\r\n\r\n") },
	{ "/silent", NOTHING, .stays = true },
	{ "/silent-in-head", TEXT("HTTP/1.1 200 OK\r\nContent-"), .stays = true },
	{ "/silent-in-body", TEXT("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"),
	  .stays = true },
	{ "/dripping", TEXT("HTTP/1.1 200 OK\r\n\r\n"), .pad_bytes = SIZE_MAX, .chunk_bytes = 1,
	  .pause_ms = 50 },
};

/* --- one request, to its end ---------------------------------------------------------------- */

struct seen {
	struct loop *loop;
	int calls;
	int status; /* 0: no answer */
	char body[BODY_MAX + 1];
	size_t body_bytes;
	char content_type[64];
	uint64_t retry_after_s;
	struct err err;
};

static void on_done(void *owner, const struct http_answer *answer, const struct err *err)
{
	struct seen *s = owner;

	s->calls++;
	if (answer) {
		assert_true(answer->body_bytes <= BODY_MAX);
		assert_int_equal(answer->body[answer->body_bytes], '\0');
		s->status = answer->status;
		s->body_bytes = answer->body_bytes;
		memcpy(s->body, answer->body, answer->body_bytes);
		snprintf(s->content_type, sizeof(s->content_type), "%s", answer->content_type);
		s->retry_after_s = answer->retry_after_s;
	} else {
		s->err = *err;
	}
	loop_stop(s->loop);
}

static struct http_request request_of(const char *url)
{
	return (struct http_request){
		.url = url,
		.user_agent = "radar-pod-test/1",
		.family = AF_UNSPEC,
		.answer_bytes_max = BODY_MAX,
		.timeout_ns =
			20 * NS_PER_S, /* no row waits for it, and none is slower on valgrind */
		.redirects_max = 5,
	};
}

static struct seen get(const struct http_request *request)
{
	struct seen s = {};
	struct http *h = NULL;

	s.loop = process_loop(body);
	if (http_ask(s.loop, request, on_done, &s, &h, &s.err) == 0) {
		uint64_t until_ns = clock_now_ns() + request->timeout_ns + 5 * NS_PER_S;

		assert_int_equal(s.calls, 0);
		assert_int_equal(loop_run(s.loop, until_ns, NULL), LOOP_STOPPED);
		assert_int_equal(s.calls, 1);
	}
	loop_close(s.loop);
	return s;
}

static char *url_of(const char *path, char out[128])
{
	snprintf(out, 128, "http://127.0.0.1:%d%s", server.port, path);
	return out;
}

/* --- answers -------------------------------------------------------------------------------- */

static struct answer_case {
	const char *name;
	const char *path;
	int want_status;
	const char *want_body;
	size_t want_body_bytes;
	uint64_t want_retry_after_s;
} answer_cases[] = {
	{ "with a length", "/hello", 200, "hello", 5, 0 },
	{ "up to the end of the connection", "/to-the-end", 200, "hello", 5, 0 },
	{ "in chunks", "/chunked", 200, "hello", 5, 0 },
	{ "in chunks, with trailers", "/trailers", 200, "hello", 5, 0 },
	{ "after an interim one", "/interim", 200, "hello", 5, 0 },
	{ "compressed", "/gzip", 200, "hello", 5, 0 },
	{ "a NUL in the body", "/nul", 200, "a\0b", 3, 0 },
	{ "no body", "/204", 204, "", 0, 0 },
	{ "N75 a redirect is followed", "/302", 200, "hello", 5, 0 },
	{ "too many requests, and when to come back", "/429", 429, "", 0, 120 },
	{ "a status of failure is an answer", "/500", 500, "oops", 4, 0 },
};

static void answer_comes(void **state)
{
	const struct answer_case *c = *state;
	char url[128];
	struct http_request request = request_of(url_of(c->path, url));
	struct seen s = get(&request);

	assert_string_equal(s.err.text, "");
	assert_int_equal(s.status, c->want_status);
	assert_int_equal(s.body_bytes, c->want_body_bytes);
	assert_memory_equal(s.body, c->want_body, c->want_body_bytes);
	assert_int_equal(s.retry_after_s, c->want_retry_after_s);
}

/* --- failures ------------------------------------------------------------------------------- */

static struct failure_case {
	const char *name;
	const char *path;
	int want;
	enum err_domain want_domain;
	const char *want_text;
	uint64_t timeout_ms; /* 0: as request_of() */
} failure_cases[] = {
	{ "redirected in a circle", "/circle", -ELOOP, ERR_HTTP, "redirects", 0 },
	{ "redirected to another protocol", "/to-ftp", -EPROTONOSUPPORT, ERR_HTTP, "", 0 },
	{ "a byte above the ceiling", "/above-ceiling", -EMSGSIZE, ERR_HTTP, "4096 bytes", 0 },
	{ "H3 a body without end", "/endless", -EMSGSIZE, ERR_HTTP, "4096 bytes", 0 },
	{ "H3 a head without end", "/endless-head", -ENOMEM, ERR_SYS, "", 0 },
	{ "H3 a gzip bomb", "/gzip-bomb", -EMSGSIZE, ERR_HTTP, "4096 bytes", 0 },
	{ "H3 gzip without end that unfolds to nothing", "/gzip-of-nothing", -EMSGSIZE, ERR_HTTP,
	  "4096 bytes", 0 },
	{ "not the gzip it says it is", "/gzip-broken", -EBADMSG, ERR_HTTP, "", 0 },
	{ "cut in the body", "/cut", -ECONNRESET, ERR_HTTP, "", 0 },
	{ "cut in the head", "/cut-in-head", -ECONNRESET, ERR_HTTP, "head", 0 },
	{ "cut between two lines of the head", "/cut-between-lines", -ECONNRESET, ERR_HTTP, "", 0 },
	{ "the connection ends at once", "/eof", -ECONNRESET, ERR_HTTP, "", 0 },
	{ "not HTTP", "/garbage", -EPROTONOSUPPORT, ERR_HTTP, "", 0 },
	{ "H2 silence instead of an answer", "/silent", -ETIMEDOUT, ERR_SYS,
	  "waiting for the answer", 300 },
	{ "H2 silence in the head", "/silent-in-head", -ETIMEDOUT, ERR_SYS, "reading the answer",
	  300 },
	{ "H2 silence in the body", "/silent-in-body", -ETIMEDOUT, ERR_SYS, "reading the body",
	  300 },
	{ "H2 a byte now and then", "/dripping", -ETIMEDOUT, ERR_SYS, "reading the answer", 300 },
};

static void failure_is_told(void **state)
{
	const struct failure_case *c = *state;
	char url[128];
	struct http_request request = request_of(url_of(c->path, url));
	struct seen s;

	if (c->timeout_ms)
		request.timeout_ns = c->timeout_ms * NS_PER_MS;
	s = get(&request);
	assert_int_equal(s.status, 0);
	assert_int_equal(s.err.code, c->want);
	assert_int_equal(s.err.domain, c->want_domain);
	assert_non_null(strstr(s.err.text, c->path));
	assert_non_null(strstr(s.err.text, c->want_text));
}

static struct url_case {
	const char *name;
	const char *url;
	int family;
	const char *interface;
	int want;
	enum err_domain want_domain;
	long want_detail;
	int want_calls; /* 0: refused before anything was sent */
} url_cases[] = {
	{ "not a URL", "nonsense", AF_UNSPEC, NULL, -EINVAL, ERR_SYS, 0, 0 },
	{ "a WebSocket's", "ws://127.0.0.1/", AF_UNSPEC, NULL, -EPROTONOSUPPORT, ERR_SYS, 0, 0 },
	{ "nobody listens", "http://127.0.0.1:1/", AF_UNSPEC, NULL, -ECONNREFUSED, ERR_SYS, 0, 1 },
	{ "nobody listens there either", "http://[::1]:1/", AF_UNSPEC, NULL, -ECONNREFUSED, ERR_SYS,
	  0, 1 },
	{ "an address of the other family", "http://127.0.0.1:1/", AF_INET6, NULL, -ENOENT, ERR_DNS,
	  EAI_ADDRFAMILY, 1 },
	{ "no such name", "http://none.test/", AF_UNSPEC, NULL, -ENOENT, ERR_DNS, EAI_NONAME, 1 },
	{ "no address of the family", "http://v4.test/", AF_INET6, NULL, -ENOENT, ERR_DNS,
	  EAI_NODATA, 1 },
	{ "no name server answers", "http://again.test/", AF_UNSPEC, NULL, -EAGAIN, ERR_DNS,
	  EAI_AGAIN, 1 },
	{ "no such interface", "http://127.0.0.1:1/", AF_UNSPEC, "absent0", -ENODEV, ERR_SYS, 0,
	  1 },
};

static void url_is_refused(void **state)
{
	const struct url_case *c = *state;
	struct http_request request = request_of(c->url);
	struct seen s;

	if (strstr(c->url, ".test/"))
		process_needs_threads(body);
	request.family = c->family;
	request.interface = c->interface;
	s = get(&request);
	assert_int_equal(s.err.code, c->want);
	assert_int_equal(s.err.domain, c->want_domain);
	assert_int_equal(s.err.detail, c->want_detail);
	assert_int_equal(s.calls, c->want_calls);
}

/* --- names ---------------------------------------------------------------------------------- */

/* Lets `count` lookups end, and waits until every thread of the resolver is gone. */
static void release(int count)
{
	for (int i = 0; i < count; i++)
		sem_post(&names_release);
	assert_int_equal(process_threads_await(threads_at_start), threads_at_start);
}

static struct name_case {
	const char *name;
	const char *host;
	int left_behind; /* lookups that hang when the answer is there */
} name_cases[] = {
	{ "a name", "ndt.test", 0 },
	{ "an address that refuses goes before", "half-dead.test", 0 },
	{ "RFC 8305: of the family that goes first, nobody listens", "six-first.test", 0 },
	{ "RFC 8305: nothing is said of IPv6", "mute6.test", 2 },
};

static void name_is_found(void **state)
{
	const struct name_case *c = *state;
	unsigned int from = canned_requests(&server);
	char url[128], host[128];
	struct http_request request;
	struct seen s;

	process_needs_threads(body);
	snprintf(url, sizeof(url), "http://%s:%d/hello", c->host, server.port);
	snprintf(host, sizeof(host), "\r\nHost: %s:%d\r\n", c->host, server.port);
	request = request_of(url);
	s = get(&request);
	release(c->left_behind);
	assert_string_equal(s.err.text, "");
	assert_int_equal(s.status, 200);
	assert_non_null(strstr(canned_head(&server, from), host));
}

static void name_is_waited_for_until_the_deadline(void **state)
{
	struct http_request request = request_of("http://hangs.test/");
	struct seen s;

	(void)state;
	process_needs_threads(body);
	request.family = AF_INET; /* one lookup */
	request.timeout_ns = 100 * NS_PER_MS;
	s = get(&request);
	release(1);
	assert_int_equal(s.err.code, -ETIMEDOUT);
	assert_int_equal(s.err.domain, ERR_DNS);
	assert_int_equal(s.err.detail, EAI_AGAIN);
	assert_non_null(strstr(s.err.text, "resolving the name")); /* H2 */
}

/* --- redirects to elsewhere ----------------------------------------------------------------- */

#define LOCATION_MAX 200

/* A server that sends whoever asks for /away to `where`. */
static struct canned_server sends_away(const char *where, const struct certificate *leaf)
{
	static char head[LOCATION_MAX + 80];
	static const struct canned table[] = { { "/away", TEXT(head) } };

	snprintf(head, sizeof(head),
	         "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 6\r\n\r\nbeside", where);
	return canned_start(table, 1, leaf);
}

static struct away_case {
	const char *name;
	const char *where; /* %d: the port of the server with the pages */
	int want;          /* 0: its page came */
	enum err_domain want_domain;
	long want_detail;
	const char *want_text;
} away_cases[] = {
	{ "N75 to another host", "http://ndt.test:%d/hello", 0, ERR_SYS, 0, "" },
	{ "N75 to a host that redirects again", "http://ndt.test:%d/302", 0, ERR_SYS, 0, "" },
	{ "N75 to a host that leads in a circle", "http://ndt.test:%d/circle", -ELOOP, ERR_HTTP,
	  302, "more than 5 redirects" },
	{ "N75 to a name that nobody knows", "http://none.test:%d/hello", -ENOENT, ERR_DNS,
	  EAI_NONAME, "http://none.test" },
	{ "N75 to a port where nobody listens", "http://ndt.test:1/hello", -ECONNREFUSED, ERR_SYS,
	  0, "http://ndt.test:1/hello" },
	{ "N75 to a host without a name", "http://:%d/hello", -EINVAL, ERR_HTTP, 302, "/away" },
	{ "N75 with a password", "http://a:b@ndt.test:%d/hello", -EINVAL, ERR_HTTP, 302, "/away" },
};

static void away_is_followed(void **state)
{
	const struct away_case *c = *state;
	char where[LOCATION_MAX], url[128];
	struct canned_server first;
	struct http_request request;
	struct seen s;

	if (strstr(c->where, ".test"))
		process_needs_threads(body);
	snprintf(where, sizeof(where), c->where, server.port);
	first = sends_away(where, NULL);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/away", first.port);
	request = request_of(url);
	s = get(&request);
	canned_stop(&first);
	release(0);
	assert_int_equal(s.err.code, c->want);
	assert_int_equal(s.err.detail, c->want_detail);
	assert_non_null(strstr(s.err.text, c->want_text));
	if (c->want == 0)
		assert_memory_equal(s.body, "hello", s.body_bytes + 1);
	else
		assert_int_equal(s.err.domain, c->want_domain);
}

/* --- what is sent --------------------------------------------------------------------------- */

static unsigned int bearers_in(const struct canned_server *s, unsigned int from)
{
	unsigned int n = 0;

	for (unsigned int i = from; i < canned_requests(s); i++)
		n += strstr(canned_head(s, i), "Authorization: Bearer " BEARER "\r\n") != NULL;
	return n;
}

static void headers_are_sent(void **state)
{
	char url[128];
	struct http_request request = request_of(url_of("/hello?a=b", url));
	unsigned int from = canned_requests(&server);
	const char *head;

	(void)state;
	assert_int_equal(get(&request).status, 200);
	head = canned_head(&server, from);
	assert_memory_equal(head, "GET /hello?a=b HTTP/1.1\r\n", 25);
	assert_non_null(strstr(head, "User-Agent: radar-pod-test/1\r\n"));
	assert_null(strstr(head, "Authorization"));
}

static void bearer_goes_to_its_host(void **state)
{
	char url[128];
	struct http_request request = request_of(url_of("/302", url));
	unsigned int from = canned_requests(&server);

	(void)state;
	request.bearer = BEARER;
	assert_int_equal(get(&request).status, 200);
	assert_int_equal(canned_requests(&server) - from, 2);
	assert_int_equal(bearers_in(&server, from), 2);
}

static void bearer_stays_with_its_host(void **state)
{
	char where[LOCATION_MAX], url[128];
	unsigned int from = canned_requests(&server);
	struct canned_server first;
	struct http_request request;

	(void)state;
	process_needs_threads(body);
	snprintf(where, sizeof(where), "http://ndt.test:%d/302", server.port);
	first = sends_away(where, NULL);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/away", first.port);
	request = request_of(url);
	request.bearer = BEARER;
	assert_int_equal(get(&request).status, 200);
	assert_int_equal(bearers_in(&first, 0), 1);
	assert_int_equal(canned_requests(&server) - from, 2);
	assert_int_equal(bearers_in(&server, from), 0);
	canned_stop(&first);
}

static void proxy_of_the_environment(void **state)
{
	struct http_request request = request_of("http://server.test/hello");
	unsigned int from = canned_requests(&server);
	char proxy[128];

	(void)state;
	setenv("http_proxy", url_of("", proxy), 1);
	get(&request);
	unsetenv("http_proxy");
	assert_int_equal(canned_requests(&server) - from, 1);
	assert_memory_equal(canned_head(&server, from), "GET http://server.test/hello HTTP/1.1\r\n",
	                    38);
}

/* Its name is found as all are: libcurl does not know this one. */
static void proxy_by_name(void **state)
{
	struct http_request request = request_of("http://server.test/hello");
	unsigned int from = canned_requests(&server);
	char proxy[128];

	(void)state;
	process_needs_threads(body);
	snprintf(proxy, sizeof(proxy), "http://NDT.test:%d", server.port);
	setenv("http_proxy", proxy, 1);
	get(&request);
	unsetenv("http_proxy");
	assert_int_equal(canned_requests(&server) - from, 1);
	assert_memory_equal(canned_head(&server, from), "GET http://server.test/hello HTTP/1.1\r\n",
	                    38);
}

static void proxy_that_nobody_knows(void **state)
{
	struct http_request request = request_of("http://server.test/hello");
	struct seen o;

	(void)state;
	process_needs_threads(body);
	setenv("http_proxy", "none.test:3128", 1);
	o = get(&request);
	unsetenv("http_proxy");
	assert_int_equal(o.err.code, -ENOENT);
	assert_int_equal(o.err.domain, ERR_DNS);
	assert_int_equal(o.err.detail, EAI_NONAME);
	assert_non_null(strstr(o.err.text, "none.test"));
}

/* What no_proxy excepts is found, and reached, as ever. */
static void proxy_of_others_only(void **state)
{
	unsigned int from = canned_requests(&server);
	char url[128], proxy[] = "http://127.0.0.1:1";
	struct http_request request;

	(void)state;
	process_needs_threads(body);
	snprintf(url, sizeof(url), "http://ndt.test:%d/hello", server.port);
	request = request_of(url);
	setenv("http_proxy", proxy, 1);
	setenv("no_proxy", "ndt.test", 1);
	assert_int_equal(get(&request).status, 200);
	unsetenv("http_proxy");
	unsetenv("no_proxy");
	assert_memory_equal(canned_head(&server, from), "GET /hello HTTP/1.1\r\n", 21);
}

static void interface_is_used(void **state)
{
	char url[128];
	struct http_request request = request_of(url_of("/hello", url));

	(void)state;
	request.interface = "lo";
	assert_int_equal(get(&request).status, 200);
}

static void redirects_can_be_barred(void **state)
{
	char url[128];
	struct http_request request = request_of(url_of("/302", url));

	(void)state;
	request.redirects_max = 0;
	assert_int_equal(get(&request).status, 302);
}

static void errors_keep_the_query(void **state)
{
	char url[128];
	struct http_request request = request_of(url_of("/eof?access_token=" BEARER, url));
	struct seen s;

	(void)state;
	request.bearer = BEARER;
	s = get(&request);
	assert_int_equal(s.err.code, -ECONNRESET);
	assert_null(strstr(s.err.text, BEARER));
}

static struct cancel_case {
	const char *name;
	const char *url; /* or a path of the server */
	uint64_t run_ms; /* before it is cancelled; 0: one turn of the loop at most */
} cancel_cases[] = {
	{ "before its first turn", "/silent", 0 },
	{ "while a name is resolved", "http://localhost:1/", 0 },
	{ "while it waits for the answer", "/silent", 50 },
	{ "in the body", "/dripping", 100 },
};

static void cancelled_is_not_heard_of(void **state)
{
	const struct cancel_case *c = *state;
	char url[128];
	struct http_request request = request_of(c->url[0] == '/' ? url_of(c->url, url) : c->url);
	struct seen s = {};
	struct http *h = NULL;
	int before;

	release(0); /* of the cases before this one */
	before = process_descriptors(NULL);
	s.loop = process_loop(body);
	assert_int_equal(http_ask(s.loop, &request, on_done, &s, &h, NULL), 0);
	loop_run(s.loop, c->run_ms ? clock_now_ns() + c->run_ms * NS_PER_MS : 0, NULL);
	assert_null(http_cancel(h));
	assert_int_equal(loop_run(s.loop, clock_now_ns() + 50 * NS_PER_MS, NULL), LOOP_DEADLINE);
	assert_int_equal(s.calls, 0);
	loop_close(s.loop);
	release(0); /* the thread that still looks up a name has an eventfd */
	assert_int_equal(process_descriptors(NULL), before);
}

static void nothing_to_cancel(void **state)
{
	(void)state;
	assert_null(http_cancel(NULL));
}

/* --- TLS ------------------------------------------------------------------------------------ */

#define NAMED .alt_names = "DNS:ndt.test,IP:127.0.0.1"

static struct tls_case {
	const char *name;
	struct certificate_wish leaf;
	const char *host; /* NULL: 127.0.0.1 */
	bool self_signed, other_root, insecure;
	int want_status;  /* 0: refused */
	long want_detail; /* X509_V_ERR_* */
} tls_cases[] = {
	{ "a certificate that is trusted", { NAMED }, .want_status = 200 },
	{ "likewise, by its name", { NAMED }, .host = "ndt.test", .want_status = 200 },
	{ "H4 of another name",
	  { .alt_names = "DNS:other.test" },
	  .want_detail = X509_V_ERR_HOSTNAME_MISMATCH },
	{ "H4 of another name, where ours leads to it",
	  { .alt_names = "DNS:other.test" },
	  .host = "ndt.test",
	  .want_detail = X509_V_ERR_HOSTNAME_MISMATCH },
	{ "H4 of a name, for an address",
	  { .alt_names = "DNS:127.0.0.1" },
	  .want_detail = X509_V_ERR_HOSTNAME_MISMATCH },
	{ "H4 expired",
	  { NAMED, .days_since = 5, .days_until = -1 },
	  .want_detail = X509_V_ERR_CERT_HAS_EXPIRED },
	{ "H4 not yet valid",
	  { NAMED, .days_since = -1, .days_until = 5 },
	  .want_detail = X509_V_ERR_CERT_NOT_YET_VALID },
	{ "H4 of its own signature",
	  { NAMED },
	  .self_signed = true,
	  .want_detail = X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT },
	{ "H4 of an unknown root",
	  { NAMED },
	  .other_root = true,
	  .want_detail = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
	{ "H4 for another use",
	  { NAMED, .usage = "clientAuth" },
	  .want_detail = X509_V_ERR_INVALID_PURPOSE },
	{ "H4 with a broken signature",
	  { NAMED, .spoiled = true },
	  .want_detail = X509_V_ERR_CERT_SIGNATURE_FAILURE },
	{ "H4 signed over SHA-1",
	  { NAMED, .sha1 = true },
	  .want_detail = X509_V_ERR_CA_MD_TOO_WEAK },
	{ "H4 with a key of 1024 bits",
	  { NAMED, .rsa_bits = 1024 },
	  .want_detail = X509_V_ERR_EE_KEY_TOO_SMALL },
	{ "H4 with a critical extension nobody knows",
	  { NAMED, .private_critical = "x" },
	  .want_detail = X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION },
	{ "H4 whatever it is, where asked for",
	  { .alt_names = "DNS:other.test", .days_until = -1 },
	  .self_signed = true,
	  .insecure = true,
	  .want_status = 200 },
};

static void certificate_is_judged(void **state)
{
	const struct tls_case *c = *state;
	const struct certificate_wish ca = { .common_name = "root", .basic = "critical,CA:TRUE" };
	struct certificate root = certificate_make(&ca, NULL);
	struct certificate other = certificate_make(
		&(struct certificate_wish){ .common_name = "other root", .basic = ca.basic }, NULL);
	struct certificate leaf = certificate_make(&c->leaf, c->self_signed  ? NULL
	                                                     : c->other_root ? &other
	                                                                     : &root);
	struct canned_server s = canned_start(pages, sizeof(pages) / sizeof(*pages), &leaf);
	char root_file[] = "/tmp/http_test.XXXXXX", url[128];
	struct http_request request;
	struct seen seen;

	close(mkstemp(root_file));
	certificate_append(&root, root_file);
	snprintf(url, sizeof(url), "https://%s:%d/hello", c->host ? c->host : "127.0.0.1", s.port);
	request = request_of(url);
	request.ca_file = root_file;
	request.insecure = c->insecure;
	request.bearer = BEARER;
	seen = get(&request);
	assert_int_equal(seen.status, c->want_status);
	assert_int_equal(seen.err.detail, c->want_detail);
	if (!c->want_status) {
		assert_int_equal(seen.err.code, -EACCES);
		assert_non_null(strstr(seen.err.text, "trust its certificate"));
		assert_int_equal(seen.err.domain, ERR_TLS);
		assert_int_equal(canned_requests(&s), 0); /* not a byte of the request was sent */
	}
	canned_stop(&s);
	unlink(root_file);
	certificate_free(&leaf);
	certificate_free(&other);
	certificate_free(&root);
}

static void https_is_not_left(void **state)
{
	struct certificate leaf = certificate_make(&(struct certificate_wish){ NAMED }, NULL);
	unsigned int from = canned_requests(&server);
	char url[128];
	struct canned_server first;
	struct http_request request;
	struct seen s;

	(void)state;
	first = sends_away(url_of("/hello", url), &leaf);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/away", first.port);
	request = request_of(url);
	request.insecure = true;
	s = get(&request);
	assert_int_equal(s.err.code, -EPROTONOSUPPORT);
	assert_int_equal(s.err.domain, ERR_HTTP);
	assert_non_null(strstr(s.err.text, "from https to http"));
	assert_int_equal(canned_requests(&server), from);
	canned_stop(&first);
	certificate_free(&leaf);
}

static void not_tls_at_all(void **state)
{
	char url[128];
	struct http_request request;
	struct seen s;

	(void)state;
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/hello", server.port);
	request = request_of(url);
	request.timeout_ns = 2 * NS_PER_S; /* the server waits for the end of a head */
	s = get(&request);
	assert_int_equal(s.err.code, -ETIMEDOUT);
	assert_non_null(strstr(s.err.text, "in the TLS handshake")); /* H2 */
}

static void no_such_ca_file(void **state)
{
	struct http_request request = request_of("https://127.0.0.1:1/");
	struct seen s;
	char url[128];

	(void)state;
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/", server.port);
	request.url = url;
	request.ca_file = "/nonexistent.pem";
	s = get(&request);
	assert_int_equal(s.err.code, -EINVAL);
	assert_int_equal(s.err.domain, ERR_TLS);
}

/* --- everything, on each body of the loop --------------------------------------------------- */

static int run_all(enum loop_body which)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_sent),
		cmocka_unit_test(bearer_goes_to_its_host),
		cmocka_unit_test(bearer_stays_with_its_host),
		cmocka_unit_test(name_is_waited_for_until_the_deadline),
		cmocka_unit_test(https_is_not_left),
		cmocka_unit_test(proxy_of_the_environment),
		cmocka_unit_test(proxy_by_name),
		cmocka_unit_test(proxy_that_nobody_knows),
		cmocka_unit_test(proxy_of_others_only),
		cmocka_unit_test(interface_is_used),
		cmocka_unit_test(redirects_can_be_barred),
		cmocka_unit_test(errors_keep_the_query),
		cmocka_unit_test(nothing_to_cancel),
		cmocka_unit_test(not_tls_at_all),
		cmocka_unit_test(no_such_ca_file),
	};
	int failed;

	body = which;
	failed = CASES_RUN(answer_comes, answer_cases);
	failed += CASES_RUN(failure_is_told, failure_cases);
	failed += CASES_RUN(url_is_refused, url_cases);
	failed += CASES_RUN(name_is_found, name_cases);
	failed += CASES_RUN(away_is_followed, away_cases);
	failed += CASES_RUN(cancelled_is_not_heard_of, cancel_cases);
	failed += CASES_RUN(certificate_is_judged, tls_cases);
	failed += cmocka_run_group_tests_name("http", tests, NULL, NULL);
	return failed;
}

int main(void)
{
	static const char *const proxies[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
		                               "all_proxy",  "ALL_PROXY",   "no_proxy",
		                               "NO_PROXY" };
	int failed;

	threads_at_start = process_threads_at_rest();
	sem_init(&names_release, 0, 0);
	for (size_t i = 0; i < sizeof(proxies) / sizeof(*proxies); i++)
		unsetenv(proxies[i]);
	server = canned_start(pages, sizeof(pages) / sizeof(*pages), NULL);
	failed = run_all(LOOP_BODY_EPOLL);
	failed += run_all(LOOP_BODY_IO_URING);
	canned_stop(&server);
	return failed != 0;
}
