/* Loads a tier's programs by libbpf, and attaches them. */
#pragma once

#include "bpf/loader.h"

/* Fills the grant's tier and descriptors, which are this process's until it ends.
 * Negative, and *refusal says why, where the kernel would not; what was opened by then stays open. */
int attach(enum tier tier, const struct loader_wish *wish, struct loader_grant *grant,
           struct tier_refusal *refusal);
