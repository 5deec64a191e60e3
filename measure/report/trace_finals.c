#include "measure/report/trace_finals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure/trace_line.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

/* Of lines that wait for being the last. No kernel's figures make one longer, and one that is, is read at once. */
#define FINAL_LINE_BYTES 1000

struct final {
	uint64_t bytes;      /* of payload, where no line waits */
	uint16_t line_bytes; /* of the one that waits; 0: none does */
	char line[FINAL_LINE_BYTES];
};

struct finals {
	struct trace_lines lines;
	uint32_t room;
	struct final **flows; /* by number, from 1; NULL: no sample yet */
};

static void finals_free(struct finals *f)
{
	for (uint32_t i = 0; i < f->room; i++)
		free(f->flows[i]);
	free(f->flows);
}

CLEANUP_DEFINE(trace_reader_closep, struct trace_reader *, trace_reader_close)

uint64_t trace_finals_bytes(const struct tcp_sample *s)
{
	if (!(s->present & TCP_SAMPLE_BYTES))
		return 0;
	return s->bytes_received < UINT64_MAX - s->bytes_acked ? s->bytes_received + s->bytes_acked
	                                                       : UINT64_MAX;
}

static struct final *final_of(struct finals *f, uint32_t flow)
{
	if (flow >= f->room) {
		uint32_t room = 2 * flow;
		struct final **flows = realloc(f->flows, room * sizeof(struct final *));

		if (!flows)
			return NULL;
		memset(flows + f->room, 0, (room - f->room) * sizeof(struct final *));
		f->flows = flows;
		f->room = room;
	}
	if (!f->flows[flow])
		f->flows[flow] = calloc(1, sizeof(struct final));
	return f->flows[flow];
}

/* A line that has to be read to know what it is, or too long to wait. */
static int take_at_once(struct finals *f, const char *line, size_t n, struct err *err)
{
	struct trace_record record;
	struct final *final;
	int r = trace_line_parse(&f->lines, line, n, &record, err);

	if (r != TRACE_LINE_RECORD || record.kind != TRACE_SAMPLE || record.flow > TRACE_FLOWS_MAX)
		return r < 0 ? r : 0;
	final = final_of(f, record.flow);
	if (!final)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "hold the last lines of the flows");
	final->line_bytes = 0;
	final->bytes = trace_finals_bytes(&record.sample);
	return 0;
}

static int take_line(struct finals *f, const char *line, size_t n, struct err *err)
{
	uint32_t flow = trace_line_flow(&f->lines, line, n);
	struct final *final;

	if (flow == 0 || flow > TRACE_FLOWS_MAX || n > FINAL_LINE_BYTES)
		return take_at_once(f, line, n, err);
	final = final_of(f, flow);
	if (!final)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "hold the last lines of the flows");
	final->line_bytes = (uint16_t)n;
	memcpy(final->line, line, n);
	return 0;
}

static int offer_all(struct finals *f, struct largest *ret, struct err *err)
{
	*ret = (struct largest){};
	for (uint32_t i = 0; i < f->room; i++) {
		struct final *final = f->flows[i];
		int r = final && final->line_bytes
		                ? take_at_once(f, final->line, final->line_bytes, err)
		                : 0;

		if (r < 0)
			return r;
		if (final)
			largest_offer(ret, i, final->bytes);
	}
	return 0;
}

int trace_finals_largest(struct trace_input from, struct largest *ret, struct err *err)
{
	CLEANUP(trace_reader_closep) struct trace_reader *reader = NULL;
	__attribute__((cleanup(finals_free))) struct finals finals = {};
	const char *line;
	size_t n;
	int r = trace_reader_open(from, &reader, err);

	if (r < 0)
		return r;
	finals.lines.syntax = trace_reader_form(reader).syntax;
	while ((r = trace_reader_line(reader, &line, &n, err)) == TRACE_READ_RECORD) {
		r = take_line(&finals, line, n, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : offer_all(&finals, ret, err);
}
