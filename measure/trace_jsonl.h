/* A line of JSON lines: a sample, or another record as an object. */
#pragma once

#include <stddef.h>

#include "measure/trace.h"

struct err;

/* With its newline; answers where it ends. There is room for TRACE_LINE_BYTES. */
char *trace_jsonl_write_sample(char *at, uint32_t flow, const struct tcp_sample *s);

/* As trace_line_parse(). */
int trace_jsonl_parse(const char *line, size_t n, struct trace_record *ret, struct err *err);

/* As trace_line_flow(). */
uint32_t trace_jsonl_flow(const char *line, size_t n);
