/* A trace as a page shows it: what it holds flow by flow, and the curves of its largest flows. Bounded memory,
 * whatever its length. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/report/curves.h"
#include "measure/report/largest.h"
#include "measure/trace_reader.h"
#include "measure/trace_summary.h"

struct err;

/* Curves that a page draws at once: more are a thicket. */
#define TRACE_VIEW_DRAWN LARGEST_MAX

/* Curves that are held while it is read, of the flows that come first. Where one more comes, trace_finals.h
 * foretells which will be the largest, and only those are held from then on. */
#define TRACE_VIEW_HELD 32

/* Bins in which there may be something, of all curves that are drawn: what a page weighs is bounded by it. */
#define TRACE_VIEW_BINS (2 * THIN_BINS)

struct trace_source {
	struct trace_input input;

	/* The same bytes from the first one on, read beside `input`, and from there again at each call; a
	 * negative errno where that cannot be. NULL: it never can (a pipe). */
	int (*again)(void *self, struct trace_input *ret);
};

struct trace_drawn {
	uint32_t flow; /* its number, an index + 1 of summary.flows */
	struct curves *curves;
};

struct trace_view {
	struct trace_header header;
	struct trace_form form;
	struct trace_summary summary;
	bool cut;           /* it has no end */
	uint64_t origin_ns; /* of all curves: the first sample's time */
	uint64_t early;     /* samples with a time before that one: in no curve */
	bool first_only; /* drawn are the largest of the first TRACE_VIEW_HELD: what comes later is not known */
	uint32_t drawn_count;
	struct trace_drawn drawn[TRACE_VIEW_HELD]; /* by flow number; bins of one width */
};

/* As trace_reader_open() and trace_reader_next();  -ENOMEM */
int trace_view_read(struct trace_source from, struct trace_view **ret, struct err *err);

/* Accepts NULL; always returns NULL. */
struct trace_view *trace_view_free(struct trace_view *v);

/* Payload both ways until the last sample: how large a flow is. */
uint64_t trace_view_flow_bytes(const struct trace_flow_summary *f);
