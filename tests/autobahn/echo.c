/* What the Autobahn test suite wants at the other end: a WebSocket that sends back every message as it
 * came. On the program's own loop, stream and codec, in either role.
 *
 *   autobahn_echo serve         prints its port; answers until it is killed
 *   autobahn_echo dial PORT     runs all the cases that the suite serves there
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"
#include "transport/stream.h"
#include "transport/tcp.h"
#include "transport/ws.h"

#define MESSAGE_BYTES_MAX (1 << 20)
#define OUT_BYTES_MAX     (4 << 20)
#define HEAD_MAX          4096
#define CASE_LIMIT_NS     (30 * NS_PER_S)

struct peer {
	struct loop *loop;
	struct stream *stream;
	enum ws_role role;
	struct ws_decoder decoder;
	bool upgraded;
	bool ending; /* our Close is queued: nothing goes behind it */
	char key[WS_KEY_TEXT_BYTES];
	char request[HEAD_MAX];
	char head[HEAD_MAX];
	size_t head_bytes;
	uint8_t piece[MESSAGE_BYTES_MAX]; /* what the decoder hands out */
	uint8_t message[MESSAGE_BYTES_MAX];
	size_t message_bytes;
	int number;                    /* what the last text says, where it is one */
	uint8_t out[2][OUT_BYTES_MAX]; /* one is filled while the other is sent */
	size_t out_bytes;
	int filling;
};

static _Noreturn void give_up(const char *doing, const struct err *err)
{
	fprintf(stderr, "autobahn_echo: could not %s: %s\n", doing, err->text);
	exit(1);
}

/* --- out ---------------------------------------------------------------------------------------- */

static void flush(struct peer *p)
{
	struct iovec iov = { p->out[p->filling], p->out_bytes };

	if (p->out_bytes == 0 || !stream_send(p->stream, &iov, 1))
		return;
	p->filling = !p->filling;
	p->out_bytes = 0;
}

static void put_frame(struct peer *p, enum ws_opcode opcode, const void *payload, size_t n)
{
	size_t room = sizeof(p->out[0]) - p->out_bytes;
	size_t bytes = ws_small_frame(p->role, opcode, payload, n,
	                              p->out[p->filling] + p->out_bytes, room);

	if (p->ending)
		return;
	if (bytes == 0) {
		fprintf(stderr, "autobahn_echo: %zu bytes wait for a peer that does not read\n",
		        p->out_bytes);
		exit(1);
	}
	p->out_bytes += bytes;
	p->ending = opcode == WS_CLOSE;
	flush(p);
}

static void put_close(struct peer *p, uint16_t code)
{
	uint8_t payload[WS_CONTROL_PAYLOAD_MAX];

	put_frame(p, WS_CLOSE, payload, ws_close_payload(code, "", payload));
}

/* --- in ----------------------------------------------------------------------------------------- */

static void echo_binary(struct peer *p, const struct ws_event *e)
{
	memcpy(p->message + p->message_bytes, e->data, e->n);
	p->message_bytes += e->n;
	if (!e->last)
		return;
	put_frame(p, WS_BINARY, p->message, p->message_bytes);
	p->message_bytes = 0;
}

static void on_event(struct peer *p, const struct ws_event *e)
{
	switch (e->kind) {
	case WS_EVENT_BINARY:
		echo_binary(p, e);
		break;
	case WS_EVENT_TEXT:
		p->number = atoi((const char *)e->data);
		put_frame(p, WS_TEXT, e->data, e->n);
		break;
	case WS_EVENT_PING:
		put_frame(p, WS_PONG, e->data, e->n);
		break;
	case WS_EVENT_PONG:
		break;
	case WS_EVENT_CLOSE:
		put_close(p, e->code);
		break;
	}
}

static void decode(struct peer *p, const uint8_t *data, size_t n)
{
	struct ws_event event;
	int r;

	while ((r = ws_decoder_next(&p->decoder, &data, &n, &event, NULL)) == WS_OK)
		on_event(p, &event);
	if (r < 0)
		put_close(p, p->decoder.close_code);
}

/* --- the handshake ------------------------------------------------------------------------------ */

/* Of a server: not ws_request_check(), which is for servers of one subprotocol. */
static int answer_request(struct peer *p, size_t head_bytes)
{
	char accept[WS_ACCEPT_TEXT_BYTES];
	const char *key;
	int n;

	p->head[head_bytes - 1] = '\0';
	key = strcasestr(p->head, "\nsec-websocket-key: ");
	if (!key || ws_accept(key + 20, strcspn(key + 20, "\r"), accept) < 0)
		return -EPROTO;
	n = snprintf(p->request, sizeof(p->request),
	             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	             "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	             accept);
	stream_send(p->stream, &(struct iovec){ p->request, (size_t)n }, 1);
	return WS_OK;
}

static int read_head(struct peer *p, size_t *ret_bytes)
{
	const char *end;

	if (p->role == WS_CLIENT)
		return ws_response_check(p->head, p->head_bytes, p->key, "echo", ret_bytes, NULL);
	end = memmem(p->head, p->head_bytes, "\r\n\r\n", 4);
	if (!end)
		return WS_NEED_MORE;
	*ret_bytes = (size_t)(end + 4 - p->head);
	return answer_request(p, *ret_bytes);
}

static void take_head(struct peer *p, const uint8_t *data, size_t n)
{
	size_t before = p->head_bytes, taken = sizeof(p->head) - before, bytes;
	int r;

	taken = n < taken ? n : taken;
	memcpy(p->head + before, data, taken);
	p->head_bytes += taken;
	r = read_head(p, &bytes);
	if (r == WS_NEED_MORE)
		return;
	if (r < 0) {
		fprintf(stderr, "autobahn_echo: no WebSocket handshake: %s\n", strerror(-r));
		exit(1);
	}
	p->upgraded = true;
	decode(p, data + (bytes - before), n - (bytes - before));
}

/* --- a connection ------------------------------------------------------------------------------- */

static void on_opened(void *owner)
{
	struct peer *p = owner;

	if (p->role == WS_CLIENT)
		stream_send(p->stream, &(struct iovec){ p->request, strlen(p->request) }, 1);
}

static void on_received(void *owner, const uint8_t *data, size_t n)
{
	struct peer *p = owner;

	if (p->upgraded)
		decode(p, data, n);
	else
		take_head(p, data, n);
}

/* Behind its Close a server ends the connection, a client waits for that (7.1.1), but not for one that it
 * failed itself (7.1.7). */
static void on_sent(void *owner)
{
	struct peer *p = owner;

	flush(p);
	if (!p->ending || stream_sending(p->stream))
		return;
	if (p->role == WS_SERVER || p->decoder.close_code)
		stream_end_sending(p->stream);
}

static void on_ended(void *owner, const struct err *err)
{
	struct peer *p = owner;

	(void)err;
	stream_close(p->stream);
	if (p->role == WS_CLIENT)
		loop_stop(p->loop);
	else
		free(p);
}

static const struct stream_events events = {
	.opened = on_opened,
	.received = on_received,
	.sent = on_sent,
	.ended = on_ended,
};

static struct peer *peer_new(struct loop *l, enum ws_role role)
{
	struct peer *p = calloc(1, sizeof(*p));

	assert(p);
	p->loop = l;
	p->role = role;
	ws_decoder_init(&p->decoder,
	                &(struct ws_decoder_options){ .role = role,
	                                              .message_bytes_max = MESSAGE_BYTES_MAX,
	                                              .text = p->piece,
	                                              .text_bytes = sizeof(p->piece),
	                                              .binary = WS_BINARY_DELIVER });
	return p;
}

/* --- serve -------------------------------------------------------------------------------------- */

static void on_accepted(void *owner, int fd)
{
	struct peer *p;
	struct err err = {};

	if (fd < 0)
		return;
	p = peer_new(owner, WS_SERVER);
	if (stream_open_server(owner, fd, NULL, &events, p, &p->stream, &err) < 0)
		give_up("take a connection", &err);
}

static int serve(struct loop *l)
{
	static const struct loop_events listening = { .accepted = on_accepted };
	struct loop_io *io;
	struct err err = {};
	uint16_t port;
	int fd = tcp_listen("127.0.0.1", 0, &port, &err);

	if (fd < 0 || loop_add(l, fd, &listening, l, &io, &err) < 0)
		give_up("listen", &err);
	loop_accept(io);
	printf("%u\n", port);
	fflush(stdout);
	return loop_run(l, CLOCK_NEVER_NS, &err);
}

/* --- dial --------------------------------------------------------------------------------------- */

static int connect_to(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("autobahn_echo: connect");
		exit(1);
	}
	return fd;
}

/* One connection from begin to end; answers the number in its last text, -1 where it did not end. */
static int visit(struct loop *l, uint16_t port, const char *target)
{
	struct peer *p = peer_new(l, WS_CLIENT);
	struct ws_request request = { .authority = "127.0.0.1",
		                      .target = target,
		                      .protocol = "echo",
		                      .user_agent = "radar-pod",
		                      .key = p->key };
	struct err err = {};
	int n, r, number;

	ws_key(p->key);
	n = ws_request_write(&request, p->request, sizeof(p->request) - 1);
	if (n < 0 ||
	    stream_open_client(l, connect_to(port), NULL, "", &events, p, &p->stream, &err) < 0)
		give_up("begin a case", &err);
	p->request[n] = '\0';
	r = loop_run(l, clock_now_ns() + CASE_LIMIT_NS, &err);
	if (r == LOOP_DEADLINE) {
		fprintf(stderr, "autobahn_echo: %s did not end\n", target);
		stream_close(p->stream);
	}
	number = r == LOOP_STOPPED ? p->number : -1;
	free(p);
	return number;
}

static int dial(struct loop *l, uint16_t port)
{
	int cases = visit(l, port, "/getCaseCount");
	char target[64];
	bool all = cases > 0;

	for (int i = 1; i <= cases; i++) {
		snprintf(target, sizeof(target), "/runCase?case=%d&agent=radar-pod", i);
		all &= visit(l, port, target) >= 0;
	}
	return !(visit(l, port, "/updateReports?agent=radar-pod") >= 0 && all);
}

int main(int argc, char **argv)
{
	struct loop *l = NULL;
	struct err err = {};
	int status = 2;

	if (loop_open(LOOP_BODY_AUTO, &l, &err) < 0)
		give_up("open the loop", &err);
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		status = serve(l);
	else if (argc == 3 && strcmp(argv[1], "dial") == 0)
		status = dial(l, (uint16_t)atoi(argv[2]));
	else
		fprintf(stderr, "usage: autobahn_echo serve | dial PORT\n");
	loop_close(l);
	return status;
}
