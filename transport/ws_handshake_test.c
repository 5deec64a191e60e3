#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"
#include "transport/ws.h"

#define PROTOCOL "net.measurementlab.ndt.v7"
#define KEY      "dGhlIHNhbXBsZSBub25jZQ==" /* the example of RFC 6455 1.3 */
#define ACCEPT   "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static void keys_are_16_fresh_bytes(void **state)
{
	char a[WS_KEY_TEXT_BYTES], b[WS_KEY_TEXT_BYTES];

	(void)state;
	ws_key(a);
	ws_key(b);
	assert_int_equal(strlen(a), 24);
	assert_string_equal(a + 22, "==");
	assert_string_not_equal(a, b); /* N3 */
}

static void accept_is_the_rfcs(void **state)
{
	char out[WS_ACCEPT_TEXT_BYTES];

	(void)state;
	assert_int_equal(ws_accept(KEY, strlen(KEY), out), 0);
	assert_string_equal(out, ACCEPT);
	assert_int_equal(ws_accept(KEY, strlen(KEY) - 1, out), -EINVAL);
}

static const struct ws_request good_request = {
	.authority = "[2001:db8::5]:8443",
	.target = "/ndt/v7/download?access_token=a.b-c&client_name=x%20y",
	.protocol = PROTOCOL,
	.user_agent = "radar-pod/0.1.0",
	.key = KEY,
};

/* N1, N2, N4, N7: these lines and no others. */
static void request_is_written(void **state)
{
	char out[512];
	int n = ws_request_write(&good_request, out, sizeof(out));

	(void)state;
	assert_string_equal(out,
	                    "GET /ndt/v7/download?access_token=a.b-c&client_name=x%20y HTTP/1.1\r\n"
	                    "Host: [2001:db8::5]:8443\r\n"
	                    "User-Agent: radar-pod/0.1.0\r\n"
	                    "Upgrade: websocket\r\n"
	                    "Connection: Upgrade\r\n"
	                    "Sec-WebSocket-Version: 13\r\n"
	                    "Sec-WebSocket-Key: " KEY "\r\n"
	                    "Sec-WebSocket-Protocol: " PROTOCOL "\r\n\r\n");
	assert_int_equal(n, strlen(out));
	for (size_t room = 0; room <= (size_t)n; room++)
		assert_int_equal(ws_request_write(&good_request, out, room), -ENOSPC);
	assert_int_equal(ws_request_write(&good_request, out, (size_t)n + 1), n);
}

static struct injection_case {
	const char *name;
	struct ws_request r;
} injection_cases[] = {
	{ "a line in the authority", { "a\r\nX: y", "/", PROTOCOL, "u", KEY } },
	{ "a head's end in the authority", { "a\r\n\r\n", "/", PROTOCOL, "u", KEY } },
	{ "a line feed in the authority", { "a\nX: y", "/", PROTOCOL, "u", KEY } },
	{ "a space in the target", { "a", "/ b", PROTOCOL, "u", KEY } },
	{ "a whole line in the target", { "a", "/ HTTP/1.1\r\nX: /", PROTOCOL, "u", KEY } },
	{ "UTF-8 in the target", { "a", "/\xC3\xBC", PROTOCOL, "u", KEY } },
	{ "an empty target", { "a", "", PROTOCOL, "u", KEY } },
	{ "a line in the protocol", { "a", "/", "p\r\nX: y", "u", KEY } },
	{ "a line in the user agent", { "a", "/", PROTOCOL, "u\r\nX: y", KEY } },
	{ "an escape in the user agent", { "a", "/", PROTOCOL, "u\x1B[0m", KEY } },
	{ "a line in the key", { "a", "/", PROTOCOL, "u", "k\r\nX: y" } },
};

static void request_is_not_split(void **state)
{
	const struct injection_case *c = *state;
	char out[512];

	assert_int_equal(ws_request_write(&c->r, out, sizeof(out)), -EINVAL);
}

#define STATUS_LINE   "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE_LINES "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT_LINE   "Sec-WebSocket-Accept: " ACCEPT "\r\n"
#define GOOD          STATUS_LINE UPGRADE_LINES ACCEPT_LINE

static struct response_case {
	const char *name;
	const char *in;
	int want;
	long want_detail;
	size_t behind; /* bytes that are frames already */
} response_cases[] = {
	{ "the reference's", GOOD "Sec-WebSocket-Protocol: " PROTOCOL "\r\n\r\n", WS_OK },
	{ "frames behind it (N11)", GOOD "\r\n\x81\x02hi", WS_OK, 0, 4 },
	{ "names in lower case, another order, others between, another reason (N9)",
	  "HTTP/1.1 101 Web Socket Protocol Handshake\r\nserver: x\r\nsec-websocket-accept:" ACCEPT
	  "\r\nconnection: keep-alive,UPGRADE\r\nupgrade: WebSocket\r\nvia: 1.1 y\r\n\r\n",
	  WS_OK },
	{ "two Connection fields (N9)",
	  STATUS_LINE
	  "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\n" ACCEPT_LINE
	  "\r\n",
	  WS_OK },
	{ "no reason (N9)", "HTTP/1.1 101 \r\n" UPGRADE_LINES ACCEPT_LINE "\r\n", WS_OK },
	{ "no protocol echoed", GOOD "\r\n", WS_OK },
	{ "incomplete", GOOD, WS_NEED_MORE },
	{ "nothing", "", WS_NEED_MORE },

	{ "accept of another key (N8)",
	  STATUS_LINE UPGRADE_LINES "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n\r\n",
	  -EPROTO, 101 },
	{ "accept in lower case (N8)",
	  STATUS_LINE UPGRADE_LINES "Sec-WebSocket-Accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n\r\n",
	  -EPROTO, 101 },
	{ "no accept (N8)", STATUS_LINE UPGRADE_LINES "\r\n", -EPROTO, 101 },
	{ "two accepts", GOOD ACCEPT_LINE "\r\n", -EPROTO, 101 },
	{ "no Upgrade", STATUS_LINE "Connection: Upgrade\r\n" ACCEPT_LINE "\r\n", -EPROTO, 101 },
	{ "Upgrade to something else",
	  STATUS_LINE "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT_LINE "\r\n", -EPROTO, 101 },
	{ "no Connection", STATUS_LINE "Upgrade: websocket\r\n" ACCEPT_LINE "\r\n", -EPROTO, 101 },
	{ "Connection without upgrade",
	  STATUS_LINE "Upgrade: websocket\r\nConnection: close\r\n" ACCEPT_LINE "\r\n", -EPROTO,
	  101 },
	{ "another protocol (N10)", GOOD "Sec-WebSocket-Protocol: chat\r\n\r\n", -EPROTO, 101 },
	{ "the protocol in upper case (N10)",
	  GOOD "Sec-WebSocket-Protocol: NET.measurementlab.ndt.v7\r\n\r\n", -EPROTO, 101 },
	{ "the protocol and another (N10)",
	  GOOD "Sec-WebSocket-Protocol: " PROTOCOL ", chat\r\n\r\n", -EPROTO, 101 },
	{ "the protocol twice",
	  GOOD "Sec-WebSocket-Protocol: " PROTOCOL "\r\nSec-WebSocket-Protocol: " PROTOCOL
	       "\r\n\r\n",
	  -EPROTO, 101 },
	{ "an empty protocol", GOOD "Sec-WebSocket-Protocol:\r\n\r\n", -EPROTO, 101 },
	{ "an extension nobody asked for",
	  GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", -EPROTO, 101 },

	{ "200", "HTTP/1.1 200 OK\r\n" UPGRADE_LINES ACCEPT_LINE "\r\n", -ECONNREFUSED, 200 },
	{ "302 (N12)", "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", -ECONNREFUSED, 302 },
	{ "400 (N12)", "HTTP/1.1 400 Bad Request\r\nConnection: Close\r\n\r\n", -ECONNREFUSED,
	  400 },
	{ "401 (N12)", "HTTP/1.1 401 Unauthorized\r\n\r\n", -ECONNREFUSED, 401 },
	{ "429 (N12)", "HTTP/1.1 429 Too Many Requests\r\n\r\n", -ECONNREFUSED, 429 },
	{ "503 with a body (N12)", "HTTP/1.1 503 Service Unavailable\r\n\r\nbusy", -ECONNREFUSED,
	  503, 4 },
	{ "garbage (N12)", "220 mail.example ESMTP\r\n", -EPROTO, 0 },
	{ "garbage behind the status (N12)", STATUS_LINE "\x01\x02\r\n", -EPROTO, 0 },
};

/* Whole, and byte by byte (N11): the answer comes when the head is complete and not before. */
static void response_is_checked(void **state)
{
	const struct response_case *c = *state;
	size_t n = strlen(c->in), bytes = 77;
	struct err err = {};

	assert_int_equal(ws_response_check(c->in, n, KEY, PROTOCOL, &bytes, &err), c->want);
	assert_int_equal(bytes, c->want == WS_OK ? n - c->behind : 77);
	assert_int_equal(err.code, c->want < 0 ? c->want : 0);
	assert_int_equal(err.detail, c->want_detail);
	assert_true(c->want >= 0 || err.domain == ERR_HTTP);

	for (size_t cut = 0; cut < n; cut++) {
		int r = ws_response_check(c->in, cut, KEY, PROTOCOL, &bytes, NULL);

		assert_true(r == c->want || r == WS_NEED_MORE);
		if (c->want == WS_OK && cut < n - c->behind)
			assert_int_equal(r, WS_NEED_MORE);
	}
}

/* Further headers, and no protocol; an answer that names one is then for somebody else. */
static void request_without_a_protocol(void **state)
{
	static const char *const headers[] = { "Authorization: Basic a:b", "Sec-Radar-Tool: true" };
	static const char *const split[] = { "X: a\r\nY: b" };
	static const char named[] = GOOD "Sec-WebSocket-Protocol: " PROTOCOL "\r\n\r\n";
	struct ws_request r = good_request;
	char out[512];
	size_t bytes;
	int n;

	(void)state;
	r.protocol = NULL;
	r.headers = headers;
	r.header_count = 2;
	n = ws_request_write(&r, out, sizeof(out));
	assert_int_equal(n, strlen(out));
	assert_null(strstr(out, "Sec-WebSocket-Protocol"));
	assert_non_null(
		strstr(out, "\r\nAuthorization: Basic a:b\r\nSec-Radar-Tool: true\r\n\r\n"));
	r.headers = split;
	r.header_count = 1;
	assert_int_equal(ws_request_write(&r, out, sizeof(out)), -EINVAL);
	assert_int_equal(
		ws_response_check(GOOD "\r\n", strlen(GOOD "\r\n"), KEY, NULL, &bytes, NULL),
		WS_OK);
	assert_int_equal(ws_response_check(named, strlen(named), KEY, NULL, &bytes, NULL), -EPROTO);
}

static void response_needs_a_key_of_ours(void **state)
{
	struct err err = {};
	size_t bytes;

	(void)state;
	assert_int_equal(ws_response_check(GOOD "\r\n", strlen(GOOD "\r\n"), "short", PROTOCOL,
	                                   &bytes, &err),
	                 -EINVAL);
	assert_int_equal(err.code, -EINVAL);
}

static void response_has_a_ceiling(void **state)
{
	char *in = malloc(HEAD_BYTES_MAX);
	size_t bytes;

	(void)state;
	memset(in, 'a', HEAD_BYTES_MAX);
	memcpy(in, STATUS_LINE "A: ", strlen(STATUS_LINE "A: "));
	assert_int_equal(ws_response_check(in, HEAD_BYTES_MAX - 1, KEY, PROTOCOL, &bytes, NULL),
	                 WS_NEED_MORE);
	assert_int_equal(ws_response_check(in, HEAD_BYTES_MAX, KEY, PROTOCOL, &bytes, NULL),
	                 -EMSGSIZE);
	free(in);
}

#define GET           "GET /ndt/v7/download HTTP/1.1\r\nHost: a\r\n"
#define VERSION_LINE  "Sec-WebSocket-Version: 13\r\n"
#define KEY_LINE      "Sec-WebSocket-Key: " KEY "\r\n"
#define PROTOCOL_LINE "Sec-WebSocket-Protocol: " PROTOCOL "\r\n"

static struct request_case {
	const char *name;
	const char *in;
	int want;
} request_cases[] = {
	{ "a client's", GET UPGRADE_LINES VERSION_LINE KEY_LINE PROTOCOL_LINE "\r\n", 0 },
	{ "HTTP/1.0 without Host",
	  "GET / HTTP/1.0\r\n" UPGRADE_LINES VERSION_LINE KEY_LINE PROTOCOL_LINE "\r\n", 0 },
	{ "a browser's Connection and Upgrade",
	  GET "Connection: keep-alive, Upgrade\r\n"
	      "Upgrade: WebSocket\r\n" VERSION_LINE KEY_LINE PROTOCOL_LINE "\r\n",
	  0 },
	{ "an extension is not taken (N55)",
	  GET UPGRADE_LINES VERSION_LINE KEY_LINE PROTOCOL_LINE
	  "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
	  0 },
	{ "no protocol (N51)", GET UPGRADE_LINES VERSION_LINE KEY_LINE "\r\n", 400 },
	{ "a list of protocols (N51)",
	  GET UPGRADE_LINES VERSION_LINE KEY_LINE "Sec-WebSocket-Protocol: " PROTOCOL
	                                          ", chat\r\n\r\n",
	  400 },
	{ "upper case (N51)",
	  GET UPGRADE_LINES VERSION_LINE KEY_LINE
	  "Sec-WebSocket-Protocol: NET.measurementlab.ndt.v7\r\n\r\n",
	  400 },
	{ "version 8 (N52)",
	  GET UPGRADE_LINES "Sec-WebSocket-Version: 8\r\n" KEY_LINE PROTOCOL_LINE "\r\n", 400 },
	{ "no version", GET UPGRADE_LINES KEY_LINE PROTOCOL_LINE "\r\n", 400 },
	{ "no key (N52)", GET UPGRADE_LINES VERSION_LINE PROTOCOL_LINE "\r\n", 400 },
	{ "short key (N52)",
	  GET UPGRADE_LINES VERSION_LINE "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n" PROTOCOL_LINE
	                                 "\r\n",
	  400 },
	{ "key of 17 bytes",
	  GET UPGRADE_LINES VERSION_LINE
	  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE=\r\n" PROTOCOL_LINE "\r\n",
	  400 },
	{ "key that is not base64",
	  GET UPGRADE_LINES VERSION_LINE
	  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25_ZQ==\r\n" PROTOCOL_LINE "\r\n",
	  400 },
	{ "two keys", GET UPGRADE_LINES VERSION_LINE KEY_LINE KEY_LINE PROTOCOL_LINE "\r\n", 400 },
	{ "no Upgrade (N52)",
	  GET "Connection: Upgrade\r\n" VERSION_LINE KEY_LINE PROTOCOL_LINE "\r\n", 400 },
	{ "no Connection", GET "Upgrade: websocket\r\n" VERSION_LINE KEY_LINE PROTOCOL_LINE "\r\n",
	  400 },
	{ "no Host in HTTP/1.1",
	  "GET / HTTP/1.1\r\n" UPGRADE_LINES VERSION_LINE KEY_LINE PROTOCOL_LINE "\r\n", 400 },
	{ "two Hosts", GET "Host: b\r\n" UPGRADE_LINES VERSION_LINE KEY_LINE PROTOCOL_LINE "\r\n",
	  400 },
	{ "POST (N52)",
	  "POST / HTTP/1.1\r\nHost: a\r\n" UPGRADE_LINES VERSION_LINE KEY_LINE PROTOCOL_LINE "\r\n",
	  405 },
	{ "POST and no protocol: the protocol is first",
	  "POST / HTTP/1.1\r\nHost: a\r\n" UPGRADE_LINES VERSION_LINE KEY_LINE "\r\n", 400 },
};

static void request_is_checked(void **state)
{
	const struct request_case *c = *state;
	char accept[WS_ACCEPT_TEXT_BYTES] = "";
	struct err err = {};
	struct head h;

	assert_int_equal(head_parse_request(c->in, strlen(c->in), &h, NULL), HEAD_OK);
	assert_int_equal(ws_request_check(&h, PROTOCOL, accept, &err), c->want);
	assert_string_equal(accept, c->want ? "" : ACCEPT);
	assert_int_equal(err.detail, c->want);
}

/* N54: the strictest client in the field compares these lines byte for byte. */
static void response_is_written(void **state)
{
	char out[512];
	int n = ws_response_write(ACCEPT, PROTOCOL, out, sizeof(out));

	(void)state;
	assert_string_equal(out, "HTTP/1.1 101 Switching Protocols\r\n"
	                         "Upgrade: websocket\r\n"
	                         "Connection: Upgrade\r\n"
	                         "Sec-WebSocket-Accept: " ACCEPT "\r\n"
	                         "Sec-WebSocket-Protocol: " PROTOCOL "\r\n\r\n");
	assert_int_equal(n, strlen(out));
	assert_int_equal(ws_response_write(ACCEPT, PROTOCOL, out, (size_t)n), -ENOSPC);
}

/* What either side writes the other side takes. */
static void both_sides_agree(void **state)
{
	char key[WS_KEY_TEXT_BYTES], accept[WS_ACCEPT_TEXT_BYTES], out[512];
	struct ws_request r = good_request;
	struct head h;
	size_t bytes;
	int n;

	(void)state;
	ws_key(key);
	r.key = key;
	n = ws_request_write(&r, out, sizeof(out));
	assert_int_equal(head_parse_request(out, (size_t)n, &h, NULL), HEAD_OK);
	assert_int_equal(ws_request_check(&h, PROTOCOL, accept, NULL), 0);
	n = ws_response_write(accept, PROTOCOL, out, sizeof(out));
	assert_int_equal(ws_response_check(out, (size_t)n, key, PROTOCOL, &bytes, NULL), WS_OK);
	assert_int_equal(bytes, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_16_fresh_bytes),
		cmocka_unit_test(accept_is_the_rfcs),
		cmocka_unit_test(request_is_written),
		cmocka_unit_test(request_without_a_protocol),
		cmocka_unit_test(response_has_a_ceiling),
		cmocka_unit_test(response_is_written),
		cmocka_unit_test(both_sides_agree),
		cmocka_unit_test(response_needs_a_key_of_ours),
	};
	int failed = CASES_RUN(request_is_not_split, injection_cases);

	failed += CASES_RUN(response_is_checked, response_cases);
	failed += CASES_RUN(request_is_checked, request_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
