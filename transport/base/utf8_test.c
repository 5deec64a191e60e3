#include "transport/base/utf8.h"

#include <stdbool.h>
#include <string.h>

#include "tests/cases.h"

enum verdict { VALID, INVALID, CUT };

static struct check_case {
	const char *name;
	const char *in; /* without NUL */
	enum verdict want;
	size_t decided; /* after how many bytes INVALID is known */
} check_cases[] = {
	{ "nothing", "", VALID, 0 },
	{ "ascii, longer than a word", "The quick brown fox", VALID, 0 },
	{ "the last ascii", "\x7F", VALID, 0 },
	{ "first of two bytes, U+0080", "\xC2\x80", VALID, 0 },
	{ "last of two bytes, U+07FF", "\xDF\xBF", VALID, 0 },
	{ "first of three bytes, U+0800", "\xE0\xA0\x80", VALID, 0 },
	{ "the last before the surrogates, U+D7FF", "\xED\x9F\xBF", VALID, 0 },
	{ "the first behind them, U+E000", "\xEE\x80\x80", VALID, 0 },
	{ "a noncharacter, U+FFFF", "\xEF\xBF\xBF", VALID, 0 },
	{ "first of four bytes, U+10000", "\xF0\x90\x80\x80", VALID, 0 },
	{ "the last of all, U+10FFFF", "\xF4\x8F\xBF\xBF", VALID, 0 },
	{ "greek behind ascii", "Hello-\xC2\xB5@\xC3\x9F\xC3\xB6\xC3\xA4", VALID, 0 },
	{ "a continuation alone", "\x80", INVALID, 1 },
	{ "a continuation behind ascii words", "0123456789abcdef\xBF", INVALID, 17 },
	{ "a long form of /", "\xC0\xAF", INVALID, 1 },
	{ "a long form of U+007F", "\xC1\xBF", INVALID, 1 },
	{ "three bytes for U+07FF", "\xE0\x9F\xBF", INVALID, 2 },
	{ "four bytes for U+FFFF", "\xF0\x8F\xBF\xBF", INVALID, 2 },
	{ "the first surrogate", "\xED\xA0\x80", INVALID, 2 },
	{ "the last surrogate", "\xED\xBF\xBF", INVALID, 2 },
	{ "U+110000", "\xF4\x90\x80\x80", INVALID, 2 },
	{ "five bytes", "\xF8\x88\x80\x80\x80", INVALID, 1 },
	{ "FE", "\xFE", INVALID, 1 },
	{ "FF", "\xFF", INVALID, 1 },
	{ "ascii inside a character", "\xE2\x82z", INVALID, 3 },
	{ "a lead inside a character", "\xE2\x82\xE2", INVALID, 3 },
	{ "one byte of two", "a\xC3", CUT, 0 },
	{ "two bytes of three", "a\xE2\x82", CUT, 0 },
	{ "three bytes of four", "a\xF0\x9F\x98", CUT, 0 },
};

static enum verdict verdict(uint32_t state)
{
	return state == UTF8_ACCEPT ? VALID : state == UTF8_REJECT ? INVALID : CUT;
}

/* Whole, and in two pieces cut everywhere. */
static void check_judges(void **state)
{
	const struct check_case *c = *state;
	const uint8_t *in = (const uint8_t *)c->in;
	size_t n = strlen(c->in);

	for (size_t cut = 0; cut <= n; cut++) {
		uint32_t first = utf8_check(UTF8_ACCEPT, in, cut);

		assert_int_equal(verdict(utf8_check(first, in + cut, n - cut)), c->want);
		if (c->want == INVALID)
			assert_int_equal(first == UTF8_REJECT, cut >= c->decided);
	}
}

/* Every code point is taken in its one form, and cut anywhere it is "inside". */
static void check_takes_every_code_point(void **state)
{
	(void)state;
	for (uint32_t c = 0x80; c <= 0x10FFFF; c++) {
		uint8_t b[4];
		size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		bool surrogate = c >= 0xD800 && c <= 0xDFFF;

		for (size_t i = n - 1; i > 0; i--)
			b[i] = (uint8_t)(0x80 | (c >> 6 * (n - 1 - i) & 0x3F));
		b[0] = (uint8_t)(0xF0U << (4 - n) | c >> 6 * (n - 1));
		assert_int_equal(utf8_check(UTF8_ACCEPT, b, n), surrogate);
		assert_int_equal(utf8_character_bytes(b, n), surrogate ? 0 : n);
		for (size_t cut = 1; cut < n && !surrogate; cut++)
			assert_int_equal(verdict(utf8_check(UTF8_ACCEPT, b, cut)), CUT);
	}
}

/* No four bytes but the code points' are taken: counted over leads and second bytes. */
static void check_takes_nothing_else(void **state)
{
	size_t taken = 0;

	(void)state;
	for (uint32_t w = 0; w < 0x10000; w++) {
		uint8_t b[4] = { (uint8_t)(w >> 8), (uint8_t)w, 0x80, 0x80 };

		taken += b[0] >= 0xF0 && utf8_check(UTF8_ACCEPT, b, 4) == UTF8_ACCEPT;
		taken += b[0] >= 0xE0 && utf8_check(UTF8_ACCEPT, b, 3) == UTF8_ACCEPT;
		taken += b[0] >= 0x80 && utf8_check(UTF8_ACCEPT, b, 2) == UTF8_ACCEPT;
	}
	assert_int_equal(taken, 0x100000 / 4096 + (0xF800 - 0x800) / 64 + (0x800 - 0x80));
}

static struct whole_case {
	const char *name;
	const char *in;
	size_t want;
} whole_cases[] = {
	{ "nothing", "", 0 },
	{ "ascii", "abc", 3 },
	{ "a character of two bytes", "a\xC3\xA4", 3 },
	{ "half of one of two", "a\xC3", 1 },
	{ "one of three bytes", "\xE2\x82\xAC", 3 },
	{ "two bytes of three", "a\xE2\x82", 1 },
	{ "one byte of three, alone", "\xE2", 0 },
	{ "one of four bytes", "\xF0\x9F\x98\x80", 4 },
	{ "three bytes of four", "ab\xF0\x9F\x98", 2 },
	{ "a whole one before the cut", "\xC3\xA4\xF0\x9F", 2 },
};

static void whole_is_counted(void **state)
{
	const struct whole_case *c = *state;

	assert_int_equal(utf8_whole_bytes((const uint8_t *)c->in, strlen(c->in)), c->want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_takes_every_code_point),
		cmocka_unit_test(check_takes_nothing_else),
	};
	int failed = CASES_RUN(check_judges, check_cases);

	failed += CASES_RUN(whole_is_counted, whole_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
