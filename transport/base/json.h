/* A JSON reader (RFC 8259) over one buffer: pure, without allocation, with a ceiling on depth. Strict:
 * no byte order mark, no comments, no trailing commas, strings are UTF-8.
 *
 * Counters above 2^53 are exact, which they are not where every number is read through a double. A caller
 * walks one value at a time, or lets json_walk() do it:
 *
 *   json_open(&j, text, n, depth_max);
 *   json_next(&j, &token)       JSON_OBJECT_BEGIN, JSON_KEY, JSON_INTEGER, … JSON_END
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define JSON_DEPTH_CEILING 64

enum json_kind {
	JSON_OBJECT_BEGIN,
	JSON_OBJECT_END,
	JSON_ARRAY_BEGIN,
	JSON_ARRAY_END,
	JSON_KEY,     /* text: raw, between the quotes */
	JSON_STRING,  /* likewise */
	JSON_INTEGER, /* integer, and text as it stands; neither fraction nor exponent */
	JSON_NUMBER,  /* text as it stands: any other, and an integer outside int64_t */
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
	JSON_END, /* the one value is complete and only white space followed */
};

struct json_token {
	enum json_kind kind;
	const char *text; /* into the buffer, not terminated */
	size_t n;
	int64_t integer;
};

struct json {
	const char *begin, *at, *end;
	unsigned int depth, depth_max;
	uint64_t is_object; /* a bit per level */
	uint8_t expect;     /* json.c */
};

/* depth_max is at most JSON_DEPTH_CEILING. */
void json_open(struct json *j, const char *text, size_t n, unsigned int depth_max);

/* 0 and one token, or -EINVAL: not JSON, or deeper than depth_max. After a failure or JSON_END it
 * must not be called again. */
int json_next(struct json *j, struct json_token *ret, struct err *err);

/* Skips the rest of the value that `token` began (nothing for a scalar). */
int json_skip(struct json *j, const struct json_token *token, struct err *err);

/* Whether the raw text of a key or string is `text`, escapes taken into account. */
bool json_text_is(const struct json_token *token, const char *text);

/* Decodes escapes of a key or string into out, terminated; on failure out is "".
 *   -ENOSPC  it does not fit;  -EINVAL  a broken escape or surrogate pair, or \u0000 */
int json_text_copy(const struct json_token *token, char *out, size_t out_bytes);

/* Writes `text` at out as a JSON string with its quotes, terminated; answers the length, or -ENOSPC
 * and "". Bytes that are not UTF-8 become U+FFFD. */
int json_quote(const char *text, char *out, size_t out_bytes);
