#include "measure/subtest.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "measure/flow.h"
#include "measure/kernel_rtt.h"
#include "measure/server_side.h"
#include "measure/sockstat.h"
#include "measure/tally.h"
#include "measure/tcpinfo.h"
#include "measure/verdict.h"
#include "measure/watch.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"
#include "transport/stream.h"
#include "transport/tls.h"
#include "transport/ws.h"

#define REQUEST_BYTES_MAX (URL_BYTES_MAX + 1024)

/* What a middle box may add to the bytes of ours, a header or two in the request. */
#define ADDED_BYTES_MAX (16ULL << 10)

enum phase { PHASE_DIALING, PHASE_SECURING, PHASE_UPGRADING, PHASE_RUNNING, PHASE_OVER };

struct subtest {
	struct subtest_options o; /* its url is our copy */
	struct url url;
	enum phase phase;
	bool served; /* t = 0 was reached */
	bool stopped;
	bool settled; /* what limited it, up to the end of the count */
	struct tcp_dial *dial;
	struct stream *stream;
	struct flow *flow;
	struct loop_timer deadline; /* of the phases before PHASE_RUNNING */
	struct loop_timer end;      /* ended() is told from a turn of its own */
	struct watch watch;
	struct tally tally;
	struct server_side server;
	struct kernel_rtt rtt;
	uint64_t cpu_from_ns;
	int cpu_delay_fd;             /* see clock_cpu_delay_open() */
	uint64_t last_segment_ns;     /* by the kernel, when the count had ended; 0: not known */
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
	watch_end(&s->watch, "refused");
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

	if (s->phase == PHASE_DIALING && tcp_dial_is_resolving(s->dial))
		ERR_SET(&err, -ETIMEDOUT, ERR_DNS, EAI_AGAIN,
		        "find the address of %s within %llu s: no name server answers",
		        s->o.url->host, SUBTEST_CONNECT_NS / NS_PER_S);
	else
		ERR_SET(&err, -ETIMEDOUT, ERR_SYS, 0, "%s %s within %llu s", doing[s->phase],
		        s->peer, SUBTEST_CONNECT_NS / NS_PER_S);
	refuse(s, &err);
}

/* --- our socket and the server's texts --------------------------------------------------------- */

/* On a CPU, or waiting for one. */
static uint64_t cpu_wanted_us(const struct subtest *s)
{
	return (clock_cpu_ns() + clock_cpu_delay_ns(s->cpu_delay_fd)) / NS_PER_US;
}

/* What follows the count, while the far side's last word is waited for, is no part of the transfer. */
static void settle(struct subtest *s)
{
	struct limits_look look = { .at_us = loop_now_ns(s->o.loop) / NS_PER_US,
		                    .cpu_us = cpu_wanted_us(s) };

	if (s->settled)
		return;
	s->settled = flow_report(s->flow)->count_ended_ns != 0;
	limits_add(&s->o.result->ours, &look);
	tally_settle(&s->tally, look.cpu_us);
}

static void on_looked(void *owner)
{
	struct subtest *s = owner;

	settle(s);
	if (s->o.events->looked)
		s->o.events->looked(s->o.owner);
}

/* Where our kernel does not count (then it has not even counted the request), it is what was handed to
 * it, with the message under way and what wraps the payload: frame headers, TLS. */
static uint64_t arrived_bytes_most(struct subtest *s)
{
	uint64_t bytes = flow_report(s->flow)->num_bytes + NDT7_MESSAGE_BYTES_MAX;
	struct tcpinfo_raw raw;
	struct tcp_sample sample = {};

	if (tcpinfo_read(stream_fd(s->stream), &raw, NULL) == 0)
		tcpinfo_to_sample(&raw, 0, 0, &sample);
	if (sample.present & TCP_SAMPLE_BYTES_SENT && sample.bytes_sent > sample.bytes_retrans)
		return sample.bytes_sent - sample.bytes_retrans + ADDED_BYTES_MAX;
	return bytes + bytes / 16 + ADDED_BYTES_MAX;
}

static struct server_side_bounds bounds_now(struct subtest *s)
{
	uint64_t since_ns = loop_now_ns(s->o.loop) - flow_report(s->flow)->started_ns;

	return (struct server_side_bounds){
		.bytes = s->o.test == NDT7_UPLOAD ? arrived_bytes_most(s) : UINT64_MAX,
		.us = (since_ns + RESULT_SERVER_AHEAD_NS) / NS_PER_US,
	};
}

static void on_text(void *owner, const char *text, size_t n)
{
	struct subtest *s = owner;
	struct server_side_bounds most = bounds_now(s);
	struct measurement m;

	if (server_side_take(&s->server, text, n, &most, cpu_wanted_us(s), &m) != SERVER_SIDE_TAKEN)
		return;
	bytes_copy_text(m.origin, sizeof(m.origin), "server");
	bytes_copy_text(m.test, sizeof(m.test), ndt7_test_name(s->o.test));
	s->o.events->measured(s->o.owner, &m);
}

static void on_sample(void *owner)
{
	struct subtest *s = owner;
	const struct ndt7_report *r = flow_report(s->flow);
	struct measurement m = { .has_app_info = true, .origin = "client" };

	if (r->count_ended_ns && !s->last_segment_ns)
		s->last_segment_ns = watch_last_segment_ns(&s->watch);

	m.app_info.num_bytes = (int64_t)r->num_bytes;
	m.app_info.elapsed_us = (int64_t)(r->measured_ns / NS_PER_US);
	bytes_copy_text(m.test, sizeof(m.test), ndt7_test_name(s->o.test));
	s->o.events->measured(s->o.owner, &m);
}

/* --- the end of the transfer ------------------------------------------------------------------- */

static void name_flow(struct subtest *s)
{
	struct direction_result *d = s->o.result;

	if (!bytes_copy_text(d->flow, sizeof(d->flow), d->server.connection_info.uuid) ||
	    !d->flow[0])
		snprintf(d->flow, sizeof(d->flow), "%016llx", (unsigned long long)d->cookie);
}

static struct verdict_counts own_counts(const struct subtest *s)
{
	int unsent_bytes = -1;

	if (ioctl(stream_fd(s->stream), SIOCOUTQ, &unsent_bytes) < 0)
		unsent_bytes = -1;
	return (struct verdict_counts){ .last_segment_ns = s->last_segment_ns,
		                        .acked_bytes = s->tally.acked_bytes - s->tally.acked_before,
		                        .acked_at_ns = s->tally.acked_at_ns,
		                        .unsent_bytes = unsent_bytes };
}

static bool sender_is_bbr(const struct direction_result *d)
{
	if (d->test == NDT7_DOWNLOAD)
		return d->server.has_bbr_info;
	return strncmp(d->congestion, "bbr", 3) == 0;
}

static struct steady_path path_of(const struct subtest *s)
{
	const struct direction_result *d = s->o.result;
	struct steady_path path = {};
	struct tcpinfo_raw raw;

	if (tcpinfo_read(stream_fd(s->stream), &raw, NULL) == 0)
		path.segment_bytes = tcpinfo_segment_bytes(&raw, d->test == NDT7_DOWNLOAD);
	if (sender_is_bbr(d) && d->idle_rtt_ms.known)
		path.rtt_us = (uint32_t)(d->idle_rtt_ms.value * 1e3);
	return path;
}

static void keep_figures(struct subtest *s)
{
	struct direction_result *d = s->o.result;
	const struct tcp_sample *last = &d->local.last;
	struct steady_path path = path_of(s);
	struct tcpstat_flow flow;

	d->unseen_ns = s->watch.unseen_ns;
	if (watch_aggregates(&s->watch, &flow)) {
		d->samples_lost = flow.lost;
		d->rtt_samples =
			d->test == NDT7_UPLOAD && kernel_rtt_loaded(&s->rtt, &flow, &d->local.rtt);
	}
	settle(s);
	tally_finish(&s->tally, d->report.started_ns + d->report.measured_ns, &path);
	d->cpu_ns = clock_cpu_ns() - s->cpu_from_ns;
	d->wire_bytes =
		last->bytes_received +
		(last->present & TCP_SAMPLE_BYTES_SENT ? last->bytes_sent : last->bytes_acked);
}

static void on_finished(void *owner)
{
	struct subtest *s = owner;
	struct direction_result *d = s->o.result;
	struct verdict_counts ours;

	d->report = *flow_report(s->flow);
	watch_end(&s->watch, ndt7_ending_name(d->report.ending));
	keep_figures(s);
	bytes_copy_text(d->violation, sizeof(d->violation), flow_violation(s->flow));
	name_flow(s);
	ours = own_counts(s);
	verdict_pass(d, &ours, s->peer);
	end_soon(s);
}

static const struct flow_events flow_events = {
	.text = on_text,
	.sample = on_sample,
	.finished = on_finished,
};

/* --- the WebSocket handshake ---------------------------------------------------------------------- */

static void look_at_idle_rtt(struct subtest *s)
{
	struct direction_result *d = s->o.result;
	struct tcpstat_flow flow;

	if (!watch_aggregates(&s->watch, &flow))
		return;
	kernel_rtt_begin(&s->rtt, &flow, &d->idle);
	if (d->idle.samples > 0)
		d->idle_rtt_ms = (struct figure){ true, d->idle.min_us / 1e3 };
}

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

	look_at_idle_rtt(s);
	s->cpu_from_ns = clock_cpu_ns();
	r = flow_start(&o, &s->flow, err);
	if (r < 0)
		return r;
	loop_timer_cancel(s->o.loop, &s->deadline);
	watch_start(&s->watch, flow_report(s->flow)->started_ns);
	stream_may_wait(s->stream, watch_patience_ns(&s->watch));
	settle(s);
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
	watch_begin(&s->watch, c->fd);
	d->cookie = s->watch.flow.cookie;
	d->polled = watch_fell_back(&s->watch);
	if (tcpinfo_read(c->fd, &raw, NULL) < 0)
		return;
	/* Nothing but the SYN has been acknowledged yet: the smoothed RTT is that one exchange. */
	tcpinfo_to_sample(&raw, loop_now_ns(s->o.loop), d->cookie, &sample);
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
}

static void on_socket(void *owner, int fd)
{
	struct subtest *s = owner;

	watch_socket(&s->watch, fd);
}

static void start_figures(struct subtest *s)
{
	server_side_start(&s->server, s->o.result);
	tally_start(&s->tally, s->o.result);
	watch_open(&s->watch, &(struct watch_options){ .loop = s->o.loop,
	                                               .feed = s->o.feed,
	                                               .figures = tally_sink(&s->tally),
	                                               .test = ndt7_test_name(s->o.test),
	                                               .looked = on_looked,
	                                               .owner = s });
	s->o.tcp.opened = on_socket;
	s->o.tcp.owner = s;
}

/* libcrypto reads its configuration at its first digest: 2 ms, and perhaps a disk. Not between the server's
 * answer, which is checked by one, and t = 0. */
static void make_key(struct subtest *s)
{
	char accept[WS_ACCEPT_TEXT_BYTES];

	ws_key(s->key);
	ws_accept(s->key, strlen(s->key), accept);
}

int subtest_start(const struct subtest_options *options, struct subtest **ret, struct err *err)
{
	CLEANUP(subtest_freep) struct subtest *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a test's state");
	s->cpu_delay_fd = clock_cpu_delay_open();
	s->o = *options;
	s->url = *options->url;
	s->o.url = &s->url;
	snprintf(s->peer, sizeof(s->peer), options->url->host_is_ipv6 ? "[%s]:%u" : "%s:%u",
	         options->url->host, options->url->port);
	start_result(options);
	start_figures(s);
	make_key(s);
	s->deadline = (struct loop_timer){ .fire = on_deadline, .owner = s };
	s->end = (struct loop_timer){ .fire = on_end, .owner = s };
	/* One deadline for all of it, so that it is always the same who tells of it. */
	loop_timer_set(s->o.loop, &s->deadline, loop_now_ns(s->o.loop) + SUBTEST_CONNECT_NS);
	r = tcp_dial(s->o.loop, s->o.url->host, s->o.url->port, &s->o.tcp, CLOCK_NEVER_NS,
	             on_dialed, s, &s->dial, err);
	if (r < 0)
		return r;
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
	loop_timer_cancel(s->o.loop, &s->end);
	watch_end(&s->watch, "given up");
	tcp_dial_cancel(s->dial);
	flow_free(s->flow);
	stream_close(s->stream);
	fd_closep(&s->cpu_delay_fd);
	free(s);
	return NULL;
}

const struct ndt7_report *subtest_report(const struct subtest *s)
{
	return s->flow ? flow_report(s->flow) : NULL;
}
