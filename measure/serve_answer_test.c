/* What the lab server answers, byte for byte where a client compares bytes. */
#include "measure/serve_answer.h"

#include <stdio.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"
#include "transport/base/json_walk.h"

#define UPGRADE                                                                                    \
	"Host: lab.example:8080\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"      \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n"

struct answer_case {
	const char *name;
	const char *request;
	int want_status;
	const char *want_in_answer; /* NULL: anything */
	bool full;
};

static struct answer_case answer_cases[] = {
	{ "N54 the five exact lines", "GET /ndt/v7/download HTTP/1.1\r\n" UPGRADE PROTOCOL "\r\n",
	  101,
	  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	  "Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n" },
	{ "upload", "GET /ndt/v7/upload HTTP/1.1\r\n" UPGRADE PROTOCOL "\r\n", 101, NULL },
	{ "HTTP/1.0", "GET /ndt/v7/upload HTTP/1.0\r\n" UPGRADE PROTOCOL "\r\n", 101, NULL },
	{ "N51 no subprotocol", "GET /ndt/v7/download HTTP/1.1\r\n" UPGRADE "\r\n", 400,
	  "Connection: Close\r\n" },
	{ "N51 a list of subprotocols",
	  "GET /ndt/v7/download HTTP/1.1\r\n" UPGRADE
	  "Sec-WebSocket-Protocol: net.measurementlab.ndt.v7, chat\r\n\r\n",
	  400, "Connection: Close\r\n" },
	{ "N51 upper case",
	  "GET /ndt/v7/download HTTP/1.1\r\n" UPGRADE
	  "Sec-WebSocket-Protocol: NET.measurementlab.ndt.v7\r\n\r\n",
	  400, "Connection: Close\r\n" },
	{ "N52 version 8",
	  "GET /ndt/v7/download HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
	  "Connection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
	  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" PROTOCOL "\r\n",
	  400, "Sec-WebSocket-Version: 13\r\n" },
	{ "N52 no key",
	  "GET /ndt/v7/download HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
	  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" PROTOCOL "\r\n",
	  400, NULL },
	{ "N52 a short key",
	  "GET /ndt/v7/download HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
	  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	  "Sec-WebSocket-Key: c2hvcnQ=\r\n" PROTOCOL "\r\n",
	  400, NULL },
	{ "N52 no Upgrade",
	  "GET /ndt/v7/download HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
	  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" PROTOCOL
	  "\r\n",
	  400, NULL },
	{ "N52 POST", "POST /ndt/v7/download HTTP/1.1\r\n" UPGRADE PROTOCOL "\r\n", 405, NULL },
	{ "N52 a trailing slash", "GET /ndt/v7/download/ HTTP/1.1\r\n" UPGRADE PROTOCOL "\r\n", 404,
	  NULL },
	{ "N52 an unknown path", "GET /ndt/v8/download HTTP/1.1\r\n" UPGRADE PROTOCOL "\r\n", 404,
	  NULL },
	{ "N53 early_exit 250",
	  "GET /ndt/v7/download?early_exit=250 HTTP/1.1\r\n" UPGRADE PROTOCOL "\r\n", 101, NULL },
	{ "N53 early_exit 250, upload",
	  "GET /ndt/v7/upload?early_exit=250 HTTP/1.1\r\n" UPGRADE PROTOCOL "\r\n", 101, NULL },
	{ "N53 early_exit 100",
	  "GET /ndt/v7/download?early_exit=100 HTTP/1.1\r\n" UPGRADE PROTOCOL "\r\n", 400, NULL },
	{ "N53 early_exit empty",
	  "GET /ndt/v7/upload?early_exit= HTTP/1.1\r\n" UPGRADE PROTOCOL "\r\n", 400, NULL },
	{ "N55 permessage-deflate is not taken up",
	  "GET /ndt/v7/download HTTP/1.1\r\n" UPGRADE PROTOCOL
	  "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
	  101, "Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n" },
	{ "no place left", "GET /ndt/v7/download HTTP/1.1\r\n" UPGRADE PROTOCOL "\r\n", 503, NULL,
	  true },
	{ "the front page", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 200, "lab" },
	{ "another path", "GET /etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", 404, NULL },
};

static void ask(const char *request, bool full, char *out, struct serve_answer *ret)
{
	struct head head;
	struct err err = {};

	assert_int_equal(head_parse_request(request, strlen(request), &head, &err), HEAD_OK);
	serve_answer_request(&head, full, 8080, 8443, out, ret);
	assert_in_range(ret->bytes, 1, SERVE_ANSWER_MAX);
}

static void answers(void **state)
{
	const struct answer_case *c = *state;
	char out[SERVE_ANSWER_MAX];
	struct serve_answer a;

	ask(c->request, c->full, out, &a);
	assert_int_equal(a.status, c->want_status);
	if (c->want_in_answer)
		assert_non_null(memmem(out, a.bytes, c->want_in_answer, strlen(c->want_in_answer)));
	assert_null(memmem(out, a.bytes, "Sec-WebSocket-Extensions", 24));
}

static void early_exit_is_passed_on(void **state)
{
	char out[SERVE_ANSWER_MAX];
	struct serve_answer a;

	(void)state;
	ask("GET /ndt/v7/download?early_exit=250 HTTP/1.1\r\n" UPGRADE PROTOCOL "\r\n", false, out,
	    &a);
	assert_int_equal(a.early_exit_bytes, 250000000);
	assert_int_equal(a.test, NDT7_DOWNLOAD);
}

struct locate_case {
	const char *name;
	const char *host;
	const char *want_wss_upload;
};

static struct locate_case locate_cases[] = {
	{ "a name", "lab.example:8080",
	  "wss://lab.example:8443/ndt/v7/"
	  "upload?client_name=x&index=0&locate_version=v2&metro_rank=0" },
	{ "an IPv6 literal", "[::1]:8080",
	  "wss://[::1]:8443/ndt/v7/upload?client_name=x&index=0&locate_version=v2&metro_rank=0" },
};

struct located {
	int urls;
	char wss_upload[256];
};

static int take_url(void *self, const char *path, const struct json_token *value, struct err *err)
{
	struct located *l = self;

	(void)err;
	l->urls += strncmp(path, "results.0.urls.", 15) == 0;
	if (strcmp(path, "results.0.urls.wss:///ndt/v7/upload") == 0)
		json_text_copy(value, l->wss_upload, sizeof(l->wss_upload));
	return 0;
}

static void locates_itself(void **state)
{
	const struct locate_case *c = *state;
	char request[512], out[SERVE_ANSWER_MAX];
	struct located l = {};
	struct serve_answer a;
	const char *body;

	snprintf(request, sizeof(request),
	         "GET /v2/nearest/ndt/ndt7?client_name=x&lat=1 HTTP/1.1\r\nHost: %s\r\n\r\n",
	         c->host);
	ask(request, false, out, &a);
	assert_int_equal(a.status, 200);
	body = strstr(out, "\r\n\r\n") + 4;
	assert_int_equal(json_walk(body, a.bytes - (size_t)(body - out), take_url, &l, NULL), 0);
	assert_string_equal(l.wss_upload, c->want_wss_upload);
	assert_int_equal(l.urls, 4);
}

static void locate_without_host_is_refused(void **state)
{
	char out[SERVE_ANSWER_MAX];
	struct serve_answer a;

	(void)state;
	ask("GET /v2/nearest/ndt/ndt7 HTTP/1.1\r\n\r\n", false, out, &a);
	assert_int_equal(a.status, 400);
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(early_exit_is_passed_on),
		cmocka_unit_test(locate_without_host_is_refused),
	};
	int failed = CASES_RUN(answers, answer_cases);

	failed += CASES_RUN(locates_itself, locate_cases);
	failed += cmocka_run_group_tests(others, NULL, NULL);
	return failed != 0;
}
