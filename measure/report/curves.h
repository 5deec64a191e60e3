/* One flow along time, as a page draws it: a sink that keeps its samples thinned, in constant memory,
 * whatever their number. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/limits.h"
#include "measure/sample.h"
#include "measure/summary.h"
#include "measure/thin.h"

/* Rates are of windows of at least so much, from one sample to another: below, one segment more or less is
 * what is seen. */
#define CURVES_WINDOW_NS (10 * 1000000ULL)

/* What limited the rate is asked of stretches of at least so much: the kernel's clocks tick in jiffies, 1 to
 * 10 ms, so that shorter ones would seem now busier than they were long, and now idle. */
#define CURVES_LIMITS_NS (100 * 1000000ULL)

enum curve_gauge {
	CURVE_SRTT_US,
	CURVE_LATEST_RTT_US,
	CURVE_MIN_RTT_US,
	CURVE_RCV_RTT_US,
	CURVE_CWND,
	CURVE_INFLIGHT,
	CURVE_LOST,
	CURVE_RECEIVED_KBPS, /* of bytes_received, in windows */
	CURVE_ACKED_KBPS,    /* of bytes_acked */
	CURVE_GAUGES,
};

enum curve_sum {
	CURVE_RECEIVED_BYTES,
	CURVE_ACKED_BYTES,
	CURVE_RETRANS_BYTES,
	CURVE_OOO_SEGMENTS,
	CURVE_RETRANSMITS, /* samples of that event */
	CURVE_LIMITS_US,   /* so limited: one for each enum limit */
	CURVE_SUMS = CURVE_LIMITS_US + LIMITS,
};

struct curves_window {
	bool begun;
	uint64_t at_ns, bytes;
};

/* Of our side as the one that sends; its CPU is not known. */
struct curves_limits {
	bool begun;
	uint64_t app_limited_ns; /* all such time until now */
	uint64_t from_ns;        /* where the stretch began */
	struct limits_look from;
};

struct curves {
	struct thin_grid grid;
	uint64_t samples;
	uint64_t first_ns; /* the first one's time */
	uint64_t early;    /* of before the grid's origin: not in it */
	struct tcp_sample last;
	struct curves_window received, acked;
	struct curves_limits limits;
	struct summary_rtt latest; /* of latest_rtt_us, where there is any: each change once */
	uint64_t gauge_samples[CURVE_GAUGES];
	double sum_totals[CURVE_SUMS];
	struct thin_gauge gauges[CURVE_GAUGES];
	struct thin_sum sums[CURVE_SUMS];
};

/* Of one that is all 0. */
void curves_start(struct curves *c, uint64_t origin_ns);

void curves_take(struct curves *c, const struct tcp_sample *sample);

/* Makes bins as wide as another's that has the same origin, where they are narrower. */
void curves_widen(struct curves *c, unsigned int shift);
