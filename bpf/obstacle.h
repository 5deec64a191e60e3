/* What stands in a tier's way, found by looking rather than by trying: only so can the reason be
 * told exactly. The kernel answers EPERM to most of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bpf/tier.h"

struct obstacle_where {
	const char *btf;      /* /sys/kernel/btf/vmlinux; a path, for tests */
	const char *lockdown; /* /sys/kernel/security/lockdown */
	bool group_is_open;   /* the control group is at hand, wherever it is mounted */
};

extern const struct obstacle_where obstacle_here;

/* The process's effective capabilities, as bits of linux/capability.h; all of them where they cannot
 * be read. */
uint64_t obstacle_capabilities(void);

/* All that any tier needs is among them. */
bool obstacle_may_load(uint64_t capabilities);

/* True, and *ret says which, if `tier` cannot be had with `capabilities`. `cgroup`: a program on a
 * cgroup is wanted, which TIER_EBPF needs for other processes' sockets only. */
bool obstacle_find(enum tier tier, bool cgroup, uint64_t capabilities,
                   const struct obstacle_where *where, struct tier_refusal *ret);
