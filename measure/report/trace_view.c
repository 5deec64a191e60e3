#include "measure/report/trace_view.h"

#include <errno.h>
#include <stdlib.h>

#include "measure/report/trace_finals.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

CLEANUP_DEFINE(trace_view_freep, struct trace_view *, trace_view_free)
CLEANUP_DEFINE(trace_reader_closep, struct trace_reader *, trace_reader_close)

uint64_t trace_view_flow_bytes(const struct trace_flow_summary *f)
{
	return f->samples ? trace_finals_bytes(&f->samples->last) : 0;
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

static void keep_only(struct trace_view *v, const struct largest *largest)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < v->drawn_count; i++) {
		if (largest_has(largest, v->drawn[i].flow))
			v->drawn[kept++] = v->drawn[i];
		else
			free(v->drawn[i].curves);
	}
	v->drawn_count = kept;
}

/* --- reading --------------------------------------------------------------------------------------- */

struct reading {
	struct trace_view *view;
	const struct trace_source *from;
	bool asked;             /* it was tried to foretell the largest */
	bool foretold;          /* no others are held */
	struct largest largest; /* as foretold */
};

/* All flows that were met are held until here, so that nothing is missed of those that will be. */
static void foretell(struct reading *reading)
{
	struct trace_input input;

	reading->asked = true;
	if (!reading->from->again || reading->from->again(reading->from->input.self, &input) < 0)
		return;
	reading->foretold = trace_finals_largest(input, &reading->largest, NULL) == 0;
	if (reading->foretold)
		keep_only(reading->view, &reading->largest);
}

static bool is_wanted(struct reading *reading, uint32_t flow)
{
	if (!reading->asked && reading->view->drawn_count == TRACE_VIEW_HELD)
		foretell(reading);
	if (reading->foretold)
		return largest_has(&reading->largest, flow);
	return reading->view->drawn_count < TRACE_VIEW_HELD;
}

static int take_all(struct reading *reading, const struct trace_record *r, struct err *err)
{
	struct trace_view *v = reading->view;
	struct curves *curves;
	int outcome = trace_summary_take(&v->summary, r, err);

	if (outcome < 0 || r->kind != TRACE_SAMPLE)
		return outcome;
	if (v->summary.samples == 1)
		v->origin_ns = r->sample.at_ns;
	v->early += r->sample.at_ns < v->origin_ns;
	curves = held(v, r->flow);
	if (!curves && is_wanted(reading, r->flow)) {
		outcome = hold(v, r->flow, err);
		curves = held(v, r->flow);
	}
	if (curves)
		curves_take(curves, &r->sample);
	return outcome;
}

static int take_curves(struct reading *reading, const struct trace_record *r, struct err *err)
{
	struct curves *curves = r->kind == TRACE_SAMPLE ? held(reading->view, r->flow) : NULL;

	(void)err;
	if (curves)
		curves_take(curves, &r->sample);
	return 0;
}

static int read_through(struct reading *reading, struct trace_input from,
                        int (*take)(struct reading *, const struct trace_record *, struct err *),
                        struct err *err)
{
	CLEANUP(trace_reader_closep) struct trace_reader *reader = NULL;
	struct trace_view *v = reading->view;
	struct trace_record record;
	int r = trace_reader_open(from, &reader, err);

	if (r < 0)
		return r;
	v->header = *trace_reader_header(reader);
	v->form = trace_reader_form(reader);
	while ((r = trace_reader_next(reader, &record, err)) == TRACE_READ_RECORD) {
		r = take(reading, &record, err);
		if (r < 0)
			return r;
	}
	v->cut = r == TRACE_READ_CUT;
	return r < 0 ? r : 0;
}

/* --- which are drawn ---------------------------------------------------------------------------------- */

/* Flows without a sample have nothing to draw. */
static struct largest choose(const struct trace_view *v, bool only_held)
{
	struct largest largest = {};

	for (uint32_t i = 0; i < v->summary.room; i++) {
		const struct trace_flow_summary *f = &v->summary.flows[i];

		if (f->samples && (!only_held || held(v, i + 1)))
			largest_offer(&largest, i + 1, trace_view_flow_bytes(f));
	}
	return largest;
}

static bool all_held(const struct trace_view *v, const struct largest *largest)
{
	for (uint32_t i = 0; i < largest->count; i++)
		if (!held(v, largest->flows[i]))
			return false;
	return true;
}

static int by_number(const void *a, const void *b)
{
	const struct trace_drawn *x = a, *y = b;

	return x->flow < y->flow ? -1 : x->flow > y->flow;
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

/* The largest are others than was foretold, or nobody could: their curves are taken in a second reading. */
static int read_again(struct reading *reading, const struct largest *largest, struct err *err)
{
	struct trace_view *v = reading->view;
	struct trace_input input;
	int r = 0;

	if (!reading->from->again || reading->from->again(reading->from->input.self, &input) < 0)
		return -ESPIPE;
	let_go(v);
	for (uint32_t i = 0; r == 0 && i < largest->count; i++)
		r = hold(v, largest->flows[i], err);
	return r < 0 ? r : read_through(reading, input, take_curves, err);
}

int trace_view_read(struct trace_source from, struct trace_view **ret, struct err *err)
{
	CLEANUP(trace_view_freep) struct trace_view *v = calloc(1, sizeof(*v));
	struct reading reading = { .view = v, .from = &from };
	struct largest largest;
	int r;

	if (!v)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate what is read of a trace");
	trace_summary_start(&v->summary);
	r = read_through(&reading, from.input, take_all, err);
	if (r < 0)
		return r;
	largest = choose(v, false);
	if (!all_held(v, &largest))
		r = read_again(&reading, &largest, err);
	v->first_only = r == -ESPIPE;
	if (v->first_only)
		largest = choose(v, true);
	else if (r < 0)
		return r;
	keep_only(v, &largest);
	qsort(v->drawn, v->drawn_count, sizeof(*v->drawn), by_number);
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
