#include "measure/report/curves.h"

#include <stddef.h>

#include "transport/base/clock.h"

/* The gauges that are a member of a sample as it stands. */
static const struct {
	uint32_t present;
	size_t at; /* in struct tcp_sample */
} members[] = {
	[CURVE_SRTT_US] = { TCP_SAMPLE_RTT, offsetof(struct tcp_sample, srtt_us) },
	[CURVE_LATEST_RTT_US] = { TCP_SAMPLE_LATEST_RTT,
	                          offsetof(struct tcp_sample, latest_rtt_us) },
	[CURVE_MIN_RTT_US] = { TCP_SAMPLE_MIN_RTT, offsetof(struct tcp_sample, min_rtt_us) },
	[CURVE_RCV_RTT_US] = { TCP_SAMPLE_RCV_RTT, offsetof(struct tcp_sample, rcv_rtt_us) },
	[CURVE_CWND] = { TCP_SAMPLE_CWND, offsetof(struct tcp_sample, snd_cwnd_segments) },
	[CURVE_INFLIGHT] = { TCP_SAMPLE_SEGMENTS, offsetof(struct tcp_sample, inflight_segments) },
	[CURVE_LOST] = { TCP_SAMPLE_SEGMENTS, offsetof(struct tcp_sample, lost_segments) },
};

#define MEMBERS ((int)(sizeof(members) / sizeof(*members)))

void curves_start(struct curves *c, uint64_t origin_ns)
{
	thin_grid_start(&c->grid, origin_ns);
}

static void halve(struct curves *c)
{
	for (int i = 0; i < CURVE_GAUGES; i++)
		if (c->gauge_samples[i] > 0)
			thin_gauge_halve(&c->gauges[i]);
	for (int i = 0; i < CURVE_SUMS; i++)
		if (c->sum_totals[i] > 0)
			thin_sum_halve(&c->sums[i]);
	thin_grid_halve(&c->grid);
}

void curves_widen(struct curves *c, unsigned int shift)
{
	while (c->grid.shift < shift)
		halve(c);
}

/* --- taking ------------------------------------------------------------------------------------- */

static void add_gauge(struct curves *c, enum curve_gauge which, uint32_t bin, uint32_t value)
{
	c->gauge_samples[which]++;
	thin_gauge_add(&c->gauges[which], bin, value);
}

static void add_sum_since(struct curves *c, int which, uint64_t from_ns, uint64_t to_ns,
                          double amount)
{
	c->sum_totals[which] += amount;
	thin_sum_add(&c->sums[which], &c->grid, from_ns, to_ns, amount);
}

static void add_sum(struct curves *c, int which, uint64_t to_ns, double amount)
{
	add_sum_since(c, which, c->last.at_ns, to_ns, amount);
}

/* What a counter has grown by; one that runs backwards has not. */
static double growth(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) : 0;
}

static void take_members(struct curves *c, const struct tcp_sample *s, uint32_t bin)
{
	for (int i = 0; i < MEMBERS; i++) {
		uint32_t value = *(const uint32_t *)(const void *)((const char *)s + members[i].at);
		bool is_rtt = i <= CURVE_RCV_RTT_US;

		if (s->present & members[i].present && !(is_rtt && value == 0))
			add_gauge(c, (enum curve_gauge)i, bin, value);
	}
}

static void take_counters(struct curves *c, const struct tcp_sample *s)
{
	uint32_t both = c->last.present & s->present;

	if (s->event == TCP_SAMPLE_RETRANSMIT) /* whose instant is known */
		add_sum_since(c, CURVE_RETRANSMITS, s->at_ns, s->at_ns, 1);
	if (c->samples == 0)
		return;
	if (both & TCP_SAMPLE_BYTES) {
		add_sum(c, CURVE_RECEIVED_BYTES, s->at_ns,
		        growth(c->last.bytes_received, s->bytes_received));
		add_sum(c, CURVE_ACKED_BYTES, s->at_ns,
		        growth(c->last.bytes_acked, s->bytes_acked));
	}
	if (both & TCP_SAMPLE_BYTES_SENT)
		add_sum(c, CURVE_RETRANS_BYTES, s->at_ns,
		        growth(c->last.bytes_retrans, s->bytes_retrans));
	if (both & TCP_SAMPLE_OOO)
		add_sum(c, CURVE_OOO_SEGMENTS, s->at_ns,
		        growth(c->last.ooo_segments, s->ooo_segments));
}

static void take_window(struct curves *c, struct curves_window *w, enum curve_gauge which,
                        uint64_t at_ns, uint64_t bytes, uint32_t bin)
{
	double kbps;

	if (w->begun && (at_ns < w->at_ns + CURVES_WINDOW_NS || at_ns < w->at_ns))
		return;
	if (w->begun) {
		kbps = growth(w->bytes, bytes) * 8e6 / (double)(at_ns - w->at_ns);
		add_gauge(c, which, bin, kbps < UINT32_MAX ? (uint32_t)(kbps + 0.5) : UINT32_MAX);
	}
	*w = (struct curves_window){ true, at_ns, bytes };
}

static void share_out(struct curves *c, const struct limits_look *look, uint64_t to_ns)
{
	double us = (double)(look->at_us - c->limits.from.at_us), percent[LIMITS];
	struct limits stretch;

	limits_start(&stretch);
	limits_add(&stretch, &c->limits.from);
	limits_add(&stretch, look);
	if (limits_percent(&stretch, percent))
		for (int i = 0; i < LIMITS; i++)
			add_sum_since(c, CURVE_LIMITS_US + i, c->limits.from_ns, to_ns,
			              percent[i] / 100 * us);
}

static void take_limits(struct curves *c, const struct tcp_sample *s)
{
	struct curves_limits *l = &c->limits;
	struct limits_look look = {
		.at_us = s->at_ns / NS_PER_US,
		.busy_us = s->busy_us,
		.rwnd_limited_us = s->rwnd_limited_us,
		.sndbuf_limited_us = s->sndbuf_limited_us,
	};

	if (s->present & TCP_SAMPLE_DELIVERY_RATE && s->app_limited)
		l->app_limited_ns += s->at_ns - c->last.at_ns;
	look.app_limited_us = l->app_limited_ns / NS_PER_US;
	if (l->begun && s->at_ns - l->from_ns < CURVES_LIMITS_NS)
		return;
	if (l->begun)
		share_out(c, &look, s->at_ns);
	l->begun = true;
	l->from_ns = s->at_ns;
	l->from = look;
}

static void take_latest(struct curves *c, const struct tcp_sample *s)
{
	bool moved = s->latest_rtt_us != c->last.latest_rtt_us || s->srtt_us != c->last.srtt_us;

	if (s->present & TCP_SAMPLE_LATEST_RTT && s->latest_rtt_us > 0 && moved)
		summary_rtt_add(&c->latest, s->latest_rtt_us);
}

void curves_take(struct curves *c, const struct tcp_sample *sample)
{
	struct tcp_sample s = *sample;
	uint32_t bin;

	if (s.at_ns < c->grid.origin_ns) {
		c->early++;
		return;
	}
	if (c->samples == 0)
		c->first_ns = c->last.at_ns = s.at_ns;
	if (s.at_ns <
	    c->last.at_ns) /* no clock of ours goes back: it is drawn where the last one is */
		s.at_ns = c->last.at_ns;
	while (!thin_grid_holds(&c->grid, s.at_ns))
		halve(c);
	bin = thin_grid_bin(&c->grid, s.at_ns);
	take_members(c, &s, bin);
	take_counters(c, &s);
	if (s.present & TCP_SAMPLE_BYTES) {
		take_window(c, &c->received, CURVE_RECEIVED_KBPS, s.at_ns, s.bytes_received, bin);
		take_window(c, &c->acked, CURVE_ACKED_KBPS, s.at_ns, s.bytes_acked, bin);
	}
	if (s.present & TCP_SAMPLE_LIMITS)
		take_limits(c, &s);
	take_latest(c, &s);
	c->last = s;
	c->samples++;
}
