/* The kernel's own RTT samples of a socket, by the histogram that the BPF programs keep: those of the
 * handshakes, before there is any load, and those of the transfer. Pure. */
#pragma once

#include <stdint.h>

#include "bpf/tcpstat.h"
#include "measure/result.h"

#define KERNEL_RTT_IDLE_MAX 32 /* buckets; handshakes make a handful of samples */

struct kernel_rtt { /* what there was at t = 0; beyond the ceiling it counts as loaded */
	uint64_t count;
	uint32_t buckets;
	struct {
		uint32_t bucket, samples;
	} idle[KERNEL_RTT_IDLE_MAX];
};

/* Nothing is loaded yet: what there is until now, and what it amounts to. */
void kernel_rtt_begin(struct kernel_rtt *k, const struct tcpstat_flow *now, struct idle_rtt *ret);

/* What came since, in place of what *ret was. False where nothing did, and *ret stays. */
bool kernel_rtt_loaded(const struct kernel_rtt *k, const struct tcpstat_flow *now,
                       struct summary_rtt *ret);
