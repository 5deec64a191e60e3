/* Whether a run is to be believed: what is known at its end, from the gravest reason down. */
#include <inttypes.h>
#include <stdio.h>

#include "bench/link/truth.h"

static const char *const towards[LINK_DIRECTIONS] = { "down", "up" };

/* printf(3) into the reason, as long as there is none. */
#define SAY(end, ...)                                                                              \
	do {                                                                                       \
		if (!(end)->void_reason[0])                                                        \
			snprintf((end)->void_reason, sizeof((end)->void_reason), __VA_ARGS__);     \
	} while (0)

static struct direction_amount sum(struct direction_amount a, struct direction_amount b)
{
	return (struct direction_amount){ a.packets + b.packets, a.bytes + b.bytes };
}

static bool equal(struct direction_amount a, struct direction_amount b)
{
	return a.packets == b.packets && a.bytes == b.bytes;
}

/* offered + copies = delivered + dropped + held */
static bool balances(const struct truth_end *end, enum link_direction d)
{
	const struct direction_counts *c = &end->counts[d];
	struct direction_amount out = sum(end->delivered[d], sum(c->queued, c->in_flight));

	for (unsigned int i = 0; i < DROP_REASONS; i++)
		out = sum(out, c->dropped[i]);
	return equal(sum(c->offered, c->copies), out);
}

static void judge_accounts(struct truth_end *end, enum link_direction d)
{
	const struct direction_amount *ceiling = &end->counts[d].dropped[DROP_CEILING];

	if (!balances(end, d))
		SAY(end, "%s: what was offered is not what was delivered, dropped and held",
		    towards[d]);
	if (ceiling->packets > 0)
		SAY(end, "%s: %" PRIu64 " packets were more than the link can hold", towards[d],
		    ceiling->packets);
}

static void judge_promises(struct truth_end *end, enum link_direction d)
{
	double allowed = 1 + TRUTH_LATE_SHARE_MAX * (double)end->delivered[d].packets;

	if (end->late_max_ns[d] >= TRUTH_BIN_NS)
		SAY(end, "%s: a packet was late by %.1f ms", towards[d],
		    (double)end->late_max_ns[d] / 1e6);
	if ((double)end->late_packets[d] > allowed)
		SAY(end, "%s: %" PRIu64 " of %" PRIu64 " packets were late by more than %.1f ms",
		    towards[d], end->late_packets[d], end->delivered[d].packets,
		    (double)TRUTH_LATE_NS / 1e6);
}

void truth_judge(struct truth_end *end)
{
	if (end->device_drops > 0)
		SAY(end, "%" PRIu64 " packets were dropped by the kernel before the link saw them",
		    end->device_drops);
	if (end->receiver_drops > 0)
		SAY(end, "%" PRIu64 " packets were dropped by the kernel behind the link",
		    end->receiver_drops);
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		judge_accounts(end, d);
	if (end->bins_lost > 0)
		SAY(end, "%" PRIu64 " bins were lost: the file was written too slowly",
		    end->bins_lost);
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		judge_promises(end, d);
}
