#include "measure/live.h"

#include "transport/base/units.h"

/* By the count that is nearest to the truth while the test runs: what came, or what the far side has
 * acknowledged. */
static uint64_t bytes_so_far(const struct direction_result *d, const struct ndt7_report *report)
{
	if (d->test == NDT7_DOWNLOAD)
		return report->num_bytes;
	return d->local.last.bytes_acked - d->local.first.bytes_acked;
}

static struct figure rate_since_slot(const struct live *l, uint64_t bytes, uint64_t now_ns)
{
	uint64_t oldest = l->seen < LIVE_SLOTS ? 0 : l->seen % LIVE_SLOTS;

	if (l->seen == 0 || bytes < l->bytes[oldest])
		return (struct figure){};
	return (struct figure){ true,
		                units_mbps(bytes - l->bytes[oldest], now_ns - l->at_ns[oldest]) };
}

static struct figure latest_rtt_ms(const struct direction_result *d)
{
	const struct measurement_tcp_info *t = &d->server.tcp_info;

	if (d->test == NDT7_UPLOAD)
		return (struct figure){ d->local.last_rtt_us > 0, d->local.last_rtt_us / 1e3 };
	return (struct figure){ d->server.has_tcp_info && t->rtt_us > 0, (double)t->rtt_us / 1e3 };
}

void live_start(struct live *l)
{
	*l = (struct live){};
}

struct live_figures live_look(struct live *l, const struct direction_result *d,
                              const struct ndt7_report *report, uint64_t now_ns)
{
	uint64_t bytes = bytes_so_far(d, report), elapsed_ns = now_ns - report->started_ns;
	struct live_figures f = { .elapsed_ns = elapsed_ns,
		                  .mean_mbps = { elapsed_ns > 0, units_mbps(bytes, elapsed_ns) },
		                  .current_mbps = rate_since_slot(l, bytes, now_ns),
		                  .rtt_ms = latest_rtt_ms(d) };

	l->bytes[l->seen % LIVE_SLOTS] = bytes;
	l->at_ns[l->seen % LIVE_SLOTS] = now_ns;
	l->seen++;
	return f;
}
