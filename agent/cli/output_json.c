/* The result object: docs/result.schema.json says what each member is. */
#include <string.h>

#include "agent/base/json_writer.h"
#include "agent/cli/output.h"
#include "agent/host/sysinfo.h"
#include "bpf/tier.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/units.h"

#define SHARE_DECIMALS 1 /* of the time that something limited */

static const struct figure unknown = { .known = false };

static struct figure known(double value)
{
	return (struct figure){ .known = true, .value = value };
}

/* "" is what nobody said. */
static void put_word(struct json_writer *w, const char *name, const char *text)
{
	json_put_text(w, name, text && *text ? text : NULL);
}

/* --- a direction --------------------------------------------------------------------------------- */

static void put_rtt(struct json_writer *w, const struct direction_result *d)
{
	if (!direction_rtt_ms(d, 0.5).known) {
		json_put_null(w, "rtt_ms");
		json_put_null(w, "rtt_source");
		return;
	}
	json_begin_object(w, "rtt_ms");
	json_put_figure(w, "p50", direction_rtt_ms(d, 0.50), RESULT_MS_DECIMALS);
	json_put_figure(w, "p90", direction_rtt_ms(d, 0.90), RESULT_MS_DECIMALS);
	json_put_figure(w, "p99", direction_rtt_ms(d, 0.99), RESULT_MS_DECIMALS);
	json_end_object(w);
	json_put_text(w, "rtt_source", rtt_source_name(direction_rtt_source(d)));
}

static void put_idle(struct json_writer *w, const struct idle_rtt *idle)
{
	if (idle->samples == 0) {
		json_put_null(w, "idle_rtt_ms");
		return;
	}
	json_begin_object(w, "idle_rtt_ms");
	json_put_count(w, "samples", idle->samples);
	json_put_figure(w, "min", known(idle->min_us / 1e3), RESULT_MS_DECIMALS);
	json_put_figure(w, "p50", known(idle->p50_us / 1e3), RESULT_MS_DECIMALS);
	json_put_figure(w, "max", known(idle->max_us / 1e3), RESULT_MS_DECIMALS);
	json_end_object(w);
}

static void put_positive(struct json_writer *w, const char *name, struct figure f, int decimals)
{
	bool small = f.known && f.value < RESULT_SMALL;

	json_put_figure(w, name, f, decimals + (small ? RESULT_SMALL_DECIMALS : 0));
}

static void put_steady(struct json_writer *w, const struct steady_rate *r)
{
	put_positive(w, "steady_mbps", r->known ? known(r->bps / 1e6) : unknown,
	             RESULT_MBPS_DECIMALS);
	if (!r->known) {
		json_put_null(w, "steady_ci95_mbps");
		json_put_null(w, "steady_from_s");
		return;
	}
	json_begin_array(w, "steady_ci95_mbps");
	put_positive(w, NULL, known(r->ci95_low_bps / 1e6), RESULT_MBPS_DECIMALS);
	put_positive(w, NULL, known(r->ci95_high_bps / 1e6), RESULT_MBPS_DECIMALS);
	json_end_array(w);
	json_put_figure(w, "steady_from_s", known((double)r->from_ns / NS_PER_S),
	                RESULT_SECONDS_DECIMALS);
}

static void put_limit_along(struct json_writer *w, const struct limits *l, enum limit which)
{
	double percent[LIMITS];

	json_begin_array(w, limit_name(which));
	for (uint32_t bin = 0; bin < l->bins; bin++) {
		if (limits_percent_along(l, bin, percent))
			json_put_figure(w, NULL, known(percent[which]), SHARE_DECIMALS);
		else
			json_put_null(w, NULL);
	}
	json_end_array(w);
}

static void put_limits_along(struct json_writer *w, const struct limits *l)
{
	json_begin_object(w, "limits_along");
	json_put_figure(w, "step_s", known((double)LIMITS_BIN_US / 1e6), 1);
	for (enum limit i = 0; i < LIMITS; i++)
		put_limit_along(w, l, i);
	json_end_object(w);
}

static void put_limits(struct json_writer *w, const struct limits *l)
{
	double percent[LIMITS];

	if (!limits_percent(l, percent)) {
		json_put_null(w, "limited_by");
		json_put_null(w, "limits_percent");
		json_put_null(w, "limits_along");
		return;
	}
	json_put_text(w, "limited_by", limit_name(limits_most(l)));
	json_begin_object(w, "limits_percent");
	for (enum limit i = 0; i < LIMITS; i++)
		json_put_figure(w, limit_name(i), known(percent[i]), SHARE_DECIMALS);
	json_end_object(w);
	put_limits_along(w, l);
}

/* A count of bytes of one side, and the rate it makes over that side's time. */
static void put_side(struct json_writer *w, const char *name, bool has, int64_t bytes,
                     int64_t elapsed_us)
{
	bool usable = has && bytes >= 0 && elapsed_us > 0;

	if (!usable) {
		json_put_null(w, name);
		return;
	}
	json_begin_object(w, name);
	json_put_count(w, "bytes", (uint64_t)bytes);
	put_positive(w, "elapsed_s", known((double)elapsed_us / 1e6), RESULT_SECONDS_DECIMALS);
	put_positive(w, "goodput_mbps", known((double)bytes * 8 / (double)elapsed_us),
	             RESULT_MBPS_DECIMALS);
	json_end_object(w);
}

/* The far side's last TCPInfo: what was acknowledged to it, or what it received. */
static void put_server_side(struct json_writer *w, const struct direction_result *d)
{
	const struct measurement_tcp_info *t = &d->server.tcp_info;
	bool download = d->test == NDT7_DOWNLOAD;

	put_side(w, "server",
	         d->server.has_tcp_info &&
	                 measurement_has(t, download ? MEASUREMENT_TCP_BytesAcked
	                                             : MEASUREMENT_TCP_BytesReceived),
	         download ? t->bytes_acked : t->bytes_received, t->elapsed_us);
}

static void put_direction(struct json_writer *w, const char *name, const struct direction_result *d)
{
	if (!output_measured(d)) {
		json_put_null(w, name);
		return;
	}
	json_begin_object(w, name);
	put_positive(w, "goodput_mbps", direction_goodput_mbps(d), RESULT_MBPS_DECIMALS);
	json_put_text(w, "goodput_source", goodput_source_name(d->source));
	json_put_count(w, "bytes", d->bytes);
	put_positive(w, "elapsed_s", known((double)d->elapsed_ns / 1e9), RESULT_SECONDS_DECIMALS);
	put_steady(w, &d->steady);
	json_put_figure(w, "min_rtt_ms", direction_min_rtt_ms(d), RESULT_MS_DECIMALS);
	put_idle(w, &d->idle);
	put_rtt(w, d);
	put_positive(w, "retransmit_percent", direction_retransmit_percent(d),
	             RESULT_PERCENT_DECIMALS);
	put_limits(w, &d->limits);
	put_positive(w, "cpu_percent", direction_cpu_percent(d), RESULT_PERCENT_DECIMALS);
	json_put_count(w, "samples", d->local.samples);
	json_put_count(w, "samples_lost", d->samples_lost);
	put_word(w, "flow", d->flow);
	json_put_count(w, "started_ns", d->report.started_ns);
	json_put_text(w, "ending", ndt7_ending_name(d->report.ending));
	json_put_flag(w, "complete", d->state == DIRECTION_COMPLETE);
	put_server_side(w, d);
	put_side(w, "client", true, (int64_t)d->report.num_bytes,
	         (int64_t)(d->report.measured_ns / NS_PER_US));
	put_word(w, "congestion", d->congestion);
	put_word(w, "url", d->url);
	put_word(w, "ip", d->connection.remote_ip);
	json_end_object(w);
}

/* --- the whole -------------------------------------------------------------------------------------- */

static void put_agent(struct json_writer *w, const struct test_result *r)
{
	char release[SYSINFO_RELEASE_BYTES], machine[SYSINFO_RELEASE_BYTES];

	sysinfo_kernel(release, machine);
	json_begin_object(w, "agent");
	json_put_text(w, "version", POD_VERSION);
	json_put_text(w, "kernel", release);
	json_put_text(w, "arch", machine);
	put_word(w, "io", r->io);
	if (r->io_reason[0])
		json_put_text(w, "io_reason", r->io_reason);
	json_put_text(w, "stats", r->stats ? r->stats : tier_name(TIER_TCP_INFO));
	if (r->stats_reason[0])
		json_put_text(w, "stats_reason", r->stats_reason);
	json_end_object(w);
}

static void put_server(struct json_writer *w, const struct direction_result *d)
{
	if (!d->url[0]) {
		json_put_null(w, "server");
		return;
	}
	json_begin_object(w, "server");
	json_put_text(w, "url", d->url);
	put_word(w, "ip", d->connection.remote_ip);
	put_word(w, "machine", d->machine);
	put_word(w, "city", d->city);
	put_word(w, "country", d->country);
	json_put_text(w, "via", d->located ? "locate" : "option");
	json_end_object(w);
}

static void put_tls(struct json_writer *w, const struct direction_result *d)
{
	if (!d->tls) {
		json_put_null(w, "tls");
		return;
	}
	json_begin_object(w, "tls");
	json_put_text(w, "version", d->tls_version);
	json_put_text(w, "cipher", d->tls_cipher);
	json_put_flag(w, "verified", !d->insecure);
	json_end_object(w);
}

static void put_interface(struct json_writer *w, const struct test_result *r,
                          const struct direction_result *d)
{
	static const char *const how[] = {
		[TCP_BIND_NONE] = NULL, [TCP_BIND_DEVICE] = "device", [TCP_BIND_SOURCE] = "source"
	};
	const struct tcp_bind_proof *bind = &d->connection.bind;

	if (!r->interface[0]) {
		json_put_null(w, "interface");
		return;
	}
	json_begin_object(w, "interface");
	json_put_text(w, "name", r->interface);
	json_put_text(w, "bound_by", how[bind->how]);
	put_word(w, "socket_device", bind->socket_device);
	put_word(w, "route_device", bind->route_device);
	json_put_flag(w, "local_address_on_interface", bind->local_address_on_interface);
	json_put_flag(w, "effective", bind->effective);
	json_end_object(w);
}

/* Idle: the TCP handshakes, before any load. Loaded: the 90th percentile while it ran. */
static void put_latency(struct json_writer *w, const struct test_result *r)
{
	const struct direction_result *down = &r->download, *up = &r->upload;

	json_begin_object(w, "latency");
	json_put_figure(w, "idle_ms", output_idle_rtt_ms(r), RESULT_MS_DECIMALS);
	json_put_figure(w, "loaded_down_ms",
	                output_measured(down) ? direction_rtt_ms(down, 0.9) : unknown,
	                RESULT_MS_DECIMALS);
	json_put_figure(w, "loaded_up_ms",
	                output_measured(up) ? direction_rtt_ms(up, 0.9) : unknown,
	                RESULT_MS_DECIMALS);
	json_end_object(w);
}

static void put_trace(struct json_writer *w, const struct result_trace *t)
{
	char sentence[512];

	if (!t->path) {
		json_put_null(w, "trace");
		return;
	}
	json_begin_object(w, "trace");
	json_put_text(w, "file", t->path);
	json_put_count(w, "samples", t->samples);
	json_put_count(w, "samples_lost", t->lost);
	json_put_text(w, "error",
	              t->err.code ? err_sentence(&t->err, sentence, sizeof(sentence)) : NULL);
	json_end_object(w);
}

static void put_warnings(struct json_writer *w, const struct test_result *r)
{
	json_begin_array(w, "warnings");
	for (size_t i = 0; i < r->warnings_count; i++)
		json_put_text(w, NULL, r->warnings[i]);
	json_end_array(w);
}

/* --- what failed, and where ------------------------------------------------------------------------- */

static void put_failure(struct json_writer *w, const struct err *e)
{
	static const char *const domains[] = {
		[ERR_SYS] = "system",   [ERR_TLS] = "tls", [ERR_HTTP] = "http",
		[ERR_WS] = "websocket", [ERR_BPF] = "bpf", [ERR_DNS] = "dns"
	};
	char sentence[512];

	json_put_text(w, "error", err_sentence(e, sentence, sizeof(sentence)));
	json_put_text(w, "code", strerrorname_np(-e->code));
	json_put_text(w, "domain", domains[e->domain]);
	if (e->detail)
		json_put_figure(w, "detail", known((double)e->detail), 0);
	else
		json_put_null(w, "detail");
}

static void put_error(struct json_writer *w, const struct direction_result *d)
{
	if (d->state != DIRECTION_FAILED)
		return;
	json_begin_object(w, NULL);
	json_put_text(w, "test", ndt7_test_name(d->test));
	put_failure(w, &d->err);
	put_word(w, "url", d->url);
	if (d->again_ns)
		json_put_count(w, "retry_after_s", (d->again_ns + NS_PER_S - 1) / NS_PER_S);
	json_end_object(w);
}

static void put_errors(struct json_writer *w, const struct test_result *r)
{
	json_begin_array(w, "errors");
	put_error(w, &r->download);
	put_error(w, &r->upload);
	json_end_array(w);
}

static void put_attempts(struct json_writer *w, const struct test_result *r)
{
	json_begin_array(w, "attempts");
	for (size_t i = 0; i < r->attempts_count; i++) {
		const struct attempt *a = &r->attempts[i];

		json_begin_object(w, NULL);
		json_put_text(w, "test", ndt7_test_name(a->test));
		json_put_text(w, "url", a->url);
		json_put_flag(w, "served", a->err.code == 0);
		if (a->err.code != 0)
			put_failure(w, &a->err);
		json_end_object(w);
	}
	json_end_array(w);
}

static int finish(struct output *o, const struct test_result *r, struct err *err)
{
	const struct direction_result *d = output_speaker(r);
	struct json_writer writer = { .to = o->to }, *w = &writer;
	char started_at[CLOCK_UTC_TEXT_BYTES], client_ip[OUTPUT_IP_BYTES];

	(void)err;
	json_begin_object(w, NULL);
	json_put_text(w, "schema", "radar-pod/result/1");
	json_put_text(w, "id", r->id);
	json_put_text(w, "started_at", clock_utc_text(r->utc_ns, 3, started_at));
	json_put_text(w, "test", "ndt7");
	put_agent(w, r);
	put_server(w, d);
	json_put_text(w, "scheme", r->scheme);
	json_put_text(w, "scheme_reason", r->scheme_reason);
	put_tls(w, d);
	put_interface(w, r, d);
	put_word(w, "client_ip", output_client_ip(r, client_ip));
	put_direction(w, "download", &r->download);
	put_direction(w, "upload", &r->upload);
	put_latency(w, r);
	put_trace(w, &r->trace);
	json_put_count(w, "bytes_used", r->download.wire_bytes + r->upload.wire_bytes);
	if (r->next_request_ns)
		json_put_count(w, "next_request_s", (r->next_request_ns + NS_PER_S - 1) / NS_PER_S);
	json_put_flag(w, "interrupted", r->interrupted);
	put_warnings(w, r);
	put_errors(w, r);
	put_attempts(w, r);
	json_end_object(w);
	fputc('\n', o->to);
	return 0;
}

const struct output_format output_json = { .finish = finish };
