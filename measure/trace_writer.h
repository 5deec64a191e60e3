/* Records as the bytes of a trace, compressed where that is asked for. Constant memory. */
#pragma once

#include <stddef.h>

#include "measure/trace.h"

struct err;
struct trace_writer;

/* Where the bytes go. Negative: no more is written. */
struct trace_output {
	int (*write)(void *self, const void *data, size_t bytes, struct err *err);
	void *self;
};

/* -ENOPKG  compressed is asked for, and libzstd is not there */
int trace_writer_open(struct trace_form form, struct trace_output to, struct trace_writer **ret,
                      struct err *err);

/* Accepts NULL; always returns NULL. Without trace_writer_finish() what was written is no whole trace. */
struct trace_writer *trace_writer_close(struct trace_writer *w);

int trace_writer_put(struct trace_writer *w, const struct trace_record *r, struct err *err);
int trace_writer_finish(struct trace_writer *w, struct err *err);
