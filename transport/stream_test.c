/* Streams over loopback sockets: both loop bodies, in clear and under TLS. */
#include "transport/stream.h"

#include "tests/cases.h"
#include "tests/process.h"
#include "tests/tcp_pair.h"
#include "tests/tls_peer.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"
#include "transport/tls.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_NS   (20 * NS_PER_S)  /* what should happen has failed to */
#define QUIET_NS      (20 * NS_PER_MS) /* what should not happen would have by now */
#define PAYLOAD_BYTES ((size_t)8 << 20)

static uint64_t seed;
static uint8_t *payload;

static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 0x2545f4914f6cdd1dULL >> 16) % below;
}

/* --- two ends on one loop --------------------------------------------------------------------- */

static struct mode_case {
	const char *name;
	enum loop_body body;
	bool tls;
} mode_cases[] = {
	{ "io_uring, clear", LOOP_BODY_IO_URING, false },
	{ "io_uring, TLS", LOOP_BODY_IO_URING, true },
	{ "epoll, clear", LOOP_BODY_EPOLL, false },
	{ "epoll, TLS", LOOP_BODY_EPOLL, true },
};

enum heard {
	HEARD_OPENED,
	HEARD_RECEIVED,
	HEARD_DISCARDED,
	HEARD_SENT,
	HEARD_HALF_CLOSED,
	HEARD_ENDED,
	HEARD_MAX
};

struct test;

/* One end; what it hears is counted, checked against the payload, and then told to its hook. */
struct side {
	struct test *test;
	struct stream *stream;
	unsigned heard[HEARD_MAX];
	size_t received_bytes; /* with what was discarded: where we are in the payload */
	size_t sent_bytes;
	struct err end;
	void (*hook)(struct side *s, enum heard what, const uint8_t *data, size_t n);
	unsigned close_at; /* 1 + enum heard: closes there */
	uint64_t random;
};

struct test {
	struct loop *loop;
	struct tls_context *client_context, *server_context; /* NULL in clear */
	int fd[2];                                           /* the client's, the server's */
	struct side client, server;
};

static void hear(struct side *s, enum heard what, const uint8_t *data, size_t n)
{
	assert_non_null(s->stream); /* nothing is heard after stream_close() */
	s->heard[what]++;
	if (s->hook)
		s->hook(s, what, data, n);
	if (s->close_at == 1U + what) {
		s->stream = stream_close(s->stream);
		s->close_at = 0;
		loop_stop(s->test->loop);
	}
}

static void opened(void *owner)
{
	hear(owner, HEARD_OPENED, NULL, 0);
}

static void received(void *owner, const uint8_t *data, size_t n)
{
	struct side *s = owner;

	assert_int_equal(s->heard[HEARD_OPENED], 1);
	assert_true(n > 0 && n <= PAYLOAD_BYTES - s->received_bytes);
	assert_memory_equal(data, payload + s->received_bytes, n);
	s->received_bytes += n;
	hear(s, HEARD_RECEIVED, data, n);
}

static void discarded(void *owner, size_t n)
{
	struct side *s = owner;

	s->received_bytes += n;
	hear(s, HEARD_DISCARDED, NULL, n);
}

static void sent(void *owner)
{
	hear(owner, HEARD_SENT, NULL, 0);
}

static void ended(void *owner, const struct err *err)
{
	struct side *s = owner;

	s->end = *err;
	hear(s, HEARD_ENDED, NULL, 0);
}

static void half_closed(void *owner)
{
	hear(owner, HEARD_HALF_CLOSED, NULL, 0);
}

static const struct stream_events events = {
	.opened = opened,
	.received = received,
	.discarded = discarded,
	.sent = sent,
	.ended = ended,
};

/* Of a side that goes on when the other has said its last. */
static const struct stream_events patient_events = {
	.opened = opened,
	.received = received,
	.discarded = discarded,
	.sent = sent,
	.half_closed = half_closed,
	.ended = ended,
};

static void start(struct test *t, const struct mode_case *c, bool insecure)
{
	struct tls_client_options options = { .insecure = insecure };

	*t = (struct test){ .client = { .test = t, .random = seed },
		            .server = { .test = t, .random = seed + 1 } };
	t->loop = process_loop(c->body);
	if (c->tls) {
		assert_int_equal(tls_context_client(&options, &t->client_context, NULL), 0);
		assert_int_equal(tls_context_server(NULL, NULL, &t->server_context, NULL), 0);
	}
	tcp_pair(t->fd);
}

static void open_client(struct test *t)
{
	assert_int_equal(stream_open_client(t->loop, t->fd[0], t->client_context, "localhost",
	                                    &events, &t->client, &t->client.stream, NULL),
	                 0);
}

static void open_server_hearing(struct test *t, const struct stream_events *e)
{
	assert_int_equal(stream_open_server(t->loop, t->fd[1], t->server_context, e, &t->server,
	                                    &t->server.stream, NULL),
	                 0);
}

static void open_server(struct test *t)
{
	open_server_hearing(t, &events);
}

static void open_both(struct test *t, const struct mode_case *c)
{
	start(t, c, true);
	open_client(t);
	open_server(t);
}

static void finish(struct test *t)
{
	stream_close(t->client.stream);
	stream_close(t->server.stream);
	tls_context_free(t->client_context);
	tls_context_free(t->server_context);
	loop_close(t->loop);
}

/* Until a hook stops the loop. */
static void run(struct test *t)
{
	struct err err = {};
	int r = loop_run(t->loop, clock_now_ns() + PATIENCE_NS, &err);

	if (r != LOOP_STOPPED)
		fail_msg("nothing stopped the loop: %d %s, client %u bytes, server %u bytes", r,
		         err.text, (unsigned)t->client.received_bytes,
		         (unsigned)t->server.received_bytes);
}

static void run_quietly(struct test *t)
{
	assert_int_equal(loop_run(t->loop, clock_now_ns() + QUIET_NS, NULL), LOOP_DEADLINE);
}

static void send_one(struct side *s, size_t n)
{
	struct iovec iov = { payload + s->sent_bytes, n };

	s->sent_bytes += n;
	assert_true(stream_send(s->stream, &iov, 1));
}

/* Stops when both have been opened. */
static void when_both_are_open(struct side *s, enum heard what, const uint8_t *data, size_t n)
{
	struct test *t = s->test;

	(void)data;
	(void)n;
	if (what == HEARD_OPENED &&
	    t->client.heard[HEARD_OPENED] + t->server.heard[HEARD_OPENED] == 2)
		loop_stop(t->loop);
}

static void establish(struct test *t, const struct mode_case *c)
{
	open_both(t, c);
	t->client.hook = t->server.hook = when_both_are_open;
	run(t);
	t->client.hook = t->server.hook = NULL;
}

static void stop_at_end(struct side *s, enum heard what, const uint8_t *data, size_t n)
{
	(void)data;
	(void)n;
	if (what == HEARD_ENDED)
		loop_stop(s->test->loop);
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* The next of the payload, up to `limit`, in up to STREAM_IOV_MAX pieces, of which some are empty. */
static void send_random(struct side *s, size_t limit)
{
	struct iovec iov[STREAM_IOV_MAX];
	size_t n = 1 + draw(&s->random, STREAM_IOV_MAX);
	size_t total = 0;

	if (s->sent_bytes == limit || stream_sending(s->stream))
		return;
	for (size_t i = 0; i < n; i++) {
		size_t left = limit - s->sent_bytes;
		size_t piece = draw(&s->random, draw(&s->random, 3) ? 3000 : 300000);

		piece = piece < left ? piece : left;
		iov[i] = (struct iovec){ payload + s->sent_bytes, piece };
		s->sent_bytes += piece;
		total += piece;
	}
	if (total == 0)
		return;
	assert_true(stream_send(s->stream, iov, n));
	assert_true(stream_sending(s->stream));
	assert_false(stream_send(s->stream, iov, n));
}

/* The server sends what it has received, the client what it likes. */
static void echo(struct side *s, enum heard what, const uint8_t *data, size_t n)
{
	struct test *t = s->test;
	bool is_client = s == &t->client;

	(void)data;
	(void)n;
	if (what == HEARD_ENDED)
		fail_msg("ended: %s", s->end.text);
	do
		send_random(s, is_client ? PAYLOAD_BYTES : s->received_bytes);
	while (!stream_sending(s->stream) &&
	       s->sent_bytes < (is_client ? PAYLOAD_BYTES : s->received_bytes));
	if (t->client.received_bytes == PAYLOAD_BYTES && !stream_sending(t->server.stream) &&
	    !stream_sending(t->client.stream))
		loop_stop(t->loop);
}

static void echo_comes_back(void **state)
{
	struct test t;

	open_both(&t, *state);
	t.client.hook = t.server.hook = echo;
	run(&t);
	assert_int_equal(t.server.received_bytes, PAYLOAD_BYTES);
	assert_int_equal(t.client.sent_bytes, PAYLOAD_BYTES);
	assert_true(t.client.heard[HEARD_SENT] > 1);
	finish(&t);
}

#define DISCARD_BYTES 3000000

/* Once, right behind the first bytes. */
static void discard_once(struct side *s, enum heard what, const uint8_t *data, size_t n)
{
	(void)data;
	(void)n;
	if (what == HEARD_RECEIVED && s->heard[HEARD_RECEIVED] == 1)
		assert_true(stream_discard(s->stream, DISCARD_BYTES));
	if (s->received_bytes == PAYLOAD_BYTES)
		loop_stop(s->test->loop);
}

static void discarded_bytes_are_counted(void **state)
{
	const struct mode_case *c = *state;
	struct test t;

	establish(&t, c);
	if (c->tls) {
		assert_false(stream_discard(t.client.stream, 1));
	} else {
		t.client.hook = discard_once;
		send_one(&t.server, PAYLOAD_BYTES);
		run(&t);
		assert_true(t.client.heard[HEARD_DISCARDED] > 0);
	}
	finish(&t);
}

static void nothing_is_sent_out_of_turn(void **state)
{
	struct iovec iov = { payload, 1 };
	struct test t;

	open_both(&t, *state);
	assert_false(stream_send(t.client.stream, &iov, 1));
	finish(&t);

	establish(&t, *state);
	t.client.hook = stop_at_end;
	t.server.stream = stream_close(t.server.stream);
	run(&t);
	assert_false(stream_send(t.client.stream, &iov, 1));
	assert_false(stream_sending(t.client.stream));
	finish(&t);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* FIN comes after the last byte, also where it was asked for while that was being sent. */
static void sending_ends_after_the_last_byte(void **state)
{
	struct test t;

	establish(&t, *state);
	t.server.hook = stop_at_end;
	send_one(&t.client, PAYLOAD_BYTES);
	stream_end_sending(t.client.stream);
	run(&t);
	assert_int_equal(t.server.received_bytes, PAYLOAD_BYTES);
	assert_int_equal(t.server.end.code, 0);
	assert_int_equal(t.client.heard[HEARD_SENT], 1);
	finish(&t);

	establish(&t, *state);
	t.server.hook = stop_at_end;
	stream_end_sending(t.client.stream);
	run(&t);
	assert_int_equal(t.server.end.code, 0);
	assert_int_equal(t.client.heard[HEARD_SENT], 0);
	finish(&t);
}

/* N46: under TLS there is no close_notify before it. */
static void fin_is_an_orderly_end(void **state)
{
	struct test t;

	establish(&t, *state);
	t.client.hook = stop_at_end;
	assert_int_equal(shutdown(stream_fd(t.server.stream), SHUT_WR), 0);
	run(&t);
	assert_int_equal(t.client.end.code, 0);
	assert_int_equal(t.client.heard[HEARD_ENDED], 1);
	run_quietly(&t);
	assert_int_equal(t.client.heard[HEARD_ENDED], 1);
	finish(&t);
}

static void stop_at_half_close(struct side *s, enum heard what, const uint8_t *data, size_t n)
{
	(void)data;
	(void)n;
	if (what == HEARD_HALF_CLOSED)
		loop_stop(s->test->loop);
}

static void establish_patient_server(struct test *t, const struct mode_case *c)
{
	start(t, c, true);
	open_client(t);
	open_server_hearing(t, &patient_events);
	t->client.hook = t->server.hook = when_both_are_open;
	run(t);
	t->client.hook = NULL;
	t->server.hook = stop_at_half_close;
}

static void stop_at_the_last_byte(struct side *s, enum heard what, const uint8_t *data, size_t n)
{
	(void)what;
	(void)data;
	(void)n;
	if (s->received_bytes == PAYLOAD_BYTES)
		loop_stop(s->test->loop);
}

/* Under TLS with a close_notify before the FIN, or (`bare`) without: told once, and the other way is
 * open still. */
static void half_a_connection_sends_on(const struct mode_case *c, bool bare)
{
	struct test t;

	establish_patient_server(&t, c);
	if (bare)
		assert_int_equal(shutdown(stream_fd(t.client.stream), SHUT_WR), 0);
	else
		stream_end_sending(t.client.stream);
	run(&t);
	t.client.hook = stop_at_the_last_byte;
	send_one(&t.server, PAYLOAD_BYTES);
	run(&t);
	run_quietly(&t);
	assert_int_equal(t.server.heard[HEARD_HALF_CLOSED], 1);
	assert_int_equal(t.server.heard[HEARD_SENT], 1);
	assert_int_equal(t.server.heard[HEARD_ENDED], 0);
	finish(&t);
}

static void half_a_connection(void **state)
{
	half_a_connection_sends_on(*state, false);
	half_a_connection_sends_on(*state, true);
}

/* Who reads on is told apart from who is gone by what happens to what is sent. */
static void end_behind_the_half_close_is_told(void **state)
{
	struct test t;

	establish_patient_server(&t, *state);
	t.client.stream = stream_close(t.client.stream);
	run(&t);
	t.server.hook = stop_at_end;
	for (int i = 0; i < 10 && !t.server.heard[HEARD_ENDED]; i++) {
		if (!stream_sending(t.server.stream))
			send_one(&t.server, 1000);
		assert_true(loop_run(t.loop, clock_now_ns() + QUIET_NS, NULL) >= 0);
	}
	assert_int_equal(t.server.heard[HEARD_ENDED], 1);
	assert_true(t.server.end.code == -EPIPE || t.server.end.code == -ECONNRESET);
	finish(&t);
}

/* Dissolving the association is a reset (tcp_disconnect()), with no close_notify before it. */
static void reset_is_told(void **state)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct test t;

	establish(&t, *state);
	t.client.hook = stop_at_end;
	assert_int_equal(connect(stream_fd(t.server.stream), &nobody, sizeof(nobody)), 0);
	run(&t);
	assert_int_equal(t.client.end.code, -ECONNRESET);
	finish(&t);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void end_within_the_handshake_is_told(void **state)
{
	const struct mode_case *c = *state;
	struct test t;

	start(&t, c, true);
	open_client(&t);
	t.client.hook = stop_at_end;
	assert_int_equal(shutdown(t.fd[1], SHUT_WR), 0);
	run(&t);
	close(t.fd[1]);
	assert_int_equal(t.client.end.code, c->tls ? -ECONNRESET : 0);
	assert_int_equal(t.client.heard[HEARD_OPENED], !c->tls);
	finish(&t);
}

static void stop_at_both_ends(struct side *s, enum heard what, const uint8_t *data, size_t n)
{
	struct test *t = s->test;

	(void)data;
	(void)n;
	if (what == HEARD_ENDED)
		s->stream = stream_close(s->stream);
	if (t->client.heard[HEARD_ENDED] && t->server.heard[HEARD_ENDED])
		loop_stop(t->loop);
}

/* N44: the client says why, and its alert reaches the server. */
static void untrusted_server_is_refused(void **state)
{
	const struct mode_case *c = *state;
	struct test t;

	if (!c->tls)
		return;
	start(&t, c, false);
	open_client(&t);
	open_server(&t);
	t.client.hook = t.server.hook = stop_at_both_ends;
	run(&t);
	assert_int_equal(t.client.end.code, -EACCES);
	assert_int_equal(t.client.end.detail, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
	assert_int_equal(t.client.heard[HEARD_OPENED], 0);
	assert_int_equal(t.server.heard[HEARD_OPENED], 0);
	assert_int_equal(t.server.end.code, -EPROTO);
	assert_non_null(strstr(t.server.end.text, "alert"));
	finish(&t);
}

static void noise_is_refused(void **state)
{
	const struct mode_case *c = *state;
	struct test t;

	if (!c->tls)
		return;
	start(&t, c, true);
	open_client(&t);
	t.client.hook = stop_at_end;
	assert_int_equal(write(t.fd[1], "HTTP/1.1 200 OK\r\n\r\n", 19), 19);
	run(&t);
	close(t.fd[1]);
	assert_int_equal(t.client.end.code, -EPROTO);
	finish(&t);
}

/* What fd has for us becomes t's input, for a while; answers what tls_read() says in the end. */
static int read_by_hand(struct test *t, struct tls *tls, int fd)
{
	static uint8_t in[1 << 14];
	uint8_t plaintext[64];
	struct err err = {};
	size_t n;
	int r = TLS_NEED_INPUT;

	for (int i = 0; i < 1000 && r == TLS_NEED_INPUT; i++) {
		ssize_t got;

		assert_int_equal(loop_run(t->loop, clock_now_ns() + NS_PER_MS, &err),
		                 LOOP_DEADLINE);
		got = recv(fd, in, sizeof(in), MSG_DONTWAIT);
		tls_input(tls, in, got > 0 ? (size_t)got : 0);
		r = tls_read(tls, plaintext, sizeof(plaintext), &n, &err);
		if (got == 0)
			break;
	}
	return r;
}

static void shake_hands_by_hand(struct test *t, struct tls *tls, int fd)
{
	static uint8_t in[1 << 14];
	struct err err = {};
	int r = tls_handshake(tls, &err);

	for (int i = 0; i < 1000; i++) {
		size_t n;
		const uint8_t *out = tls_output(tls, &n);
		ssize_t got;

		assert_int_equal(send(fd, out, n, MSG_NOSIGNAL), n);
		tls_output_sent(tls, n);
		if (r == TLS_OK)
			break;
		assert_int_equal(loop_run(t->loop, clock_now_ns() + NS_PER_MS, &err),
		                 LOOP_DEADLINE);
		got = recv(fd, in, sizeof(in), MSG_DONTWAIT);
		tls_input(tls, in, got > 0 ? (size_t)got : 0);
		r = tls_handshake(tls, &err);
	}
	assert_int_equal(r, TLS_OK);
}

/* More than one turn of the loop reads. */
#define LAST_WORDS_BYTES 200000

/* So that they are with the receiver when the sender goes. */
static void make_room(int receiver, int sender)
{
	int size = 1 << 20;

	setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(sender, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* By hand: `n` bytes of the payload, in records or in clear. */
static void say_by_hand(struct tls *tls, int fd, size_t n)
{
	const uint8_t *out = payload;
	size_t out_bytes = n, taken;

	if (tls) {
		assert_int_equal(tls_write(tls, payload, n, &taken, NULL), TLS_OK);
		out = tls_output(tls, &out_bytes);
	}
	assert_int_equal(write(fd, out, out_bytes), out_bytes);
}

/* A server that takes nothing, says something and goes: our sending fails, and what it said is
 * heard all the same. */
static void last_words_are_heard(void **state)
{
	const struct mode_case *c = *state;
	struct tls *tls = NULL;
	struct test t;

	start(&t, c, true);
	open_client(&t);
	if (c->tls) {
		assert_int_equal(tls_open_server(t.server_context, &tls, NULL), 0);
		shake_hands_by_hand(&t, tls, t.fd[1]);
	}
	run_quietly(&t);
	assert_int_equal(t.client.heard[HEARD_OPENED], 1);
	t.client.hook = stop_at_end;
	make_room(stream_fd(t.client.stream), t.fd[1]);
	send_one(&t.client, PAYLOAD_BYTES);
	run_quietly(&t);
	assert_int_equal(t.client.heard[HEARD_SENT], 0);
	say_by_hand(tls, t.fd[1], LAST_WORDS_BYTES);
	close(t.fd[1]); /* with unread data: a reset */
	run(&t);
	assert_int_equal(t.client.received_bytes, LAST_WORDS_BYTES);
	assert_true(t.client.end.code == -ECONNRESET || t.client.end.code == -EPIPE);
	tls_free(tls);
	finish(&t);
}

/* The client is a struct tls moved by hand: it sees the close_notify, not just the end. */
static void close_notify_goes_before_the_end(void **state)
{
	const struct mode_case *c = *state;
	struct tls *tls = NULL;
	struct test t;

	if (!c->tls)
		return;
	start(&t, c, true);
	open_server(&t);
	assert_int_equal(tls_open_client(t.client_context, "localhost", &tls, NULL), 0);
	shake_hands_by_hand(&t, tls, t.fd[0]);
	run_quietly(&t);
	assert_int_equal(t.server.heard[HEARD_OPENED], 1);
	t.server.stream = stream_close(t.server.stream);
	assert_int_equal(read_by_hand(&t, tls, t.fd[0]), TLS_END);
	close(t.fd[0]);
	tls_free(tls);
	finish(&t);
}

/* What OpenSSL has to say goes into the socket, what the socket has goes to OpenSSL. */
static void carry_by_hand(struct tls_peer *p, int fd)
{
	int n = BIO_read(p->out, p->lent, sizeof(p->lent));

	if (n > 0)
		assert_int_equal(send(fd, p->lent, (size_t)n, MSG_NOSIGNAL), n);
	n = (int)recv(fd, p->lent, sizeof(p->lent), MSG_DONTWAIT);
	if (n > 0)
		assert_int_equal(BIO_write(p->in, p->lent, n), n);
}

static void stop_when_open(struct side *s, enum heard what, const uint8_t *data, size_t n)
{
	(void)data;
	(void)n;
	if (what == HEARD_OPENED)
		loop_stop(s->test->loop);
}

/* OpenSSL's client at our server. */
static void meet_peer_client(struct test *t, struct tls_peer *p, const struct mode_case *c)
{
	start(t, c, true);
	open_server(t);
	t->server.hook = stop_when_open;
	tls_peer_client(p);
	tls_peer_start(p);
	for (int i = 0; i < 1000 && !t->server.heard[HEARD_OPENED]; i++) {
		SSL_do_handshake(p->ssl);
		carry_by_hand(p, t->fd[0]);
		assert_true(loop_run(t->loop, clock_now_ns() + NS_PER_MS, NULL) >= 0);
	}
	assert_int_equal(t->server.heard[HEARD_OPENED], 1);
	t->server.hook = stop_at_end;
}

static void say_all(struct tls_peer *p, int fd)
{
	while (BIO_pending(p->out) > 0) {
		int n = BIO_read(p->out, p->lent, sizeof(p->lent));

		assert_int_equal(send(fd, p->lent, (size_t)n, MSG_NOSIGNAL), n);
	}
}

/* While we wait for it to read, a client asks for new keys without end, and goes on with its data. */
static void questions_without_end_are_refused(void **state)
{
	const struct mode_case *c = *state;
	struct tls_peer p;
	struct test t;

	if (!c->tls)
		return;
	meet_peer_client(&t, &p, c);
	send_one(&t.server, PAYLOAD_BYTES);
	run_quietly(&t);
	assert_true(stream_sending(t.server.stream));
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_write(p.ssl, payload + i, 1), 1);
	}
	say_all(&p, t.fd[0]);
	run(&t);
	assert_int_equal(t.server.end.code, -EPROTO);
	assert_int_equal(t.server.heard[HEARD_SENT], 0);
	close(t.fd[0]);
	tls_peer_end(&p);
	finish(&t);
}

/* We have said our last; a peer that then asks for new keys, and ends with a FIN alone, has done nothing wrong. */
static void question_behind_our_end_is_no_failure(void **state)
{
	const struct mode_case *c = *state;
	struct tls_peer p;
	struct test t;

	if (!c->tls)
		return;
	meet_peer_client(&t, &p, c);
	stream_end_sending(t.server.stream);
	run_quietly(&t);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_write(p.ssl, payload + i, 1), 1);
		say_all(&p, t.fd[0]);
		run_quietly(&t);
	}
	assert_int_equal(shutdown(t.fd[0], SHUT_WR), 0);
	run(&t);
	assert_int_equal(t.server.received_bytes, 2);
	if (t.server.end.code)
		fail_msg("%s", t.server.end.text);
	close(t.fd[0]);
	tls_peer_end(&p);
	finish(&t);
}

static void versions_are_told(void **state)
{
	const struct mode_case *c = *state;
	struct test t;

	establish(&t, c);
	if (c->tls)
		assert_string_equal(tls_version(stream_tls(t.client.stream)), "TLSv1.3");
	else
		assert_null(stream_tls(t.client.stream));
	finish(&t);
}

/* --- closing where it hurts ------------------------------------------------------------------- */

static struct close_case {
	const char *name;
	enum heard at;
} close_cases[] = {
	{ "from opened()", HEARD_OPENED },
	{ "from received(), in the middle of a burst", HEARD_RECEIVED },
	{ "from sent()", HEARD_SENT },
	{ "from ended()", HEARD_ENDED },
};

static void send_at_open(struct side *s, enum heard what, const uint8_t *data, size_t n)
{
	(void)data;
	(void)n;
	if (what == HEARD_OPENED)
		send_one(s, 100000);
}

static void close_there(const struct close_case *c, const struct mode_case *mode, bool client)
{
	struct test t;
	struct side *s = client ? &t.client : &t.server;
	struct side *other = client ? &t.server : &t.client;
	unsigned heard[HEARD_MAX];

	open_both(&t, mode);
	t.client.hook = t.server.hook = send_at_open;
	s->close_at = 1U + c->at;
	other->close_at = c->at == HEARD_ENDED ? 1U + HEARD_RECEIVED : 0;
	do
		run(&t);
	while (s->stream);
	memcpy(heard, s->heard, sizeof(heard));
	run_quietly(&t);
	assert_memory_equal(s->heard, heard, sizeof(heard));
	finish(&t);
}

static void nothing_is_heard_after_close(void **state)
{
	for (size_t i = 0; i < sizeof(mode_cases) / sizeof(*mode_cases); i++) {
		close_there(*state, &mode_cases[i], true);
		close_there(*state, &mode_cases[i], false);
	}
}

static void descriptor_is_taken_also_on_failure(void **state)
{
	struct tls_client_options options = { .insecure = true };
	struct stream *stream = NULL;
	struct err err = {};
	struct test t;

	start(&t, *state, true);
	if (!t.client_context)
		assert_int_equal(tls_context_client(&options, &t.client_context, NULL), 0);
	assert_int_equal(stream_open_client(t.loop, t.fd[0], t.client_context, "", &events,
	                                    &t.client, &stream, &err),
	                 -EINVAL);
	assert_null(stream);
	assert_int_equal(close(t.fd[0]), -1);
	close(t.fd[1]);
	assert_null(stream_close(NULL));
	finish(&t);
}

int main(int argc, char **argv)
{
	int failed;

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20260101;
	printf("seed %llu (give another as argument)\n", (unsigned long long)seed);
	payload = malloc(PAYLOAD_BYTES);
	if (!payload)
		return 1;
	for (uint64_t i = 0, random = seed; i < PAYLOAD_BYTES; i++)
		payload[i] = (uint8_t)draw(&random, 256);

	failed = CASES_RUN(echo_comes_back, mode_cases);
	failed += CASES_RUN(discarded_bytes_are_counted, mode_cases);
	failed += CASES_RUN(nothing_is_sent_out_of_turn, mode_cases);
	failed += CASES_RUN(sending_ends_after_the_last_byte, mode_cases);
	failed += CASES_RUN(fin_is_an_orderly_end, mode_cases);
	failed += CASES_RUN(half_a_connection, mode_cases);
	failed += CASES_RUN(end_behind_the_half_close_is_told, mode_cases);
	failed += CASES_RUN(reset_is_told, mode_cases);
	failed += CASES_RUN(last_words_are_heard, mode_cases);
	failed += CASES_RUN(end_within_the_handshake_is_told, mode_cases);
	failed += CASES_RUN(untrusted_server_is_refused, mode_cases);
	failed += CASES_RUN(noise_is_refused, mode_cases);
	failed += CASES_RUN(close_notify_goes_before_the_end, mode_cases);
	failed += CASES_RUN(questions_without_end_are_refused, mode_cases);
	failed += CASES_RUN(question_behind_our_end_is_no_failure, mode_cases);
	failed += CASES_RUN(versions_are_told, mode_cases);
	failed += CASES_RUN(nothing_is_heard_after_close, close_cases);
	failed += CASES_RUN(descriptor_is_taken_also_on_failure, mode_cases);
	free(payload);
	return failed != 0;
}
