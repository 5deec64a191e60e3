/* Download and upload side by side with their units and the members of the result they are; what limited each;
 * latency idle and under load. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "measure/people.h"
#include "measure/report/page_parts.h"

/* --- the table -------------------------------------------------------------------------------------- */

typedef const char *people_words(struct figure f, char out[PEOPLE_BYTES]);

static const char *bytes_words(struct figure f, char out[PEOPLE_BYTES])
{
	return f.known && f.value < 1.8e19 ? people_bytes((uint64_t)f.value, out) : "-";
}

static const struct row {
	const char *label, *member;
	size_t at; /* in struct told_direction */
	people_words *words;
} rows[] = {
#define ROW(label, member, words)                                                                  \
	{                                                                                          \
		label, #member, offsetof(struct told_direction, member), words                     \
	}
	ROW("Rate, the start included", goodput_mbps, people_rate),
	ROW("Steady rate", steady_mbps, people_rate),
	ROW("… 95 % interval, from", steady_low_mbps, people_rate),
	ROW("… 95 % interval, to", steady_high_mbps, people_rate),
	ROW("… from so long after the beginning", steady_from_s, people_seconds),
	ROW("Transferred", bytes, bytes_words),
	ROW("In", elapsed_s, people_seconds),
	ROW("Least round-trip time", min_rtt_ms, people_ms),
	ROW("Round-trip time under load, median", rtt_p50_ms, people_ms),
	ROW("… 90 % are below", rtt_p90_ms, people_ms),
	ROW("… 99 % are below", rtt_p99_ms, people_ms),
	ROW("Sent again", retransmit_percent, people_percent),
	ROW("CPU of this machine", cpu_percent, people_percent),
#undef ROW
};

/* As the result's JSON has it: "rtt_p50_ms" is rtt_ms.p50 there. */
static const char *path_of(const char *member)
{
	static const char *const differ[][2] = {
		{ "steady_low_mbps", "steady_ci95_mbps[0]" },
		{ "steady_high_mbps", "steady_ci95_mbps[1]" },
		{ "rtt_p50_ms", "rtt_ms.p50" },
		{ "rtt_p90_ms", "rtt_ms.p90" },
		{ "rtt_p99_ms", "rtt_ms.p99" },
	};

	for (size_t i = 0; i < sizeof(differ) / sizeof(*differ); i++)
		if (strcmp(differ[i][0], member) == 0)
			return differ[i][1];
	return member;
}

static void put_cell(struct html *h, const struct told_direction *d, const struct row *row)
{
	const struct figure *f = (const void *)((const char *)d + row->at);
	char words[PEOPLE_BYTES];

	if (f->known)
		html_put(h, "<td data-value=\"%.6f\">%s</td>", f->value, row->words(*f, words));
	else
		html_put(h, "<td>–</td>");
}

static void put_table(struct html *h, const struct told_result *t)
{
	html_put(h,
	         "<div class=\"wide\"><table id=\"directions\">\n<thead><tr><th scope=\"col\">"
	         "</th><th scope=\"col\">Download</th><th scope=\"col\">Upload</th>"
	         "<th scope=\"col\" class=\"member\">in the result</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *path = path_of(rows[i].member);

		html_put(h, "<tr data-member=\"%s\"><th scope=\"row\">%s</th>", path,
		         rows[i].label);
		put_cell(h, &t->download, &rows[i]);
		put_cell(h, &t->upload, &rows[i]);
		html_put(h, "<td class=\"member\"><code>%s</code></td></tr>\n", path);
	}
	html_put(h, "</tbody>\n</table></div>\n");
}

/* --- bars -------------------------------------------------------------------------------------------- */

#define BAR_WIDTH  600
#define BAR_HEIGHT 26

/* Of a file that may say anything. */
static double share_of(struct figure percent)
{
	return !percent.known ? 0 : percent.value < 100 ? percent.value : 100;
}

static void put_limits(struct html *h, const char *name, const struct told_direction *d)
{
	double at = 0;

	if (!d->there)
		return;
	html_put(h, "<h3>%s</h3>\n", name);
	if (!d->limits_percent[LIMIT_NETWORK].known) {
		html_put(h, "<p>not known: the side that sent did not tell</p>\n");
		return;
	}
	html_put(h,
	         "<svg class=\"bar\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s, shares of "
	         "its time\" preserveAspectRatio=\"none\">",
	         BAR_WIDTH, BAR_HEIGHT, name);
	for (int i = 0; i < LIMITS; i++) {
		double share = share_of(d->limits_percent[i]);

		html_put(h, "<rect class=\"limit-%s\" x=\"%.2f\" width=\"%.2f\" height=\"%d\"/>",
		         limit_name((enum limit)i), at / 100 * BAR_WIDTH, share / 100 * BAR_WIDTH,
		         BAR_HEIGHT);
		at += share;
	}
	html_put(h, "</svg>\n<ul class=\"key\">");
	for (int i = 0; i < LIMITS; i++)
		if (d->limits_percent[i].known && d->limits_percent[i].value > 0)
			html_put(h, "<li class=\"limit-%s\">%s %.1f %%</li>",
			         limit_name((enum limit)i), limit_name((enum limit)i),
			         d->limits_percent[i].value);
	html_put(h, "</ul>\n");
}

static void put_latency_bar(struct html *h, const char *of, const char *label, struct figure ms,
                            double most)
{
	char words[PEOPLE_BYTES];

	if (!ms.known)
		return;
	html_put(h,
	         "<tr><th scope=\"row\">%s</th><td class=\"meter\"><svg viewBox=\"0 0 %d 10\" "
	         "preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"%s\" "
	         "width=\"%.2f\" height=\"10\" rx=\"2\"/></svg></td>"
	         "<td data-value=\"%.6f\">%s</td></tr>\n",
	         label, BAR_WIDTH, of, most > 0 ? ms.value / most * BAR_WIDTH : 0, ms.value,
	         people_ms(ms, words));
}

static void put_latency(struct html *h, const struct told_result *t)
{
	const struct figure *all[] = { &t->idle_ms, &t->loaded_down_ms, &t->loaded_up_ms };
	double most = 0;

	for (int i = 0; i < 3; i++)
		if (all[i]->known && all[i]->value > most)
			most = all[i]->value;
	if (most <= 0)
		return;
	html_put(h,
	         "<h2>Latency, idle and loaded</h2>\n<p class=\"how\">One round trip: before any "
	         "load (<code>latency.idle_ms</code>), and the 90th percentile during each "
	         "direction (<code>loaded_down_ms</code>, <code>loaded_up_ms</code>).</p>\n"
	         "<table id=\"latency\" class=\"meters\"><tbody>\n");
	put_latency_bar(h, "idle", "Idle", t->idle_ms, most);
	put_latency_bar(h, "down", "During the download", t->loaded_down_ms, most);
	put_latency_bar(h, "up", "During the upload", t->loaded_up_ms, most);
	html_put(h, "</tbody></table>\n");
}

static void put_distribution(struct html *h)
{
	html_put(h,
	         "<figure class=\"chart\" id=\"chart-cdf\">\n<figcaption><h3>Distribution of "
	         "round-trip times <small>%% of samples</small></h3><p class=\"how\">How many "
	         "percent of the samples were at most so long</p></figcaption>\n"
	         "<div class=\"legend\"></div>\n<div class=\"plot\" role=\"img\" "
	         "aria-label=\"Cumulative distribution of round-trip times\"></div>\n</figure>\n");
}

void page_put_directions(struct html *h, const struct report *r)
{
	if (!r->result && r->trace->drawn_count == 0)
		return;
	html_put(h, "<section>\n");
	if (r->result)
		put_latency(h, r->result);
	if (r->trace && r->trace->drawn_count > 0)
		put_distribution(h);
	if (r->result) {
		html_put(h, "<h2>What limited the rate</h2>\n<p class=\"how\">Shares of each "
		            "direction's time, as the side that sent told them "
		            "(<code>limits_percent</code>).</p>\n");
		put_limits(h, "Download", &r->result->download);
		put_limits(h, "Upload", &r->result->upload);
		html_put(h, "<h2>All figures</h2>\n");
		put_table(h, r->result);
	}
	html_put(h, "</section>\n");
}
