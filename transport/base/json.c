#include "transport/base/json.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "transport/base/err.h"
#include "transport/base/utf8.h"

/* What may come next, in the innermost level. */
enum expect {
	VALUE, /* a value and nothing else: at the beginning, behind a colon */
	FIRST, /* a key or value, or the level's end: behind its bracket */
	NEXT,  /* a comma, or the level's end; at the top, the end of the text */
};

#define REFUSE(j, err, what)                                                                       \
	ERR_SET((err), -EINVAL, ERR_SYS, 0, "read JSON at byte %td: %s", (j)->at - (j)->begin, what)

void json_open(struct json *j, const char *text, size_t n, unsigned int depth_max)
{
	assert(depth_max <= JSON_DEPTH_CEILING);
	*j = (struct json){
		.begin = text,
		.at = text,
		.end = text + n,
		.depth_max = depth_max < JSON_DEPTH_CEILING ? depth_max : JSON_DEPTH_CEILING,
		.expect = VALUE,
	};
}

/* --- the text --------------------------------------------------------------------------------- */

/* '\0' at the end; a NUL in the text is nothing's beginning either. */
static char peek(const struct json *j)
{
	return j->at < j->end ? *j->at : '\0';
}

static void skip_space(struct json *j)
{
	while (j->at < j->end &&
	       (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r'))
		j->at++;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool in_object(const struct json *j) /* not asked at the top */
{
	return j->is_object >> (j->depth - 1) & 1;
}

/* --- strings ---------------------------------------------------------------------------------- */

/* The four digits behind \u, or -EINVAL. */
static int32_t read_unit(const char **at, const char *end)
{
	int32_t unit = 0;

	if (end - *at < 4)
		return -EINVAL;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(*(*at)++);

		if (digit < 0)
			return -EINVAL;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* What stands for itself, or another character, behind a backslash. */
static char plain_escape(char c)
{
	static const char written[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *found = c ? strchr(written, c) : NULL;

	return found ? meant[found - written] : '\0';
}

/* Steps over what is behind a backslash; only its form is looked at, since surrogates that stand
 * alone are JSON, though no text. */
static bool skip_escape(struct json *j)
{
	char c = peek(j);

	if (j->at < j->end)
		j->at++;
	return c == 'u' ? read_unit(&j->at, j->end) >= 0 : plain_escape(c) != '\0';
}

/* From behind the first quote to behind the last. */
static int read_string(struct json *j, enum json_kind kind, struct json_token *ret, struct err *err)
{
	const char *begin = ++j->at;

	for (;;) {
		if (j->at == j->end)
			return REFUSE(j, err, "a string without an end");
		if ((unsigned char)*j->at < ' ')
			return REFUSE(j, err, "a control character in a string");
		if (*j->at == '"')
			break;
		if (*j->at++ == '\\' && !skip_escape(j))
			return REFUSE(j, err, "a broken escape");
	}
	*ret = (struct json_token){ .kind = kind, .text = begin, .n = (size_t)(j->at - begin) };
	if (utf8_check(UTF8_ACCEPT, (const uint8_t *)begin, ret->n) != UTF8_ACCEPT)
		return REFUSE(j, err, "a string that is not UTF-8");
	j->at++;
	return 0;
}

static int read_key(struct json *j, struct json_token *ret, struct err *err)
{
	int r;

	if (peek(j) != '"')
		return REFUSE(j, err, "a name is missing");
	r = read_string(j, JSON_KEY, ret, err);
	if (r < 0)
		return r;
	skip_space(j);
	if (peek(j) != ':')
		return REFUSE(j, err, "a colon is missing");
	j->at++;
	j->expect = VALUE;
	return 0;
}

/* --- other values ----------------------------------------------------------------------------- */

static size_t skip_digits(struct json *j)
{
	const char *begin = j->at;

	while (is_digit(peek(j)))
		j->at++;
	return (size_t)(j->at - begin);
}

/* Whether the digits of `token`, which may have a sign, are an int64_t. */
static bool as_integer(const struct json_token *token, int64_t *ret)
{
	bool negative = token->text[0] == '-';
	int64_t value = 0;

	for (size_t i = negative; i < token->n; i++) {
		int digit = token->text[i] - '0';

		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, negative ? -digit : digit, &value))
			return false;
	}
	*ret = value;
	return true;
}

static int read_number(struct json *j, struct json_token *ret, struct err *err)
{
	struct json_token token = { .kind = JSON_INTEGER, .text = j->at };

	if (peek(j) == '-')
		j->at++;
	if (peek(j) == '0')
		j->at++;
	else if (skip_digits(j) == 0)
		return REFUSE(j, err, "no value");
	if (peek(j) == '.') {
		token.kind = JSON_NUMBER;
		j->at++;
		if (skip_digits(j) == 0)
			return REFUSE(j, err, "a fraction without digits");
	}
	if (peek(j) == 'e' || peek(j) == 'E') {
		token.kind = JSON_NUMBER;
		j->at++;
		if (peek(j) == '+' || peek(j) == '-')
			j->at++;
		if (skip_digits(j) == 0)
			return REFUSE(j, err, "an exponent without digits");
	}
	token.n = (size_t)(j->at - token.text);
	if (token.kind == JSON_INTEGER && !as_integer(&token, &token.integer))
		token.kind = JSON_NUMBER;
	*ret = token;
	return 0;
}

static int read_word(struct json *j, const char *word, enum json_kind kind, struct json_token *ret,
                     struct err *err)
{
	size_t n = strlen(word);

	if ((size_t)(j->end - j->at) < n || memcmp(j->at, word, n) != 0)
		return REFUSE(j, err, "no value");
	*ret = (struct json_token){ .kind = kind, .text = j->at, .n = n };
	j->at += n;
	return 0;
}

static int begin_level(struct json *j, bool object, struct json_token *ret, struct err *err)
{
	uint64_t bit;

	if (j->depth == j->depth_max)
		return REFUSE(j, err, "too deep");
	bit = (uint64_t)1 << j->depth;
	j->is_object = object ? j->is_object | bit : j->is_object & ~bit;
	j->depth++;
	j->expect = FIRST;
	*ret = (struct json_token){
		.kind = object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN,
		.text = j->at++,
		.n = 1,
	};
	return 0;
}

static int end_level(struct json *j, struct json_token *ret)
{
	*ret = (struct json_token){
		.kind = in_object(j) ? JSON_OBJECT_END : JSON_ARRAY_END,
		.text = j->at++,
		.n = 1,
	};
	j->depth--;
	j->expect = NEXT;
	return 0;
}

static int read_value(struct json *j, struct json_token *ret, struct err *err)
{
	char c = peek(j);

	if (c == '{' || c == '[')
		return begin_level(j, c == '{', ret, err);
	j->expect = NEXT;
	switch (c) {
	case '"':
		return read_string(j, JSON_STRING, ret, err);
	case 't':
		return read_word(j, "true", JSON_TRUE, ret, err);
	case 'f':
		return read_word(j, "false", JSON_FALSE, ret, err);
	case 'n':
		return read_word(j, "null", JSON_NULL, ret, err);
	default:
		return read_number(j, ret, err);
	}
}

/* --- the walk --------------------------------------------------------------------------------- */

static int end_text(struct json *j, struct json_token *ret, struct err *err)
{
	if (j->at < j->end)
		return REFUSE(j, err, "something follows the value");
	*ret = (struct json_token){ .kind = JSON_END, .text = j->at };
	return 0;
}

int json_next(struct json *j, struct json_token *ret, struct err *err)
{
	skip_space(j);
	if (j->expect == VALUE)
		return read_value(j, ret, err);
	if (j->depth == 0)
		return end_text(j, ret, err);
	if (peek(j) == (in_object(j) ? '}' : ']'))
		return end_level(j, ret);
	if (j->expect == NEXT) {
		if (peek(j) != ',')
			return REFUSE(j, err, "a comma or the end of a level is missing");
		j->at++;
		skip_space(j);
	}
	return in_object(j) ? read_key(j, ret, err) : read_value(j, ret, err);
}

int json_skip(struct json *j, const struct json_token *token, struct err *err)
{
	unsigned int depth = j->depth;
	struct json_token inner;

	if (token->kind != JSON_OBJECT_BEGIN && token->kind != JSON_ARRAY_BEGIN)
		return 0;
	while (j->depth >= depth) {
		int r = json_next(j, &inner, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- texts ------------------------------------------------------------------------------------ */

static size_t encode_utf8(uint32_t c, char out[4])
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (n == 1) {
		out[0] = (char)c;
		return 1;
	}
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3F));
	out[0] = (char)(0xF00U >> n | c);
	return n;
}

/* \uXXXX, and the pair of them that a character above U+FFFF is. */
static int decode_unicode(const char **at, const char *end, char out[4])
{
	int32_t c = read_unit(at, end);
	int32_t low;

	if (c <= 0 || (c >= 0xDC00 && c <= 0xDFFF))
		return -EINVAL;
	if (c >= 0xD800 && c <= 0xDBFF) {
		if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
			return -EINVAL;
		*at += 2;
		low = read_unit(at, end);
		if (low < 0xDC00 || low > 0xDFFF)
			return -EINVAL;
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
	}
	return (int)encode_utf8((uint32_t)c, out);
}

/* The next byte of a raw text, or an escape's bytes; answers how many. */
static int decode(const char **at, const char *end, char out[4])
{
	char c = *(*at)++;

	if (c == '\0')
		return -EINVAL;
	if (c != '\\') {
		out[0] = c;
		return 1;
	}
	if (*at == end)
		return -EINVAL;
	c = *(*at)++;
	if (c == 'u')
		return decode_unicode(at, end, out);
	out[0] = plain_escape(c);
	return out[0] ? 1 : -EINVAL;
}

static bool is_text(const struct json_token *token)
{
	return token->kind == JSON_KEY || token->kind == JSON_STRING;
}

bool json_text_is(const struct json_token *token, const char *text)
{
	const char *at = token->text, *end = at + token->n;

	if (!is_text(token))
		return false;
	while (at < end) {
		char piece[4];
		int n = decode(&at, end, piece);

		if (n < 0 || strncmp(text, piece, (size_t)n) != 0)
			return false;
		text += n;
	}
	return *text == '\0';
}

static int copy(const struct json_token *token, char *out, size_t out_bytes)
{
	const char *at = token->text, *end = at + token->n;
	size_t used = 0;

	while (at < end) {
		char piece[4];
		int n = decode(&at, end, piece);

		if (n < 0)
			return n;
		if ((size_t)n >= out_bytes - used)
			return -ENOSPC;
		memcpy(out + used, piece, (size_t)n);
		used += (size_t)n;
	}
	out[used] = '\0';
	return 0;
}

int json_text_copy(const struct json_token *token, char *out, size_t out_bytes)
{
	int r;

	if (out_bytes == 0)
		return -ENOSPC;
	r = is_text(token) ? copy(token, out, out_bytes) : -EINVAL;
	if (r < 0)
		out[0] = '\0';
	return r;
}

/* --- writing ---------------------------------------------------------------------------------- */

#define PIECE_BYTES 6 /* \u001f */

/* One character at `at` as it stands in a JSON string; answers the length of the piece. */
static size_t quote_character(const uint8_t *at, size_t n, size_t *ret_taken, char *piece)
{
	static const char meant[] = "\"\\\b\f\n\r\t", written[] = "\"\\bfnrt";
	static const char hex[] = "0123456789abcdef";
	size_t taken = utf8_character_bytes(at, n);
	const char *found = memchr(meant, *at, sizeof(meant) - 1);

	*ret_taken = taken ? taken : 1;
	if (taken == 0) {
		memcpy(piece, "\xEF\xBF\xBD", 3);
		return 3;
	}
	if (found) {
		piece[0] = '\\';
		piece[1] = written[found - meant];
		return 2;
	}
	if (*at < ' ') {
		memcpy(piece, "\\u00", 4);
		piece[4] = hex[*at >> 4];
		piece[5] = hex[*at & 15];
		return PIECE_BYTES;
	}
	memcpy(piece, at, taken);
	return taken;
}

int json_quote(const char *text, char *out, size_t out_bytes)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t left = strlen(text), n = 0, taken;

	if (out_bytes > 0)
		out[0] = '\0';
	if (out_bytes < sizeof("\"\"") || out_bytes > INT_MAX)
		return -ENOSPC;
	for (; left > 0; at += taken, left -= taken) {
		char piece[PIECE_BYTES];
		size_t piece_bytes = quote_character(at, left, &taken, piece);

		if (piece_bytes > out_bytes - sizeof("\"\"") - n) {
			out[0] = '\0';
			return -ENOSPC;
		}
		memcpy(out + 1 + n, piece, piece_bytes);
		n += piece_bytes;
	}
	out[0] = '"';
	memcpy(out + 1 + n, "\"", 2);
	return (int)n + 2;
}
