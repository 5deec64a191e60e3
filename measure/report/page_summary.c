/* What a layman wants to know, on top: sentences, four large figures, and what to be wary of. */

#include "measure/people.h"
#include "measure/report/page_parts.h"
#include "transport/base/bytes.h"

/* How much longer a round trip may take under load before people notice: games first, then calls (ITU-T G.114
 * wants a mouth-to-ear delay below 150 ms, of which the network is the larger part). */
#define NOTICED_MS 30
#define ANNOYS_MS  100

/* --- sentences ------------------------------------------------------------------------------------ */

static void put_rates(struct html *h, const struct told_result *t)
{
	char rate[PEOPLE_BYTES];
	bool down = t->download.there && t->download.goodput_mbps.known;
	bool up = t->upload.there && t->upload.goodput_mbps.known;

	if (!down && !up)
		return;
	html_put(h, "This connection ");
	if (down)
		html_put(h, "receives <strong>%s</strong>",
		         people_rate(t->download.goodput_mbps, rate));
	if (up)
		html_put(h, "%ssends <strong>%s</strong>", down ? " and " : "",
		         people_rate(t->upload.goodput_mbps, rate));
	html_put(h, ". ");
}

static struct figure larger(struct figure a, struct figure b)
{
	if (!a.known || !b.known)
		return a.known ? a : b;
	return a.value > b.value ? a : b;
}

static void put_latency(struct html *h, const struct told_result *t)
{
	struct figure loaded = larger(t->loaded_down_ms, t->loaded_up_ms);
	char ms[PEOPLE_BYTES];
	double longer;

	if (t->idle_ms.known)
		html_put(h,
		         "A message to the server and back takes <strong>%s</strong> when "
		         "nothing else is going on",
		         people_ms(t->idle_ms, ms));
	if (t->idle_ms.known && loaded.known)
		html_put(h, ", and <strong>%s</strong> while much is transferred. ",
		         people_ms(loaded, ms));
	else if (t->idle_ms.known)
		html_put(h, ". ");
	if (!t->idle_ms.known || !loaded.known)
		return;
	longer = loaded.value - t->idle_ms.value;
	if (longer < NOTICED_MS)
		html_put(h, "It stays quick under load.");
	else if (longer < ANNOYS_MS)
		html_put(h, "Under load it becomes slower: games may notice.");
	else
		html_put(h, "Under load it becomes much slower: calls and games suffer while "
		            "somebody sends or fetches much.");
}

static void put_failures(struct html *h, const struct told_result *t)
{
	for (size_t i = 0; i < t->errors_count; i++) {
		html_put(h, "<p>The ");
		page_put_told(h, &t->errors[i].test, "test");
		html_put(h, " could not be measured: <bdi>");
		page_put_told(h, &t->errors[i].error, "no reason is known");
		html_put(h, "</bdi></p>\n");
	}
}

static void put_largest(struct html *h, const struct trace_view *v)
{
	uint32_t largest = 0;
	char bytes[PEOPLE_BYTES], name[PAGE_NAME_BYTES];

	for (uint32_t i = 0; i < v->drawn_count; i++) {
		const struct trace_flow_summary *f = &v->summary.flows[v->drawn[i].flow - 1];

		if (largest == 0 || trace_view_flow_bytes(f) >
		                            trace_view_flow_bytes(&v->summary.flows[largest - 1]))
			largest = v->drawn[i].flow;
	}
	if (largest > 0 && trace_view_flow_bytes(&v->summary.flows[largest - 1]) > 0)
		html_put(
			h, " The largest is <bdi>%s</bdi> with %s.",
			page_flow_name(v, largest, name),
			people_bytes(trace_view_flow_bytes(&v->summary.flows[largest - 1]), bytes));
}

/* Of who has them: what is absent is not 0. */
static void put_bytes(struct html *h, const struct trace_summary *s)
{
	uint64_t received = 0, acked = 0;
	char in[PEOPLE_BYTES], out[PEOPLE_BYTES];
	bool counted = false;

	for (uint32_t i = 0; i < s->room; i++) {
		const struct summary *of = s->flows[i].samples;

		if (!of || !(of->last.present & TCP_SAMPLE_BYTES))
			continue;
		received += of->last.bytes_received;
		acked += of->last.bytes_acked;
		counted = true;
	}
	if (counted)
		html_put(h,
		         ", which received <strong>%s</strong> and had <strong>%s</strong> "
		         "acknowledged",
		         people_bytes(received, in), people_bytes(acked, out));
}

/* Samples may have been lost, left out, or behind the cut: that there were no connections is another matter. */
static bool had_no_connections(const struct trace_summary *s)
{
	return s->ended && s->flows_count == 0 && s->end.lost == 0 && s->end.left_out == 0;
}

static void put_trace(struct html *h, const struct trace_view *v)
{
	const struct trace_summary *s = &v->summary;
	char span[PEOPLE_BYTES];

	if (s->samples == 0) {
		html_put(h, "The trace has no samples%s.",
		         had_no_connections(s) ? ": no connection was made while it was taken"
		                               : "");
		return;
	}
	html_put(h, "%u TCP connection%s in %s", s->flows_count, s->flows_count == 1 ? "" : "s",
	         page_seconds((double)(s->last_ns - s->first_ns) / 1e9, 1, span));
	put_bytes(h, s);
	html_put(h, ".");
	put_largest(h, v);
}

/* --- large figures -------------------------------------------------------------------------------- */

static void put_card(struct html *h, const char *of, const char *label, const char *figure)
{
	html_put(h, "<div class=\"card\" id=\"%s\"><h2>%s</h2><p class=\"big\">", of, label);
	page_put_big(h, figure);
	html_put(h, "</p>");
}

/* As the terminal says it. */
static void put_steady(struct html *h, const struct told_direction *d)
{
	struct figure half =
		people_half_percent(d->steady_mbps, d->steady_low_mbps, d->steady_high_mbps);
	char rate[PEOPLE_BYTES];

	people_rate(d->steady_mbps, rate);
	if (half.known && half.value > PEOPLE_STEADY_PERCENT_MAX)
		html_put(h, "not steady: up and down around %s", rate);
	else if (half.known)
		html_put(h, "steady %s ± %.2g %%", rate, half.value);
	else
		html_put(h, "steady %s", rate);
}

static void put_rate_card(struct html *h, const char *of, const char *label,
                          const struct told_direction *d)
{
	char rate[PEOPLE_BYTES];

	put_card(h, of, label, people_rate(d->goodput_mbps, rate));
	html_put(h, "<p>");
	if (!d->there)
		html_put(h, "not measured");
	else if (d->steady_mbps.known)
		put_steady(h, d);
	else if (d->goodput_source.at)
		page_put_told(h, &d->goodput_source, "");
	html_put(h, "</p></div>\n");
}

static void put_cards(struct html *h, const struct told_result *t)
{
	struct figure loaded = larger(t->loaded_down_ms, t->loaded_up_ms);
	bool up = loaded.known && t->loaded_up_ms.known && t->loaded_up_ms.value == loaded.value;
	char ms[PEOPLE_BYTES];

	html_put(h, "<div class=\"cards\">\n");
	put_rate_card(h, "card-download", "Download", &t->download);
	put_rate_card(h, "card-upload", "Upload", &t->upload);
	put_card(h, "card-idle", "Latency, idle", people_ms(t->idle_ms, ms));
	html_put(h, "<p>one round trip, before any load</p></div>\n");
	put_card(h, "card-loaded", "Latency, loaded", people_ms(loaded, ms));
	html_put(h, "<p>%s</p></div>\n</div>\n",
	         !loaded.known ? "not known"
	         : up          ? "90th percentile during upload"
	                       : "90th percentile during download");
}

/* --- what to be wary of --------------------------------------------------------------------------- */

static void put_trace_notes(struct html *h, const struct report *r)
{
	const struct trace_view *v = r->trace;
	char samples[PEOPLE_BYTES];

	if (v->cut)
		html_put(h, "<li>The trace was cut off: what came behind is not here, and how many "
		            "samples were lost is not known.</li>\n");
	else if (v->summary.end.lost > 0)
		html_put(h, "<li>Lost while the trace was taken: %s.</li>\n",
		         people_count(v->summary.end.lost, "sample", samples));
	if (v->summary.end.missed.segments_at_most > 0)
		html_put(h, "<li>The trace may lack up to %s: " PEOPLE_MISSED ".</li>\n",
		         people_count(v->summary.end.missed.segments_at_most, "segment", samples));
	if (v->summary.end.left_out > 0)
		html_put(h, "<li>The trace is an excerpt, without %s of the whole.</li>\n",
		         people_count(v->summary.end.left_out, "sample", samples));
	if (v->early > 0)
		html_put(h, "<li>Not drawn, being from before the trace's first one: %s.</li>\n",
		         people_count(v->early, "sample", samples));
	if (!report_same_test(r))
		html_put(h, "<li>The result and the trace are of different tests.</li>\n");
}

static bool has_notes(const struct report *r)
{
	const struct trace_view *v = r->trace;

	if (r->result && (r->result->warnings_count > 0 || r->result->interrupted))
		return true;
	return v &&
	       (v->cut || v->summary.end.lost > 0 || v->summary.end.missed.segments_at_most > 0 ||
	        v->summary.end.left_out > 0 || v->early > 0 || !report_same_test(r));
}

static void put_notes(struct html *h, const struct report *r)
{
	if (!has_notes(r))
		return;
	html_put(h, "<div class=\"notes\" role=\"note\"><h2>To be noted</h2><ul>\n");
	if (r->trace)
		put_trace_notes(h, r);
	if (r->result && r->result->interrupted)
		html_put(h, "<li>The test was interrupted.</li>\n");
	for (size_t i = 0; r->result && i < r->result->warnings_count; i++) {
		html_put(h, "<li><bdi>");
		page_put_told(h, &r->result->warnings[i], "");
		html_put(h, "</bdi></li>\n");
	}
	html_put(h, "</ul></div>\n");
}

void page_put_summary(struct html *h, const struct report *r)
{
	html_put(h, "<section class=\"summary\" aria-label=\"Summary\">\n");
	if (r->result) {
		put_cards(h, r->result);
		html_put(h, "<p class=\"lead\">");
		put_rates(h, r->result);
		put_latency(h, r->result);
		html_put(h, "</p>\n");
		put_failures(h, r->result);
	} else {
		html_put(h, "<p class=\"lead\">");
		put_trace(h, r->trace);
		html_put(h, "</p>\n");
	}
	put_notes(h, r);
	html_put(h, "</section>\n");
}
