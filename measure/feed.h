/* The records that the BPF programs make during a run, on their way from the ring to who wants them: the
 * watch of the socket under test, and the trace of all of the run's sockets. Where there are no programs,
 * it is what tells a watch so, and where its own samples go besides.
 *
 *   feed_open(&feed, trace, trace_interval_ns);
 *   feed_connect(&feed, sockstat, …);              where there are programs
 *   …
 *   feed_finish(&feed);                            the rest, and what was lost
 *
 * It owns nothing and allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/sample.h"

struct sockstat;

/* As many sockets of ours does one run watch at most: each target in both directions. */
#define FEED_FLOWS_MAX 64

/* So long may records wait in the ring, which lasts for several times that. */
#define FEED_DRAIN_NS      (50 * 1000000ULL)
#define FEED_DRAIN_EACH_NS (10 * 1000000ULL)

/* A twentieth of a millisecond: thousands at once would keep who drains from reading its socket until the
 * sender has to wait. */
#define FEED_SLICE_SAMPLES 512U

struct feed_flow {
	uint64_t cookie;
	uint64_t lost; /* of its records, as far as the trace was told */
};

struct feed {
	struct sockstat *sockstat; /* NULL: no programs */
	uint64_t interval_ns;      /* at which they thin */
	bool each_segment;         /* they look at each, thinned or not */
	const struct sample_sink *trace;
	uint64_t trace_interval_ns;
	uint64_t
		trace_due_ns; /* of the watched socket's samples none before, where it is thinned more */
	uint64_t cookie;      /* the watched socket */
	struct sample_sink figures;
	uint64_t
		told_early; /* lost records that the trace was told of before their flow's end was */
	size_t ours_count;
	struct feed_flow ours[FEED_FLOWS_MAX];
};

/* `trace` may be NULL, and stays until feed_finish(). */
void feed_open(struct feed *f, const struct sample_sink *trace, uint64_t trace_interval_ns);
void feed_connect(struct feed *f, struct sockstat *sockstat, uint64_t interval_ns,
                  bool each_segment);

/* How often to drain. */
uint64_t feed_period_ns(const struct feed *f);

/* A flow that the trace is told of by its watch, which knows more of it than the kernel. */
void feed_announce(struct feed *f, const struct tcp_flow *flow);

/* From the next record on the samples of this socket go to `figures` too; all zero: to nobody. */
void feed_listen(struct feed *f, uint64_t cookie, struct sample_sink figures);

void feed_drain(struct feed *f);

/* About FEED_SLICE_SAMPLES of them. True: more may wait. */
bool feed_drain_some(struct feed *f);

/* So many records of a flow of ours the ring could not take. */
void feed_lost(struct feed *f, uint64_t cookie, uint64_t records);

void feed_finish(struct feed *f);
