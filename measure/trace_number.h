/* Numbers and text within the lines of a trace: the steps of which there are dozens in each of millions of
 * lines. Eight bytes are a step here, digits or text, since a loop over bytes is most of what a line costs.
 *
 * What is written may write over up to 7 bytes behind itself; the line's buffer has room for that.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TRACE_EIGHT 8U
#define TRACE_1E8   100000000U

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low bytes come first");

static inline uint64_t trace_load_eight(const char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* --- members of a struct, by their place ---------------------------------------------------------------- */

/* A width is 1, 2, 4 or 8: a copy whose length is not known is a call. */
static inline uint64_t trace_load(const void *from, size_t offset, size_t width)
{
	const char *at = (const char *)from + offset;
	uint32_t four;
	uint16_t two;

	switch (width) {
	case sizeof(uint64_t):
		return trace_load_eight(at);
	case sizeof(four):
		memcpy(&four, at, sizeof(four));
		return four;
	case sizeof(two):
		memcpy(&two, at, sizeof(two));
		return two;
	default:
		return *(const uint8_t *)at;
	}
}

/* False where it does not fit. */
static inline bool trace_store(void *into, size_t offset, size_t width, uint64_t value)
{
	char *at = (char *)into + offset;

	if (width == sizeof(value)) {
		memcpy(at, &value, sizeof(value));
		return true;
	}
	if (value >> (8 * width))
		return false;
	switch (width) {
	case sizeof(uint32_t):
		memcpy(at, &value, sizeof(uint32_t));
		break;
	case sizeof(uint16_t):
		memcpy(at, &value, sizeof(uint16_t));
		break;
	default:
		memcpy(at, &value, 1);
	}
	return true;
}

/* --- text -------------------------------------------------------------------------------------------------- */

static inline char *trace_put(char *at, const char *text, size_t n)
{
	memcpy(at, text, n);
	return at + n;
}

#define TRACE_PUT(at, literal) trace_put((at), (literal), sizeof(literal) - 1)

static inline const char *trace_expect(const char *at, const char *end, const char *text, size_t n)
{
	return (size_t)(end - at) >= n && memcmp(at, text, n) == 0 ? at + n : NULL;
}

#define TRACE_EXPECT(at, end, literal) trace_expect((at), (end), (literal), sizeof(literal) - 1)

/* Whether two texts of 8 to 32 bytes are the same: in steps that overlap where the last one is not full. */
static inline bool trace_is_same(const char *a, const char *b, size_t n)
{
	uint64_t other = trace_load_eight(a) ^ trace_load_eight(b);

	other |= trace_load_eight(a + n - TRACE_EIGHT) ^ trace_load_eight(b + n - TRACE_EIGHT);
	if (n > 2 * TRACE_EIGHT)
		other |= trace_load_eight(a + 8) ^ trace_load_eight(b + 8);
	if (n > 3 * TRACE_EIGHT)
		other |= trace_load_eight(a + 16) ^ trace_load_eight(b + 16);
	return other == 0;
}

/* --- writing numbers --------------------------------------------------------------------------------------- */

/* Of a number below 1e8 the eight digits, the first in the lowest byte, each as its value. Halves, quarters
 * and digits are parted side by side in one register; the factors are 2^n/100 and 2^n/10, rounded up. */
static inline uint64_t trace_eight_digits(uint32_t value)
{
	uint64_t fours = value / 10000 | (uint64_t)(value % 10000) << 32;
	uint64_t upper = (fours * 10486 >> 20) & 0x0000007f0000007f;
	uint64_t twos = upper | (fours - upper * 100) << 16;

	upper = (twos * 103 >> 10) & 0x000f000f000f000f;
	return upper | (twos - upper * 10) << 8;
}

#define TRACE_ZEROS 0x3030303030303030 /* "00000000" */

static inline char *trace_put_eight(char *at, uint32_t value)
{
	uint64_t text = trace_eight_digits(value) | TRACE_ZEROS;

	memcpy(at, &text, sizeof(text));
	return at + TRACE_EIGHT;
}

/* Below 1e8, without leading zeros. */
static inline char *trace_put_short(char *at, uint32_t value)
{
	uint64_t digits = trace_eight_digits(value);
	unsigned int zeros = (unsigned int)__builtin_ctzll(digits | 1ULL << 56) / 8;
	uint64_t text = (digits | TRACE_ZEROS) >> 8 * zeros;

	memcpy(at, &text, sizeof(text)); /* what is too much is written over */
	return at + TRACE_EIGHT - zeros;
}

static inline char *trace_put_count(char *at, uint64_t value)
{
	uint64_t upper;

	if (value < 10) {
		*at = (char)('0' + value);
		return at + 1;
	}
	if (value < TRACE_1E8)
		return trace_put_short(at, (uint32_t)value);
	upper = value / TRACE_1E8;
	if (upper < TRACE_1E8) {
		at = trace_put_short(at, (uint32_t)upper);
	} else {
		at = trace_put_short(at, (uint32_t)(upper / TRACE_1E8));
		at = trace_put_eight(at, (uint32_t)(upper % TRACE_1E8));
	}
	return trace_put_eight(at, (uint32_t)(value % TRACE_1E8));
}

/* --- reading numbers --------------------------------------------------------------------------------------- */

static inline bool trace_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* How many of eight bytes are digits until the first that is none. */
static inline unsigned int trace_digits_in(uint64_t eight)
{
	uint64_t values = eight ^ TRACE_ZEROS; /* a digit's is below 10 */
	uint64_t others = (((values & 0x7f7f7f7f7f7f7f7f) + 0x7676767676767676) | values) &
	                  0x8080808080808080;

	return others ? (unsigned int)__builtin_ctzll(others) / 8 : TRACE_EIGHT;
}

/* What the first n of eight bytes say, 1 to 8 digits: moved to the end, so that zeros lead. */
static inline uint32_t trace_value_of(uint64_t eight, unsigned int n)
{
	uint64_t twos, digits = (eight ^ TRACE_ZEROS) << 8 * (TRACE_EIGHT - n);

	twos = digits * 10 + (digits >> 8);
	return (uint32_t)(((twos & 0x000000ff000000ff) * 0x000f424000000064 +
	                   (twos >> 16 & 0x000000ff000000ff) * 0x0000271000000001) >>
	                  32);
}

/* The digits that are left, one by one: near the end of a line, and the 17th to 20th. */
static inline const char *trace_read_rest(const char *first, const char *at, const char *end,
                                          uint64_t value, uint64_t *ret)
{
	for (; at < end && trace_is_digit(*at); at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return NULL;
	if (at == first || (*first == '0' && at - first > 1))
		return NULL;
	*ret = value;
	return at;
}

/* Digits and nothing else, as JSON has them: no zero leads. Answers where they end, or NULL. */
static inline const char *trace_read_count(const char *at, const char *end, uint64_t *ret)
{
	static const uint32_t powers[TRACE_EIGHT] = { 1,     10,     100,     1000,
		                                      10000, 100000, 1000000, 10000000 };
	const char *first = at;
	uint64_t value = 0, eight;
	unsigned int n;

	for (int steps = 0; steps < 2 && end - at >= (ptrdiff_t)TRACE_EIGHT; steps++) {
		eight = trace_load_eight(at);
		n = trace_digits_in(eight);
		if (n == TRACE_EIGHT) {
			value = value * TRACE_1E8 + trace_value_of(eight, n);
			at += TRACE_EIGHT;
			continue;
		}
		if (n > 0)
			value = value * powers[n] + trace_value_of(eight, n);
		at += n;
		if (at == first || (*first == '0' && at - first > 1))
			return NULL;
		*ret = value;
		return at;
	}
	return trace_read_rest(first, at, end, value, ret);
}

static inline bool trace_read_whole_count(const char *text, size_t n, uint64_t *ret)
{
	return trace_read_count(text, text + n, ret) == text + n;
}
