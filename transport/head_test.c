#include "transport/head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

static struct response_case {
	const char *name;
	const char *in;
	int want;
	int want_status;
	const char *want_reason;
	size_t want_count;
	size_t behind; /* bytes that follow the head */
} response_cases[] = {
	{ "nothing", "", HEAD_NEED_MORE },
	{ "half a line", "HTTP/1.1 101", HEAD_NEED_MORE },
	{ "no blank line yet", "HTTP/1.1 200 OK\r\nA: b\r\n", HEAD_NEED_MORE },
	{ "half a blank line", "HTTP/1.1 200 OK\r\nA: b\r\n\r", HEAD_NEED_MORE },
	{ "no fields", "HTTP/1.1 204 No Content\r\n\r\n", HEAD_OK, 204, "No Content", 0, 0 },
	{ "one field", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", HEAD_OK,
	  101, "Switching Protocols", 1, 0 },
	{ "bytes behind it", "HTTP/1.1 200 OK\r\nA:b\r\n\r\nbody\r\n\r\n", HEAD_OK, 200, "OK", 1,
	  8 },
	{ "HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", HEAD_OK, 200, "OK", 0, 0 },
	{ "no reason", "HTTP/1.1 200 \r\n\r\n", HEAD_OK, 200, "", 0, 0 },
	{ "no reason and no space", "HTTP/1.1 200\r\n\r\n", HEAD_OK, 200, "", 0, 0 },
	{ "reason in UTF-8", "HTTP/1.1 503 \xC3\xBC\r\n\r\n", HEAD_OK, 503, "\xC3\xBC", 0, 0 },
	{ "a comma in a value", "HTTP/1.1 200 OK\r\nDate: Thu, 1 Jan\r\n\r\n", HEAD_OK, 200, "OK",
	  1, 0 },
	{ "a name of digits and marks", "HTTP/1.1 200 OK\r\n1.x_~|Z: b\tc\r\n\r\n", HEAD_OK, 200,
	  "OK", 1, 0 },
	{ "an empty value", "HTTP/1.1 200 OK\r\nA:\r\n\r\n", HEAD_OK, 200, "OK", 1, 0 },

	{ "another protocol, from the first byte", "S", -EPROTO },
	{ "another protocol", "SSH-2.0-OpenSSH", -EPROTO },
	{ "a TLS alert", "\x15\x03\x01", -EPROTO },
	{ "HTTP/2", "HTTP/2", -EPROTO },
	{ "HTTP/1.10", "HTTP/1.10 200 OK\r\n", -EPROTO },
	{ "HTTP/1.x", "HTTP/1.x 200 OK\r\n", -EPROTO },
	{ "lower case", "http/1.1 200 OK\r\n", -EPROTO },
	{ "a blank line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", -EPROTO },
	{ "status of two digits", "HTTP/1.1 99 OK\r\n", -EPROTO },
	{ "status of four digits", "HTTP/1.1 2000 OK\r\n", -EPROTO },
	{ "status below 100", "HTTP/1.1 099 OK\r\n", -EPROTO },
	{ "status in letters", "HTTP/1.1 2OO OK\r\n", -EPROTO },
	{ "two spaces before the status", "HTTP/1.1  200 OK\r\n", -EPROTO },
	{ "no status", "HTTP/1.1\r\n", -EPROTO },
	{ "a control character in the reason", "HTTP/1.1 200 O\x1BK\r\n", -EPROTO },
	{ "a bare line feed", "HTTP/1.1 200 OK\n", -EPROTO },
	{ "a bare line feed behind a field", "HTTP/1.1 200 OK\r\nA: b\n", -EPROTO },
	{ "a bare line feed as the blank line", "HTTP/1.1 200 OK\r\nA: b\r\n\n", -EPROTO },
	{ "a bare carriage return in a value", "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n", -EPROTO },
	{ "two carriage returns", "HTTP/1.1 200 OK\r\r\n", -EPROTO },
	{ "a folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n", -EPROTO },
	{ "a line folded by a tab", "HTTP/1.1 200 OK\r\nA: b\r\n\tc: d\r\n", -EPROTO },
	{ "a space before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n", -EPROTO },
	{ "a space in a name", "HTTP/1.1 200 OK\r\nA b: c\r\n", -EPROTO },
	{ "a brace in a name", "HTTP/1.1 200 OK\r\nA{: c\r\n", -EPROTO },
	{ "a name in UTF-8", "HTTP/1.1 200 OK\r\n\xC3\xBC: c\r\n", -EPROTO },
	{ "no name", "HTTP/1.1 200 OK\r\n: b\r\n", -EPROTO },
	{ "no colon", "HTTP/1.1 200 OK\r\nAb\r\n", -EPROTO },
	{ "a control character in a value", "HTTP/1.1 200 OK\r\nA: \x01\r\n", -EPROTO },
	{ "DEL in a value", "HTTP/1.1 200 OK\r\nA: \x7F\r\n", -EPROTO },
};

/* Whole; and whatever is cut off wants more, or is refused for what is already there. */
static void response_parses(void **state)
{
	const struct response_case *c = *state;
	size_t n = strlen(c->in);
	struct head h = { .status = 77 };
	struct err err = {};

	assert_int_equal(head_parse_response(c->in, n, &h, &err), c->want);
	assert_int_equal(err.code, c->want < 0 ? c->want : 0);
	assert_int_equal(h.status, c->want == HEAD_OK ? c->want_status : 77);
	if (c->want == HEAD_OK) {
		assert_true(head_span_is(h.reason, c->want_reason));
		assert_int_equal(h.count, c->want_count);
		assert_int_equal(h.bytes, n - c->behind);
	}
	for (size_t cut = 0; cut < n; cut++) {
		char *copy = malloc(cut + !cut);
		int r;

		memcpy(copy, c->in, cut);
		r = head_parse_response(copy, cut, &h, NULL);
		if (c->want == HEAD_OK)
			assert_int_equal(r, cut < n - c->behind ? HEAD_NEED_MORE : HEAD_OK);
		else
			assert_true(r == HEAD_NEED_MORE || r == c->want);
		free(copy);
	}
}

static struct request_case {
	const char *name;
	const char *in;
	int want;
	const char *want_method, *want_target;
	int want_minor_version;
} request_cases[] = {
	{ "nothing", "", HEAD_NEED_MORE },
	{ "GET", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_OK, "GET", "/", 1 },
	{ "a query", "GET /a?b=c%20d&e HTTP/1.1\r\n\r\n", HEAD_OK, "GET", "/a?b=c%20d&e", 1 },
	{ "HTTP/1.0", "POST /x HTTP/1.0\r\n\r\n", HEAD_OK, "POST", "/x", 0 },
	{ "another method", "M-SEARCH * HTTP/1.1\r\n\r\n", HEAD_OK, "M-SEARCH", "*", 1 },
	{ "a blank line first", "\r\nGET / HTTP/1.1\r\n\r\n", -EPROTO },
	{ "HTTP/0.9", "GET /\r\n", -EPROTO },
	{ "HTTP/2", "PRI * HTTP/2.0\r\n", -EPROTO },
	{ "no method", " / HTTP/1.1\r\n", -EPROTO },
	{ "no target", "GET  HTTP/1.1\r\n", -EPROTO },
	{ "two spaces", "GET  / HTTP/1.1\r\n", -EPROTO },
	{ "a space in the target", "GET /a b HTTP/1.1\r\n", -EPROTO },
	{ "a tab for a space", "GET\t/ HTTP/1.1\r\n", -EPROTO },
	{ "a space behind", "GET / HTTP/1.1 \r\n", -EPROTO },
	{ "a control character in the method", "G\x01T / HTTP/1.1\r\n", -EPROTO },
	{ "DEL in the target", "GET /\x7F HTTP/1.1\r\n", -EPROTO },
	{ "raw UTF-8 in the target", "GET /\xC3\xBC HTTP/1.1\r\n", -EPROTO },
	{ "a bare line feed", "GET / HTTP/1.1\n", -EPROTO },
};

static void request_parses(void **state)
{
	const struct request_case *c = *state;
	struct head h;
	struct err err = {};

	assert_int_equal(head_parse_request(c->in, strlen(c->in), &h, &err), c->want);
	if (c->want != HEAD_OK)
		return;
	assert_true(head_span_is(h.method, c->want_method));
	assert_true(head_span_is(h.target, c->want_target));
	assert_int_equal(h.minor_version, c->want_minor_version);
}

static const char fields[] = "HTTP/1.1 200 OK\r\n"
			     "Host:\t a.example \t\r\n"
			     "Connection: keep-alive,  Upgrade\r\n"
			     "CONNECTION: ,,close ,\r\n"
			     "Empty:\r\n"
			     "X: not Upgrade\r\n\r\n";

static void fields_are_found(void **state)
{
	struct head h;

	(void)state;
	assert_int_equal(head_parse_response(fields, strlen(fields), &h, NULL), HEAD_OK);
	assert_int_equal(h.count, 5);
	assert_true(head_span_is(head_find(&h, "hOST")->value, "a.example"));
	assert_true(head_span_is(head_find(&h, "Connection")->value, "keep-alive,  Upgrade"));
	assert_true(head_span_is(head_find(&h, "empty")->value, ""));
	assert_null(head_find(&h, "Hos"));
	assert_null(head_find(&h, "Hostname"));
	assert_int_equal(head_count(&h, "connection"), 2);
	assert_int_equal(head_count(&h, "none"), 0);
}

static struct lists_case {
	const char *name;
	const char *field, *token;
	bool want;
} lists_cases[] = {
	{ "the second of one line", "connection", "upgrade", true },
	{ "the first of one line", "Connection", "Keep-Alive", true },
	{ "of a second line, among empty ones", "Connection", "close", true },
	{ "a part of a token", "Connection", "keep", false },
	{ "a token in a longer value", "X", "Upgrade", false },
	{ "the empty token in an empty value", "Empty", "x", false },
	{ "a field that is not there", "Upgrade", "websocket", false },
};

static void list_is_searched(void **state)
{
	const struct lists_case *c = *state;
	struct head h;

	assert_int_equal(head_parse_response(fields, strlen(fields), &h, NULL), HEAD_OK);
	assert_int_equal(head_lists(&h, c->field, c->token), c->want);
}

static void spans_compare(void **state)
{
	struct head_span s = { "WebSocket!", 9 };

	(void)state;
	assert_true(head_span_is(s, "WebSocket"));
	assert_false(head_span_is(s, "websocket"));
	assert_true(head_span_is_nocase(s, "websocKET"));
	assert_false(head_span_is_nocase(s, "websockets"));
	assert_false(head_span_is_nocase((struct head_span){ "@", 1 }, "`")); /* not letters */
}

/* "HTTP/1.1 200 OK", one long field, the blank line: `total` bytes. */
static char *head_of(size_t total)
{
	char *in = malloc(total);
	size_t begun = strlen("HTTP/1.1 200 OK\r\nA: ");

	memset(in, 'a', total);
	memcpy(in, "HTTP/1.1 200 OK\r\nA: ", begun);
	memcpy(in + total - 4, "\r\n\r\n", 4);
	return in;
}

static void bytes_have_a_ceiling(void **state)
{
	struct head h;
	char *in = head_of(HEAD_BYTES_MAX);

	(void)state;
	assert_int_equal(head_parse_response(in, HEAD_BYTES_MAX, &h, NULL), HEAD_OK);
	assert_int_equal(h.bytes, HEAD_BYTES_MAX);
	assert_int_equal(head_parse_response(in, HEAD_BYTES_MAX - 1, &h, NULL), HEAD_NEED_MORE);
	free(in);

	in = head_of(HEAD_BYTES_MAX + 1);
	assert_int_equal(head_parse_response(in, HEAD_BYTES_MAX, &h, NULL), -EMSGSIZE);
	assert_int_equal(head_parse_response(in, HEAD_BYTES_MAX + 1, &h, NULL), -EMSGSIZE);
	free(in);
}

static void fields_have_a_ceiling(void **state)
{
	char in[32 + 4 * (HEAD_FIELDS_MAX + 1)] = "GET / HTTP/1.1\r\n";
	size_t n = strlen(in);
	struct head h;

	(void)state;
	for (int i = 0; i < HEAD_FIELDS_MAX; i++, n += 4)
		memcpy(in + n, "A:\r\n", 4);
	memcpy(in + n, "\r\n", 2);
	assert_int_equal(head_parse_request(in, n + 2, &h, NULL), HEAD_OK);
	assert_int_equal(h.count, HEAD_FIELDS_MAX);
	memcpy(in + n, "A:\r\n", 4);
	assert_int_equal(head_parse_request(in, n + 4, &h, NULL), -EMSGSIZE);
}

static void nul_is_refused_everywhere(void **state)
{
	static const char valid[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
	struct head h;

	(void)state;
	for (size_t i = 0; i < strlen(valid); i++) {
		char in[sizeof(valid)];

		memcpy(in, valid, sizeof(in));
		in[i] = '\0';
		assert_true(head_parse_request(in, strlen(valid), &h, NULL) != HEAD_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_found),
		cmocka_unit_test(spans_compare),
		cmocka_unit_test(bytes_have_a_ceiling),
		cmocka_unit_test(fields_have_a_ceiling),
		cmocka_unit_test(nul_is_refused_everywhere),
	};
	int failed = CASES_RUN(response_parses, response_cases);

	failed += CASES_RUN(request_parses, request_cases);
	failed += CASES_RUN(list_is_searched, lists_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
