/* Reads a trace record by record, in constant memory, whatever its length; plain or compressed, JSONL or
 * CSV, which it finds out by itself.
 *
 *   trace_reader_open(input, &reader, &err);        reads the header
 *   while ((r = trace_reader_next(reader, &record, &err)) == TRACE_READ_RECORD)
 *           …
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "measure/trace.h"

struct err;
struct trace_reader;

/* Where the bytes come from: as read(2), but the errno is negative. */
struct trace_input {
	ssize_t (*read)(void *self, void *into, size_t bytes);
	void *self;
};

enum trace_read_outcome {
	TRACE_READ_RECORD = 0,
	TRACE_READ_OVER, /* after the end record */
	TRACE_READ_CUT,  /* the trace has no end: what came before is all there is */
};

/* -EBADMSG         no trace; err->text names the line
 * -EPROTONOSUPPORT  of a later version
 * -ENOPKG          compressed, and libzstd is not there */
int trace_reader_open(struct trace_input from, struct trace_reader **ret, struct err *err);

/* Accepts NULL; always returns NULL. */
struct trace_reader *trace_reader_close(struct trace_reader *t);

const struct trace_header *trace_reader_header(const struct trace_reader *t);
struct trace_form trace_reader_form(const struct trace_reader *t);

/* The next flow, sample or end record, then an outcome for good. Samples have their flow's cookie.
 *   -EBADMSG  as above; nothing more is read */
int trace_reader_next(struct trace_reader *t, struct trace_record *ret, struct err *err);

/* Instead: the next line as it stands, without its newline, until the next call; one that has none is not told.
 * TRACE_READ_OVER: there are no more, and whether the trace is whole is not known. */
int trace_reader_line(struct trace_reader *t, const char **ret, size_t *ret_bytes, struct err *err);
