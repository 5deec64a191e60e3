/* For people: a line that moves on a terminal while the test runs, then a summary in 80 columns that
 * says of every figure whose it is. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/output.h"
#include "agent/cli/progress.h"
#include "measure/people.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define LABEL_COLUMNS 14 /* with its indent: where the words begin */
#define RATE_COLUMNS  12

/* A terminal narrower than this has the labels on lines of their own, and the words below. */
#define LABEL_BESIDE_COLUMNS 40
#define BELOW_INDENT         4

/* --- while it runs --------------------------------------------------------------------------------- */

/* A dumb terminal cannot erase: blanks behind the line do, and the cursor goes back. */
static void draw(struct output *o, const char *line, bool last)
{
	char whole[PROGRESS_BYTES + 128];
	struct text t = text_on(whole, sizeof(whole));
	int blanks = o->terminal.columns - 1 - text_columns(line);

	text_append(&t, "\r%s", line);
	if (o->terminal.moves)
		text_append(&t, "\x1b[K");
	else
		text_append(&t, "%*s", blanks > 0 ? blanks : 0, "");
	if (last)
		text_append(&t, "\n");
	fwrite(whole, 1, t.bytes, stdout);
	fflush(stdout);
}

static void hear(struct output *o, const struct run_event *e)
{
	char line[PROGRESS_BYTES];

	if (!o->terminal.live)
		return;
	o->terminal.columns = terminal_columns(STDOUT_FILENO);
	switch (e->kind) {
	case RUN_STARTING:
	case RUN_CONNECTED:
	case RUN_PROGRESS:
		draw(o, progress_line(&o->terminal, e, line), false);
		break;
	case RUN_COMPLETE:
		draw(o, progress_last_line(&o->terminal, e->direction, line), true);
		break;
	case RUN_MEASUREMENT:
	case RUN_ERROR:
		break;
	}
}

/* --- the summary ------------------------------------------------------------------------------------- */

struct summary_out {
	FILE *to;
	struct terminal t;
};

static bool labels_beside(const struct summary_out *s)
{
	return s->t.columns >= LABEL_BESIDE_COLUMNS;
}

/* Answers the column where the words begin. */
static int put_label(const struct summary_out *s, enum paint p, const char *label)
{
	bool beside = labels_beside(s);

	fprintf(s->to, "  %s%-*s%s", terminal_paint(&s->t, p), beside ? LABEL_COLUMNS - 2 : 0,
	        label, terminal_paint(&s->t, PAINT_PLAIN));
	if (beside)
		return LABEL_COLUMNS;
	fprintf(s->to, "\n%*s", BELOW_INDENT, "");
	return BELOW_INDENT;
}

/* "  Server      …" with the words wrapped under themselves. What a server or the locate service said
 * of itself is among them: none of it may steer the terminal. */
__attribute__((format(printf, 3, 4))) static void
put_line(const struct summary_out *s, const char *label, const char *format, ...)
{
	char words[1024];
	va_list args;
	int at;

	va_start(args, format);
	bytes_print_line(words, sizeof(words), format, args);
	va_end(args);
	at = put_label(s, PAINT_DIM, label);
	text_wrap(s->to, words, at, at, s->t.columns);
}

static const char *whose(enum goodput_source source)
{
	static const char *const words[] = {
		[GOODPUT_NONE] = "",
		[GOODPUT_CLIENT_RECEIVED] = "as received here",
		[GOODPUT_SERVER_TCP_INFO] = "as received by the server",
		[GOODPUT_SERVER_APP_INFO] = "as counted by the server",
		[GOODPUT_CLIENT_ACKED] = "as acknowledged to this kernel",
		[GOODPUT_CLIENT_WRITTEN] = "as sent from here: an upper bound",
	};

	return words[source];
}

static struct figure seconds(uint64_t ns)
{
	return (struct figure){ true, (double)ns / NS_PER_S };
}

static void put_direction(const struct summary_out *s, const char *label,
                          const struct direction_result *d)
{
	char rate[PEOPLE_BYTES], bytes[PEOPLE_BYTES], in[PEOPLE_BYTES], words[128], sentence[512];
	int at;

	if (d->state == DIRECTION_NOT_ASKED)
		return;
	if (d->state == DIRECTION_FAILED) {
		put_line(s, label, "not measured: %s",
		         err_sentence(&d->err, sentence, sizeof(sentence)));
		return;
	}
	at = put_label(s, PAINT_BOLD, label);
	fprintf(s->to, "%s%*s%s", terminal_paint(&s->t, PAINT_BOLD),
	        labels_beside(s) ? RATE_COLUMNS : 0, people_rate(direction_goodput_mbps(d), rate),
	        terminal_paint(&s->t, PAINT_PLAIN));
	snprintf(words, sizeof(words), "%s, %s in %s", whose(d->source),
	         people_bytes(d->bytes, bytes), people_seconds(seconds(d->elapsed_ns), in));
	if (labels_beside(s))
		fprintf(s->to, "   ");
	else
		fprintf(s->to, "\n%*s", at, "");
	text_wrap(s->to, words, labels_beside(s) ? at + RATE_COLUMNS + 3 : at, at, s->t.columns);
}

static const char *comma(const struct text *t)
{
	return t->bytes > 0 ? ", " : "";
}

static struct figure mbps(double bps)
{
	return (struct figure){ true, bps / 1e6 };
}

/* The rate once the start is over, and half of its 95 % interval: unless that says that there was none. */
static void put_steady(const struct summary_out *s, const struct direction_result *d)
{
	const struct steady_rate *r = &d->steady;
	char rate[PEOPLE_BYTES], from[PEOPLE_BYTES];
	struct figure half;

	if (!output_measured(d) || !r->known)
		return;
	half = people_half_percent(mbps(r->bps), mbps(r->ci95_low_bps), mbps(r->ci95_high_bps));
	people_rate(mbps(r->bps), rate);
	if (half.value > PEOPLE_STEADY_PERCENT_MAX)
		put_line(s, "Steady", "no: the %s went up and down around %s",
		         ndt7_test_name(d->test), rate);
	else
		put_line(s, "Steady", "%s %s %.2g %%, %s from %s on", rate, s->t.utf8 ? "±" : "+-",
		         half.value, ndt7_test_name(d->test),
		         people_seconds(seconds(r->from_ns), from));
}

static const char *limit_words(enum limit l)
{
	static const char *const words[LIMITS] = {
		[LIMIT_NETWORK] = "the network",
		[LIMIT_RECEIVER] = "the receiver's window",
		[LIMIT_SENDER] = "the sender's buffer",
		[LIMIT_APPLICATION] = "a sender with nothing more to send",
		[LIMIT_CPU] = "this machine's CPU",
	};

	return words[l];
}

/* The largest share; where who sends does not tell, there is none to be named. */
static void put_limits(const struct summary_out *s, const struct test_result *r)
{
	const struct direction_result *const directions[] = { &r->download, &r->upload };
	char words[256];
	struct text t = text_on(words, sizeof(words));

	for (int i = 0; i < 2; i++) {
		const struct direction_result *d = directions[i];
		double percent[LIMITS];
		enum limit most;

		if (!output_measured(d) || !limits_percent(&d->limits, percent))
			continue;
		most = limits_most(&d->limits);
		text_append(&t, "%s%s %.0f %% of the %s", comma(&t), limit_words(most),
		            percent[most], ndt7_test_name(d->test));
	}
	if (t.bytes > 0)
		put_line(s, "Limited by", "%s", words);
}

static void put_latency(const struct summary_out *s, const struct test_result *r)
{
	const struct direction_result *const directions[] = { &r->download, &r->upload };
	struct figure idle = output_idle_rtt_ms(r);
	char words[256], ms[PEOPLE_BYTES];
	struct text t = text_on(words, sizeof(words));

	if (idle.known)
		text_append(&t, "%s idle", people_ms(idle, ms));
	for (int i = 0; i < 2; i++) {
		struct figure loaded = direction_rtt_ms(directions[i], 0.9);

		if (output_measured(directions[i]) && loaded.known)
			text_append(&t, "%s%s during %s", comma(&t), people_ms(loaded, ms),
			            ndt7_test_name(directions[i]->test));
	}
	if (t.bytes > 0)
		put_line(s, "Latency", "%s", words);
}

static void put_retransmissions(const struct summary_out *s, const struct test_result *r)
{
	struct figure down = direction_retransmit_percent(&r->download);
	struct figure up = direction_retransmit_percent(&r->upload);
	char words[256], percent[PEOPLE_BYTES];
	struct text t = text_on(words, sizeof(words));

	if (output_measured(&r->download) && down.known)
		text_append(&t, "%s of the server's bytes", people_percent(down, percent));
	if (output_measured(&r->upload) && up.known)
		text_append(&t, "%s%s of ours", comma(&t), people_percent(up, percent));
	if (t.bytes > 0)
		put_line(s, "Sent again", "%s", words);
}

static void put_server(const struct summary_out *s, const struct direction_result *d)
{
	const char *name = d->machine[0] ? d->machine : d->host;
	const char *ip = d->connection.remote_ip;
	bool same = strcmp(ip, name) == 0;

	put_line(s, "Server", "%s%s%s%s%s%s%s%s, %s", name, same ? "" : " (", same ? "" : ip,
	         same ? "" : ")", d->city[0] ? ", " : "", d->city, d->country[0] ? ", " : "",
	         d->country, d->located ? "chosen by the locate service" : "named by --server");
}

static void put_client(const struct summary_out *s, const struct test_result *r,
                       const struct direction_result *d)
{
	const struct tcp_bind_proof *bind = &d->connection.bind;
	char ip[OUTPUT_IP_BYTES];

	output_client_ip(r, ip);
	if (r->interface[0])
		put_line(s, "You", "%s, through %s (%s)", *ip ? ip : d->connection.local_ip,
		         r->interface, bind->effective ? "confirmed" : "not confirmed");
	else if (*ip)
		put_line(s, "You", "%s, as the server sees you", ip);
}

static void put_connection(const struct summary_out *s, const struct test_result *r,
                           const struct direction_result *d)
{
	const char *why = r->scheme_reason ? r->scheme_reason : "no reason known";

	if (d->tls)
		put_line(s, "Connection", "wss (%s), %s, %s%s", why, d->tls_version, d->tls_cipher,
		         d->insecure ? ", certificate not verified" : "");
	else
		put_line(s, "Connection", "ws (%s), not encrypted", why);
}

static const char *kernels_figures(const struct test_result *r, char out[64])
{
	if (!r->stats || strcmp(r->stats, "tcp_info") == 0)
		return "the kernel's TCP_INFO every 10 ms";
	snprintf(out, 64, "the kernel's figures as ACKs come (%s)", r->stats);
	return out;
}

static void put_method(const struct summary_out *s, const struct test_result *r)
{
	const struct direction_result *const directions[] = { &r->download, &r->upload };
	bool why = *r->io_reason;
	char words[256], source[64];
	struct text t = text_on(words, sizeof(words));

	for (int i = 0; i < 2; i++) {
		struct figure cpu = direction_cpu_percent(directions[i]);

		if (cpu.known)
			text_append(&t, "%s%.0f %% during %s", t.bytes > 0 ? ", " : "; CPU ",
			            cpu.value, ndt7_test_name(directions[i]->test));
	}
	put_line(s, "Method",
	         "ndt7; %s, latency during a direction is its 90th percentile; %s%s%s%s%s",
	         kernels_figures(r, source), r->io, why ? " (" : "", why ? r->io_reason : "",
	         why ? ")" : "", words);
}

static void put_trace(const struct summary_out *s, const struct result_trace *t)
{
	char samples[PEOPLE_BYTES], sentence[512];

	if (!t->path)
		return;
	if (t->err.code)
		put_line(s, "Trace", "lost: %s", err_sentence(&t->err, sentence, sizeof(sentence)));
	else
		put_line(s, "Trace", "%s, %s", t->path,
		         people_count(t->samples, "sample", samples));
}

static void put_notes(const struct summary_out *s, const struct test_result *r)
{
	for (size_t i = 0; i < r->warnings_count; i++) {
		int at = put_label(s, PAINT_WARN, "Note");

		text_wrap(s->to, r->warnings[i], at, at, s->t.columns);
	}
}

static void put_summary(const struct summary_out *s, const struct test_result *r)
{
	const struct direction_result *d = output_speaker(r);
	char bytes[PEOPLE_BYTES];

	put_direction(s, "Download", &r->download);
	put_direction(s, "Upload", &r->upload);
	put_steady(s, &r->download);
	put_steady(s, &r->upload);
	put_limits(s, r);
	put_latency(s, r);
	put_retransmissions(s, r);
	fputc('\n', s->to);
	put_server(s, d);
	put_client(s, r, d);
	put_connection(s, r, d);
	put_method(s, r);
	put_line(s, "Data used", "%s",
	         people_bytes(r->download.wire_bytes + r->upload.wire_bytes, bytes));
	put_trace(s, &r->trace);
	put_notes(s, r);
}

/* Where nothing was measured there is nothing to sum up; standard error has said why. */
static int finish(struct output *o, const struct test_result *r, struct err *err)
{
	struct summary_out s = { .to = o->to,
		                 .t = { .columns = TERMINAL_COLUMNS, .utf8 = o->terminal.utf8 } };

	(void)err;
	if (!output_measured(&r->download) && !output_measured(&r->upload))
		return 0;
	if (o->to == stdout)
		s.t = o->terminal;
	if (o->terminal.live && o->to == stdout)
		fputc('\n', o->to);
	put_summary(&s, r);
	return 0;
}

const struct output_format output_human = { .hear = hear, .finish = finish };
