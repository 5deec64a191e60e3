#include "measure/report/trace_view.h"

#include <errno.h>
#include <stdlib.h>

#include "transport/base/cleanup.h"
#include "transport/base/err.h"

CLEANUP_DEFINE(trace_view_freep, struct trace_view *, trace_view_free)
CLEANUP_DEFINE(trace_reader_closep, struct trace_reader *, trace_reader_close)

uint64_t trace_view_flow_bytes(const struct trace_flow_summary *f)
{
	const struct tcp_sample *last = f->samples ? &f->samples->last : NULL;

	if (!last || !(last->present & TCP_SAMPLE_BYTES))
		return 0;
	return last->bytes_received < UINT64_MAX - last->bytes_acked
	               ? last->bytes_received + last->bytes_acked
	               : UINT64_MAX;
}

/* --- the curves that are held ---------------------------------------------------------------------- */

static struct curves *held(const struct trace_view *v, uint32_t flow)
{
	for (uint32_t i = 0; i < v->drawn_count; i++)
		if (v->drawn[i].flow == flow)
			return v->drawn[i].curves;
	return NULL;
}

static int hold(struct trace_view *v, uint32_t flow, struct err *err)
{
	struct curves *c = calloc(1, sizeof(*c));

	if (!c)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "hold the curves of a flow");
	curves_start(c, v->origin_ns);
	v->drawn[v->drawn_count++] = (struct trace_drawn){ flow, c };
	return 0;
}

static void let_go(struct trace_view *v)
{
	while (v->drawn_count > 0)
		free(v->drawn[--v->drawn_count].curves);
}

/* --- reading --------------------------------------------------------------------------------------- */

static int take_first_pass(struct trace_view *v, const struct trace_record *r, struct err *err)
{
	struct curves *curves;
	int outcome = trace_summary_take(&v->summary, r, err);

	if (outcome < 0 || r->kind != TRACE_SAMPLE)
		return outcome;
	if (v->summary.samples == 1)
		v->origin_ns = r->sample.at_ns;
	v->early += r->sample.at_ns < v->origin_ns;
	if (!held(v, r->flow) && v->drawn_count < TRACE_VIEW_HELD)
		outcome = hold(v, r->flow, err);
	curves = held(v, r->flow);
	if (curves)
		curves_take(curves, &r->sample);
	return outcome;
}

static int take_second_pass(struct trace_view *v, const struct trace_record *r, struct err *err)
{
	struct curves *curves = r->kind == TRACE_SAMPLE ? held(v, r->flow) : NULL;

	(void)err;
	if (curves)
		curves_take(curves, &r->sample);
	return 0;
}

static int read_through(struct trace_view *v, struct trace_input from,
                        int (*take)(struct trace_view *, const struct trace_record *, struct err *),
                        struct err *err)
{
	CLEANUP(trace_reader_closep) struct trace_reader *reader = NULL;
	struct trace_record record;
	int r = trace_reader_open(from, &reader, err);

	if (r < 0)
		return r;
	v->header = *trace_reader_header(reader);
	v->form = trace_reader_form(reader);
	while ((r = trace_reader_next(reader, &record, err)) == TRACE_READ_RECORD) {
		r = take(v, &record, err);
		if (r < 0)
			return r;
	}
	v->cut = r == TRACE_READ_CUT;
	return r < 0 ? r : 0;
}

/* --- which are drawn ---------------------------------------------------------------------------------- */

/* By size, the first of equal ones first. Flows without a sample have nothing to draw. */
static uint32_t choose(const struct trace_view *v, bool only_held,
                       uint32_t chosen[TRACE_VIEW_DRAWN])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < v->summary.room; i++) {
		const struct trace_flow_summary *f = &v->summary.flows[i];
		uint32_t at = count;

		if (!f->samples || (only_held && !held(v, i + 1)))
			continue;
		while (at > 0 &&
		       trace_view_flow_bytes(f) >
		               trace_view_flow_bytes(&v->summary.flows[chosen[at - 1] - 1])) {
			if (at < TRACE_VIEW_DRAWN)
				chosen[at] = chosen[at - 1];
			at--;
		}
		if (at < TRACE_VIEW_DRAWN)
			chosen[at] = i + 1;
		count += count < TRACE_VIEW_DRAWN;
	}
	return count;
}

static bool all_held(const struct trace_view *v, const uint32_t *chosen, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!held(v, chosen[i]))
			return false;
	return true;
}

static int by_number(const void *a, const void *b)
{
	const struct trace_drawn *x = a, *y = b;

	return x->flow < y->flow ? -1 : x->flow > y->flow;
}

static bool is_among(const uint32_t *chosen, uint32_t count, uint32_t flow)
{
	for (uint32_t i = 0; i < count; i++)
		if (chosen[i] == flow)
			return true;
	return false;
}

static void keep_only(struct trace_view *v, const uint32_t *chosen, uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < v->drawn_count; i++) {
		if (is_among(chosen, count, v->drawn[i].flow))
			v->drawn[kept++] = v->drawn[i];
		else
			free(v->drawn[i].curves);
	}
	v->drawn_count = kept;
	qsort(v->drawn, kept, sizeof(*v->drawn), by_number);
}

static void widen(struct trace_view *v, unsigned int shift)
{
	for (uint32_t i = 0; i < v->drawn_count; i++)
		curves_widen(v->drawn[i].curves, shift);
}

static uint32_t bins(const struct trace_view *v)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < v->drawn_count; i++) {
		const struct curves *c = v->drawn[i].curves;

		sum += thin_grid_bin(&c->grid, c->last.at_ns) -
		       thin_grid_bin(&c->grid, c->first_ns) + 1;
	}
	return sum;
}

static void make_bins_equal(struct trace_view *v)
{
	unsigned int shift = 0;

	for (uint32_t i = 0; i < v->drawn_count; i++)
		if (v->drawn[i].curves->grid.shift > shift)
			shift = v->drawn[i].curves->grid.shift;
	widen(v, shift);
	while (bins(v) > TRACE_VIEW_BINS)
		widen(v, ++shift);
}

/* The largest flows are others than those that came first: their curves are taken in a second reading. */
static int read_again(struct trace_view *v, struct trace_source from, const uint32_t *chosen,
                      uint32_t count, struct err *err)
{
	int r = 0;

	let_go(v);
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = hold(v, chosen[i], err);
	return r < 0 ? r : read_through(v, from.input, take_second_pass, err);
}

int trace_view_read(struct trace_source from, struct trace_view **ret, struct err *err)
{
	CLEANUP(trace_view_freep) struct trace_view *v = calloc(1, sizeof(*v));
	uint32_t chosen[TRACE_VIEW_DRAWN] = {}, count;
	int r;

	if (!v)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate what is read of a trace");
	trace_summary_start(&v->summary);
	r = read_through(v, from.input, take_first_pass, err);
	if (r < 0)
		return r;
	count = choose(v, false, chosen);
	if (!all_held(v, chosen, count)) {
		v->first_only = !from.rewind || from.rewind(from.input.self) < 0;
		if (v->first_only)
			count = choose(v, true, chosen);
		else
			r = read_again(v, from, chosen, count, err);
	}
	if (r < 0)
		return r;
	keep_only(v, chosen, count);
	make_bins_equal(v);
	*ret = TAKE(v, NULL);
	return 0;
}

struct trace_view *trace_view_free(struct trace_view *v)
{
	if (!v)
		return NULL;
	let_go(v);
	trace_summary_free(&v->summary);
	free(v);
	return NULL;
}
