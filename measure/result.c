#include "measure/result.h"

#include <stdarg.h>
#include <stdio.h>

#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/units.h"

#define UNTOLD_NS_MAX  (1500 * NS_PER_MS) /* see direction_falls_short() */
#define CPU_RAN_NS_MIN (100 * NS_PER_MS)

static const struct figure unknown = { .known = false };

static struct figure known(double value)
{
	return (struct figure){ .known = true, .value = value };
}

const char *goodput_source_name(enum goodput_source s)
{
	static const char *const names[] = {
		[GOODPUT_NONE] = "none",
		[GOODPUT_CLIENT_RECEIVED] = "client received",
		[GOODPUT_SERVER_TCP_INFO] = "server tcp_info",
		[GOODPUT_SERVER_APP_INFO] = "server app_info",
		[GOODPUT_CLIENT_ACKED] = "client tcp_info",
		[GOODPUT_CLIENT_WRITTEN] = "client written",
	};

	return names[s];
}

static bool measured(const struct direction_result *d)
{
	return d->state == DIRECTION_PARTIAL || d->state == DIRECTION_COMPLETE;
}

struct figure direction_goodput_mbps(const struct direction_result *d)
{
	if (d->source == GOODPUT_NONE || d->elapsed_ns == 0)
		return unknown;
	return known(units_mbps(d->bytes, d->elapsed_ns));
}

bool direction_is_told(const struct direction_result *d)
{
	return d->source == GOODPUT_CLIENT_RECEIVED &&
	       (d->report.ending == NDT7_ENDING_CLOSE || d->report.ending == NDT7_ENDING_END);
}

bool direction_falls_short(const struct direction_result *d)
{
	uint64_t end_ns = d->report.count_ended_ns - d->report.started_ns, untold_ns;

	if (direction_is_told(d)) /* its time ends with the last byte, whenever we heard of it */
		return false;
	if (end_ns > NDT7_DURATION_NS) /* a figure of ten seconds is whole, whatever came then */
		end_ns = NDT7_DURATION_NS;
	untold_ns = end_ns / 2 < UNTOLD_NS_MAX ? end_ns / 2 : UNTOLD_NS_MAX;
	return d->source != GOODPUT_NONE && d->elapsed_ns + untold_ns < end_ns;
}

/* It saw none that was longer than the test. */
struct figure direction_server_min_rtt_ms(const struct direction_result *d)
{
	const struct measurement_tcp_info *t = &d->server.tcp_info;
	uint64_t most_us =
		(d->report.ended_ns - d->report.started_ns + RESULT_SERVER_AHEAD_NS) / NS_PER_US;

	if (!d->has_server || !measurement_has(t, MEASUREMENT_TCP_MinRTT) || t->min_rtt_us <= 0 ||
	    (uint64_t)t->min_rtt_us > most_us)
		return unknown;
	return known((double)t->min_rtt_us / 1e3);
}

struct figure direction_min_rtt_ms(const struct direction_result *d)
{
	if (d->test == NDT7_UPLOAD && d->local.min_rtt_us > 0)
		return known(d->local.min_rtt_us / 1e3);
	return direction_server_min_rtt_ms(d);
}

struct figure direction_retransmit_percent(const struct direction_result *d)
{
	const struct measurement_tcp_info *t = &d->server.tcp_info;
	const struct tcp_sample *own = &d->local.last;
	double percent;

	if (d->test == NDT7_DOWNLOAD) {
		if (!d->has_server || !measurement_has(t, MEASUREMENT_TCP_BytesSent) ||
		    !measurement_has(t, MEASUREMENT_TCP_BytesRetrans) || t->bytes_sent < 0 ||
		    t->bytes_retrans < 0)
			return unknown;
		if (!summary_retransmit_percent((uint64_t)t->bytes_sent, (uint64_t)t->bytes_retrans,
		                                &percent))
			return unknown;
		return known(percent);
	}
	if (!(own->present & TCP_SAMPLE_BYTES_SENT) ||
	    !summary_retransmit_percent(own->bytes_sent, own->bytes_retrans, &percent))
		return unknown;
	return known(percent);
}

struct figure direction_cpu_percent(const struct direction_result *d)
{
	uint64_t ran_ns = d->report.ended_ns - d->report.started_ns;

	if (!measured(d) || ran_ns < CPU_RAN_NS_MIN)
		return unknown;
	return known(100 * (double)d->cpu_ns / (double)ran_ns);
}

struct figure direction_cpu_limited_percent(const struct direction_result *d)
{
	double percent[LIMITS];

	if (!limits_percent(&d->limits, percent) && !limits_percent(&d->ours, percent))
		return unknown;
	return known(percent[LIMIT_CPU]);
}

const char *rtt_source_name(enum rtt_source s)
{
	static const char *const names[] = {
		[RTT_NONE] = "none",
		[RTT_SERVER] = "server tcp_info",
		[RTT_RECEIVER] = "client receiver estimate",
		[RTT_SAMPLES] = "client samples",
		[RTT_SMOOTHED] = "client smoothed",
	};

	return names[s];
}

enum rtt_source direction_rtt_source(const struct direction_result *d)
{
	if (d->test == NDT7_DOWNLOAD && d->server_rtt.count > 0)
		return RTT_SERVER;
	if (d->local.rtt.count == 0)
		return RTT_NONE;
	if (d->test == NDT7_DOWNLOAD)
		return RTT_RECEIVER;
	return d->rtt_samples ? RTT_SAMPLES : RTT_SMOOTHED;
}

struct figure direction_rtt_ms(const struct direction_result *d, double p)
{
	bool servers = direction_rtt_source(d) == RTT_SERVER;
	const struct summary_rtt *r = servers ? &d->server_rtt : &d->local.rtt;
	double us;

	if (!summary_rtt_percentile(r, p, &us))
		return unknown;
	return known(us / 1e3);
}

/* RFC 9562 5.7: 48 bits of milliseconds, then random bits: names sort by time. */
void result_new_id(struct test_result *r)
{
	uint64_t ms = r->utc_ns / NS_PER_MS;
	uint8_t b[10];

	bytes_random(b, sizeof(b));
	snprintf(r->id, sizeof(r->id), "%08x-%04x-7%01x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
	         (unsigned int)(ms >> 16), (unsigned int)(ms & 0xffff), b[0] & 0x0f, b[1],
	         0x80 | (b[2] & 0x3f), b[3], b[4], b[5], b[6], b[7], b[8], b[9]);
}

void result_warn(struct test_result *r, const char *format, ...)
{
	va_list args;

	if (r->warnings_count == RESULT_WARNINGS_MAX)
		return;
	va_start(args, format);
	bytes_print_line(r->warnings[r->warnings_count++], sizeof(r->warnings[0]), format, args);
	va_end(args);
}

int result_exit_code(const struct test_result *r)
{
	const struct direction_result *const directions[] = { &r->download, &r->upload };
	int some = 0, whole = 0, asked = 0;

	for (int i = 0; i < 2; i++) {
		asked += directions[i]->state != DIRECTION_NOT_ASKED;
		some += measured(directions[i]);
		whole += directions[i]->state == DIRECTION_COMPLETE;
	}
	if (r->interrupted || some == 0)
		return 1;
	return whole == asked && r->trace.err.code == 0 ? 0 : 3;
}
