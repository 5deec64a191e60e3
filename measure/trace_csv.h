/* A line of CSV: a sample as a row under the names of the columns, another record as a comment. */
#pragma once

#include <stddef.h>

#include "measure/trace.h"

struct err;
struct trace_lines;

#define TRACE_CSV_COMMENT "# "

/* With its newline; answers where it ends. There is room for TRACE_LINE_BYTES. */
char *trace_csv_write_sample(char *at, uint32_t flow, const struct tcp_sample *s);

/* As trace_line_parse(). */
int trace_csv_parse(struct trace_lines *lines, const char *line, size_t n, struct trace_record *ret,
                    struct err *err);

/* As trace_line_flow(). */
uint32_t trace_csv_flow(const struct trace_lines *lines, const char *line, size_t n);
