/* Where the kernel's figures may come from: each tier is tried, and let go of again. */
#include "agent/cli/doctor.h"

#include <stddef.h>

#include "bpf/loader.h"
#include "measure/people.h"
#include "transport/base/err.h"

static void try_tier(struct finding *f, enum tier tier, const char *gives)
{
	static struct tier_refusal refusals[TIERS]; /* a finding keeps the remedy's address */
	const struct loader_wish wish = { .ring_bytes = LOADER_RING_BYTES_MIN,
		                          .tiers = TIER_BIT(tier),
		                          .cgroup_fd = -1 };
	char programs[PEOPLE_BYTES];
	struct loader_grant grant;
	struct err err = {};

	f->follows = gives;
	if (loader_start(&wish, &grant, &err) < 0) {
		f->state = FINDING_LESS;
		finding_say(f, "could not %s", err.text);
		return;
	}
	if (grant.tier == tier) {
		finding_say(f, "%s attached, and detached",
		            people_count(grant.links, "program", programs));
	} else {
		refusals[tier] = grant.refusals[tier];
		f->state = FINDING_LESS;
		finding_say(f, "%s", refusals[tier].reason);
		f->remedy = *refusals[tier].remedy ? refusals[tier].remedy : NULL;
	}
	loader_release(&grant);
}

void doctor_stats_ebpf(struct finding *f)
{
	try_tier(f, TIER_EBPF, "the tier \"ebpf\": what TCP did, at each segment");
}

void doctor_stats_sockops(struct finding *f)
{
	try_tier(f, TIER_SOCKOPS,
	         "the tier \"ebpf-sockops\", where the one above is not to be had: once in each "
	         "round trip");
}
