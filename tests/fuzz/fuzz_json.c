/* Any bytes as JSON: tokens lie inside the text and nest, integers are what the C library reads, what
 * is taken is taken by cJSON too, and any text is quoted to one string that is read back.
 * Input: a byte for the depth, then the text. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

#include "transport/base/err.h"
#include "transport/base/json.h"
#include "transport/base/utf8.h"

#define TEXT_MAX 4096

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_integer(const struct json_token *t)
{
	char text[32] = "";

	CHECK(t->n < sizeof(text));
	memcpy(text, t->text, t->n);
	errno = 0;
	CHECK(strtoll(text, NULL, 10) == t->integer && errno == 0);
}

/* Answers whether the text can be decoded. */
static bool check_text(const struct json_token *t)
{
	static char out[TEXT_MAX + 1];
	int r = json_text_copy(t, out, sizeof(out));

	CHECK(r == 0 || r == -EINVAL);
	if (r < 0)
		return false;
	CHECK(strlen(out) <= t->n);
	CHECK(json_text_is(t, out));
	CHECK(utf8_check(UTF8_ACCEPT, (const uint8_t *)out, strlen(out)) == UTF8_ACCEPT);
	CHECK(json_text_copy(t, out, strlen(out)) == -ENOSPC);
	return true;
}

/* Answers whether cJSON can be asked: it refuses lone surrogates, and numbers of 63 bytes. */
static bool check_token(const char *in, size_t n, const struct json_token *t)
{
	CHECK(t->text >= in && t->text + t->n <= in + n);
	if (t->kind == JSON_INTEGER)
		check_integer(t);
	if (t->kind == JSON_INTEGER || t->kind == JSON_NUMBER)
		return t->n < 63;
	if (t->kind == JSON_KEY || t->kind == JSON_STRING)
		return check_text(t);
	return true;
}

static void check_walk(const char *in, size_t n, unsigned int depth_max)
{
	struct json_token t = { .kind = JSON_NULL };
	struct err err = {};
	bool comparable = true;
	unsigned int depth = 0;
	struct json j;
	int r = 0;

	json_open(&j, in, n, depth_max);
	for (size_t tokens = 0; r == 0 && t.kind != JSON_END; tokens++) {
		CHECK(tokens <= n + 1);
		r = json_next(&j, &t, &err);
		if (r < 0)
			break;
		comparable = check_token(in, n, &t) && comparable;
		depth += t.kind == JSON_OBJECT_BEGIN || t.kind == JSON_ARRAY_BEGIN;
		depth -= t.kind == JSON_OBJECT_END || t.kind == JSON_ARRAY_END;
		CHECK(depth <= depth_max);
	}
	CHECK(r == 0 ? depth == 0 : r == -EINVAL && err.code == r);
	if (r == 0 && comparable) {
		cJSON *other = cJSON_ParseWithLength(in, n);

		CHECK(other);
		cJSON_Delete(other);
	}
}

/* Skipping every second value that opens a level comes to the same end. */
static void check_skip(const char *in, size_t n, unsigned int depth_max)
{
	struct json_token t = { .kind = JSON_NULL };
	struct json walked, skipped;
	int r = 0, s = 0;

	json_open(&walked, in, n, depth_max);
	while (r == 0 && t.kind != JSON_END)
		r = json_next(&walked, &t, NULL);
	t.kind = JSON_NULL;
	json_open(&skipped, in, n, depth_max);
	while (s == 0 && t.kind != JSON_END) {
		s = json_next(&skipped, &t, NULL);
		if (s == 0 && (skipped.at - in) % 2)
			s = json_skip(&skipped, &t, NULL);
	}
	CHECK(r == s);
}

static void check_quote(const char *in, size_t n)
{
	static char text[TEXT_MAX + 1], quoted[6 * TEXT_MAX + 3], back[3 * TEXT_MAX + 1];
	struct json_token t;
	struct json j;
	int length;

	memcpy(text, in, n);
	text[n] = '\0';
	length = json_quote(text, quoted, sizeof(quoted));
	CHECK(length >= 2 && strlen(quoted) == (size_t)length);
	CHECK(json_quote(text, back, (size_t)length) == -ENOSPC);
	json_open(&j, quoted, (size_t)length, 1);
	CHECK(json_next(&j, &t, NULL) == 0 && t.kind == JSON_STRING);
	CHECK(json_text_copy(&t, back, sizeof(back)) == 0);
	if (utf8_check(UTF8_ACCEPT, (const uint8_t *)text, strlen(text)) == UTF8_ACCEPT)
		CHECK(strcmp(back, text) == 0);
	CHECK(json_next(&j, &t, NULL) == 0 && t.kind == JSON_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	unsigned int depth_max;

	if (n < 1 || n > TEXT_MAX)
		return 0;
	depth_max = data[0] % (JSON_DEPTH_CEILING + 1);
	check_walk((const char *)data + 1, n - 1, depth_max);
	check_skip((const char *)data + 1, n - 1, depth_max);
	check_quote((const char *)data + 1, n - 1);
	return 0;
}
