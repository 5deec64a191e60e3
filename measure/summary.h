/* A sink that keeps what a result needs of a flow's samples: min RTT, RTT percentiles,
 * retransmissions, limits, the last counters. Constant memory; pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/sample.h"

/* Log-linear: 64 buckets in each power of two of microseconds, so that a percentile is within
 * 1/64 (1.6 %) of the sample it stands for; up to 2^32 us. */
#define SUMMARY_RTT_OCTAVES 32
#define SUMMARY_RTT_STEPS   64

struct summary_rtt {
	uint64_t count;
	uint32_t min_us, max_us;
	uint32_t buckets[SUMMARY_RTT_OCTAVES * SUMMARY_RTT_STEPS];
};

void summary_rtt_add(struct summary_rtt *r, uint32_t rtt_us);
void summary_rtt_add_many(struct summary_rtt *r, uint32_t rtt_us, uint32_t times);

/* The value below which the fraction `p` (0 to 1) of the samples lies, interpolated in its bucket
 * and never outside [min, max]. false: there are no samples. */
bool summary_rtt_percentile(const struct summary_rtt *r, double p, double *ret_us);

struct summary {
	uint64_t samples;
	struct tcp_sample first, last; /* by arrival; counters that ran backwards are not taken */
	uint32_t min_rtt_us;           /* smallest min_rtt_us seen; 0: none */
	bool receives;
	struct summary_rtt rtt; /* of srtt_us, or of a receiver's rcv_rtt_us; each change once */
	uint32_t last_rtt_us;
};

/* Of a flow that sends, or `receives`: there a kernel has another estimate. */
void summary_start(struct summary *s, bool receives);
struct sample_sink summary_sink(struct summary *s);

/* 100 * bytes_retrans / bytes_sent. false: not known: nothing was sent, or more sent again than sent. */
bool summary_retransmit_percent(uint64_t bytes_sent, uint64_t bytes_retrans, double *ret);
