#include "measure/trace_csv.h"

#include <errno.h>

#include "measure/trace_field.h"
#include "measure/trace_line.h"
#include "measure/trace_object.h"
#include "transport/base/err.h"

/* --- writing ------------------------------------------------------------------------------------------ */

char *trace_csv_write_sample(char *at, uint32_t flow, const struct tcp_sample *s)
{
	at = trace_put_count(at, s->at_ns);
	*at++ = ',';
	at = trace_put_count(at, flow);
	*at++ = ',';
	at = trace_put_event(at, s);
	for (const struct trace_field *f = trace_fields; f < trace_fields + TRACE_FIELDS; f++) {
		*at++ = ',';
		if (s->present & f->group)
			at = trace_put_value(at, f, trace_load(s, f->offset, f->width), false);
	}
	*at++ = '\n';
	return at;
}

size_t trace_line_columns(char out[TRACE_LINE_BYTES])
{
	char *at = out;
	size_t n;

	for (unsigned int i = TRACE_COLUMN_AT; i < TRACE_COLUMN_UNKNOWN; i++) {
		const char *name = trace_field_name(i, &n);

		at = trace_put(at, name, n);
		*at++ = ',';
	}
	for (unsigned int i = 0; i < TRACE_FIELDS; i++) {
		const char *name = trace_field_name(i, &n);

		at = trace_put(at, name, n);
		*at++ = i + 1 < TRACE_FIELDS ? ',' : '\n';
	}
	return (size_t)(at - out);
}

/* --- reading ------------------------------------------------------------------------------------------ */

static int parse_columns(struct trace_lines *lines, const char *at, const char *end,
                         struct err *err)
{
	uint64_t seen = 0;

	for (uint8_t count = 0; count < TRACE_COLUMNS_MAX; at++) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma ? comma : end;
		unsigned int i = trace_field_named(at, (size_t)(stop - at));

		if (seen >> i & 1 && i != TRACE_COLUMN_UNKNOWN)
			return TRACE_REFUSE(err, "the columns: %.*s is there twice",
			                    (int)(stop - at), at);
		seen |= 1ULL << i;
		lines->column[count++] = (uint8_t)i;
		at = stop;
		if (at < end)
			continue;
		if ((seen & TRACE_LEAD_SEEN) != TRACE_LEAD_SEEN)
			return TRACE_REFUSE(err, "the columns: at_ns, flow or event is missing");
		lines->columns = count;
		return TRACE_LINE_NOTHING;
	}
	return TRACE_REFUSE(err, "the columns: more than %d", TRACE_COLUMNS_MAX);
}

/* Most cells are counts. Answers where one ends, or NULL: it is none, or not so simple. */
static const char *read_count_cell(unsigned int i, const char *at, const char *end,
                                   struct tcp_sample *ret)
{
	const struct trace_field *f;
	const char *stop;
	uint64_t value;

	if (i >= TRACE_FIELDS || trace_fields[i].words || trace_fields[i].is_flag)
		return NULL;
	f = &trace_fields[i];
	stop = trace_read_count(at, end, &value);
	if (!stop || (stop < end && *stop != ',') || !trace_store(ret, f->offset, f->width, value))
		return NULL;
	return stop;
}

static const char *end_of_cell(const char *at, const char *end)
{
	while (at < end && *at != ',')
		at++;
	return at;
}

static int parse_row(const struct trace_lines *lines, const char *at, const char *end,
                     struct trace_record *ret, struct err *err)
{
	uint64_t seen = 0;

	trace_sample_begin(ret);
	for (unsigned int c = 0; c < lines->columns; c++) {
		unsigned int i = lines->column[c];
		const char *count = read_count_cell(i, at, end, &ret->sample);
		const char *stop = count ? count : end_of_cell(at, end);

		if ((stop == end) != (c + 1 == lines->columns))
			return TRACE_REFUSE(err, "a row of %s than %u columns",
			                    stop == end ? "less" : "more", lines->columns);
		if (stop > at && i != TRACE_COLUMN_UNKNOWN) {
			if (!count && !trace_read_field(i, at, (size_t)(stop - at), ret))
				return trace_refuse_field(i, at, (size_t)(stop - at), err);
			seen |= 1ULL << i;
		}
		at = stop + 1;
	}
	return trace_sample_finish(seen, ret, err);
}

uint32_t trace_csv_flow(const struct trace_lines *lines, const char *line, size_t n)
{
	const char *end = line + n;
	uint64_t flow = 0;

	if (n == 0 || *line == '#')
		return 0;
	for (unsigned int c = 0; c < lines->columns && line < end; c++) {
		const char *stop = end_of_cell(line, end);

		if (lines->column[c] == TRACE_COLUMN_FLOW)
			return trace_read_whole_count(line, (size_t)(stop - line), &flow) &&
			                       flow <= UINT32_MAX
			               ? (uint32_t)flow
			               : 0;
		line = stop < end ? stop + 1 : end;
	}
	return 0;
}

/* A remark of anybody's is no record; the header is, and comes first. */
static int parse_comment(const char *text, size_t n, struct trace_record *ret, struct err *err)
{
	enum trace_kind kind = TRACE_SAMPLE;
	int r;

	while (n > 0 && *text == ' ') {
		text++;
		n--;
	}
	if (n == 0 || *text != '{')
		return TRACE_LINE_NOTHING;
	r = trace_object_kind(text, n, &kind, err);
	if (r != TRACE_LINE_RECORD)
		return r;
	return kind == TRACE_SAMPLE ? TRACE_LINE_NOTHING
	                            : trace_object_read(kind, text, n, ret, err);
}

int trace_csv_parse(struct trace_lines *lines, const char *line, size_t n, struct trace_record *ret,
                    struct err *err)
{
	if (n > 0 && *line == '#')
		return parse_comment(line + 1, n - 1, ret, err);
	if (lines->columns == 0)
		return parse_columns(lines, line, line + n, err);
	return parse_row(lines, line, line + n, ret, err);
}
