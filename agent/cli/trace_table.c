#include "agent/cli/trace_table.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "agent/base/json_writer.h"
#include "measure/endpoint.h"
#include "measure/people.h"
#include "measure/trace_line.h"
#include "measure/trace_reader.h"
#include "measure/trace_summary.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"

#define LABEL_COLUMNS 12

static const struct figure unknown = { .known = false };

/* --- texts ---------------------------------------------------------------------------------------- */

static const char *ip_text(const uint8_t ip[16], char out[ENDPOINT_BYTES])
{
	char *colon;

	endpoint_text(ip, 0, out);
	colon = strrchr(out, ':');
	if (!colon)
		return NULL;
	*colon = '\0';
	if (*out != '[')
		return out;
	out[strlen(out) - 1] = '\0';
	return out + 1;
}

static const char *form_name(struct trace_form form)
{
	if (form.syntax == TRACE_CSV)
		return form.zstd ? "CSV, zstd" : "CSV";
	return form.zstd ? "JSON lines, zstd" : "JSON lines";
}

struct lines {
	FILE *to;
	const struct terminal *t;
};

/* What a trace says of itself is a file's word: none of it may steer the terminal. */
__attribute__((format(printf, 3, 4))) static void put_line(const struct lines *l, const char *label,
                                                           const char *format, ...)
{
	char words[1024];
	va_list args;

	va_start(args, format);
	bytes_print_line(words, sizeof(words), format, args);
	va_end(args);
	fprintf(l->to, "  %s%-*s%s", terminal_paint(l->t, PAINT_DIM), LABEL_COLUMNS - 2, label,
	        terminal_paint(l->t, PAINT_PLAIN));
	text_wrap(l->to, words, LABEL_COLUMNS, LABEL_COLUMNS, l->t->columns);
}

/* --- info ------------------------------------------------------------------------------------------ */

static void put_time_between(const struct lines *l, const struct trace_header *h)
{
	char ms[PEOPLE_BYTES];

	if (h->interval_ns == 0)
		put_line(l, "Source", "%s, every sample there was", h->source);
	else
		put_line(l, "Source", "%s, at most one sample of a flow in %s", h->source,
		         people_ms((struct figure){ true, (double)h->interval_ns / 1e6 }, ms));
}

static void put_counts(const struct lines *l, const struct trace_summary *s)
{
	char words[256], samples[PEOPLE_BYTES];
	struct text t = text_on(words, sizeof(words));

	for (int i = 0; i < TCP_SAMPLE_EVENTS; i++)
		if (s->events[i] > 0)
			text_append(&t, "%s%llu %s", t.bytes ? ", " : ": ",
			            (unsigned long long)s->events[i],
			            trace_event_name((enum tcp_sample_event)i));
	put_line(l, "Samples", "%llu%s", (unsigned long long)s->samples, words);
	if (s->samples > 0)
		put_line(l, "Span", "%.3f s", (double)(s->last_ns - s->first_ns) / 1e9);
	if (!s->ended)
		put_line(l, "Lost", "not known: the trace is cut off");
	else if (s->end.lost_for_space > 0)
		put_line(l, "Lost", "%s, %llu of them for want of space",
		         people_count(s->end.lost, "sample", samples),
		         (unsigned long long)s->end.lost_for_space);
	else
		put_line(l, "Lost", "%s", people_count(s->end.lost, "sample", samples));
	if (s->end.missed.segments_at_most > 0)
		put_line(l, "Missed", "up to %s: " PEOPLE_MISSED,
		         people_count(s->end.missed.segments_at_most, "segment", samples));
	else if (s->end.missed.known)
		put_line(l, "Missed", "%s", people_count(0, "segment", samples));
	if (s->end.left_out > 0)
		put_line(l, "Left out", "%s, as was asked for",
		         people_count(s->end.left_out, "sample", samples));
}

static void put_flow(const struct lines *l, uint32_t number, const struct trace_flow_summary *f)
{
	char label[24], local[ENDPOINT_BYTES], remote[ENDPOINT_BYTES], words[512],
		samples[PEOPLE_BYTES];
	struct text t = text_on(words, sizeof(words));
	const char *ending = trace_flow_ending(f);

	snprintf(label, sizeof(label), "Flow %u", number);
	endpoint_text(f->flow.local_ip, f->flow.local_port, local);
	endpoint_text(f->flow.remote_ip, f->flow.remote_port, remote);
	if (*remote)
		text_append(&t, "%s %s %s, ", *local ? local : "?",
		            f->flow.role == TCP_FLOW_SERVER ? (l->t->utf8 ? "←" : "<")
		                                            : (l->t->utf8 ? "→" : ">"),
		            remote);
	if (f->flow.test[0])
		text_append(&t, "%s, ", f->flow.test);
	if (f->flow.congestion[0])
		text_append(&t, "%s, ", f->flow.congestion);
	if (f->flow.pid)
		text_append(&t, "%s[%u], ", f->flow.comm, f->flow.pid);
	text_append(&t, "cookie %016llx, ", (unsigned long long)f->flow.cookie);
	text_append(&t, "%s",
	            people_count(f->samples ? f->samples->samples : 0, "sample", samples));
	if (*ending)
		text_append(&t, "; %s", ending);
	put_line(l, label, "%s", words);
}

void trace_info_human(const struct trace_told *t, const struct terminal *terminal, FILE *to)
{
	const struct trace_header *h = trace_reader_header(t->reader);
	struct lines l = { to, terminal };
	char utc[CLOCK_UTC_TEXT_BYTES];

	put_line(&l, "Trace", "%s (%s)", t->file, form_name(trace_reader_form(t->reader)));
	put_line(&l, "Begun", "%s, by radar-pod %s", clock_utc_text(h->anchor.utc_ns, 3, utc),
	         h->version);
	put_line(&l, "Machine", "Linux %s, %s", h->kernel, h->arch);
	put_time_between(&l, h);
	if (h->result[0])
		put_line(&l, "Result", "%s", h->result);
	if (h->command[0])
		put_line(&l, "Command", "%s", h->command);
	put_counts(&l, t->summary);
	for (uint32_t i = 0; i < t->summary->room; i++)
		if (t->summary->flows[i].met)
			put_flow(&l, i + 1, &t->summary->flows[i]);
}

static void put_word(struct json_writer *w, const char *name, const char *text)
{
	json_put_text(w, name, text && *text ? text : NULL);
}

/* 0 is not known. */
static void put_known_count(struct json_writer *w, const char *name, uint64_t count)
{
	if (count > 0)
		json_put_count(w, name, count);
	else
		json_put_null(w, name);
}

static void put_losses(struct json_writer *w, const struct trace_summary *s)
{
	if (s->ended)
		json_put_count(w, "samples_lost", s->end.lost);
	else
		json_put_null(w, "samples_lost");
	json_put_count(w, "left_out", s->end.left_out);
	if (s->end.missed.known)
		json_put_count(w, "missed_at_most", s->end.missed.segments_at_most);
	else
		json_put_null(w, "missed_at_most");
}

static void put_flow_identity(struct json_writer *w, uint32_t number,
                              const struct trace_flow_summary *f)
{
	static const char *const roles[] = { NULL, "client", "server" };
	char cookie[24], ip[ENDPOINT_BYTES];

	snprintf(cookie, sizeof(cookie), "%016llx", (unsigned long long)f->flow.cookie);
	json_put_count(w, "flow", number);
	json_put_text(w, "cookie", cookie);
	json_put_text(w, "local_ip", ip_text(f->flow.local_ip, ip));
	put_known_count(w, "local_port", f->flow.local_port);
	json_put_text(w, "remote_ip", ip_text(f->flow.remote_ip, ip));
	put_known_count(w, "remote_port", f->flow.remote_port);
	json_put_text(w, "role", f->flow.role < 3 ? roles[f->flow.role] : NULL);
	put_word(w, "test", f->flow.test);
	put_word(w, "congestion", f->flow.congestion);
	put_known_count(w, "pid", f->flow.pid);
	put_word(w, "comm", f->flow.comm);
	json_put_count(w, "samples", f->samples ? f->samples->samples : 0);
	put_word(w, "ending", trace_flow_ending(f));
}

static void put_events(struct json_writer *w, const struct trace_summary *s)
{
	json_begin_object(w, "events");
	for (int i = 0; i < TCP_SAMPLE_EVENTS; i++)
		json_put_count(w, trace_event_name((enum tcp_sample_event)i), s->events[i]);
	json_end_object(w);
}

void trace_info_json(const struct trace_told *t, FILE *to)
{
	const struct trace_header *h = trace_reader_header(t->reader);
	const struct trace_summary *s = t->summary;
	struct trace_form form = trace_reader_form(t->reader);
	struct json_writer writer = { .to = to }, *w = &writer;
	char utc[CLOCK_UTC_TEXT_BYTES];

	json_begin_object(w, NULL);
	json_put_text(w, "schema", "radar-pod/trace-info/1");
	json_put_text(w, "file", t->file);
	json_put_text(w, "format", form.syntax == TRACE_CSV ? "csv" : "jsonl");
	json_put_flag(w, "zstd", form.zstd);
	json_put_text(w, "begun_at", clock_utc_text(h->anchor.utc_ns, 9, utc));
	put_word(w, "version", h->version);
	put_word(w, "kernel", h->kernel);
	put_word(w, "arch", h->arch);
	put_word(w, "source", h->source);
	put_word(w, "result", h->result);
	put_word(w, "command", h->command);
	json_put_count(w, "interval_ns", h->interval_ns);
	json_put_count(w, "samples", s->samples);
	put_events(w, s);
	json_put_figure(w, "span_s",
	                s->samples
	                        ? (struct figure){ true, (double)(s->last_ns - s->first_ns) / 1e9 }
	                        : unknown,
	                9);
	json_put_flag(w, "complete", s->ended);
	put_losses(w, s);
	json_begin_array(w, "flows");
	for (uint32_t i = 0; i < s->room; i++) {
		if (!s->flows[i].met)
			continue;
		json_begin_object(w, NULL);
		put_flow_identity(w, i + 1, &s->flows[i]);
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
	fputc('\n', to);
}

/* --- the table ----------------------------------------------------------------------------------- */

/* Three digits: "9.87", "14.2", "340"; a thousandth as ".003". */
static const char *short_number(struct figure f, char out[PEOPLE_BYTES])
{
	if (!f.known || !isfinite(f.value) || f.value < 0)
		snprintf(out, PEOPLE_BYTES, "-");
	else if (f.value == 0)
		snprintf(out, PEOPLE_BYTES, "0");
	else if (f.value < 0.00995)
		snprintf(out, PEOPLE_BYTES, ".%03.0f", f.value * 1e3);
	else
		snprintf(out, PEOPLE_BYTES, "%.*f",
		         f.value < 9.995   ? 2
		         : f.value < 99.95 ? 1
		                           : 0,
		         f.value);
	return out;
}

/* With a letter for the thousands: "187M", "2.31G". */
static const char *short_amount(struct figure f, char out[PEOPLE_BYTES])
{
	static const char *const letters[] = { "", "k", "M", "G", "T", "P", "E" };
	size_t letter = 0;

	if (f.known && f.value < 999.5) {
		snprintf(out, PEOPLE_BYTES, "%.0f", f.value);
		return out;
	}
	for (; f.value >= 999.5 && letter + 1 < sizeof(letters) / sizeof(*letters); letter++)
		f.value /= 1000;
	short_number(f, out);
	strcat(out, letters[letter]);
	return out;
}

static struct figure scaled(struct figure f, double by)
{
	f.value *= by;
	return f;
}

/* "timed out"; of what is longer the words that fit, of one word its letters. */
#define ENDING_COLUMNS 9

static void ending_text(const char *ending, char out[ENDING_COLUMNS + 1])
{
	char *space;

	snprintf(out, ENDING_COLUMNS + 1, "%s", ending);
	if (strlen(ending) > ENDING_COLUMNS && ending[ENDING_COLUMNS] != ' ') {
		space = strrchr(out, ' ');
		if (space)
			*space = '\0';
	}
	bytes_make_printable(out);
}

/* The columns of what follows the connection, each with the space before it. */
#define FIGURES_COLUMNS (5 + 6 + 6 + 5 + 5 + 5 + 5 + 6 + 1 + ENDING_COLUMNS)
#define FIGURES_HEADS   "%5s%6s%6s%5s%5s%5s%5s%6s %s"

static void put_figures(const struct trace_flow_summary *f, FILE *to)
{
	struct figure cwnd = { f->max_cwnd_segments > 0, f->max_cwnd_segments };
	char text[PEOPLE_BYTES], ending[ENDING_COLUMNS + 1];
	bool received;

	fprintf(to, "%5s", short_number(trace_flow_duration_s(f), text));
	fprintf(to, "%6s", short_amount(trace_flow_bytes(f, &received), text));
	fprintf(to, "%6s", short_amount(scaled(trace_flow_goodput_mbps(f), 1e6), text));
	fprintf(to, "%5s", short_number(trace_flow_min_rtt_ms(f), text));
	fprintf(to, "%5s", short_number(trace_flow_rtt_ms(f, 0.5), text));
	fprintf(to, "%5s", short_number(trace_flow_rtt_ms(f, 0.99), text));
	fprintf(to, "%5s", short_number(trace_flow_retransmit_percent(f), text));
	fprintf(to, "%6s", short_amount(cwnd, text));
	ending_text(trace_flow_ending(f), ending);
	fprintf(to, " %s\n", ending);
}

/* "192.0.2.17:51234>198.51.100.4:443"; where that is too wide ":51234>198.51.100.4:443", or the end of it. */
static void connection_text(const struct trace_flow_summary *f, int columns, char *out,
                            size_t out_bytes)
{
	char local[ENDPOINT_BYTES], remote[ENDPOINT_BYTES],
		arrow = f->flow.role == TCP_FLOW_SERVER ? '<' : '>';
	int n;

	endpoint_text(f->flow.local_ip, f->flow.local_port, local);
	endpoint_text(f->flow.remote_ip, f->flow.remote_port, remote);
	if (!*remote) {
		snprintf(out, out_bytes, "%016llx", (unsigned long long)f->flow.cookie);
		return;
	}
	n = snprintf(out, out_bytes, "%s%c%s", local, arrow, remote);
	if (n > columns)
		n = snprintf(out, out_bytes, ":%u%c%s", f->flow.local_port, arrow, remote);
	if (n > columns)
		n = snprintf(out, out_bytes, "%s", remote);
	if (n > columns)
		snprintf(out, out_bytes, "..%s", remote + n - (columns - 2));
}

/* As wide as the widest needs. */
static int connection_columns(const struct trace_summary *s, int most)
{
	char connection[2 * ENDPOINT_BYTES];
	int widest = (int)strlen("Connection");

	for (uint32_t i = 0; i < s->room; i++) {
		int n;

		connection_text(&s->flows[i], most, connection, sizeof(connection));
		n = (int)strlen(connection);
		if (s->flows[i].met && n > widest)
			widest = n;
	}
	return widest;
}

void trace_summary_human(const struct trace_told *t, const struct terminal *terminal, FILE *to)
{
	int columns = terminal->columns > TERMINAL_COLUMNS ? terminal->columns : TERMINAL_COLUMNS;
	int most = columns - (int)strlen("  1 ") - FIGURES_COLUMNS;
	int width = connection_columns(t->summary, most);
	char connection[2 * ENDPOINT_BYTES];

	fprintf(to, "%s%3s %-*s" FIGURES_HEADS "%s\n", terminal_paint(terminal, PAINT_BOLD), "",
	        width, "Connection", "Time", "Bytes", "Rate", "RTT", "RTT", "RTT", "Re-", "Cwnd",
	        "End", terminal_paint(terminal, PAINT_PLAIN));
	fprintf(to, "%s%3s %-*s" FIGURES_HEADS "%s\n", terminal_paint(terminal, PAINT_DIM), "",
	        width, "", "s", "", "bit/s", "min", "p50", "p99", "sent", "max", "",
	        terminal_paint(terminal, PAINT_PLAIN));
	fprintf(to, "%s%3s %-*s" FIGURES_HEADS "%s\n", terminal_paint(terminal, PAINT_DIM), "",
	        width, "", "", "", "", "ms", "ms", "ms", "%", "", "",
	        terminal_paint(terminal, PAINT_PLAIN));
	for (uint32_t i = 0; i < t->summary->room; i++) {
		const struct trace_flow_summary *f = &t->summary->flows[i];

		if (!f->met)
			continue;
		connection_text(f, most, connection, sizeof(connection));
		fprintf(to, "%3u %-*s", i + 1, width, connection);
		put_figures(f, to);
	}
}

static void put_flow_figures(struct json_writer *w, const struct trace_flow_summary *f)
{
	bool received;
	struct figure bytes = trace_flow_bytes(f, &received);

	json_put_figure(w, "duration_s", trace_flow_duration_s(f), 9);
	json_put_figure(w, "bytes", bytes, 0);
	json_put_text(w, "bytes_of",
	              !bytes.known ? NULL
	              : received   ? "bytes_received"
	                           : "bytes_acked");
	json_put_figure(w, "goodput_mbps", trace_flow_goodput_mbps(f), RESULT_MBPS_DECIMALS);
	json_put_figure(w, "min_rtt_ms", trace_flow_min_rtt_ms(f), RESULT_MS_DECIMALS);
	json_begin_object(w, "rtt_ms");
	json_put_figure(w, "p50", trace_flow_rtt_ms(f, 0.50), RESULT_MS_DECIMALS);
	json_put_figure(w, "p90", trace_flow_rtt_ms(f, 0.90), RESULT_MS_DECIMALS);
	json_put_figure(w, "p99", trace_flow_rtt_ms(f, 0.99), RESULT_MS_DECIMALS);
	json_end_object(w);
	json_put_figure(w, "retransmit_percent", trace_flow_retransmit_percent(f), 4);
	json_put_figure(w, "max_cwnd_segments",
	                (struct figure){ f->max_cwnd_segments > 0, f->max_cwnd_segments }, 0);
}

void trace_summary_json(const struct trace_told *t, FILE *to)
{
	struct json_writer writer = { .to = to }, *w = &writer;

	json_begin_object(w, NULL);
	json_put_text(w, "schema", "radar-pod/trace-summary/1");
	json_put_text(w, "file", t->file);
	json_put_flag(w, "complete", t->summary->ended);
	put_losses(w, t->summary);
	json_begin_array(w, "flows");
	for (uint32_t i = 0; i < t->summary->room; i++) {
		if (!t->summary->flows[i].met)
			continue;
		json_begin_object(w, NULL);
		put_flow_identity(w, i + 1, &t->summary->flows[i]);
		put_flow_figures(w, &t->summary->flows[i]);
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
	fputc('\n', to);
}
