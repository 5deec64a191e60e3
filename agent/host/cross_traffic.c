#include "agent/host/cross_traffic.h"

#include "transport/base/clock.h"

static enum cross_traffic_verdict look(struct cross_traffic *c,
                                       const struct interface_counters *counters, uint64_t now_ns)
{
	c->looked_ns = now_ns;
	c->at_look = *counters;
	c->again_ns = now_ns + c->limits.look_ns;
	return CROSS_TRAFFIC_LOOK_AGAIN;
}

/* Drivers begin again at 0 when they are reset, and some count in 32 bits. */
static bool counts_upwards(const struct interface_counters *from,
                           const struct interface_counters *to)
{
	return to->received_bytes >= from->received_bytes && to->sent_bytes >= from->sent_bytes;
}

static uint64_t busier_bps(const struct interface_counters *from,
                           const struct interface_counters *to, uint64_t elapsed_ns)
{
	uint64_t received = to->received_bytes - from->received_bytes;
	uint64_t sent = to->sent_bytes - from->sent_bytes;
	double bits = 8.0 * (double)(received > sent ? received : sent);

	return (uint64_t)(bits * (double)NS_PER_S / (double)elapsed_ns);
}

enum cross_traffic_verdict cross_traffic_take(struct cross_traffic *c,
                                              const struct interface_counters *counters,
                                              uint64_t now_ns)
{
	bool impatient, upwards;

	if (!counters)
		return CROSS_TRAFFIC_UNKNOWN;
	if (!c->begun) {
		c->begun = true;
		c->began_ns = now_ns;
		return look(c, counters, now_ns);
	}
	if (now_ns < c->again_ns || now_ns == c->looked_ns)
		return CROSS_TRAFFIC_LOOK_AGAIN;
	impatient = now_ns - c->began_ns >= c->limits.patience_ns;
	upwards = counts_upwards(&c->at_look, counters);
	if (upwards) {
		c->busy_bps = busier_bps(&c->at_look, counters, now_ns - c->looked_ns);
		if (c->busy_bps <= c->limits.quiet_bps)
			return CROSS_TRAFFIC_QUIET;
	}
	if (impatient)
		return upwards ? CROSS_TRAFFIC_BUSY : CROSS_TRAFFIC_UNKNOWN;
	return look(c, counters, now_ns);
}
