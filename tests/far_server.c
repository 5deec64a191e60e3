#include "tests/far_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/head.h"
#include "transport/loop/loop.h"
#include "transport/loop/loop_script.h"
#include "transport/stream.h"
#include "transport/tcp.h"
#include "transport/ws.h"

#define HEAD_MAX  8192
#define FRAME_MAX (128 * 1024)

struct far_connection {
	struct far_connection *next;
	struct far *far;
	struct far_script script;
	struct far_visit *visit;
	struct stream *stream;
	struct loop_timer wake;
	int near_fd, far_fd;
	bool wired;
	bool upgraded;
	uint64_t started_ns; /* of the acts */
	size_t acted;
	size_t head_bytes;
	char head[HEAD_MAX];
	char answer[1024];
	uint8_t frame[FRAME_MAX];
};

static void send_bytes(struct far_connection *c, const void *data, size_t n)
{
	assert_true(stream_send(c->stream, &(struct iovec){ (void *)data, n }, 1));
}

/* --- acts ------------------------------------------------------------------------------------- */

static size_t frame_of(struct far_connection *c, const struct far_act *a)
{
	static const uint8_t zeros[FRAME_MAX - WS_HEADER_MAX];
	uint8_t close[WS_CONTROL_PAYLOAD_MAX];
	const char *text = a->text ? a->text : "";

	switch (a->what) {
	case FAR_TEXT:
		return ws_small_frame(WS_SERVER, WS_TEXT, text, strlen(text), c->frame, FRAME_MAX);
	case FAR_PING:
		return ws_small_frame(WS_SERVER, WS_PING, text, strlen(text), c->frame, FRAME_MAX);
	case FAR_BINARY:
		return ws_small_frame(WS_SERVER, WS_BINARY, zeros, a->bytes, c->frame, FRAME_MAX);
	case FAR_MASKED:
		return ws_small_frame(WS_CLIENT, WS_BINARY, zeros, 10, c->frame, FRAME_MAX);
	default:
		return ws_small_frame(
			WS_SERVER, WS_CLOSE, close,
			ws_close_payload(a->code ? a->code : WS_CLOSE_NORMAL, NULL, close),
			c->frame, FRAME_MAX);
	}
}

/* The next act, when its time has come and the one before is out. */
static void act(struct far_connection *c)
{
	const struct far_act *a;
	uint64_t due_ns;

	if (!c->stream || !c->upgraded || c->acted == c->script.acts_count ||
	    stream_sending(c->stream))
		return;
	a = &c->script.acts[c->acted];
	due_ns = c->started_ns + a->at_ms * NS_PER_MS;
	if (loop_now_ns(c->far->loop) < due_ns) {
		loop_timer_set(c->far->loop, &c->wake, due_ns);
		return;
	}
	c->acted++;
	if (a->what == FAR_END)
		c->stream = stream_close(c->stream);
	else
		send_bytes(c, c->frame, frame_of(c, a));
}

static void on_wake(void *owner)
{
	act(owner);
}

/* --- the stream ------------------------------------------------------------------------------- */

static void answer(struct far_connection *c, const struct head *request)
{
	char accept[WS_ACCEPT_TEXT_BYTES];
	int n;

	assert_true(request->target.n < FAR_TARGET_MAX);
	memcpy(c->visit->target, request->target.at, request->target.n);
	if (c->script.manner == FAR_ANSWER) {
		send_bytes(c, c->script.answer, strlen(c->script.answer));
		return;
	}
	assert_int_equal(ws_request_check(request, NDT7_PROTOCOL, accept, NULL), 0);
	n = ws_response_write(accept, NDT7_PROTOCOL, c->answer, sizeof(c->answer));
	assert_true(n > 0);
	send_bytes(c, c->answer, (size_t)n);
}

static void on_opened(void *owner)
{
	(void)owner;
}

static void on_received(void *owner, const uint8_t *data, size_t n)
{
	struct far_connection *c = owner;
	struct head head;

	if (c->visit->target[0]) {
		c->visit->received_bytes += n;
		return;
	}
	assert_true(n <= HEAD_MAX - c->head_bytes);
	memcpy(c->head + c->head_bytes, data, n);
	c->head_bytes += n;
	if (c->script.manner != FAR_MUTE &&
	    head_parse_request(c->head, c->head_bytes, &head, NULL) == HEAD_OK)
		answer(c, &head);
}

static void on_sent(void *owner)
{
	struct far_connection *c = owner;

	if (c->script.manner == FAR_ANSWER) {
		c->stream = stream_close(c->stream);
		return;
	}
	if (!c->upgraded)
		c->started_ns = loop_now_ns(c->far->loop);
	c->upgraded = true;
	act(c);
}

static void on_ended(void *owner, const struct err *why)
{
	struct far_connection *c = owner;

	(void)why;
	loop_timer_cancel(c->far->loop, &c->wake);
	c->stream = stream_close(c->stream);
}

static const struct stream_events stream_events = {
	.opened = on_opened,
	.received = on_received,
	.sent = on_sent,
	.ended = on_ended,
};

/* --- connections ------------------------------------------------------------------------------ */

static void note_visit(struct far *f, uint16_t port)
{
	assert_true(f->visits_count < FAR_VISITS_MAX);
	f->visits[f->visits_count++] =
		(struct far_visit){ .port = port, .at_ns = loop_now_ns(f->loop) };
}

/* The kernel shakes hands, the loop's wire carries what follows. */
static void take(struct far *f, const struct far_server *s, const struct loop_request *r)
{
	struct far_connection *c = calloc(1, sizeof(*c));
	struct pollfd p = { .fd = r->fd, .events = POLLOUT };
	int fd;

	assert_non_null(c);
	connect(r->fd, r->connect.address, r->connect.address_bytes);
	assert_int_equal(poll(&p, 1, 5000), 1);
	fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	*c = (struct far_connection){ .next = f->connections,
		                      .far = f,
		                      .script = s->script,
		                      .visit = &f->visits[f->visits_count - 1] };
	c->wake = (struct loop_timer){ .fire = on_wake, .owner = c };
	f->connections = c;
	assert_int_equal(stream_open_server(f->loop, fd, NULL, &stream_events, c, &c->stream, NULL),
	                 0);
	c->near_fd = r->fd;
	c->far_fd = fd;
	loop_script_answer(f->loop, r->fd, LOOP_OP_CONNECT, 0);
}

/* Not before the client listens: a dial takes its descriptor out of the loop, and that cuts a wire.
 * Answers whether there is something new to be carried. */
static bool lay_wire(struct far *f, struct far_connection *c)
{
	if (c->wired || !c->stream || !loop_script_request(f->loop, c->near_fd, LOOP_OP_RECEIVE))
		return false;
	c->wired = true;
	assert_int_equal(loop_script_connect_ends(f->loop, c->near_fd, c->far_fd, f->rate_bps,
	                                          f->delay_ns, NULL),
	                 0);
	return true;
}

static const struct far_server *server_at(const struct far *f, const struct loop_request *r)
{
	uint16_t port = ntohs(((const struct sockaddr_in *)r->connect.address)->sin_port);

	for (size_t i = 0; i < f->servers_count; i++)
		if (f->servers[i].port == port)
			return &f->servers[i];
	fail_msg("nobody was to dial port %u", port);
	return NULL;
}

static bool is_known(const struct far *f, const struct loop_request *r)
{
	return f->visits_count > 0 && r->tag.u64 == f->nowhere;
}

static void dialed(struct far *f, const struct loop_request *r)
{
	const struct far_server *s = server_at(f, r);

	if (is_known(f, r))
		return;
	note_visit(f, s->port);
	if (s->script.manner == FAR_NOWHERE)
		f->nowhere = r->tag.u64;
	else if (s->script.manner == FAR_REFUSE)
		loop_script_answer(f->loop, r->fd, LOOP_OP_CONNECT, -ECONNREFUSED);
	else
		take(f, s, r);
}

/* --- the play --------------------------------------------------------------------------------- */

#define REAL_WAIT_MS 5

/* Answers whether somebody waits for the real world. */
static bool poll_real(struct far *f, const struct loop_request *requests, size_t n)
{
	struct pollfd polls[FAR_VISITS_MAX];
	nfds_t count = 0, others = 0;

	for (size_t i = 0; i < n && count < FAR_VISITS_MAX; i++) {
		if (requests[i].tag.op != LOOP_OP_POLL)
			continue;
		polls[count++] = (struct pollfd){ requests[i].fd, requests[i].poll, 0 };
	}
	others = count - (f->stop_watched && count > 0);
	if (poll(polls, count, others ? REAL_WAIT_MS : 0) > 0)
		for (nfds_t i = 0; i < count; i++)
			if (polls[i].revents)
				loop_script_answer(f->loop, polls[i].fd, LOOP_OP_POLL,
				                   polls[i].revents);
	return others > 0;
}

static uint64_t play(void *self, struct loop *l, uint64_t now_ns)
{
	struct loop_request requests[FAR_VISITS_MAX];
	struct far *f = self;
	bool busy = false;
	size_t n = loop_script_requests(l, requests, FAR_VISITS_MAX);

	if (n > FAR_VISITS_MAX)
		n = FAR_VISITS_MAX;
	for (size_t i = 0; i < n; i++)
		if (requests[i].tag.op == LOOP_OP_CONNECT)
			dialed(f, &requests[i]);
	for (struct far_connection *c = f->connections; c; c = c->next)
		busy |= lay_wire(f, c);
	busy |= poll_real(f, requests, n);
	return busy ? now_ns : CLOCK_NEVER_NS;
}

/* --- life ------------------------------------------------------------------------------------- */

void far_open(struct far *f, struct loop *l)
{
	*f = (struct far){ .loop = l, .rate_bps = 100000000, .delay_ns = 10 * NS_PER_MS };
	loop_script_set_play(l, play, f);
}

uint16_t far_add(struct far *f, const struct far_script *script)
{
	struct far_server *s = &f->servers[f->servers_count++];

	assert_true(f->servers_count <= FAR_SERVERS_MAX);
	s->script = *script;
	s->listener = tcp_listen("127.0.0.1", 0, &s->port, NULL);
	assert_true(s->listener >= 0);
	return s->port;
}

void far_close(struct far *f)
{
	while (f->connections) {
		struct far_connection *c = f->connections;

		f->connections = c->next;
		loop_timer_cancel(f->loop, &c->wake);
		stream_close(c->stream);
		free(c);
	}
	for (size_t i = 0; i < f->servers_count; i++)
		close(f->servers[i].listener);
}
