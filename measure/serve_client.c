#include "measure/serve_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure/flow.h"
#include "measure/serve_answer.h"
#include "measure/tcpinfo.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/head.h"
#include "transport/loop/loop.h"
#include "transport/stream.h"
#include "transport/tcp.h"
#include "transport/ws.h"

/* For the peer to take the answer and close; then we do. */
#define LINGER_NS (500 * NS_PER_MS)

enum phase {
	PHASE_REQUEST,   /* TLS, then the head of the request */
	PHASE_ANSWERING, /* a short answer, then the end */
	PHASE_UPGRADING, /* the 101 is on its way; frames may come already */
	PHASE_TEST,
	PHASE_OVER,
};

struct serve_client {
	const struct serve_client_shared *shared;
	struct serve_client *next;
	struct stream *stream;
	struct flow *flow;
	struct loop_timer deadline;
	struct loop_timer end;
	enum phase phase;
	bool has_place;
	bool half_closed; /* while the 101 was on its way */
	enum ndt7_test test;
	uint64_t early_exit_bytes;
	uint64_t cookie;
	uint64_t utc_ns; /* at t = 0 */
	char name[TCP_ADDRESS_TEXT_MAX + 10];
	struct measurement_connection_info connection;
	struct measurement_tcp_info last;
	char request[HEAD_BYTES_MAX]; /* the head, and what came behind it before the test began */
	size_t request_bytes;
	size_t head_bytes;
	char answer[SERVE_ANSWER_MAX];
};

CLEANUP_DEFINE(serve_client_freep, struct serve_client *, serve_client_free)

static void hear(struct serve_client *c, struct serve_event e)
{
	e.client = c->name;
	if (c->shared->hear)
		c->shared->hear(c->shared->hear_owner, &e);
}

static void end_soon(struct serve_client *c)
{
	c->phase = PHASE_OVER;
	loop_timer_cancel(c->shared->loop, &c->deadline);
	loop_timer_set(c->shared->loop, &c->end, loop_now_ns(c->shared->loop));
}

static void on_end(void *owner)
{
	struct serve_client *c = owner;

	c->shared->gone(c->shared->owner, c);
}

/* --- the test ---------------------------------------------------------------------------------------- */

static size_t compose(void *owner, char *out, size_t out_bytes, uint64_t *ret_bytes_acked)
{
	struct serve_client *c = owner;
	const struct ndt7_report *r = flow_report(c->flow);
	int64_t elapsed_us = (int64_t)((loop_now_ns(c->shared->loop) - r->started_ns) / NS_PER_US);
	struct measurement m = { .has_connection_info = true, .has_bbr_info = true };
	struct tcpinfo_raw raw;
	int n;

	m.connection_info = c->connection;
	m.bbr_info.elapsed_us = elapsed_us;
	tcpinfo_read_bbr(stream_fd(c->stream), elapsed_us, &m.bbr_info);
	m.has_tcp_info = tcpinfo_read(stream_fd(c->stream), &raw, NULL) == 0;
	if (m.has_tcp_info) {
		tcpinfo_to_measurement(&raw, elapsed_us, &m.tcp_info);
		c->last = m.tcp_info;
	}
	*ret_bytes_acked = (uint64_t)m.tcp_info.bytes_acked;
	/* The reference server ends each text with a newline, and parsers have come to see it. */
	n = measurement_write(&m, out, out_bytes - 1);
	if (n < 0)
		return 0;
	out[n] = '\n';
	return (size_t)n + 1;
}

static void on_finished(void *owner)
{
	struct serve_client *c = owner;
	const struct ndt7_report *r = flow_report(c->flow);
	int64_t bytes = c->test == NDT7_DOWNLOAD ? c->last.bytes_acked : c->last.bytes_received;

	hear(c, (struct serve_event){ .test = ndt7_test_name(c->test),
	                              .status = 101,
	                              .ended = true,
	                              .mbps = c->last.elapsed_us > 0
	                                              ? 8.0 * (double)bytes /
	                                                        (double)c->last.elapsed_us
	                                              : 0,
	                              .seconds = (double)(r->ended_ns - r->started_ns) / 1e9,
	                              .ending = ndt7_ending_name(r->ending) });
	end_soon(c);
}

static const struct flow_events flow_events = {
	.compose = compose,
	.finished = on_finished,
};

static void name_connection(struct serve_client *c)
{
	char host[32] = "localhost";
	struct measurement_connection_info *i = &c->connection;
	struct tcp_connection names;

	if (tcp_names(stream_fd(c->stream), &names, NULL) == 0) {
		const char *open = strchr(names.remote_ip, ':') ? "[" : "";
		const char *close = *open ? "]" : "";

		snprintf(i->client, sizeof(i->client), "%s%.48s%s:%u", open, names.remote_ip, close,
		         names.remote_port);
		snprintf(i->server, sizeof(i->server), "%s%.48s%s:%u", open, names.local_ip, close,
		         names.local_port);
		bytes_copy_text(c->name, sizeof(c->name), i->client);
	}
	gethostname(host, sizeof(host) - 1);
	c->cookie = tcpinfo_cookie(stream_fd(c->stream));
	snprintf(i->uuid, sizeof(i->uuid), "%s_%llu_%016llX", host,
	         (unsigned long long)(c->shared->started_utc_ns / NS_PER_S),
	         (unsigned long long)c->cookie);
}

static int begin_test(struct serve_client *c, struct err *err)
{
	struct flow_options o = { .loop = c->shared->loop,
		                  .stream = c->stream,
		                  .events = &flow_events,
		                  .owner = c,
		                  .ndt7 = { .role = NDT7_SERVER,
		                            .test = c->test,
		                            .early_exit_bytes = c->early_exit_bytes } };
	int r;

	c->utc_ns = clock_utc_ns();
	clock_utc_text(c->utc_ns, 9, c->connection.start_time);
	o.ndt7.utc_ns = c->utc_ns;
	bytes_random(&o.ndt7.seed, sizeof(o.ndt7.seed));
	r = flow_start(&o, &c->flow, err);
	if (r < 0)
		return r;
	loop_timer_cancel(c->shared->loop, &c->deadline);
	c->phase = PHASE_TEST;
	c->shared->test_began(c->shared->owner);
	hear(c, (struct serve_event){ .test = ndt7_test_name(c->test), .status = 101 });
	flow_received(c->flow, (const uint8_t *)c->request + c->head_bytes,
	              c->request_bytes - c->head_bytes);
	if (c->half_closed)
		flow_half_closed(c->flow);
	return 0;
}

/* --- the request ------------------------------------------------------------------------------------- */

static void answer(struct serve_client *c, const struct serve_answer *a)
{
	bool upgrade = a->status == 101;

	c->phase = upgrade ? PHASE_UPGRADING : PHASE_ANSWERING;
	c->has_place = upgrade;
	if (a->status == 503)
		c->shared->refused(c->shared->owner);
	c->test = a->test;
	c->early_exit_bytes = a->early_exit_bytes;
	if (!upgrade)
		hear(c,
		     (struct serve_event){ .test = a->asked, .status = a->status, .ended = true });
	stream_send(c->stream, &(struct iovec){ c->answer, a->bytes }, 1);
}

static void read_request(struct serve_client *c, const uint8_t *data, size_t n)
{
	size_t room = sizeof(c->request) - c->request_bytes;
	struct serve_answer a = {};
	struct head head;
	int r;

	memcpy(c->request + c->request_bytes, data, n < room ? n : room);
	c->request_bytes += n < room ? n : room;
	r = head_parse_request(c->request, c->request_bytes, &head, NULL);
	if (r == HEAD_NEED_MORE && n <= room)
		return;
	if (r == HEAD_OK) {
		c->head_bytes = head.bytes;
		serve_answer_request(&head, c->shared->full(c->shared->owner), c->shared->ws_port,
		                     c->shared->wss_port, c->answer, &a);
	} else {
		serve_answer_malformed(r == -EPROTO ? 400 : 431, c->answer, &a);
	}
	answer(c, &a);
}

/* Frames of an eager client, before our 101 is out: kept behind the head, up to its ceiling. A client
 * may send them only after it has seen the 101, so more than a little is nobody's mistake but its. */
static void keep_early(struct serve_client *c, const uint8_t *data, size_t n)
{
	if (n > sizeof(c->request) - c->request_bytes) {
		end_soon(c);
		return;
	}
	memcpy(c->request + c->request_bytes, data, n);
	c->request_bytes += n;
}

/* --- the stream --------------------------------------------------------------------------------------- */

static void on_received(void *owner, const uint8_t *data, size_t n)
{
	struct serve_client *c = owner;

	if (c->phase == PHASE_REQUEST)
		read_request(c, data, n);
	else if (c->phase == PHASE_UPGRADING)
		keep_early(c, data, n);
	else if (c->phase == PHASE_TEST)
		flow_received(c->flow, data, n);
}

static void on_discarded(void *owner, size_t n)
{
	struct serve_client *c = owner;

	if (c->phase == PHASE_TEST)
		flow_discarded(c->flow, n);
}

static void on_sent(void *owner)
{
	struct serve_client *c = owner;

	if (c->phase == PHASE_TEST) {
		flow_sent(c->flow);
	} else if (c->phase == PHASE_UPGRADING) {
		if (begin_test(c, NULL) < 0)
			end_soon(c);
	} else if (c->phase == PHASE_ANSWERING) {
		stream_end_sending(c->stream);
		loop_timer_set(c->shared->loop, &c->deadline,
		               loop_now_ns(c->shared->loop) + LINGER_NS);
	}
}

static void on_half_closed(void *owner)
{
	struct serve_client *c = owner;

	if (c->phase == PHASE_TEST)
		flow_half_closed(c->flow);
	else if (c->phase == PHASE_UPGRADING)
		c->half_closed = true;
	else if (c->phase != PHASE_OVER)
		end_soon(c);
}

static void on_ended(void *owner, const struct err *why)
{
	struct serve_client *c = owner;

	if (c->phase == PHASE_TEST)
		flow_ended(c->flow, why);
	else if (c->phase != PHASE_OVER)
		end_soon(c);
}

static void on_opened(void *owner)
{
	(void)owner; /* the request comes by itself */
}

static const struct stream_events stream_events = {
	.opened = on_opened,
	.received = on_received,
	.discarded = on_discarded,
	.sent = on_sent,
	.half_closed = on_half_closed,
	.ended = on_ended,
};

static void on_deadline(void *owner)
{
	end_soon(owner);
}

/* --- life --------------------------------------------------------------------------------------------- */

int serve_client_start(const struct serve_client_shared *shared, int fd, struct tls_context *tls,
                       struct serve_client **ret, struct err *err)
{
	CLEANUP(serve_client_freep) struct serve_client *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		close(fd);
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a client");
	}
	c->shared = shared;
	c->deadline = (struct loop_timer){ .fire = on_deadline, .owner = c };
	c->end = (struct loop_timer){ .fire = on_end, .owner = c };
	tcp_set_nodelay(fd, NULL); /* texts and pings are small and must not wait for an ACK */
	if (shared->congestion)
		tcp_set_congestion(fd, shared->congestion,
		                   NULL); /* as the reference: or the default */
	r = stream_open_server(shared->loop, fd, tls, &stream_events, c, &c->stream, err);
	if (r < 0)
		return r;
	name_connection(c);
	loop_timer_set(shared->loop, &c->deadline, loop_now_ns(shared->loop) + SERVE_REQUEST_NS);
	*ret = TAKE(c, NULL);
	return 0;
}

void serve_client_stop(struct serve_client *c)
{
	if (c->phase == PHASE_TEST)
		flow_stop(c->flow);
	else if (c->phase != PHASE_OVER)
		end_soon(c);
}

bool serve_client_has_place(const struct serve_client *c)
{
	return c->has_place;
}

struct serve_client *serve_client_free(struct serve_client *c)
{
	if (!c)
		return NULL;
	loop_timer_cancel(c->shared->loop, &c->deadline);
	loop_timer_cancel(c->shared->loop, &c->end);
	flow_free(c->flow);
	stream_close(c->stream);
	free(c);
	return NULL;
}

struct serve_client **serve_client_link(struct serve_client *c)
{
	return &c->next;
}
