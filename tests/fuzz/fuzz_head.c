/* Any bytes as the head of a request and of an answer: what is taken lies inside them and is spelled
 * as HTTP is; what is cut off wants more or is refused for the same reason; and a request that a
 * server takes leads to an answer that its client takes. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/err.h"
#include "transport/ws.h"

#define PROTOCOL "net.measurementlab.ndt.v7"
#define KEY      "dGhlIHNhbXBsZSBub25jZQ=="

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

typedef int (*head_parser)(const char *in, size_t n, struct head *ret, struct err *err);

static void check_span(const char *in, size_t n, struct head_span s)
{
	CHECK(s.n == 0 || (s.at >= in && s.at + s.n <= in + n));
	for (size_t i = 0; i < s.n; i++)
		CHECK(s.at[i] != '\r' && s.at[i] != '\n' && s.at[i] != '\0');
}

static void check_head(const char *in, size_t n, const struct head *h)
{
	CHECK(h->bytes <= n && h->bytes <= HEAD_BYTES_MAX && h->count <= HEAD_FIELDS_MAX);
	CHECK(memcmp(in + h->bytes - 4, "\r\n\r\n", 4) == 0);
	check_span(in, h->bytes, h->method);
	check_span(in, h->bytes, h->target);
	check_span(in, h->bytes, h->reason);
	CHECK(h->minor_version >= 0 && h->minor_version <= 9);
	for (size_t i = 0; i < h->count; i++) {
		const struct head_field *f = &h->fields[i];

		check_span(in, h->bytes, f->name);
		check_span(in, h->bytes, f->value);
		CHECK(f->name.n > 0 && !memchr(f->name.at, ' ', f->name.n));
		CHECK(f->value.n == 0 ||
		      (f->value.at[0] != ' ' && f->value.at[f->value.n - 1] != ' '));
	}
}

/* As many bytes of the input as `cut` says, in memory of their own size. */
static int parse_cut(head_parser parse, const char *in, size_t cut, struct head *h)
{
	char *copy = malloc(cut + !cut);
	int r;

	memcpy(copy, in, cut);
	r = parse(copy, cut, h, NULL);
	free(copy);
	return r;
}

static int check_parser(head_parser parse, const char *in, size_t n, struct head *h)
{
	static struct head other;
	struct err err = {};
	int r = parse(in, n, h, &err);

	CHECK(r == HEAD_OK || r == HEAD_NEED_MORE || r == -EPROTO || r == -EMSGSIZE);
	CHECK(err.code == (r < 0 ? r : 0));
	if (r == HEAD_OK)
		check_head(in, n, h);
	for (size_t cut = 0; cut < n; cut += 1 + cut / 8) {
		int early = parse_cut(parse, in, cut, &other);

		CHECK(early == HEAD_NEED_MORE || early == r);
		CHECK(early != HEAD_OK || other.bytes == h->bytes);
	}
	return r;
}

static void check_answer(const char *in, size_t n, const struct head *h, int parsed)
{
	struct err err = {};
	size_t bytes = 0;
	int r = ws_response_check(in, n, KEY, PROTOCOL, &bytes, &err);

	CHECK(parsed == HEAD_OK || r == parsed); /* NEED_MORE is 1 in both */
	if (r == WS_OK)
		CHECK(h->status == 101 && bytes == h->bytes);
	if (r == -ECONNREFUSED)
		CHECK(h->status != 101 && err.detail == h->status);
}

static void check_request(const struct head *h)
{
	char accept[WS_ACCEPT_TEXT_BYTES], key[WS_KEY_TEXT_BYTES] = "", out[256];
	int n, status = ws_request_check(h, PROTOCOL, accept, NULL);
	size_t bytes;

	CHECK(status == 0 || status == 400 || status == 405);
	if (status != 0)
		return;
	memcpy(key, head_find(h, "Sec-WebSocket-Key")->value.at, sizeof(key) - 1);
	n = ws_response_write(accept, PROTOCOL, out, sizeof(out));
	CHECK(n > 0);
	CHECK(ws_response_check(out, (size_t)n, key, PROTOCOL, &bytes, NULL) == WS_OK);
	CHECK(bytes == (size_t)n);
}

/* The input as target, authority and user agent, one a line: what we write is the request that was
 * meant, and a server takes it. */
static void check_writing(const char *in, size_t n)
{
	char text[512] = "", out[1024], key[WS_KEY_TEXT_BYTES], accept[WS_ACCEPT_TEXT_BYTES];
	struct ws_request r = { .protocol = PROTOCOL, .key = key };
	char *at = text;
	struct head h;
	int length;

	memcpy(text, in, n < sizeof(text) - 1 ? n : sizeof(text) - 1);
	ws_key(key);
	r.target = strsep(&at, "\n");
	r.authority = at ? strsep(&at, "\n") : "a";
	r.user_agent = at ? at : "b";
	length = ws_request_write(&r, out, sizeof(out));
	CHECK(length > 0 || length == -EINVAL);
	if (length < 0)
		return;
	CHECK(head_parse_request(out, (size_t)length, &h, NULL) == HEAD_OK);
	CHECK(h.bytes == (size_t)length && head_span_is(h.target, r.target));
	CHECK(ws_request_check(&h, PROTOCOL, accept, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct head h;
	const char *in = (const char *)data;

	if (check_parser(head_parse_request, in, n, &h) == HEAD_OK)
		check_request(&h);
	check_answer(in, n, &h, check_parser(head_parse_response, in, n, &h));
	check_writing(in, n);
	return 0;
}
