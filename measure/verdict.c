#include "measure/verdict.h"

#include <errno.h>

#include "transport/base/clock.h"
#include "transport/base/err.h"

/* A test that ended without a Close so near to its nominal end is whole. */
#define WHOLE_NS (NDT7_DURATION_NS - 500 * NS_PER_MS)

static void take(struct direction_result *d, enum goodput_source source, uint64_t bytes,
                 uint64_t elapsed_ns)
{
	d->source = source;
	d->bytes = bytes;
	d->elapsed_ns = elapsed_ns;
}

static bool is_rate(int64_t bytes, int64_t elapsed_us)
{
	return bytes > 0 && elapsed_us > 0;
}

static void take_servers(struct direction_result *d)
{
	const struct measurement_tcp_info *t = &d->server.tcp_info;
	const struct measurement_app_info *a = &d->server.app_info;

	if (d->server.has_tcp_info && is_rate(t->bytes_received, t->elapsed_us))
		take(d, GOODPUT_SERVER_TCP_INFO, (uint64_t)t->bytes_received,
		     (uint64_t)t->elapsed_us * NS_PER_US);
	else if (d->server.has_app_info && is_rate(a->num_bytes, a->elapsed_us))
		take(d, GOODPUT_SERVER_APP_INFO, (uint64_t)a->num_bytes,
		     (uint64_t)a->elapsed_us * NS_PER_US);
}

/* Our own ceiling came long before the server's next word, which is no fault of its. */
static bool is_cut_by_us(const struct direction_result *d)
{
	return d->report.ending == NDT7_ENDING_MAX_BYTES && direction_falls_short(d);
}

/* What was written overstates what arrived, on slow links many times: contract section 8 gives the
 * order in which other counts are better. */
static void take_upload(struct direction_result *d, const struct verdict_counts *ours)
{
	const struct ndt7_report *r = &d->report;
	bool acked = ours->acked_bytes > 0 && ours->acked_at_ns > r->started_ns;

	if (r->num_bytes == 0)
		return; /* whatever was counted, it is no test data */
	take_servers(d);
	if (acked && (d->source == GOODPUT_NONE || is_cut_by_us(d)))
		take(d, GOODPUT_CLIENT_ACKED, ours->acked_bytes, ours->acked_at_ns - r->started_ns);
	else if (d->source == GOODPUT_NONE && ours->unsent_bytes >= 0 &&
	         (uint64_t)ours->unsent_bytes < r->num_bytes)
		take(d, GOODPUT_CLIENT_WRITTEN, r->num_bytes - (uint64_t)ours->unsent_bytes,
		     r->measured_ns);
}

static enum direction_state judge(const struct direction_result *d)
{
	const struct ndt7_report *r = &d->report;

	if (d->source == GOODPUT_NONE)
		return DIRECTION_FAILED;
	if (direction_falls_short(d)) /* whatever was sent, this is no figure of ten seconds */
		return DIRECTION_PARTIAL;
	switch (r->ending) {
	case NDT7_ENDING_CLOSE:
	case NDT7_ENDING_TIME:
	case NDT7_ENDING_CAP:
	case NDT7_ENDING_MAX_BYTES:
	case NDT7_ENDING_EARLY:
		return DIRECTION_COMPLETE;
	case NDT7_ENDING_END:
	case NDT7_ENDING_ERROR:
		return r->ended_ns - r->started_ns >= WHOLE_NS ? DIRECTION_COMPLETE
		                                               : DIRECTION_PARTIAL;
	case NDT7_ENDING_NONE:
	case NDT7_ENDING_STALL:
	case NDT7_ENDING_VIOLATION:
	case NDT7_ENDING_STOP:
		break;
	}
	return DIRECTION_PARTIAL;
}

static void explain_nothing(struct direction_result *d, const char *peer)
{
	if (d->violation[0])
		ERR_SET(&d->err, -EPROTO, ERR_WS, 0,
		        "measure against %s: it broke the protocol: %s", peer, d->violation);
	else if (d->report.ending == NDT7_ENDING_STOP)
		ERR_SET(&d->err, -ECANCELED, ERR_SYS, 0,
		        "measure against %s: stopped before anything came", peer);
	else if (d->report.ending == NDT7_ENDING_ERROR)
		ERR_SET(&d->err, d->broke.code, d->broke.domain, d->broke.detail,
		        "measure against %s: the connection failed before any test data passed: %s",
		        peer, d->broke.text);
	else
		ERR_SET(&d->err, -ENODATA, ERR_SYS, 0,
		        "measure against %s: no test data passed before the test ended (%s)", peer,
		        ndt7_ending_name(d->report.ending));
}

/* The peer's word came when the kernel says: we may have heard of it late. */
static uint64_t received_in_ns(const struct direction_result *d, uint64_t last_segment_ns)
{
	const struct ndt7_report *r = &d->report;

	if (!direction_is_told(d) || last_segment_ns <= r->started_ns ||
	    last_segment_ns - r->started_ns > r->measured_ns)
		return r->measured_ns;
	return last_segment_ns - r->started_ns;
}

static void take_download(struct direction_result *d, const struct verdict_counts *ours)
{
	take(d, GOODPUT_CLIENT_RECEIVED, d->report.num_bytes, d->report.measured_ns);
	d->elapsed_ns = received_in_ns(d, ours->last_segment_ns);
}

void verdict_pass(struct direction_result *d, const struct verdict_counts *ours, const char *peer)
{
	if (d->test == NDT7_UPLOAD)
		take_upload(d, ours);
	else if (d->report.num_bytes > 0 && d->report.measured_ns > 0)
		take_download(d, ours);
	d->state = judge(d);
	if (d->state == DIRECTION_FAILED)
		explain_nothing(d, peer);
}
