#include "measure/subtest.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "measure/flow.h"
#include "measure/socket_trace.h"
#include "measure/tcpinfo.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"
#include "transport/stream.h"
#include "transport/tls.h"
#include "transport/ws.h"

#define REQUEST_BYTES_MAX (URL_BYTES_MAX + 1024)

/* A test that ended without a Close so near to its nominal end is whole. */
#define WHOLE_NS (NDT7_DURATION_NS - 500 * NS_PER_MS)

/* What a middle box may add to the bytes of ours, a header or two in the request. */
#define ADDED_BYTES_MAX (16ULL << 10)

enum phase { PHASE_DIALING, PHASE_SECURING, PHASE_UPGRADING, PHASE_RUNNING, PHASE_OVER };

struct subtest {
	struct subtest_options o; /* its url is our copy */
	struct url url;
	enum phase phase;
	bool served; /* t = 0 was reached */
	bool stopped;
	struct tcp_dial *dial;
	struct stream *stream;
	struct flow *flow;
	struct loop_timer deadline; /* of the phases before PHASE_RUNNING */
	struct loop_timer poll;
	struct loop_timer end; /* ended() is told from a turn of its own */
	struct socket_trace trace;
	uint64_t cookie;
	uint32_t segment_bytes;
	struct steady steady; /* begins with the transfer */
	uint64_t cpu_from_ns;
	uint64_t looked_at_ns; /* our socket, last; 0: never */
	uint64_t acked_at_ns;  /* when bytes_acked last grew, and to what */
	uint64_t acked_bytes;
	uint64_t acked_before; /* bytes acknowledged before t = 0: the upgrade request, TLS */
	char peer[URL_HOST_MAX + 10]; /* host:port, as it is told */
	char key[WS_KEY_TEXT_BYTES];
	char request[REQUEST_BYTES_MAX];
	char head[HEAD_BYTES_MAX]; /* the server's answer, as far as it came */
	size_t head_bytes;
};

CLEANUP_DEFINE(subtest_freep, struct subtest *, subtest_free)

/* --- ending ------------------------------------------------------------------------------------ */

static void end_soon(struct subtest *s)
{
	s->phase = PHASE_OVER;
	loop_timer_cancel(s->o.loop, &s->deadline);
	loop_timer_cancel(s->o.loop, &s->poll);
	loop_timer_set(s->o.loop, &s->end, loop_now_ns(s->o.loop));
}

static void on_end(void *owner)
{
	struct subtest *s = owner;

	s->o.events->ended(s->o.owner, s->served);
}

static void refuse(struct subtest *s, const struct err *why)
{
	if (s->phase == PHASE_OVER)
		return;
	s->o.result->state = DIRECTION_FAILED;
	s->o.result->err = *why;
	socket_trace_end(&s->trace, "refused");
	end_soon(s);
}

/* What the peer's answer was refused for; the text does not say yet whose it was. */
static void refuse_peer(struct subtest *s, struct err *why)
{
	err_prefix(why, "use %s", s->peer);
	refuse(s, why);
}

static void on_deadline(void *owner)
{
	static const char *const doing[] = {
		[PHASE_DIALING] = "connect to",
		[PHASE_SECURING] = "finish the TLS handshake with",
		[PHASE_UPGRADING] = "get an answer to the WebSocket request from",
	};
	struct subtest *s = owner;
	struct err err;

	ERR_SET(&err, -ETIMEDOUT, ERR_SYS, 0, "%s %s within %llu s", doing[s->phase], s->peer,
	        SUBTEST_CONNECT_NS / NS_PER_S);
	refuse(s, &err);
}

/* --- the kernel's figures of our socket ---------------------------------------------------------- */

/* On a CPU, or waiting for one. */
static uint64_t cpu_wanted_us(void)
{
	return (clock_cpu_ns() + clock_cpu_delay_ns()) / NS_PER_US;
}

/* False: the socket is gone. */
static bool read_socket(struct subtest *s, struct tcpinfo_raw *raw, struct tcp_sample *sample)
{
	if (tcpinfo_read(stream_fd(s->stream), raw, NULL) < 0)
		return false;
	tcpinfo_to_sample(raw, loop_now_ns(s->o.loop), s->cookie, sample);
	return true;
}

static void look_at_socket(struct subtest *s)
{
	struct sample_sink sink = summary_sink(&s->o.result->local);
	bool receives = s->o.test == NDT7_DOWNLOAD;
	struct tcpinfo_raw raw;
	struct tcp_sample sample;

	if (!read_socket(s, &raw, &sample))
		return; /* what was seen stays */
	if (s->looked_at_ns && sample.at_ns - s->looked_at_ns > s->o.result->unseen_ns)
		s->o.result->unseen_ns = sample.at_ns - s->looked_at_ns;
	s->looked_at_ns = sample.at_ns;
	sink.take(sink.self, &sample);
	if (sample.present & TCP_SAMPLE_BYTES)
		steady_add(&s->steady, sample.at_ns,
		           receives ? sample.bytes_received : sample.bytes_acked);
	s->segment_bytes = tcpinfo_segment_bytes(&raw, receives);
	if (sample.present & TCP_SAMPLE_BYTES && sample.bytes_acked > s->acked_bytes) {
		s->acked_bytes = sample.bytes_acked;
		s->acked_at_ns = sample.at_ns;
	}
	if (!receives && sample.present & TCP_SAMPLE_LIMITS)
		limits_add(&s->o.result->limits,
		           &(struct limits_look){ .at_us = sample.at_ns / NS_PER_US,
		                                  .busy_us = sample.busy_us,
		                                  .rwnd_limited_us = sample.rwnd_limited_us,
		                                  .sndbuf_limited_us = sample.sndbuf_limited_us,
		                                  .cpu_us = cpu_wanted_us(),
		                                  .app_limited = sample.app_limited });
	if (s->o.events->sampled)
		s->o.events->sampled(s->o.owner, &sample);
}

static void on_poll(void *owner)
{
	struct subtest *s = owner;

	look_at_socket(s);
	loop_timer_set(s->o.loop, &s->poll, s->poll.at_ns + SUBTEST_POLL_NS);
}

/* --- the far side's figures ------------------------------------------------------------------------ */

/* The most that a server can truly say now. */
struct plausible {
	uint64_t bytes;
	uint64_t us;
};

/* What was not sent cannot have arrived. Where our kernel does not count (then it has not even counted
 * the request), it is what was handed to it, with the message under way and what wraps the payload:
 * frame headers, TLS. */
static uint64_t arrived_bytes_most(struct subtest *s)
{
	uint64_t bytes = flow_report(s->flow)->num_bytes + NDT7_MESSAGE_BYTES_MAX;
	struct tcpinfo_raw raw;
	struct tcp_sample sample;

	if (read_socket(s, &raw, &sample) && sample.present & TCP_SAMPLE_BYTES_SENT &&
	    sample.bytes_sent > sample.bytes_retrans)
		return sample.bytes_sent - sample.bytes_retrans + ADDED_BYTES_MAX;
	return bytes + bytes / 16 + ADDED_BYTES_MAX;
}

static struct plausible plausible_now(struct subtest *s)
{
	uint64_t since_ns = loop_now_ns(s->o.loop) - flow_report(s->flow)->started_ns;

	return (struct plausible){
		.bytes = s->o.test == NDT7_UPLOAD ? arrived_bytes_most(s) : UINT64_MAX,
		.us = (since_ns + RESULT_SERVER_AHEAD_NS) / NS_PER_US,
	};
}

/* Negative figures are none: who takes a figure looks for that. */
static bool is_plausible(const struct plausible *most, int64_t bytes, int64_t elapsed_us)
{
	return (bytes < 0 || (uint64_t)bytes <= most->bytes) &&
	       (elapsed_us < 0 || (uint64_t)elapsed_us <= most->us);
}

static bool is_believed(const struct plausible *most, const struct measurement *m)
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

/* Of a download the server's kernel is the one that sends. */
static void look_at_server(struct direction_result *d, const struct measurement_tcp_info *t)
{
	if (d->test != NDT7_DOWNLOAD || !measurement_has(t, MEASUREMENT_TCP_BusyTime) ||
	    !measurement_has(t, MEASUREMENT_TCP_RWndLimited) ||
	    !measurement_has(t, MEASUREMENT_TCP_SndBufLimited) || t->busy_time_us < 0 ||
	    t->rwnd_limited_us < 0 || t->sndbuf_limited_us < 0)
		return;
	limits_add(&d->limits,
	           &(struct limits_look){ .at_us = (uint64_t)t->elapsed_us,
	                                  .busy_us = (uint64_t)t->busy_time_us,
	                                  .rwnd_limited_us = (uint64_t)t->rwnd_limited_us,
	                                  .sndbuf_limited_us = (uint64_t)t->sndbuf_limited_us,
	                                  .cpu_us = cpu_wanted_us(),
	                                  .app_limited = t->app_limited != 0 });
}

static void merge(struct direction_result *d, const struct measurement *m,
                  const struct plausible *most)
{
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
	all->tcp_info = m->tcp_info;
	look_at_server(d, &m->tcp_info);
	if (measurement_has(&m->tcp_info, MEASUREMENT_TCP_RTT) && m->tcp_info.rtt_us > 0 &&
	    (uint64_t)m->tcp_info.rtt_us <= most->us)
		summary_rtt_add(&d->server_rtt, (uint32_t)m->tcp_info.rtt_us);
}

static void on_text(void *owner, const char *text, size_t n)
{
	struct subtest *s = owner;
	struct plausible most;
	struct measurement m;

	if (measurement_parse(text, n, &m, NULL) < 0) {
		s->o.result->unreadable_texts++;
		return;
	}
	most = plausible_now(s);
	if (!is_believed(&most, &m)) {
		s->o.result->unbelieved_texts++;
		return;
	}
	merge(s->o.result, &m, &most);
	bytes_copy_text(m.origin, sizeof(m.origin), "server");
	bytes_copy_text(m.test, sizeof(m.test), ndt7_test_name(s->o.test));
	s->o.events->measured(s->o.owner, &m);
}

static void on_sample(void *owner)
{
	struct subtest *s = owner;
	const struct ndt7_report *r = flow_report(s->flow);
	struct measurement m = { .has_app_info = true, .origin = "client" };

	m.app_info.num_bytes = (int64_t)r->num_bytes;
	m.app_info.elapsed_us = (int64_t)(r->measured_ns / NS_PER_US);
	bytes_copy_text(m.test, sizeof(m.test), ndt7_test_name(s->o.test));
	s->o.events->measured(s->o.owner, &m);
}

/* --- the figure ------------------------------------------------------------------------------------ */

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
static void take_upload(struct subtest *s)
{
	struct direction_result *d = s->o.result;
	const struct ndt7_report *r = &d->report;
	bool acked = s->acked_bytes > s->acked_before && s->acked_at_ns > r->started_ns;
	int queued_bytes = 0;

	if (r->num_bytes == 0)
		return; /* whatever was counted, it is no test data */
	take_servers(d);
	if (acked && (d->source == GOODPUT_NONE || is_cut_by_us(d)))
		take(d, GOODPUT_CLIENT_ACKED, s->acked_bytes - s->acked_before,
		     s->acked_at_ns - r->started_ns);
	else if (d->source == GOODPUT_NONE &&
	         ioctl(stream_fd(s->stream), SIOCOUTQ, &queued_bytes) == 0 &&
	         (uint64_t)queued_bytes < r->num_bytes)
		take(d, GOODPUT_CLIENT_WRITTEN, r->num_bytes - (uint64_t)queued_bytes,
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

static void explain_nothing(struct subtest *s)
{
	struct direction_result *d = s->o.result;

	if (d->violation[0])
		ERR_SET(&d->err, -EPROTO, ERR_WS, 0,
		        "measure against %s: it broke the protocol: %s", s->peer, d->violation);
	else if (d->report.ending == NDT7_ENDING_STOP)
		ERR_SET(&d->err, -ECANCELED, ERR_SYS, 0,
		        "measure against %s: stopped before anything came", s->peer);
	else if (d->report.ending == NDT7_ENDING_ERROR)
		ERR_SET(&d->err, d->broke.code, d->broke.domain, d->broke.detail,
		        "measure against %s: the connection failed before any test data passed: %s",
		        s->peer, d->broke.text);
	else
		ERR_SET(&d->err, -ENODATA, ERR_SYS, 0,
		        "measure against %s: no test data passed before the test ended (%s)",
		        s->peer, ndt7_ending_name(d->report.ending));
}

static void name_flow(struct subtest *s)
{
	struct direction_result *d = s->o.result;

	if (!bytes_copy_text(d->flow, sizeof(d->flow), d->server.connection_info.uuid) ||
	    !d->flow[0])
		snprintf(d->flow, sizeof(d->flow), "%016llx", (unsigned long long)s->cookie);
}

static void on_finished(void *owner)
{
	struct subtest *s = owner;
	struct direction_result *d = s->o.result;
	const struct tcp_sample *last = &d->local.last;

	look_at_socket(s);
	d->report = *flow_report(s->flow);
	socket_trace_end(&s->trace, ndt7_ending_name(d->report.ending));
	steady_estimate(&s->steady, d->report.started_ns + d->report.measured_ns, s->segment_bytes,
	                &d->steady);
	d->cpu_ns = clock_cpu_ns() - s->cpu_from_ns;
	d->wire_bytes =
		last->bytes_received +
		(last->present & TCP_SAMPLE_BYTES_SENT ? last->bytes_sent : last->bytes_acked);
	bytes_copy_text(d->violation, sizeof(d->violation), flow_violation(s->flow));
	name_flow(s);
	if (s->o.test == NDT7_UPLOAD)
		take_upload(s);
	else if (d->report.num_bytes > 0 && d->report.measured_ns > 0)
		take(d, GOODPUT_CLIENT_RECEIVED, d->report.num_bytes, d->report.measured_ns);
	d->state = judge(d);
	if (d->state == DIRECTION_FAILED)
		explain_nothing(s);
	end_soon(s);
}

static const struct flow_events flow_events = {
	.text = on_text,
	.sample = on_sample,
	.finished = on_finished,
};

/* --- the WebSocket handshake ---------------------------------------------------------------------- */

static int begin_running(struct subtest *s, struct err *err)
{
	struct flow_options o = {
		.loop = s->o.loop,
		.stream = s->stream,
		.events = &flow_events,
		.owner = s,
		.ndt7 = { .role = NDT7_CLIENT, .test = s->o.test, .max_bytes = s->o.max_bytes }
	};
	int r;

	steady_start(&s->steady);
	look_at_socket(s);
	s->acked_before = s->acked_bytes;
	s->cpu_from_ns = clock_cpu_ns();
	r = flow_start(&o, &s->flow, err);
	if (r < 0)
		return r;
	loop_timer_cancel(s->o.loop, &s->deadline);
	loop_timer_set(s->o.loop, &s->poll, loop_now_ns(s->o.loop) + SUBTEST_POLL_NS);
	s->phase = PHASE_RUNNING;
	s->served = true;
	s->o.events->connected(s->o.owner);
	return 0;
}

/* Bytes behind the head's blank line are frames already; they belong to the test. */
static void read_answer(struct subtest *s, const uint8_t *data, size_t n)
{
	size_t taken = n < sizeof(s->head) - s->head_bytes ? n : sizeof(s->head) - s->head_bytes;
	size_t before = s->head_bytes, head_bytes;
	struct err err = {};
	int r;

	memcpy(s->head + before, data, taken);
	s->head_bytes += taken;
	r = ws_response_check(s->head, s->head_bytes, s->key, NDT7_PROTOCOL, &head_bytes, &err);
	if (r == WS_NEED_MORE && s->head_bytes < sizeof(s->head))
		return;
	if (r == WS_NEED_MORE)
		r = ERR_SET(&err, -EMSGSIZE, ERR_WS, 0,
		            "read the answer to the WebSocket request: its head is over %d bytes",
		            HEAD_BYTES_MAX);
	if (r == WS_OK)
		r = begin_running(s, &err);
	if (r < 0) {
		refuse_peer(s, &err);
		return;
	}
	flow_received(s->flow, data + (head_bytes - before), n - (head_bytes - before));
}

static int send_request(struct subtest *s, struct err *err)
{
	char authority[URL_AUTHORITY_MAX];
	struct ws_request request = { .authority = url_authority(s->o.url, authority),
		                      .target = s->o.url->target,
		                      .protocol = NDT7_PROTOCOL,
		                      .user_agent = s->o.user_agent,
		                      .key = s->key };
	int n;

	ws_key(s->key);
	n = ws_request_write(&request, s->request, sizeof(s->request));
	if (n < 0)
		return ERR_SET(err, n, ERR_SYS, 0, "write the WebSocket request");
	stream_send(s->stream, &(struct iovec){ s->request, (size_t)n }, 1);
	return 0;
}

/* --- the stream ------------------------------------------------------------------------------------ */

static void on_opened(void *owner)
{
	struct subtest *s = owner;
	const struct tls *tls = stream_tls(s->stream);
	struct direction_result *d = s->o.result;
	struct err err;

	if (s->phase != PHASE_SECURING)
		return;
	s->phase = PHASE_UPGRADING;
	d->tls = tls;
	if (tls) {
		bytes_copy_text(d->tls_version, sizeof(d->tls_version), tls_version(tls));
		bytes_copy_text(d->tls_cipher, sizeof(d->tls_cipher), tls_cipher(tls));
	}
	if (send_request(s, &err) < 0)
		refuse(s, &err);
}

static void on_received(void *owner, const uint8_t *data, size_t n)
{
	struct subtest *s = owner;

	if (s->phase == PHASE_UPGRADING)
		read_answer(s, data, n);
	else if (s->phase == PHASE_RUNNING)
		flow_received(s->flow, data, n);
}

static void on_discarded(void *owner, size_t n)
{
	struct subtest *s = owner;

	if (s->phase == PHASE_RUNNING)
		flow_discarded(s->flow, n);
}

static void on_sent(void *owner)
{
	struct subtest *s = owner;

	if (s->phase == PHASE_RUNNING)
		flow_sent(s->flow);
}

static void on_ended(void *owner, const struct err *why)
{
	struct subtest *s = owner;
	struct err err = *why;

	if (s->phase == PHASE_RUNNING) {
		s->o.result->broke = *why;
		flow_ended(s->flow, why);
		return;
	}
	if (err.code == 0)
		ERR_SET(&err, -ECONNRESET, ERR_SYS, 0, "%s: it closed the connection",
		        s->phase == PHASE_SECURING ? "finish the TLS handshake"
		                                   : "get an answer to the WebSocket request");
	refuse_peer(s, &err);
}

static const struct stream_events stream_events = {
	.opened = on_opened,
	.received = on_received,
	.discarded = on_discarded,
	.sent = on_sent,
	.ended = on_ended,
};

/* --- the connection -------------------------------------------------------------------------------- */

static void keep_connection(struct subtest *s, const struct tcp_connection *c)
{
	struct direction_result *d = s->o.result;
	struct tcpinfo_raw raw;
	struct tcp_sample sample;

	d->connection = *c;
	d->connection.fd = -1;
	tcp_set_nodelay(c->fd, NULL); /* a pong is small and must not wait for an ACK */
	tcp_congestion(c->fd, d->congestion);
	s->cookie = tcpinfo_cookie(c->fd);
	d->cookie = s->cookie;
	socket_trace_begin(&s->trace, s->o.trace, s->o.loop, c->fd, s->o.trace_interval_ns,
	                   ndt7_test_name(s->o.test));
	if (tcpinfo_read(c->fd, &raw, NULL) < 0)
		return;
	/* Nothing but the SYN has been acknowledged yet: the smoothed RTT is that one exchange. */
	tcpinfo_to_sample(&raw, loop_now_ns(s->o.loop), s->cookie, &sample);
	if (sample.present & TCP_SAMPLE_RTT && sample.srtt_us > 0)
		d->idle_rtt_ms = (struct figure){ true, sample.srtt_us / 1e3 };
}

static void on_dialed(void *owner, const struct tcp_connection *c, const struct err *why)
{
	struct subtest *s = owner;
	struct err err;
	int r;

	s->dial = NULL;
	if (!c) {
		refuse(s, why);
		return;
	}
	if (s->phase != PHASE_DIALING) { /* stopped meanwhile */
		close(c->fd);
		return;
	}
	keep_connection(s, c);
	s->phase = PHASE_SECURING;
	r = stream_open_client(s->o.loop, c->fd, s->o.url->tls ? s->o.tls : NULL, s->o.url->host,
	                       &stream_events, s, &s->stream, &err);
	if (r < 0)
		refuse(s, &err);
}

static void start_result(const struct subtest_options *o)
{
	struct direction_result *d = o->result;
	char *query;

	*d = (struct direction_result){ .test = o->test,
		                        .insecure = o->insecure && o->url->tls,
		                        .located = d->located };
	d->connection.fd = -1;
	url_format(o->url, d->url, sizeof(d->url));
	query = strchr(d->url, '?');
	if (query)
		*query = '\0';
	bytes_copy_text(d->host, sizeof(d->host), o->url->host);
	summary_start(&d->local);
}

int subtest_start(const struct subtest_options *options, struct subtest **ret, struct err *err)
{
	CLEANUP(subtest_freep) struct subtest *s = calloc(1, sizeof(*s));
	uint64_t deadline_ns;
	int r;

	if (!s)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a test's state");
	s->o = *options;
	s->url = *options->url;
	s->o.url = &s->url;
	snprintf(s->peer, sizeof(s->peer), options->url->host_is_ipv6 ? "[%s]:%u" : "%s:%u",
	         options->url->host, options->url->port);
	start_result(options);
	s->deadline = (struct loop_timer){ .fire = on_deadline, .owner = s };
	s->poll = (struct loop_timer){ .fire = on_poll, .owner = s };
	s->end = (struct loop_timer){ .fire = on_end, .owner = s };
	deadline_ns = loop_now_ns(s->o.loop) + SUBTEST_CONNECT_NS;
	r = tcp_dial(s->o.loop, s->o.url->host, s->o.url->port, &s->o.tcp, deadline_ns, on_dialed,
	             s, &s->dial, err);
	if (r < 0)
		return r;
	loop_timer_set(s->o.loop, &s->deadline, deadline_ns);
	*ret = TAKE(s, NULL);
	return 0;
}

void subtest_stop(struct subtest *s)
{
	struct err err;

	if (s->phase == PHASE_OVER || s->stopped)
		return;
	s->stopped = true;
	if (s->phase == PHASE_RUNNING) {
		flow_stop(s->flow);
		return;
	}
	ERR_SET(&err, -ECANCELED, ERR_SYS, 0, "measure against %s: stopped before the test began",
	        s->peer);
	refuse(s, &err);
}

struct subtest *subtest_free(struct subtest *s)
{
	if (!s)
		return NULL;
	loop_timer_cancel(s->o.loop, &s->deadline);
	loop_timer_cancel(s->o.loop, &s->poll);
	loop_timer_cancel(s->o.loop, &s->end);
	socket_trace_end(&s->trace, "given up");
	tcp_dial_cancel(s->dial);
	flow_free(s->flow);
	stream_close(s->stream);
	free(s);
	return NULL;
}

const struct ndt7_report *subtest_report(const struct subtest *s)
{
	return s->flow ? flow_report(s->flow) : NULL;
}
