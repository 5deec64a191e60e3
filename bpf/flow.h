/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The part of the programs that does not care where a look at a connection came from: the maps, the
 * aggregates, and what goes into the ring. */
#pragma once

#include "bpf/kernel.h"
#include "bpf/tcpstat.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tcpstat_flow);
} flows SEC(".maps");

/* Its size is the loader's to set. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tcpstat_counters);
} counters SEC(".maps");

const volatile struct tcpstat_knobs knobs;

static __always_inline void count_many(struct tcpstat_flow *flow, __u64 how_many, bool taken)
{
	__u32 zero = 0;
	struct tcpstat_counters *here = bpf_map_lookup_elem(&counters, &zero);

	if (taken)
		flow->emitted += how_many;
	else
		flow->lost += how_many;
	if (!here)
		return;
	if (taken)
		here->emitted += how_many;
	else
		here->lost += how_many;
}

static __always_inline void count(struct tcpstat_flow *flow, bool taken)
{
	count_many(flow, 1, taken);
}

/* All that is known of the flow, in one copy. It counts itself among what was emitted, and takes that back. */
static __always_inline void output_end(struct tcpstat_flow *flow)
{
	count(flow, true);
	if (bpf_ringbuf_output(&records, flow, sizeof(*flow), BPF_RB_NO_WAKEUP) == 0)
		return;
	count_many(flow, -1ULL, true);
	count(flow, false);
}

/* The bucket goes through memory: without CAP_PERFMON the verifier adds to a pointer only what it knows
 * equally much of on each path, and of what was read it knows nothing. */
static __always_inline void count_bucket(struct tcpstat_flow *flow, __u32 rtt_us)
{
	volatile __u32 *through = &flow->latest_bucket;
	__u32 bucket;

	*through = tcpstat_rtt_bucket(rtt_us);
	bucket = *through;
	if (bucket < TCPSTAT_RTT_BUCKETS)
		flow->rtt_histogram[bucket]++;
}

static __always_inline void add_rtt(struct tcpstat_flow *flow, __u32 rtt_us)
{
	flow->latest_rtt_us = rtt_us;
	flow->rtt_sum_us += rtt_us;
	if (flow->rtt_count == 0 || rtt_us < flow->rtt_min_us)
		flow->rtt_min_us = rtt_us;
	if (rtt_us > flow->rtt_max_us)
		flow->rtt_max_us = rtt_us;
	flow->rtt_count++;
	count_bucket(flow, rtt_us);
}

/* What this source will ever tell of the flow. */
static __always_inline void first_look(struct tcpstat_flow *flow, __u64 now_ns, __u32 present)
{
	flow->began_ns = now_ns;
	flow->looked_ns = now_ns;
	flow->event.present = present;
}

/* Time since the last look belongs to what was true at that look. */
static __always_inline void add_time(struct tcpstat_flow *flow, __u64 now_ns)
{
	__u64 passed_ns = now_ns - flow->looked_ns;

	if (flow->app_limited)
		flow->app_limited_ns += passed_ns;
	if (flow->ca_state < TCPSTAT_CA_STATES)
		flow->ca_state_ns[flow->ca_state] += passed_ns;
}

/* In the process whose socket it is, or in a thread that works for it. */
static __always_inline void note_process(struct tcpstat_flow *flow, bool name_too)
{
	flow->who.pid = bpf_get_current_pid_tgid() >> 32;
	if (name_too)
		bpf_get_current_comm(flow->who.comm, sizeof(flow->who.comm));
}

/* A connection is accepted by the network's own interrupt, in whichever process ran. The first that its
 * owner does in that process's name is to close it; a reset or a timeout closes it without one. */
static __always_inline bool its_owner_closes(const struct tcpstat_flow *flow, __u32 after,
                                             bool with_error)
{
	if (flow->who.role != TCPSTAT_ACCEPTED || flow->who.pid)
		return false;
	return after == TCP_FIN_WAIT1 || after == TCP_LAST_ACK ||
	       (after == TCP_CLOSE && !with_error);
}

/* A sample is asked for at most once per interval; everything else is told when it happens. */
static __always_inline bool is_due(struct tcpstat_flow *flow, __u64 now_ns)
{
	if (now_ns < flow->due_ns)
		return false;
	flow->due_ns = now_ns + knobs.interval_ns;
	return true;
}
