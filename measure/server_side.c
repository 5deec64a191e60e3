#include "measure/server_side.h"

#include "transport/base/clock.h"

void server_side_start(struct server_side *s, struct direction_result *result)
{
	*s = (struct server_side){ .result = result };
	if (result->test == NDT7_DOWNLOAD)
		limits_anchor(&result->limits, 0); /* its clock's t = 0; it first tells later */
}

/* Negative figures are none: who takes a figure looks for that. */
static bool is_plausible(const struct server_side_bounds *most, int64_t bytes, int64_t elapsed_us)
{
	return (bytes < 0 || (uint64_t)bytes <= most->bytes) &&
	       (elapsed_us < 0 || (uint64_t)elapsed_us <= most->us);
}

static bool is_believed(const struct server_side_bounds *most, const struct measurement *m)
{
	return (!m->has_tcp_info ||
	        is_plausible(most, m->tcp_info.bytes_received, m->tcp_info.elapsed_us)) &&
	       (!m->has_app_info ||
	        is_plausible(most, m->app_info.num_bytes, m->app_info.elapsed_us));
}

/* The last message is the summary, but a broken server's counters may run backwards: then what was
 * known before is kept. */
static bool supersedes(const struct measurement_tcp_info *known,
                       const struct measurement_tcp_info *next)
{
	return next->elapsed_us >= known->elapsed_us &&
	       next->bytes_received >= known->bytes_received &&
	       next->bytes_acked >= known->bytes_acked && next->elapsed_us >= 0 &&
	       next->bytes_received >= 0 && next->bytes_acked >= 0;
}

/* Of a download the server's kernel is the one that sends. Called before *t is what is known. */
static void look_at_kernel(struct server_side *s, const struct measurement_tcp_info *t,
                           uint64_t cpu_us, uint64_t ours_us)
{
	struct direction_result *d = s->result;

	if (d->test != NDT7_DOWNLOAD || !measurement_has(t, MEASUREMENT_TCP_BusyTime) ||
	    !measurement_has(t, MEASUREMENT_TCP_RWndLimited) ||
	    !measurement_has(t, MEASUREMENT_TCP_SndBufLimited) || t->busy_time_us < 0 ||
	    t->rwnd_limited_us < 0 || t->sndbuf_limited_us < 0)
		return;
	if (t->app_limited != 0)
		s->app_limited_us += (uint64_t)(t->elapsed_us - d->server.tcp_info.elapsed_us);
	limits_add(&d->limits,
	           &(struct limits_look){ .at_us = (uint64_t)t->elapsed_us,
	                                  .busy_us = (uint64_t)t->busy_time_us,
	                                  .rwnd_limited_us = (uint64_t)t->rwnd_limited_us,
	                                  .sndbuf_limited_us = (uint64_t)t->sndbuf_limited_us,
	                                  .app_limited_us = s->app_limited_us,
	                                  .cpu_us = cpu_us,
	                                  .ours_us = ours_us });
}

static void merge(struct server_side *s, const struct measurement *m,
                  const struct server_side_bounds *most, uint64_t cpu_us)
{
	struct direction_result *d = s->result;
	struct measurement *all = &d->server;

	d->has_server = true;
	if (m->has_connection_info) { /* older servers say it once: the last one seen holds */
		all->has_connection_info = true;
		all->connection_info = m->connection_info;
	}
	if (m->has_app_info && m->app_info.elapsed_us >= all->app_info.elapsed_us &&
	    m->app_info.num_bytes >= all->app_info.num_bytes) {
		all->has_app_info = true;
		all->app_info = m->app_info;
	}
	if (m->has_bbr_info) {
		all->has_bbr_info = true;
		all->bbr_info = m->bbr_info;
	}
	if (!m->has_tcp_info || !supersedes(&all->tcp_info, &m->tcp_info))
		return;
	all->has_tcp_info = true;
	look_at_kernel(s, &m->tcp_info, cpu_us, most->us);
	all->tcp_info = m->tcp_info;
	if (measurement_has(&m->tcp_info, MEASUREMENT_TCP_RTT) && m->tcp_info.rtt_us > 0 &&
	    (uint64_t)m->tcp_info.rtt_us <= most->us)
		summary_rtt_add(&d->server_rtt, (uint32_t)m->tcp_info.rtt_us);
}

enum server_side_outcome server_side_take(struct server_side *s, const char *text, size_t n,
                                          const struct server_side_bounds *most, uint64_t cpu_us,
                                          struct measurement *ret)
{
	if (measurement_parse(text, n, ret, NULL) < 0) {
		s->result->unreadable_texts++;
		return SERVER_SIDE_UNREADABLE;
	}
	if (!is_believed(most, ret)) {
		s->result->unbelieved_texts++;
		return SERVER_SIDE_UNBELIEVED;
	}
	merge(s, ret, most, cpu_us);
	return SERVER_SIDE_TAKEN;
}
