#include "transport/base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/err.h"

#define DEPTH 4

/* The tokens as text: keys as "key:", strings in quotes, integers as numbers, others as "~text". */
static int walk(const char *text, size_t n, char *out, size_t out_bytes, struct err *err)
{
	static const char *const names[] = {
		[JSON_OBJECT_BEGIN] = "{", [JSON_OBJECT_END] = "}", [JSON_ARRAY_BEGIN] = "[",
		[JSON_ARRAY_END] = "]",    [JSON_TRUE] = "true",    [JSON_FALSE] = "false",
		[JSON_NULL] = "null",      [JSON_END] = "."
	};
	struct json_token t = { .kind = JSON_NULL };
	struct json j;
	size_t used = 0;
	int r = 0;

	out[0] = '\0';
	json_open(&j, text, n, DEPTH);
	while (r == 0 && t.kind != JSON_END) {
		int length;

		r = json_next(&j, &t, err);
		if (r < 0)
			break;
		length = (int)t.n;
		if (t.kind == JSON_KEY)
			used += (size_t)snprintf(out + used, out_bytes - used, "%.*s:", length,
			                         t.text);
		else if (t.kind == JSON_STRING)
			used += (size_t)snprintf(out + used, out_bytes - used, "'%.*s'", length,
			                         t.text);
		else if (t.kind == JSON_INTEGER)
			used += (size_t)snprintf(out + used, out_bytes - used, "%" PRId64 " ",
			                         t.integer);
		else if (t.kind == JSON_NUMBER)
			used += (size_t)snprintf(out + used, out_bytes - used, "~%.*s ", length,
			                         t.text);
		else
			used += (size_t)snprintf(out + used, out_bytes - used, "%s", names[t.kind]);
	}
	return r;
}

static struct read_case {
	const char *name;
	const char *in;
	const char *want; /* NULL: refused */
} read_cases[] = {
	{ "an empty object", "{}", "{}." },
	{ "an empty array, with space", " [ \t\r\n] ", "[]." },
	{ "a scalar alone", "true", "true." },
	{ "words", "[true,false,null]", "[truefalsenull]." },
	{ "members", "{\"a\":1,\"b\":\"c\"}", "{a:1 b:'c'}." },
	{ "space everywhere", " { \"a\" : 1 , \"b\" : [ 2 ] } ", "{a:1 b:[2 ]}." },
	{ "as deep as allowed", "[[[[1]]]]", "[[[[1 ]]]]." },
	{ "an array behind an object", "[{\"a\":[]},[]]", "[{a:[]}[]]." },
	{ "a newline behind (ndt7)", "{}\n", "{}." },
	{ "the same key twice", "{\"a\":1,\"a\":2}", "{a:1 a:2 }." },
	{ "an empty key", "{\"\":1}", "{:1 }." },
	{ "escapes stay raw", "\"\\u00e4\\n\\\"\\\\\"", "'\\u00e4\\n\\\"\\\\'." },
	{ "a lone surrogate is JSON", "\"\\ud800\"", "'\\ud800'." },
	{ "UTF-8", "\"\xC3\xA4\"", "'\xC3\xA4'." },
	{ "DEL is no control character", "\"\x7F\"", "'\x7F'." },

	{ "zero", "0", "0 ." },
	{ "minus zero", "-0", "0 ." },
	{ "above 2^53 (N42)", "9007199254740993", "9007199254740993 ." },
	{ "the greatest", "9223372036854775807", "9223372036854775807 ." },
	{ "one more", "9223372036854775808", "~9223372036854775808 ." },
	{ "the least", "-9223372036854775808", "-9223372036854775808 ." },
	{ "one less", "-9223372036854775809", "~-9223372036854775809 ." },
	{ "all ones of 64 bits", "18446744073709551615", "~18446744073709551615 ." },
	{ "a fraction", "1.50", "~1.50 ." },
	{ "a fraction of nothing", "1.0", "~1.0 ." },
	{ "an exponent", "1e3", "~1e3 ." },
	{ "everything", "-0.1E-07", "~-0.1E-07 ." },
	{ "a plus in the exponent", "2E+1", "~2E+1 ." },

	{ "nothing", "", NULL },
	{ "space", " \n", NULL },
	{ "a byte order mark", "\xEF\xBB\xBF{}", NULL },
	{ "two values", "{} {}", NULL },
	{ "two scalars", "1 2", NULL },
	{ "a comma behind", "1,", NULL },
	{ "too deep", "[[[[[1]]]]]", NULL },
	{ "too deep by objects", "{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}", NULL },
	{ "an open object", "{", NULL },
	{ "an open array", "[1", NULL },
	{ "a comma at the end of an array", "[1,]", NULL },
	{ "a comma at the end of an object", "{\"a\":1,}", NULL },
	{ "a comma at the beginning", "[,1]", NULL },
	{ "two commas", "[1,,2]", NULL },
	{ "no comma", "[1 2]", NULL },
	{ "brackets crossed", "[1}", NULL },
	{ "brackets crossed the other way", "{\"a\":1]", NULL },
	{ "a bracket too many", "[]]", NULL },
	{ "a key without a value", "{\"a\"}", NULL },
	{ "a key and a colon", "{\"a\":}", NULL },
	{ "a value without a key", "{1}", NULL },
	{ "a key that is no string", "{a:1}", NULL },
	{ "two colons", "{\"a\"::1}", NULL },
	{ "a key in an array", "[\"a\":1]", NULL },
	{ "single quotes", "'a'", NULL },
	{ "a comment", "[1/**/]", NULL },
	{ "a word cut short", "tru", NULL },
	{ "a word misspelt", "[fulse]", NULL },
	{ "a word too long", "nulll", NULL },
	{ "a word in capitals", "True", NULL },
	{ "NaN", "NaN", NULL },
	{ "infinity", "-Infinity", NULL },
	{ "a plus", "+1", NULL },
	{ "a zero before", "01", NULL },
	{ "a zero before, negative", "-01", NULL },
	{ "a minus alone", "-", NULL },
	{ "a point alone", ".5", NULL },
	{ "a point behind", "1.", NULL },
	{ "a point and an exponent", "1.e1", NULL },
	{ "an exponent alone", "1e", NULL },
	{ "an exponent's sign alone", "1e+", NULL },
	{ "hexadecimal", "0x10", NULL },
	{ "an open string", "\"abc", NULL },
	{ "a string that ends in a backslash", "\"abc\\", NULL },
	{ "a quote escaped away", "\"abc\\\"", NULL },
	{ "an unknown escape", "\"\\x\"", NULL },
	{ "a control character", "\"\x01\"", NULL },
	{ "a newline in a string", "\"a\nb\"", NULL },
	{ "three hex digits", "\"\\u00e\"", NULL },
	{ "not hex digits", "\"\\u00gg\"", NULL },
	{ "hex digits cut off", "\"\\u00", NULL },
	{ "a string that is not UTF-8", "\"\xFF\"", NULL },
	{ "a surrogate in UTF-8", "\"\xED\xA0\x80\"", NULL },
	{ "half a character", "\"\xC3\"", NULL },
};

static void json_reads(void **state)
{
	const struct read_case *c = *state;
	size_t n = strlen(c->in);
	char *exact = malloc(n + !n); /* no byte behind it, for the sanitizer */
	struct err err = {};
	char out[256];
	int r;

	memcpy(exact, c->in, n);
	r = walk(exact, n, out, sizeof(out), &err);
	free(exact);
	assert_int_equal(r, c->want ? 0 : -EINVAL);
	assert_int_equal(err.code, r);
	if (c->want)
		assert_string_equal(out, c->want);
}

/* Whatever is cut off a text that ends in a bracket is not JSON. */
static void json_is_whole_or_refused(void **state)
{
	static const char text[] = "{\"a\":[1,-2.5e3,\"b\\u00e4\",true,null,{\"c\":{}}]}";
	char out[256];

	(void)state;
	for (size_t n = 0; n < strlen(text); n++)
		assert_int_equal(walk(text, n, out, sizeof(out), NULL), -EINVAL);
	assert_int_equal(walk(text, strlen(text), out, sizeof(out), NULL), 0);
}

static void nul_is_no_end(void **state)
{
	char out[64];

	(void)state;
	assert_int_equal(walk("1\0", 2, out, sizeof(out), NULL), -EINVAL);
	assert_int_equal(walk("\"a\0\"", 4, out, sizeof(out), NULL), -EINVAL);
	assert_int_equal(walk("[\0]", 3, out, sizeof(out), NULL), -EINVAL);
}

static void values_are_skipped(void **state)
{
	static const char text[] = "{\"a\":{\"b\":[1,{}]},\"c\":7,\"d\":[[]]}";
	static const char *const want[] = { "a", "c", "d" };
	struct json_token t;
	struct json j;

	(void)state;
	json_open(&j, text, strlen(text), DEPTH);
	assert_int_equal(json_next(&j, &t, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(json_next(&j, &t, NULL), 0);
		assert_true(t.kind == JSON_KEY && json_text_is(&t, want[i]));
		assert_int_equal(json_next(&j, &t, NULL), 0);
		assert_int_equal(json_skip(&j, &t, NULL), 0);
	}
	assert_int_equal(json_next(&j, &t, NULL), 0);
	assert_int_equal(t.kind, JSON_OBJECT_END);

	json_open(&j, "[[1,]]", 6, DEPTH);
	assert_int_equal(json_next(&j, &t, NULL), 0);
	assert_int_equal(json_skip(&j, &t, NULL), -EINVAL);
}

/* All 64 levels, objects and arrays in turn: each level remembers which it was. */
static void depth_has_a_ceiling(void **state)
{
	char text[6 * (JSON_DEPTH_CEILING + 1)] = "";
	size_t n = 0, levels;
	struct json_token t;
	struct json j;

	(void)state;
	for (levels = 0; levels < JSON_DEPTH_CEILING; levels++)
		n += (size_t)sprintf(text + n, levels % 2 ? "[" : "{\"a\":");
	text[n++] = '0';
	while (levels-- > 0)
		text[n++] = levels % 2 ? ']' : '}';
	json_open(&j, text, n, JSON_DEPTH_CEILING);
	assert_int_equal(json_next(&j, &t, NULL), 0);
	assert_int_equal(json_skip(&j, &t, NULL), 0);
	assert_int_equal(json_next(&j, &t, NULL), 0);
	assert_int_equal(t.kind, JSON_END);

	memset(text, '[', JSON_DEPTH_CEILING + 1);
	json_open(&j, text, JSON_DEPTH_CEILING + 1, JSON_DEPTH_CEILING);
	assert_int_equal(json_next(&j, &t, NULL), 0);
	assert_int_equal(json_skip(&j, &t, NULL), -EINVAL);
	assert_int_equal(j.depth, JSON_DEPTH_CEILING);

	json_open(&j, text, n, JSON_DEPTH_CEILING - 1);
	assert_int_equal(json_next(&j, &t, NULL), 0);
	assert_int_equal(json_skip(&j, &t, NULL), -EINVAL);
}

static struct text_case {
	const char *name;
	const char *in; /* raw, between the quotes */
	int want;
	const char *want_text;
} text_cases[] = {
	{ "nothing", "", 0, "" },
	{ "plain", "abc", 0, "abc" },
	{ "all short escapes", "\\\"\\\\\\/\\b\\f\\n\\r\\t", 0, "\"\\/\b\f\n\r\t" },
	{ "ASCII by its number", "\\u0041", 0, "A" },
	{ "two bytes, both cases of hex", "\\u00Df\\u00dF", 0, "\xC3\x9F\xC3\x9F" },
	{ "three bytes", "\\u20AC", 0, "\xE2\x82\xAC" },
	{ "a pair", "x\\ud83d\\ude00y", 0, "x\xF0\x9F\x98\x80y" },
	{ "the first pair", "\\ud800\\udc00", 0, "\xF0\x90\x80\x80" },
	{ "the last pair", "\\udbff\\udfff", 0, "\xF4\x8F\xBF\xBF" },
	{ "just below the surrogates", "\\ud7ff", 0, "\xED\x9F\xBF" },
	{ "just above", "\\ue000", 0, "\xEE\x80\x80" },
	{ "UTF-8 as it is", "\xC3\xA4", 0, "\xC3\xA4" },
	{ "U+0000", "\\u0000", -EINVAL, NULL },
	{ "a high surrogate alone", "\\ud800", -EINVAL, NULL },
	{ "a high surrogate before text", "\\ud800abcdef", -EINVAL, NULL },
	{ "a high surrogate before another escape", "\\ud800\\nabcd", -EINVAL, NULL },
	{ "two high surrogates", "\\ud800\\ud800", -EINVAL, NULL },
	{ "a low surrogate alone", "\\udc00", -EINVAL, NULL },
	{ "a high surrogate before a character", "\\ud800\\ue000", -EINVAL, NULL },
	{ "a pair cut off", "\\ud800\\udc0", -EINVAL, NULL },
	{ "a backslash alone", "a\\", -EINVAL, NULL },
	{ "an unknown escape", "\\a", -EINVAL, NULL },
	{ "hex digits cut off", "\\u00", -EINVAL, NULL },
};

static void text_is_decoded(void **state)
{
	const struct text_case *c = *state;
	struct json_token t = { .kind = JSON_STRING, .text = c->in, .n = strlen(c->in) };
	char out[32] = "before";

	assert_int_equal(json_text_copy(&t, out, sizeof(out)), c->want);
	assert_string_equal(out, c->want_text ? c->want_text : "");
	assert_false(json_text_is(&t, "something else"));
	if (c->want < 0)
		return;
	assert_true(json_text_is(&t, c->want_text));
	assert_int_equal(json_text_copy(&t, out, strlen(c->want_text) + 1), 0);
	assert_int_equal(json_text_copy(&t, out, strlen(c->want_text)), -ENOSPC);
}

static void text_is_compared_whole(void **state)
{
	struct json_token t = { .kind = JSON_KEY, .text = "MinRTT", .n = 6 };
	struct json_token zero = { .kind = JSON_STRING, .text = "a\\u0000", .n = 7 };
	struct json_token raw_zero = { .kind = JSON_STRING, .text = "a\0b", .n = 3 };
	struct json_token number = { .kind = JSON_INTEGER, .text = "12", .n = 2 };
	char out[8];

	(void)state;
	assert_true(json_text_is(&t, "MinRTT"));
	assert_false(json_text_is(&t, "MinRT"));
	assert_false(json_text_is(&t, "MinRTTVar"));
	assert_false(json_text_is(&t, "minRTT"));
	assert_false(json_text_is(&zero, "a"));
	assert_false(json_text_is(&raw_zero, "a"));
	assert_false(json_text_is(&number, "12"));
	assert_int_equal(json_text_copy(&raw_zero, out, sizeof(out)), -EINVAL);
	assert_int_equal(json_text_copy(&number, out, sizeof(out)), -EINVAL);
}

static struct quote_case {
	const char *name;
	const char *in, *want;
} quote_cases[] = {
	{ "nothing", "", "\"\"" },
	{ "plain", "abc/", "\"abc/\"" },
	{ "quote and backslash", "\"\\", "\"\\\"\\\\\"" },
	{ "short escapes", "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"" },
	{ "other control characters", "\x01\x1F", "\"\\u0001\\u001f\"" },
	{ "DEL", "\x7F", "\"\x7F\"" },
	{ "UTF-8", "\xC3\xA4\xF0\x9F\x98\x80", "\"\xC3\xA4\xF0\x9F\x98\x80\"" },
	{ "a byte that is not", "a\xFFz", "\"a\xEF\xBF\xBDz\"" },
	{ "half a character", "\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"" },
	{ "half a character before text", "\xC3(", "\"\xEF\xBF\xBD(\"" },
	{ "a surrogate", "\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" },
};

/* And what was written is read as one string, which decodes to the same where it was UTF-8. */
static void text_is_quoted(void **state)
{
	const struct quote_case *c = *state;
	size_t n = strlen(c->want);
	char out[64], back[64];
	struct json_token t;
	struct json j;

	assert_int_equal(json_quote(c->in, out, sizeof(out)), n);
	assert_string_equal(out, c->want);
	for (size_t room = 0; room <= n; room++)
		assert_int_equal(json_quote(c->in, out, room), -ENOSPC);
	assert_string_equal(out, "");
	assert_int_equal(json_quote(c->in, out, (size_t)INT_MAX + 1), -ENOSPC);
	assert_int_equal(json_quote(c->in, out, n + 1), n);

	json_open(&j, out, n, 1);
	assert_int_equal(json_next(&j, &t, NULL), 0);
	assert_int_equal(json_text_copy(&t, back, sizeof(back)), 0);
	if (!strstr(c->want, "\xEF\xBF\xBD"))
		assert_string_equal(back, c->in);
	assert_int_equal(json_next(&j, &t, NULL), 0);
	assert_int_equal(t.kind, JSON_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_whole_or_refused), cmocka_unit_test(nul_is_no_end),
		cmocka_unit_test(values_are_skipped),       cmocka_unit_test(depth_has_a_ceiling),
		cmocka_unit_test(text_is_compared_whole),
	};
	int failed = CASES_RUN(json_reads, read_cases);

	failed += CASES_RUN(text_is_decoded, text_cases);
	failed += CASES_RUN(text_is_quoted, quote_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
