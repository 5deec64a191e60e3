/* Where the curves stand, and what they are drawn from. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "measure/endpoint.h"
#include "measure/report/page_parts.h"
#include "transport/base/clock.h"

const char *page_flow_name(const struct trace_view *v, uint32_t flow, char out[PAGE_NAME_BYTES])
{
	const struct tcp_flow *f = &v->summary.flows[flow - 1].flow;
	char remote[ENDPOINT_BYTES];

	endpoint_text(f->remote_ip, f->remote_port, remote);
	if (f->test[0])
		snprintf(out, PAGE_NAME_BYTES, "%s", f->test);
	else if (*remote)
		snprintf(out, PAGE_NAME_BYTES, "%s%s%s", f->comm,
		         !f->comm[0]                  ? ""
		         : f->role == TCP_FLOW_SERVER ? " from "
		                                      : " to ",
		         remote);
	else
		snprintf(out, PAGE_NAME_BYTES, "%s%sconnection %u", f->comm, f->comm[0] ? ", " : "",
		         flow);
	return out;
}

/* --- the frame -------------------------------------------------------------------------------------- */

static const struct chart {
	const char *id, *name, *unit, *how;
} charts[] = {
	{ "rate", "Throughput", "Mbit/s",
	  "TCP payload by the kernel's count, <code>bytes_received</code> or "
	  "<code>bytes_acked</code>; the shade is from the slowest to the fastest 10 ms" },
	{ "rtt", "Round-trip time", "ms",
	  "smoothed (<code>srtt_us</code>), latest, least so far, and the receiver's own estimate; "
	  "the shade is from least to greatest" },
	{ "cwnd", "Congestion window and data in flight", "segments",
	  "<code>snd_cwnd_segments</code>: how much may be on the way; "
	  "<code>inflight_segments</code>: how much is" },
	{ "again", "Losses and retransmissions", "per bar",
	  "<code>bytes_retrans</code> is what we sent again; <code>ooo_segments</code> came to us "
	  "out of order, as after a loss on the way here" },
	{ "limits", "What limited the rate", "share of time",
	  "by the clocks of our kernel for what we send: <code>busy_us</code>, "
	  "<code>rwnd_limited_us</code>, <code>sndbuf_limited_us</code>, "
	  "<code>app_limited</code>; a trace does not tell when this machine’s CPU was what "
	  "limited" },
};

static void put_chart(struct html *h, const struct chart *c)
{
	html_put(h,
	         "<figure class=\"chart\" id=\"chart-%s\">\n<figcaption><h3>%s "
	         "<small>%s</small></h3>"
	         "<p class=\"how\">",
	         c->id, c->name, c->unit);
	html_put_file(h, c->how, c->how + strlen(c->how)); /* has tags of ours */
	html_put(h,
	         "</p></figcaption>\n<div class=\"legend\"></div>\n"
	         "<div class=\"plot\" role=\"img\" aria-label=\"%s along time\"></div>\n"
	         "</figure>\n",
	         c->name);
}

static void put_selection(struct html *h, const struct trace_view *v)
{
	if (v->drawn_count < v->summary.flows_count && v->first_only)
		html_put(h,
		         "<p class=\"how\">Of %u connections the %u largest of the first %u are "
		         "drawn: the trace came through a pipe and was read once.</p>\n",
		         v->summary.flows_count, v->drawn_count, TRACE_VIEW_HELD);
	else if (v->drawn_count < v->summary.flows_count) {
		html_put(h, "<p class=\"how\">Of %u connections the %u largest are drawn; ",
		         v->summary.flows_count, v->drawn_count);
		if (v->summary.flows_count > PAGE_CONNECTIONS_MAX)
			html_put(h, "the %d largest", PAGE_CONNECTIONS_MAX);
		else
			html_put(h, "all");
		html_put(h, " are in the table below.</p>\n");
	}
}

static void put_no_curves(struct html *h, const struct told_result *t)
{
	html_put(h, "<section><h2>Over time</h2><p>");
	if (t->trace_error.at) {
		html_put(h, "The trace of this test was lost, so there are no curves.");
	} else if (t->trace_file.at) {
		html_put(h, "The curves are in the trace of this test, <bdi>");
		page_put_told(h, &t->trace_file, "");
		html_put(h, "</bdi>: <code>radar-pod report TRACE --result RESULT</code> draws "
		            "them.");
	} else {
		html_put(h, "There is no trace of this test, so there are no curves. "
		            "<code>radar-pod test --trace FILE</code> takes one.");
	}
	html_put(h, "</p></section>\n");
}

void page_put_curves(struct html *h, const struct report *r)
{
	if (!r->trace) {
		put_no_curves(h, r->result);
		return;
	}
	if (r->trace->drawn_count == 0)
		return;
	html_put(h,
	         "<section id=\"over-time\">\n<h2>Over time</h2>\n"
	         "<noscript><p class=\"notes\">The curves are drawn by a script, and scripts are "
	         "switched off. Every figure below is there without.</p></noscript>\n");
	put_selection(h, r->trace);
	html_put(h,
	         "<div class=\"tools\">\n<div id=\"flows\" role=\"group\" "
	         "aria-label=\"Connections\"></div>\n"
	         "<div class=\"zoom\" role=\"group\" aria-label=\"Time shown\">"
	         "<button type=\"button\" id=\"earlier\" title=\"earlier (Shift+Left)\">◀</button>"
	         "<button type=\"button\" id=\"out\" title=\"more time (-)\">−</button>"
	         "<button type=\"button\" id=\"in\" title=\"less time (+)\">+</button>"
	         "<button type=\"button\" id=\"later\" title=\"later (Shift+Right)\">▶</button>"
	         "<button type=\"button\" id=\"all\" title=\"everything (0)\">All</button></div>\n"
	         "<output id=\"at\">Drag over a curve to look closer; double-click to see all."
	         "</output>\n</div>\n<div id=\"charts\" tabindex=\"0\" aria-label=\"Curves on one "
	         "time axis. Left and right move the pointer, plus and minus zoom, 0 shows "
	         "all.\">\n");
	for (size_t i = 0; i < sizeof(charts) / sizeof(*charts); i++)
		put_chart(h, &charts[i]);
	html_put(h, "</div>\n</section>\n");
}

/* --- the data ---------------------------------------------------------------------------------------- */

/* Limits are shown in bins so many times as wide: the kernel counts them in ticks of 1 to 10 ms. */
#define LIMITS_MERGED 8

struct range {
	uint32_t first, end;
};

static struct range range_of_gauge(const struct thin_gauge *t)
{
	struct range r = { 0, THIN_BINS };

	while (r.first < r.end && t->bins[r.first].samples == 0)
		r.first++;
	while (r.end > r.first && t->bins[r.end - 1].samples == 0)
		r.end--;
	return r;
}

static struct range range_of_sum(const struct thin_sum *t)
{
	struct range r = { 0, THIN_BINS };

	while (r.first < r.end && t->bins[r.first] == 0)
		r.first++;
	while (r.end > r.first && t->bins[r.end - 1] == 0)
		r.end--;
	return r;
}

/* The last value of each bin, -1 where there is none; beside it how far below it the least was, and how far
 * above it the greatest: mostly 0, so short. */
static void put_gauge(struct html *h, const char *name, const struct thin_gauge *t)
{
	struct range range = range_of_gauge(t);
	bool plain = true;

	html_put(h, ",\"%s\":{\"at\":%u,\"v\":[", name, range.first);
	for (uint32_t i = range.first; i < range.end; i++) {
		const struct thin_bin *b = &t->bins[i];

		plain = plain && b->min == b->max;
		if (i > range.first)
			html_put(h, ",");
		if (b->samples > 0)
			html_put(h, "%u", b->last);
		else
			html_put(h, "-1");
	}
	html_put(h, "]");
	for (int upper = 0; upper < 2 && !plain; upper++) {
		html_put(h, upper ? ",\"above\":[" : ",\"below\":[");
		for (uint32_t i = range.first; i < range.end; i++) {
			const struct thin_bin *b = &t->bins[i];

			html_put(h, i > range.first ? ",%u" : "%u",
			         upper ? b->max - b->last : b->last - b->min);
		}
		html_put(h, "]");
	}
	html_put(h, "}");
}

/* In whole numbers. What a bin has beyond those goes to the next: they sum up to what was counted, however thinly
 * that is spread. */
static void put_sum(struct html *h, const char *name, const struct thin_sum *t)
{
	struct range range = range_of_sum(t);
	double sum = 0, told = 0;

	html_put(h, ",\"%s\":{\"at\":%u,\"v\":[", name, range.first);
	for (uint32_t i = range.first; i < range.end; i++) {
		double before = told;

		sum += t->bins[i];
		told = floor(sum + 0.5);
		html_put(h, i > range.first ? ",%.0f" : "%.0f", told - before);
	}
	html_put(h, "]}");
}

static void put_gauges(struct html *h, const struct curves *c, bool received)
{
	static const struct {
		const char *name;
		enum curve_gauge which;
	} gauges[] = {
		{ "srtt", CURVE_SRTT_US },   { "latest", CURVE_LATEST_RTT_US },
		{ "min", CURVE_MIN_RTT_US }, { "rcv", CURVE_RCV_RTT_US },
		{ "cwnd", CURVE_CWND },      { "inflight", CURVE_INFLIGHT },
	};
	enum curve_gauge rate = received ? CURVE_RECEIVED_KBPS : CURVE_ACKED_KBPS;

	for (size_t i = 0; i < sizeof(gauges) / sizeof(*gauges); i++)
		if (c->gauge_samples[gauges[i].which] > 0)
			put_gauge(h, gauges[i].name, &c->gauges[gauges[i].which]);
	if (c->gauge_samples[rate] > 0)
		put_gauge(h, "windows", &c->gauges[rate]);
}

static void put_sums(struct html *h, const struct curves *c, bool received)
{
	static const struct {
		const char *name;
		enum curve_sum which;
	} sums[] = {
		{ "retrans", CURVE_RETRANS_BYTES },
		{ "ooo", CURVE_OOO_SEGMENTS },
		{ "events", CURVE_RETRANSMITS },
	};
	enum curve_sum bytes = received ? CURVE_RECEIVED_BYTES : CURVE_ACKED_BYTES;

	if (c->sum_totals[bytes] > 0)
		put_sum(h, "bytes", &c->sums[bytes]);
	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++)
		if (c->sum_totals[sums[i].which] > 0)
			put_sum(h, sums[i].name, &c->sums[sums[i].which]);
}

static void put_limits(struct html *h, const struct curves *c)
{
	html_put(h, ",\"limits\":{\"merged\":%d", LIMITS_MERGED);
	for (int limit = 0; limit < LIMITS; limit++) {
		const struct thin_sum *t = &c->sums[CURVE_LIMITS_US + limit];

		if (c->sum_totals[CURVE_LIMITS_US + limit] == 0)
			continue;
		html_put(h, ",\"%s\":[", limit_name((enum limit)limit));
		for (uint32_t i = 0; i < THIN_BINS; i += LIMITS_MERGED) {
			double us = 0;

			for (uint32_t k = i; k < i + LIMITS_MERGED; k++)
				us += t->bins[k];
			html_put(h, i > 0 ? ",%.0f" : "%.0f", us);
		}
		html_put(h, "]");
	}
	html_put(h, "}");
}

/* RTT below which so many percent lie: each percent, and the tail. */
static void put_distribution(struct html *h, const char *field, const struct summary_rtt *rtt)
{
	static const double tail[] = { 99.5, 99.9, 99.99, 100 };
	double us;

	html_put(h, ",\"rtt\":{\"field\":\"%s\",\"n\":%llu,\"us\":[", field,
	         (unsigned long long)rtt->count);
	for (int p = 0; p < 100; p++) {
		summary_rtt_percentile(rtt, p / 100.0, &us);
		html_put(h, "[%d,%.1f],", p, us);
	}
	for (size_t i = 0; i < sizeof(tail) / sizeof(*tail); i++) {
		summary_rtt_percentile(rtt, tail[i] / 100, &us);
		html_put(h, i ? ",[%.2f,%.1f]" : "[%.2f,%.1f]", tail[i], us);
	}
	html_put(h, "]}");
}

static unsigned long long us_since(uint64_t origin_ns, uint64_t at_ns)
{
	return at_ns > origin_ns ? (at_ns - origin_ns) / NS_PER_US : 0;
}

static void put_flow(struct html *h, const struct trace_view *v, const struct trace_drawn *d)
{
	const struct trace_flow_summary *f = &v->summary.flows[d->flow - 1];
	const struct curves *c = d->curves;
	char name[PAGE_NAME_BYTES];
	bool received;

	trace_flow_bytes(f, &received);
	html_put(h, "{\"n\":%u,\"name\":", d->flow);
	html_put_json_string(h, page_flow_name(v, d->flow, name));
	html_put(h, ",\"received\":%u,\"from_us\":%llu,\"to_us\":%llu", received,
	         us_since(v->origin_ns, f->first_ns), us_since(v->origin_ns, f->last_ns));
	put_gauges(h, c, received);
	put_sums(h, c, received);
	if (!received && c->limits.begun)
		put_limits(h, c);
	if (c->latest.count > 0)
		put_distribution(h, "latest_rtt_us", &c->latest);
	else if (f->samples->rtt.count > 0)
		put_distribution(h, "srtt_us", &f->samples->rtt);
	html_put(h, "}");
}

void page_put_data(struct html *h, const struct report *r)
{
	const struct trace_view *v = r->trace;
	double began_us = (double)v->header.anchor.monotonic_ns / NS_PER_US;

	html_put(h, "{\"origin_us\":%.0f,\"utc_ms\":%.3f,\"width_us\":%llu,\"flows\":[",
	         (double)v->origin_ns / NS_PER_US - began_us,
	         (double)v->header.anchor.utc_ns / NS_PER_MS,
	         (unsigned long long)(thin_grid_width_ns(&v->drawn[0].curves->grid) / NS_PER_US));
	for (uint32_t i = 0; i < v->drawn_count; i++) {
		if (i > 0)
			html_put(h, ",\n");
		put_flow(h, v, &v->drawn[i]);
	}
	html_put(h, "]}");
}
