/* For who wants to know exactly: every member of the result as its JSON has it, where the trace comes from. */
#include <stdio.h>

#include "measure/report/page_parts.h"
#include "measure/trace_line.h"
#include "transport/base/clock.h"

/* Values of a result that are shown: a file may have any number. */
#define VALUES_SHOWN_MAX 500

struct listing {
	struct html *h;
	unsigned int values;
};

static int put_value(void *self, const char *path, const struct json_token *t, struct err *err)
{
	struct listing *l = self;

	(void)err;
	if (t->kind == JSON_OBJECT_BEGIN || t->kind == JSON_ARRAY_BEGIN ||
	    l->values++ >= VALUES_SHOWN_MAX)
		return 0;
	html_put(l->h, "<tr><th scope=\"row\"><bdi>%s</bdi></th><td><bdi>", path);
	if (t->kind == JSON_STRING)
		html_put_raw_json_text(l->h, t->text, t->n);
	else
		html_put_text(l->h, t->text, t->n);
	html_put(l->h, "</bdi></td></tr>\n");
	return 0;
}

static void put_result(struct html *h, const struct report *r)
{
	struct listing l = { .h = h };

	html_put(h, "<details id=\"result\"><summary>The whole result</summary>\n<p "
	            "class=\"how\">As in "
	            "its JSON, number by number; <code>null</code> is what is not known.</p>\n"
	            "<div class=\"wide\"><table class=\"pairs\"><tbody>\n");
	json_walk(r->result_text, r->result_bytes, put_value, &l, NULL); /* it was read before */
	html_put(h, "</tbody></table></div>\n");
	if (l.values > VALUES_SHOWN_MAX)
		html_put(h, "<p>%u further values are not shown.</p>\n",
		         l.values - VALUES_SHOWN_MAX);
	html_put(h, "</details>\n");
}

static void put_pair(struct html *h, const char *name, const char *value)
{
	if (*value)
		html_put(h, "<tr><th scope=\"row\">%s</th><td><bdi>%s</bdi></td></tr>\n", name,
		         value);
}

static void put_count(struct html *h, const char *name, uint64_t count)
{
	html_put(h, "<tr><th scope=\"row\">%s</th><td>%llu</td></tr>\n", name,
	         (unsigned long long)count);
}

static void put_trace(struct html *h, const struct report *r)
{
	const struct trace_header *t = &r->trace->header;
	const struct trace_summary *s = &r->trace->summary;
	char utc[CLOCK_UTC_TEXT_BYTES];

	html_put(h, "<details id=\"trace\"><summary>The trace</summary>\n<div class=\"wide\">"
	            "<table class=\"pairs\"><tbody>\n");
	put_pair(h, "file", r->trace_name);
	put_pair(h, "utc", clock_utc_text(t->anchor.utc_ns, 9, utc));
	put_pair(h, "version", t->version);
	put_pair(h, "kernel", t->kernel);
	put_pair(h, "arch", t->arch);
	put_pair(h, "source", t->source);
	put_pair(h, "result", t->result);
	put_pair(h, "command", t->command);
	put_count(h, "interval_ns", t->interval_ns);
	put_count(h, "monotonic_ns", t->anchor.monotonic_ns);
	put_count(h, "anchor_error_ns", t->anchor.error_ns);
	put_count(h, "memory_bytes", t->memory_bytes);
	put_count(h, "spill_bytes", t->spill_bytes);
	put_count(h, "flows", s->flows_count);
	put_count(h, "samples", s->samples);
	for (int i = 0; i < TCP_SAMPLE_EVENTS; i++)
		if (s->events[i] > 0)
			put_count(h, trace_event_name((enum tcp_sample_event)i), s->events[i]);
	if (s->ended)
		put_count(h, "lost", s->end.lost);
	else
		put_pair(h, "lost", "not known");
	if (s->end.missed.known)
		put_count(h, "missed_at_most", s->end.missed.segments_at_most);
	html_put(h, "</tbody></table></div>\n</details>\n");
}

void page_put_details(struct html *h, const struct report *r)
{
	html_put(h, "<section>\n<h2>For researchers</h2>\n");
	if (r->result)
		put_result(h, r);
	if (r->trace)
		put_trace(h, r);
	html_put(h, "</section>\n");
}
