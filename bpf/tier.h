/* Where the kernel's figures come from: three tiers, the best first. */
#pragma once

enum tier {
	TIER_EBPF,     /* tracepoints of TCP, read in full: each segment */
	TIER_SOCKOPS,  /* callbacks of a cgroup's program: each round trip */
	TIER_TCP_INFO, /* polling; needs nothing and is always to be had */
	TIERS,
};

#define TIER_BIT(tier) (1U << (tier))
#define TIER_ANY       (TIER_BIT(TIERS) - 1)

/* "ebpf", "ebpf-sockops", "tcp_info": as they stand in results and traces. */
const char *tier_name(enum tier tier);

/* Why a tier is not to be had here, and what would help. */
struct tier_refusal {
	char reason[240]; /* a sentence without its full stop; empty: nothing is in the way */
	char remedy[160]; /* empty: none is known */
};

__attribute__((format(printf, 3, 4))) void tier_refuse(struct tier_refusal *ret, const char *remedy,
                                                       const char *format, ...);
