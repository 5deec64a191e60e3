/* One record of a trace as a line of text, and back: pure, without allocation.
 *
 * In JSONL every record is an object. In CSV a sample is a row under the names of the columns, and
 * every other record is the object it is in JSONL behind "# ", which readers of CSV take for a comment.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "measure/trace.h"

struct err;

/* With its newline; longer ones are refused. */
#define TRACE_LINE_BYTES (16 * 1024)

/* Ends with a newline; answers its length. What a sample has in a group of fields that is not present is
 * not written. */
size_t trace_line_write(enum trace_syntax syntax, const struct trace_record *r,
                        char out[TRACE_LINE_BYTES]);

/* The names of the columns of a CSV, likewise. */
size_t trace_line_columns(char out[TRACE_LINE_BYTES]);

#define TRACE_COLUMNS_MAX 128

/* What a reader has to know of the lines before. */
struct trace_lines {
	enum trace_syntax syntax;
	uint8_t columns; /* of the CSV; 0: not named yet */
	uint8_t column[TRACE_COLUMNS_MAX];
};

enum trace_line_outcome {
	TRACE_LINE_RECORD = 0,
	TRACE_LINE_NOTHING, /* the names of the columns, a remark */
};

/* A line without its newline. A group of fields that is not whole is absent; cookies of samples are 0,
 * since flows have numbers here.
 *   -EBADMSG         no line of a trace; err->text says "srtt_us: …"
 *   -EPROTONOSUPPORT  the header of another version */
int trace_line_parse(struct trace_lines *lines, const char *line, size_t n,
                     struct trace_record *ret, struct err *err);

/* Which flow a line is a sample of, by a glance at it. 0: it is none, or that takes reading it. */
uint32_t trace_line_flow(const struct trace_lines *lines, const char *line, size_t n);

/* "ack", "retransmit", …: the word of an event, and its number, or TCP_SAMPLE_EVENTS. */
const char *trace_event_name(enum tcp_sample_event event);
enum tcp_sample_event trace_event_named(const char *word, size_t n);
