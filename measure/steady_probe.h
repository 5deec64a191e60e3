/* Where in a byte timeline the sender probed for its minimum RTT, as BBR does: for 200 ms and a round trip,
 * every ten seconds, it keeps no more than four segments in flight (Cardwell et al.: BBR Congestion
 * Control, draft-cardwell-iccrg-bbr-congestion-control-02, 4.3.5; tcp_bbr.c, bbr_cwnd_min_target). What
 * arrives then says nothing of the path's rate. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct steady_path {
	uint32_t segment_bytes; /* the payload of a full segment */
	uint32_t rtt_us;        /* without load; 0: not known, or a sender that does not probe */
};

/* edges[i] is the count of bytes at the beginning of bin i of bin_ns, edges[bins] at the end of the last.
 * Sets probed[i] of each bin that a probe has touched; answers how many. Where more than a quarter of them
 * look so, the path is that slow: then none is. Where the path holds so few segments that four are more than half of
 * it, a probe is hardly a dip; one that is a fifth and more below the mean is taken for one where it is no longer than
 * probes are, and none other is nearer than five seconds. */
uint32_t steady_probe_find(const double *edges, uint32_t bins, uint64_t bin_ns,
                           const struct steady_path *path, bool *probed);
