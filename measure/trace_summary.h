/* What a trace holds, flow by flow: constant memory for each flow, whatever its length. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/result.h"
#include "measure/summary.h"
#include "measure/trace.h"

struct err;

struct trace_flow_summary {
	bool met; /* the numbers of a trace may have gaps */
	struct tcp_flow flow;
	struct summary *samples; /* NULL: it has none */
	uint64_t first_ns, last_ns;
	uint32_t max_cwnd_segments; /* 0: not known */
	uint64_t retransmits;       /* samples of that event */
};

struct trace_summary {
	struct trace_flow_summary *flows; /* by number - 1 */
	uint32_t room, flows_count;       /* of which so many were met */
	uint64_t first_ns, last_ns; /* of all samples; UINT64_MAX and 0 where there are none */
	uint64_t samples;
	uint64_t events[TCP_SAMPLE_EVENTS];
	bool ended; /* the end record was there, and is `end` */
	struct trace_end end;
};

void trace_summary_start(struct trace_summary *s);
void trace_summary_free(struct trace_summary *s); /* what it holds */

/* Any record but the header.  -ENOMEM */
int trace_summary_take(struct trace_summary *s, const struct trace_record *r, struct err *err);

/* Payload in the direction in which there was more of it, as the kernel counted it, until the last sample;
 * and what of it came between the first sample and the last, over that time. */
struct figure trace_flow_bytes(const struct trace_flow_summary *f, bool *ret_received);
struct figure trace_flow_goodput_mbps(const struct trace_flow_summary *f);

struct figure trace_flow_duration_s(const struct trace_flow_summary *f);
struct figure trace_flow_min_rtt_ms(const struct trace_flow_summary *f);
struct figure trace_flow_rtt_ms(const struct trace_flow_summary *f, double p); /* of srtt_us */
struct figure trace_flow_retransmit_percent(const struct trace_flow_summary *f);

/* What its record says, else what the state of its last sample means; "" where neither is known. */
const char *trace_flow_ending(const struct trace_flow_summary *f);
