/* The head of an HTTP/1.1 message (RFC 9112 2 to 5): start line and header fields, as far as a
 * WebSocket upgrade and a small server need them. Pure; fuzzed. Chunked bodies and trailers are not
 * its business: whoever needs those uses transport/http.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define HEAD_BYTES_MAX  16384
#define HEAD_FIELDS_MAX 100

struct head_span {
	const char *at; /* into the caller's buffer, not terminated */
	size_t n;
};

struct head_field {
	struct head_span name;
	struct head_span value; /* without the white space around it */
};

struct head {
	/* of a request */
	struct head_span method;
	struct head_span target;
	/* of a response */
	int status;
	struct head_span reason;
	/* of both */
	int minor_version; /* HTTP/1.minor_version */
	size_t count;
	struct head_field fields[HEAD_FIELDS_MAX];
	size_t bytes; /* of the whole head with its blank line: what follows is the body */
};

enum head_outcome {
	HEAD_OK = 0,
	HEAD_NEED_MORE, /* no blank line yet */
};

/* HTTP/1.0 and 1.1 (and any 1.x) alike. Lines end in CRLF and nothing else; a folded line, white
 * space before a colon, a control character are malformed. What is wrong is told as soon as it is
 * there, not when the head is whole.
 *   HEAD_OK, HEAD_NEED_MORE
 *   -EPROTO   not HTTP/1.x, or a malformed line;  -EMSGSIZE  a ceiling was reached */
int head_parse_response(const char *in, size_t n, struct head *ret, struct err *err);
int head_parse_request(const char *in, size_t n, struct head *ret, struct err *err);

/* The first field of that name (any case), NULL where there is none. */
const struct head_field *head_find(const struct head *h, const char *name);
size_t head_count(const struct head *h, const char *name);

bool head_span_is(struct head_span s, const char *text);        /* byte for byte */
bool head_span_is_nocase(struct head_span s, const char *text); /* ASCII */

/* Whether any field `name` lists `token` (RFC 9110 5.6.1: comma separated, any case). */
bool head_lists(const struct head *h, const char *name, const char *token);
