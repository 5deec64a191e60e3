#include "measure/trace_line.h"

#include "measure/trace_csv.h"
#include "measure/trace_jsonl.h"
#include "measure/trace_object.h"

size_t trace_line_write(enum trace_syntax syntax, const struct trace_record *r,
                        char out[TRACE_LINE_BYTES])
{
	if (r->kind != TRACE_SAMPLE)
		return trace_object_write(syntax == TRACE_CSV ? TRACE_CSV_COMMENT : "", r, out,
		                          TRACE_LINE_BYTES);
	if (syntax == TRACE_CSV)
		return (size_t)(trace_csv_write_sample(out, r->flow, &r->sample) - out);
	return (size_t)(trace_jsonl_write_sample(out, r->flow, &r->sample) - out);
}

int trace_line_parse(struct trace_lines *lines, const char *line, size_t n,
                     struct trace_record *ret, struct err *err)
{
	if (lines->syntax == TRACE_JSONL)
		return trace_jsonl_parse(line, n, ret, err);
	return trace_csv_parse(lines, line, n, ret, err);
}

uint32_t trace_line_flow(const struct trace_lines *lines, const char *line, size_t n)
{
	return lines->syntax == TRACE_JSONL ? trace_jsonl_flow(line, n)
	                                    : trace_csv_flow(lines, line, n);
}
