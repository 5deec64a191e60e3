/* Each number as printf(3) writes it and strtoull(3) reads it, at every edge of the steps of eight digits. */
#include "measure/trace_number.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/cases.h"

#define SLACK 8

static void assert_written(uint64_t value)
{
	char got[20 + SLACK], want[21];
	int n = snprintf(want, sizeof(want), "%" PRIu64, value);
	uint64_t back = ~value;

	memset(got, 'x', sizeof(got));
	assert_int_equal(trace_put_count(got, value) - got, n);
	assert_memory_equal(got, want, (size_t)n);
	assert_true(trace_read_whole_count(want, (size_t)n, &back) && back == value);
	memset(got + n, ',', SLACK); /* more follows, as in a line */
	back = ~value;
	assert_ptr_equal(trace_read_count(got, got + n + SLACK, &back), got + n);
	assert_true(back == value);
}

static void all_below_a_million(void **state)
{
	(void)state;
	for (uint64_t value = 0; value < 1000000; value++)
		assert_written(value);
}

static void around_each_power_of_ten_and_two(void **state)
{
	uint64_t ten = 1;

	(void)state;
	for (int i = 0; i < 20; i++, ten *= 10)
		for (uint64_t off = 0; off < 20; off++) {
			assert_written(ten + off - 10);
			assert_written(ten * (1 + off % 9) + off);
		}
	for (int i = 0; i < 64; i++)
		for (uint64_t off = 0; off < 3; off++)
			assert_written((1ULL << i) + off - 1);
	assert_written(UINT64_MAX);
}

static struct read_case {
	const char *name;
	const char *text;
	int want_bytes; /* -1: none */
	uint64_t want;
	size_t bytes; /* where a 0 is among them */
} read_cases[] = {
	{ "nothing", "", -1, 0 },
	{ "no digit", "x", -1, 0 },
	{ "no digit, and much behind it", "xxxxxxxxxxxx", -1, 0 },
	{ "a minus", "-1,,,,,,,,", -1, 0 },
	{ "0", "0", 1, 0 },
	{ "0, and much behind it", "0,,,,,,,,,", 1, 0 },
	{ "a zero leads", "01", -1, 0 },
	{ "a zero leads, and much behind it", "01,,,,,,,,", -1, 0 },
	{ "a zero leads sixteen", "0123456789012345,", -1, 0 },
	{ "up to what is below 0", "12/3,,,,,,", 2, 12 },
	{ "up to what is above 9", "12:3,,,,,,", 2, 12 },
	{ "up to a byte of 0", "12\0003,,,,,,", 2, 12, 10 },
	{ "up to a byte above 127", "12\xb1\xb1,,,,,,,", 2, 12 },
	{ "eight, and nothing", "12345678", 8, 12345678 },
	{ "nine, and nothing", "123456789", 9, 123456789 },
	{ "eight, and a comma", "12345678,,,,,,,,", 8, 12345678 },
	{ "sixteen", "1234567890123456,,,,,,,,", 16, 1234567890123456 },
	{ "2^64 - 1", "18446744073709551615,,,,", 20, UINT64_MAX },
	{ "2^64", "18446744073709551616,,,,", -1, 0 },
	{ "20 nines", "99999999999999999999,,,,", -1, 0 },
	{ "21 digits", "184467440737095516150,,,", -1, 0 },
};

static void text_is_read(void **state)
{
	const struct read_case *c = *state;
	size_t n = c->bytes ? c->bytes : strlen(c->text);
	char *exact = malloc(n + 1);
	uint64_t value = 4711;
	const char *end;

	assert_non_null(exact);
	memcpy(exact, c->text, n);
	exact[n] = '5'; /* not the number's */
	end = trace_read_count(exact, exact + n, &value);
	assert_int_equal(end ? end - exact : -1, c->want_bytes);
	assert_true(value == (c->want_bytes < 0 ? 4711 : c->want));
	free(exact);
}

static struct width_case {
	const char *name;
	size_t width;
	uint64_t largest;
} width_cases[] = {
	{ "1 byte", 1, UINT8_MAX },
	{ "2 bytes", 2, UINT16_MAX },
	{ "4 bytes", 4, UINT32_MAX },
	{ "8 bytes", 8, UINT64_MAX },
};

static void members_hold_what_fits(void **state)
{
	const struct width_case *c = *state;
	unsigned char at[24];

	memset(at, 0xaa, sizeof(at));
	assert_true(trace_store(at, 8, c->width, c->largest));
	assert_true(trace_load(at, 8, c->width) == c->largest);
	assert_int_equal(at[7], 0xaa);
	assert_int_equal(at[8 + c->width], 0xaa);
	if (c->largest < UINT64_MAX)
		assert_false(trace_store(at, 8, c->width, c->largest + 1));
	assert_true(trace_load(at, 8, c->width) == c->largest);
}

static void keys_differ_in_any_byte(void **state)
{
	char a[32], b[32];

	(void)state;
	for (size_t n = 8; n <= sizeof(a); n++)
		for (size_t i = 0; i < n; i++) {
			memset(a, 'a', sizeof(a));
			memset(b, 'a', sizeof(b));
			memset(b + n, 'z', sizeof(b) - n);
			assert_true(trace_is_same(a, b, n));
			b[i] = 'b';
			assert_false(trace_is_same(a, b, n));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_below_a_million),
		cmocka_unit_test(around_each_power_of_ten_and_two),
		cmocka_unit_test(keys_differ_in_any_byte),
	};
	int failed = CASES_RUN(text_is_read, read_cases);

	failed += CASES_RUN(members_hold_what_fits, width_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
