#include "bench/link/scenario_keys.h"
#include "transport/base/clock.h"

#define V6_MTU_MIN 1280 /* RFC 8200 5 */

/* To one between an outage and none at all. */
static bool changes_rate(const struct scenario_direction *d)
{
	for (size_t i = 0; i < d->change_count; i++) {
		const struct scenario_change *c = &d->changes[i];

		if (c->has_rate && c->rate_bps != 0 && c->rate_bps != UINT64_MAX)
			return true;
	}
	return false;
}

static bool changes_loss(const struct scenario_direction *d)
{
	for (size_t i = 0; i < d->change_count; i++)
		if (d->changes[i].has_loss)
			return true;
	return false;
}

static bool too_small_for_v6(const struct scenario *s, const struct scenario_direction *d)
{
	(void)d;
	return s->family != SCENARIO_V4 && s->mtu < V6_MTU_MIN;
}

static bool trace_and_rate(const struct scenario *s, const struct scenario_direction *d)
{
	(void)s;
	return *d->trace_name && d->rate_bps != UINT64_MAX;
}

static bool trace_and_aggregate(const struct scenario *s, const struct scenario_direction *d)
{
	(void)s;
	return *d->trace_name && d->aggregate_packets;
}

static bool trace_and_changes_of_rate(const struct scenario *s, const struct scenario_direction *d)
{
	(void)s;
	return *d->trace_name && changes_rate(d);
}

static bool bursts_and_changes_of_loss(const struct scenario *s, const struct scenario_direction *d)
{
	(void)s;
	return d->loss == LOSS_GILBERT_ELLIOTT && changes_loss(d);
}

static bool queue_without_room(const struct scenario *s, const struct scenario_direction *d)
{
	double bits = 8.0 * (double)(s->mtu + d->overhead_bytes);
	bool by_time = d->rate_bps != UINT64_MAX && d->queue_ns != UINT64_MAX &&
	               (double)d->rate_bps * (double)d->queue_ns < bits * (double)NS_PER_S;

	return d->queue_bytes < s->mtu || by_time;
}

static bool policer_without_room(const struct scenario *s, const struct scenario_direction *d)
{
	return d->policer_bps && d->policer_bytes < s->mtu;
}

static const struct scenario_conflict conflicts[] = {
	{ { KEY_MTU, KEY_FAMILY },
	  too_small_for_v6,
	  "IPv6 needs an mtu of 1280 (RFC 8200); family = v4 does not" },
	{ { KEY_TRACE, KEY_RATE }, trace_and_rate, "a trace stands in place of a rate" },
	{ { KEY_TRACE, KEY_AGGREGATE },
	  trace_and_aggregate,
	  "a trace says by itself when packets pass, so nothing aggregates them" },
	{ { KEY_TRACE, KEY_AT },
	  trace_and_changes_of_rate,
	  "a trace has rates of its own; only outage, and rate unlimited to end it" },
	{ { KEY_LOSS, KEY_AT },
	  bursts_and_changes_of_loss,
	  "gilbert-elliott is not one figure, so none can be changed" },
	{ { KEY_QUEUE, KEY_MTU }, queue_without_room, "the queue has no room for one packet" },
	{ { KEY_POLICER, KEY_MTU }, policer_without_room, "the burst has no room for one packet" },
};

const struct scenario_conflict *scenario_conflict_find(const struct scenario *s,
                                                       const struct scenario_direction *d)
{
	for (size_t i = 0; i < sizeof(conflicts) / sizeof(*conflicts); i++)
		if (conflicts[i].holds(s, d))
			return &conflicts[i];
	return NULL;
}
