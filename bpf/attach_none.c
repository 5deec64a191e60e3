#include "bpf/attach.h"

#include <errno.h>

/* Not reached: without programs, bpf/obstacle.c has refused before. */
int attach(enum tier tier, const struct loader_wish *wish, struct loader_grant *grant,
           struct tier_refusal *refusal)
{
	(void)tier;
	(void)wish;
	(void)grant;
	tier_refuse(refusal, NULL, "this build has no BPF programs");
	return -ENOTSUP;
}
