/* Every connection of a trace, a line each, the largest first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "measure/endpoint.h"
#include "measure/people.h"
#include "measure/report/page_parts.h"
#include "transport/base/cleanup.h"

struct line {
	uint32_t flow;
	uint64_t bytes;
};

static int by_size(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->flow < y->flow ? -1 : x->flow > y->flow;
}

const char *page_seconds(double s, int decimals, char out[PEOPLE_BYTES])
{
	if (s < 0.1)
		return people_ms((struct figure){ true, s * 1e3 }, out);
	snprintf(out, PEOPLE_BYTES, "%.*f s", decimals, s);
	return out;
}

static const char *seconds(struct figure f, char out[PEOPLE_BYTES])
{
	return f.known ? page_seconds(f.value, 2, out) : "–";
}

static void put_connection(struct html *h, const struct trace_view *v, uint32_t flow)
{
	const struct tcp_flow *f = &v->summary.flows[flow - 1].flow;
	char name[PAGE_NAME_BYTES], local[ENDPOINT_BYTES], remote[ENDPOINT_BYTES];

	endpoint_text(f->local_ip, f->local_port, local);
	endpoint_text(f->remote_ip, f->remote_port, remote);
	html_put(h, "<th scope=\"row\"><bdi>%s</bdi><small>%s%s%s", page_flow_name(v, flow, name),
	         local, f->role == TCP_FLOW_SERVER ? " ← " : " → ", remote);
	if (f->pid)
		html_put(h, " · <bdi>%s</bdi>[%u]", f->comm, f->pid);
	if (f->congestion[0])
		html_put(h, " · <bdi>%s</bdi>", f->congestion);
	html_put(h, " · %016llx</small></th>", (unsigned long long)f->cookie);
}

static void put_line(struct html *h, const struct trace_view *v, const struct line *line)
{
	const struct trace_flow_summary *f = &v->summary.flows[line->flow - 1];
	const struct tcp_sample *last = f->samples ? &f->samples->last : NULL;
	bool counted = last && last->present & TCP_SAMPLE_BYTES;
	char words[PEOPLE_BYTES];

	html_put(h, "<tr><td>%u</td>", line->flow);
	put_connection(h, v, line->flow);
	html_put(h, "<td>%s</td>", seconds(trace_flow_duration_s(f), words));
	html_put(h, "<td>%s</td>", counted ? people_bytes(last->bytes_received, words) : "–");
	html_put(h, "<td>%s</td>", counted ? people_bytes(last->bytes_acked, words) : "–");
	html_put(h, "<td>%s</td>", people_rate(trace_flow_goodput_mbps(f), words));
	html_put(h, "<td>%s</td>", people_ms(trace_flow_min_rtt_ms(f), words));
	html_put(h, "<td>%s</td>", people_ms(trace_flow_rtt_ms(f, 0.5), words));
	html_put(h, "<td>%s</td>", people_ms(trace_flow_rtt_ms(f, 0.99), words));
	html_put(h, "<td>%s</td>", people_percent(trace_flow_retransmit_percent(f), words));
	if (f->max_cwnd_segments > 0)
		html_put(h, "<td>%u</td>", f->max_cwnd_segments);
	else
		html_put(h, "<td>–</td>");
	html_put(h, "<td><bdi>%s</bdi></td></tr>\n", trace_flow_ending(f));
}

static void put_rest(struct html *h, const struct line *lines, uint32_t count)
{
	uint64_t bytes = 0;
	char words[PEOPLE_BYTES];

	for (uint32_t i = PAGE_CONNECTIONS_MAX; i < count; i++)
		bytes += lines[i].bytes;
	if (count > PAGE_CONNECTIONS_MAX)
		html_put(h,
		         "<p>%u smaller connections with %s are not shown: "
		         "<code>radar-pod trace summary</code> lists them.</p>\n",
		         count - PAGE_CONNECTIONS_MAX, people_bytes(bytes, words));
}

void page_put_flows(struct html *h, const struct report *r)
{
	const struct trace_view *v = r->trace;
	CLEANUP(freep) struct line *lines = v ? calloc(v->summary.room + 1, sizeof(*lines)) : NULL;
	uint32_t count = 0;

	if (!v || v->summary.flows_count == 0)
		return;
	if (!lines) {
		ERR_SET(&h->err, -ENOMEM, ERR_SYS, 0, "list the flows");
		return;
	}
	for (uint32_t i = 0; i < v->summary.room; i++)
		if (v->summary.flows[i].met)
			lines[count++] =
				(struct line){ i + 1, trace_view_flow_bytes(&v->summary.flows[i]) };
	qsort(lines, count, sizeof(*lines), by_size);
	html_put(h,
	         "<section>\n<h2>Connections</h2>\n<p class=\"how\">As the kernel counted them "
	         "until the last sample; RTT is <code>srtt_us</code>, the rate that of the "
	         "direction with more bytes.</p>\n<div class=\"wide\"><table id=\"connections\">\n"
	         "<thead><tr><th scope=\"col\">Flow</th><th scope=\"col\">Connection</th>"
	         "<th scope=\"col\">Time</th><th scope=\"col\">Received</th>"
	         "<th scope=\"col\">Acknowledged</th><th scope=\"col\">Rate</th>"
	         "<th scope=\"col\">RTT min</th><th scope=\"col\">p50</th>"
	         "<th scope=\"col\">p99</th><th scope=\"col\">Sent again</th>"
	         "<th scope=\"col\">cwnd max</th><th scope=\"col\">End</th></tr></thead>\n"
	         "<tbody>\n");
	for (uint32_t i = 0; i < count && i < PAGE_CONNECTIONS_MAX; i++)
		put_line(h, v, &lines[i]);
	html_put(h, "</tbody>\n</table></div>\n");
	put_rest(h, lines, count);
	html_put(h, "</section>\n");
}
