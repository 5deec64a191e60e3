#include "bench/link/summary.h"

#include <stdio.h>

#include "bench/link/emulator.h"
#include "bench/link/session.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/units.h"

static const char *const drop_words[DROP_REASONS] = {
	[DROP_QUEUE] = "queue",
	[DROP_AQM] = "aqm",
	[DROP_LOSS] = "loss",
	[DROP_POLICER] = "policer",
	[DROP_BLACK_HOLE] = "black hole",
	[DROP_CEILING] = "ceiling",
	[DROP_DEVICE] = "device",
};

static void write_drops(const struct truth_end *end, enum link_direction d, struct text *t)
{
	bool any = false;

	for (int i = 0; i < DROP_REASONS; i++) {
		uint64_t packets = end->counts[d].dropped[i].packets;

		if (!packets)
			continue;
		text_append(t, "%s%s %llu", any ? ", " : "; dropped: ", drop_words[i],
		            (unsigned long long)packets);
		any = true;
	}
}

static void write_direction(const struct session *s, enum link_direction d, struct text *t)
{
	const struct truth_end *end = &s->end;
	const struct histogram *delay = truth_delay(emulator_truth(s->emulator), d);

	text_append(t, "link: %-4s %llu packets, %llu bytes, %.3f Mbit/s",
	            d == LINK_DOWN ? "down" : "up", (unsigned long long)end->delivered[d].packets,
	            (unsigned long long)end->delivered[d].bytes,
	            units_mbps(end->delivered[d].bytes, end->duration_ns));
	if (delay->count)
		text_append(t, "; delay %.2f ms, p50 %.2f, p99 %.2f, max %.2f",
		            (double)delay->min / NS_PER_MS,
		            (double)histogram_quantile(delay, 0.5) / NS_PER_MS,
		            (double)histogram_quantile(delay, 0.99) / NS_PER_MS,
		            (double)delay->max / NS_PER_MS);
	write_drops(end, d, t);
	text_append(t, "\n");
}

/* A stall of the machine is nobody's fault here: it is named. */
static void write_late(const struct truth_end *end, struct text *t)
{
	const struct stall_sum *stolen = &end->stalls[STALL_STOLEN];

	text_append(t, "link: late by more than 0.1 ms: %llu of %llu packets",
	            (unsigned long long)(end->late_packets[LINK_DOWN] + end->late_packets[LINK_UP]),
	            (unsigned long long)(end->delivered[LINK_DOWN].packets +
	                                 end->delivered[LINK_UP].packets));
	if (stolen->late_packets > 0)
		text_append(t, ", %llu of them while the hypervisor had our CPU (%.1f ms at most)",
		            (unsigned long long)stolen->late_packets,
		            (double)stolen->max_ns / NS_PER_MS);
	text_append(t, "\n");
}

static void write_verdict(const struct truth_end *end, struct text *t)
{
	if (end->void_reason[0])
		text_append(t, "link: void: %s\n", end->void_reason);
	else
		text_append(t, "link: promises kept over %.1f s\n",
		            (double)end->duration_ns / NS_PER_S);
}

void summary_write(const struct session *s, char *out, size_t out_bytes)
{
	struct text t = text_on(out, out_bytes);

	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		write_direction(s, d, &t);
	write_late(&s->end, &t);
	write_verdict(&s->end, &t);
}
