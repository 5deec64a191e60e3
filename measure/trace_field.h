/* What stands in a sample, by name: one table from which both forms of a trace are written and read, and
 * the steps of which there are millions. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "measure/trace.h"

struct err;

#define TRACE_LENGTH(array) (sizeof(array) / sizeof(*(array)))

#define TRACE_REFUSE(err, ...) ERR_SET((err), -EBADMSG, ERR_SYS, 0, __VA_ARGS__)

struct trace_words {
	uint8_t count;
	uint8_t of_nothing; /* 1: value 0 has no word, and stands for what is not known */
	const char *const *at;
};

extern const struct trace_words trace_events; /* enum tcp_sample_event */
extern const struct trace_words trace_roles;  /* enum tcp_flow_role */

/* Answers words->count where there is none. */
unsigned int trace_word_index(const struct trace_words *words, const char *text, size_t n);

/* More than the longest: a copy of all of it, of a size that is known, is the quickest. */
#define TRACE_KEY_BYTES 32

struct trace_field {
	char key[TRACE_KEY_BYTES]; /* as it is written in JSON: ,"srtt_us": */
	uint8_t key_bytes;
	uint8_t offset, width; /* in struct tcp_sample */
	bool is_flag;
	uint32_t group; /* enum tcp_sample_field */
	const struct trace_words *words;
};

/* In the order in which they are written. */
#define TRACE_FIELDS 26
extern const struct trace_field trace_fields[TRACE_FIELDS];

/* What leads a sample, and is a column of its own. */
enum {
	TRACE_COLUMN_AT = TRACE_FIELDS,
	TRACE_COLUMN_FLOW,
	TRACE_COLUMN_EVENT,
	TRACE_COLUMN_UNKNOWN
};

const char *trace_field_name(unsigned int i, size_t *ret_bytes);

/* Answers TRACE_COLUMN_UNKNOWN where there is none. */
unsigned int trace_field_named(const char *name, size_t n);

/* A word where the value has one, else its number. */
char *trace_put_value(char *at, const struct trace_field *f, uint64_t value, bool quoted);

/* Fills a member of a sample from its text; a flag is true, false, 1 or 0. */
bool trace_read_field(unsigned int i, const char *text, size_t n, struct trace_record *ret);

/* -EBADMSG, in words. */
int trace_refuse_field(unsigned int i, const char *text, size_t n, struct err *err);

/* What was read of a sample: a bit for each of the fields, and of the columns that lead. */
#define TRACE_LEAD_SEEN                                                                            \
	(1ULL << TRACE_COLUMN_AT | 1ULL << TRACE_COLUMN_FLOW | 1ULL << TRACE_COLUMN_EVENT)

void trace_sample_begin(struct trace_record *ret);

/* A group is present where all its fields are.
 *   -EBADMSG  what has to lead is not there */
int trace_sample_finish(uint64_t seen, struct trace_record *ret, struct err *err);

/* --- numbers and text, within lines ------------------------------------------------------------------- */

static inline uint64_t trace_load(const void *from, size_t offset, size_t width)
{
	uint64_t value = 0;

	static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low bytes come first");
	memcpy(&value, (const char *)from + offset, width);
	return value;
}

/* False where it does not fit. */
static inline bool trace_store(void *into, size_t offset, size_t width, uint64_t value)
{
	if (width < sizeof(value) && value >> (8 * width))
		return false;
	memcpy((char *)into + offset, &value, width);
	return true;
}

static inline char *trace_put(char *at, const char *text, size_t n)
{
	memcpy(at, text, n);
	return at + n;
}

#define TRACE_PUT(at, literal) trace_put((at), (literal), sizeof(literal) - 1)

extern const char trace_digits[]; /* "000102…99" */

/* Two digits a division; it is most of what writing costs. */
static inline char *trace_put_count(char *at, uint64_t value)
{
	char digits[20];
	char *first = digits + sizeof(digits);

	for (; value >= 100; value /= 100)
		memcpy(first -= 2, trace_digits + 2 * (value % 100), 2);
	if (value >= 10)
		memcpy(first -= 2, trace_digits + 2 * value, 2);
	else
		*--first = (char)('0' + value);
	return trace_put(at, first, (size_t)(digits + sizeof(digits) - first));
}

static inline bool trace_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits and nothing else, as JSON has them: no zero leads. Answers where they end, or NULL. */
static inline const char *trace_read_count(const char *at, const char *end, uint64_t *ret)
{
	const char *first = at;
	const char *fits = end - at < 19 ? end : at + 19; /* so many digits always do */
	uint64_t value = 0;

	for (; at < fits && trace_is_digit(*at); at++)
		value = value * 10 + (uint64_t)(*at - '0');
	for (; at < end && trace_is_digit(*at); at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return NULL;
	if (at == first || (*first == '0' && at - first > 1))
		return NULL;
	*ret = value;
	return at;
}

static inline bool trace_read_whole_count(const char *text, size_t n, uint64_t *ret)
{
	return trace_read_count(text, text + n, ret) == text + n;
}

static inline const char *trace_expect(const char *at, const char *end, const char *text, size_t n)
{
	return (size_t)(end - at) >= n && memcmp(at, text, n) == 0 ? at + n : NULL;
}

#define TRACE_EXPECT(at, end, literal) trace_expect((at), (end), (literal), sizeof(literal) - 1)

static inline char *trace_put_event(char *at, const struct tcp_sample *s)
{
	const char *name = trace_events.at[s->event];

	return trace_put(at, name, strlen(name));
}
