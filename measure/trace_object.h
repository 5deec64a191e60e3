/* The records of a trace that are no samples, as JSON objects: in JSONL a line, in CSV a comment. */
#pragma once

#include <stddef.h>

#include "measure/trace.h"

struct err;
struct json;
struct json_token;

/* Ends with a newline; answers its length. `lead` stands before it. */
size_t trace_object_write(const char *lead, const struct trace_record *r, char *out,
                          size_t out_bytes);

/* Which record the object is; *ret is TRACE_SAMPLE where nothing says which. Answers an outcome of
 * measure/trace_line.h; TRACE_LINE_NOTHING: a record of a kind that is not known, which is for others.
 *   -EBADMSG, -EPROTONOSUPPORT  as there */
int trace_object_kind(const char *text, size_t n, enum trace_kind *ret, struct err *err);

/* Reads one of a kind that is not TRACE_SAMPLE. */
int trace_object_read(enum trace_kind kind, const char *text, size_t n, struct trace_record *ret,
                      struct err *err);

/* Begins an object, and steps to the next member of it: 0 and its key and value (of which a container is
 * only the beginning, for json_skip()), or 1 at its end. */
int trace_object_open(struct json *j, const char *text, size_t n, struct err *err);
int trace_object_next(struct json *j, struct json_token *key, struct json_token *value,
                      struct err *err);
