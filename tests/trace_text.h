/* A trace in memory, for the tests of what reads one: records are put as lines, and given out as a file's bytes. */
#pragma once

#include <string.h>

#include "measure/trace_line.h"
#include "measure/trace_reader.h"

#define TRACE_TEXT_BYTES (8 * 1024 * 1024)

struct trace_text {
	size_t bytes, at; /* how many there are, and where the reader is */
	char text[TRACE_TEXT_BYTES];
};

static inline void trace_text_put(struct trace_text *t, const struct trace_record *r)
{
	t->bytes += trace_line_write(TRACE_JSONL, r, t->text + t->bytes);
}

/* As struct trace_input has it. */
static inline ssize_t trace_text_read(void *self, void *into, size_t bytes)
{
	struct trace_text *t = self;
	size_t left = t->bytes - t->at, n = left < bytes ? left : bytes;

	memcpy(into, t->text + t->at, n);
	t->at += n;
	return (ssize_t)n;
}
