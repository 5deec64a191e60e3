/* What stands in a sample, by name: one table from which both forms of a trace are written and read. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "measure/trace.h"
#include "measure/trace_number.h"

struct err;

#define TRACE_LENGTH(array) (sizeof(array) / sizeof(*(array)))

#define TRACE_REFUSE(err, ...) ERR_SET((err), -EBADMSG, ERR_SYS, 0, __VA_ARGS__)

/* A copy of all of it, of a size that is known, is quicker than one of what is used. */
#define TRACE_WORD_BYTES 16

struct trace_word {
	char text[TRACE_WORD_BYTES];
	uint8_t bytes;
};

struct trace_words {
	uint8_t count;
	uint8_t of_nothing; /* 1: value 0 has no word, and stands for what is not known */
	const struct trace_word *at;
};

extern const struct trace_words trace_events; /* enum tcp_sample_event */
extern const struct trace_words trace_roles;  /* enum tcp_flow_role */

/* Answers words->count where there is none. */
unsigned int trace_word_index(const struct trace_words *words, const char *text, size_t n);

/* No less than the longest, for the same reason. */
#define TRACE_KEY_BYTES 32

struct trace_field {
	char key[TRACE_KEY_BYTES]; /* as it is written in JSON: ,"srtt_us": */
	uint8_t key_bytes;         /* 8 at least, for trace_is_same() */
	uint8_t offset, width;     /* in struct tcp_sample */
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

static inline char *trace_put_word(char *at, const struct trace_word *word)
{
	memcpy(at, word->text, sizeof(word->text)); /* what is too much is written over */
	return at + word->bytes;
}

static inline char *trace_put_event(char *at, const struct tcp_sample *s)
{
	return trace_put_word(at, &trace_events.at[s->event]);
}
