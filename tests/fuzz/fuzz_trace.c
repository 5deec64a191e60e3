/* Any bytes as a trace: each line that is taken is written as one that is read as the same, in both forms;
 * both paths of the reader agree; the whole ends in an outcome, whatever the reads give.
 * Input: a byte of how many bytes a read gives, then the file. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "measure/trace_line.h"
#include "measure/trace_reader.h"
#include "transport/base/err.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct file {
	const uint8_t *at;
	size_t left, step;
};

static ssize_t give(void *self, void *into, size_t bytes)
{
	struct file *f = self;
	size_t n = f->left < f->step ? f->left : f->step;

	if (n > bytes)
		n = bytes;
	memcpy(into, f->at, n);
	f->at += n;
	f->left -= n;
	return (ssize_t)n;
}

static void check_written(enum trace_syntax syntax, const struct trace_record *r, const char *line,
                          size_t n)
{
	static char again[TRACE_LINE_BYTES], columns[TRACE_LINE_BYTES];
	struct trace_lines lines = { .syntax = syntax };
	struct trace_record back;
	size_t columns_bytes = trace_line_columns(columns);

	if (syntax == TRACE_CSV)
		CHECK(trace_line_parse(&lines, columns, columns_bytes - 1, &back, NULL) ==
		      TRACE_LINE_NOTHING);
	CHECK(trace_line_parse(&lines, line, n - 1, &back, NULL) == TRACE_LINE_RECORD);
	CHECK(back.kind == r->kind && trace_line_write(syntax, &back, again) == n);
	CHECK(memcmp(line, again, n) == 0);
}

/* A space in front of a sample is what the quick path does not expect. */
static void check_paths(const char *line, size_t n)
{
	static char spaced[TRACE_LINE_BYTES + 1] = " ", quick[TRACE_LINE_BYTES],
					      careful[TRACE_LINE_BYTES];
	struct trace_lines lines = { .syntax = TRACE_JSONL };
	struct trace_record r;
	size_t quick_bytes = 0, careful_bytes = 0;
	int a, b;

	memcpy(spaced + 1, line, n);
	a = trace_line_parse(&lines, line, n, &r, NULL);
	if (a == TRACE_LINE_RECORD)
		quick_bytes = trace_line_write(TRACE_JSONL, &r, quick);
	b = trace_line_parse(&lines, spaced, n + 1, &r, NULL);
	if (b == TRACE_LINE_RECORD)
		careful_bytes = trace_line_write(TRACE_JSONL, &r, careful);
	CHECK(a == b && quick_bytes == careful_bytes);
	CHECK(memcmp(quick, careful, quick_bytes) == 0);
}

static void check_lines(enum trace_syntax syntax, const uint8_t *data, size_t n)
{
	static char line[TRACE_LINE_BYTES], out[TRACE_LINE_BYTES];
	struct trace_lines lines = { .syntax = syntax };
	struct trace_record r;
	struct err err = {};
	const uint8_t *end = data + n;

	while (data < end) {
		const uint8_t *newline = memchr(data, '\n', (size_t)(end - data));
		size_t bytes = (size_t)((newline ? newline : end) - data);
		int outcome;

		if (bytes >= sizeof(line))
			return;
		memcpy(line, data, bytes);
		outcome = trace_line_parse(&lines, line, bytes, &r, &err);
		CHECK(outcome == TRACE_LINE_RECORD || outcome == TRACE_LINE_NOTHING ||
		      ((outcome == -EBADMSG || outcome == -EPROTONOSUPPORT) && err.text[0]));
		if (syntax == TRACE_JSONL)
			check_paths(line, bytes);
		for (enum trace_syntax s = TRACE_JSONL;
		     outcome == TRACE_LINE_RECORD && s <= TRACE_CSV; s++)
			check_written(s, &r, out, trace_line_write(s, &r, out));
		data += bytes + 1;
	}
}

static void check_whole(const uint8_t *data, size_t n, size_t step)
{
	struct file f = { data, n, step };
	struct trace_reader *t = NULL;
	struct trace_record r;
	struct err err = {};
	int outcome = trace_reader_open((struct trace_input){ give, &f }, &t, &err);

	while (outcome == TRACE_READ_RECORD)
		outcome = trace_reader_next(t, &r, &err);
	CHECK(outcome > 0 || err.text[0]);
	trace_reader_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1 || n > 64 * 1024)
		return 0;
	check_lines(TRACE_JSONL, data + 1, n - 1);
	check_lines(TRACE_CSV, data + 1, n - 1);
	check_whole(data + 1, n - 1, 1 + data[0]);
	return 0;
}
