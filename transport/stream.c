#include "transport/stream.h"

#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"
#include "transport/tcp.h"
#include "transport/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static_assert(STREAM_IOV_MAX <= LOOP_IOV_MAX, "in clear, a send is one send of the loop");

#define PLAINTEXT_BYTES (4 * TLS_RECORD_BYTES)

struct stream {
	struct loop *loop;
	struct loop_io *io;
	const struct stream_events *events;
	void *owner;

	struct tls *tls;    /* NULL in clear */
	uint8_t *plaintext; /* PLAINTEXT_BYTES, under TLS */

	/* What stream_send() was given and is not yet encrypted. */
	struct iovec iov[STREAM_IOV_MAX];
	size_t n_iov;
	size_t iov_at;

	size_t flushing_bytes;  /* of tls_output(), in the loop_send() under way */
	struct loop_timer turn; /* what may only be heard from loop_run(): the start, a failure */
	struct err failure;     /* of a call, to be told at the next turn */
	int send_error;         /* the peer takes nothing more; what it still says is read first */
	bool opened;            /* and told so */
	bool flushing;          /* a loop_send() is under way */
	bool sending;           /* sent() is owed */
	bool end_sending;       /* a FIN is owed, or gone */
	bool close_notify_queued;
	bool half_closed; /* the peer has said its last, and told so */
	bool ended;       /* and told so */
	bool entered; /* one of our functions is on the loop's stack, and frees on its way out */
	bool closed;
};

static void stream_free(struct stream *s)
{
	tls_free(s->tls);
	free(s->plaintext);
	free(s);
}

CLEANUP_DEFINE(stream_freep, struct stream *, stream_free)

/* --- out -------------------------------------------------------------------------------------- */

static void end(struct stream *s, const struct err *err)
{
	s->ended = true;
	s->sending = false;
	s->events->ended(s->owner, err);
}

/* For calls that cannot tell: the owner hears of it from loop_run(). */
static void end_later(struct stream *s, const struct err *err)
{
	s->failure = *err;
	loop_timer_set(s->loop, &s->turn, loop_now_ns(s->loop));
}

static bool all_encrypted(const struct stream *s)
{
	return s->iov_at == s->n_iov;
}

/* As much of what is owed as the output takes. */
static int encrypt(struct stream *s, struct err *err)
{
	while (!all_encrypted(s)) {
		struct iovec *piece = &s->iov[s->iov_at];
		size_t taken = 0;
		int r = TLS_OK;

		if (piece->iov_len > 0)
			r = tls_write(s->tls, piece->iov_base, piece->iov_len, &taken, err);
		if (r != TLS_OK)
			return r;
		piece->iov_base = (uint8_t *)piece->iov_base + taken;
		piece->iov_len -= taken;
		if (piece->iov_len == 0)
			s->iov_at++;
	}
	return TLS_OK;
}

/* Encrypts what is owed and gives the loop what there is to send. */
static int push(struct stream *s, struct err *err)
{
	struct iovec out;
	int r;

	if (s->flushing || s->send_error)
		return 0;
	r = encrypt(s, err);
	if (r < 0)
		return r;
	if (s->end_sending && all_encrypted(s) && !s->close_notify_queued) {
		tls_close(s->tls);
		s->close_notify_queued = true;
	}
	out.iov_base = (void *)tls_output(s->tls, &out.iov_len);
	s->flushing_bytes = out.iov_len;
	s->flushing = out.iov_len > 0;
	if (s->flushing)
		loop_send(s->io, &out, 1);
	return 0;
}

/* Nothing is under way and nothing is left. */
static void settle(struct stream *s)
{
	bool sending = s->sending;

	s->sending = false;
	if (s->end_sending)
		shutdown(loop_io_fd(s->io), SHUT_WR);
	if (sending)
		s->events->sent(s->owner);
}

/* A peer that has closed may have said why before: that is read first, and the end of receiving
 * is the end. Any other failure is the end at once. */
static void fail_sending(struct stream *s, int result)
{
	struct err err = {};

	if (!s->half_closed && (result == -ECONNRESET || result == -EPIPE)) {
		s->send_error = result;
		return;
	}
	ERR_SET(&err, result, ERR_SYS, 0, "send to the peer");
	end(s, &err);
}

static void flushed(struct stream *s, int result)
{
	struct err err = {};

	s->flushing = false;
	if (s->ended)
		return;
	if (result < 0) {
		fail_sending(s, result);
		return;
	}
	if (s->tls) {
		tls_output_sent(s->tls, s->flushing_bytes);
		if (push(s, &err) < 0) {
			end(s, &err);
			return;
		}
	}
	if (!s->flushing)
		settle(s);
}

/* For an alert or a close_notify on the way out: what does not fit into the socket is not sent. */
static void send_without_waiting(struct stream *s)
{
	size_t n;
	const uint8_t *out = tls_output(s->tls, &n);
	ssize_t sent;

	if (n == 0 || s->flushing || s->send_error)
		return;
	sent = send(loop_io_fd(s->io), out, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0)
		tls_output_sent(s->tls, (size_t)sent);
}

/* --- in --------------------------------------------------------------------------------------- */

/* False: its owner has no use for a peer that only reads, or there is none. */
static bool half_close(struct stream *s)
{
	if (!s->events->half_closed || !s->opened || s->send_error)
		return false;
	if (!s->half_closed) {
		s->half_closed = true;
		s->events->half_closed(s->owner);
	}
	return true;
}

static int shake_hands(struct stream *s, struct err *err)
{
	int r = tls_handshake(s->tls, err);

	if (r == TLS_OK) {
		s->opened = true;
		s->events->opened(s->owner);
	}
	return r;
}

/* A few records together: what is told of each one is dearer than to leave the first-level cache. */
static int decrypt(struct stream *s, struct err *err)
{
	size_t held = 0, n;
	int r;

	do {
		r = tls_read(s->tls, s->plaintext + held, TLS_RECORD_BYTES, &n, err);
		if (r == TLS_OK)
			held += n;
	} while (r == TLS_OK && PLAINTEXT_BYTES - held >= TLS_RECORD_BYTES);
	if (held > 0)
		s->events->received(s->owner, s->plaintext, held);
	return r;
}

/* Uses up what was lent to tls, and whatever that makes us say is pushed. */
static void advance(struct stream *s)
{
	struct err err = {};
	int r;

	do
		r = s->opened ? decrypt(s, &err) : shake_hands(s, &err);
	while (r == TLS_OK && !s->closed);
	if (s->closed)
		return;

	if (r == TLS_NEED_OUTPUT)
		r = ERR_SET(&err, -EPROTO, ERR_TLS, 0,
		            "answer a peer that asks without end and reads nothing");
	if (r == TLS_NEED_INPUT)
		r = push(s, &err);
	else if (r < 0)
		send_without_waiting(s);
	if (r < 0 || (r == TLS_END && !half_close(s)))
		end(s, &err); /* TLS_END: err says nothing, the peer's orderly end */
}

static void finish_receiving(struct stream *s, int result)
{
	struct err err = {};

	/* The kernel tells of a reset once. Where that was behind a part of what we send, which io_uring
	 * then answers with the part, the end of receiving looks like any other. */
	if (result == 0 && !s->end_sending && tcp_is_closed(loop_io_fd(s->io)))
		result = -ECONNRESET;
	if (result == 0 && half_close(s))
		return;
	if (s->send_error)
		ERR_SET(&err, s->send_error, ERR_SYS, 0, "send to the peer");
	else if (result < 0)
		ERR_SET(&err, result, ERR_SYS, 0, "receive from the peer");
	else if (s->tls && !s->opened)
		ERR_SET(&err, -ECONNRESET, ERR_TLS, 0, "begin TLS: the peer closed the connection");
	end(s, &err);
}

/* --- the loop's callbacks --------------------------------------------------------------------- */

static void leave(struct stream *s)
{
	s->entered = false;
	if (s->closed)
		stream_free(s);
}

static void on_received(void *owner, const uint8_t *data, size_t n, int result)
{
	struct stream *s = owner;

	if (s->ended)
		return;
	s->entered = true;
	if (n == 0) {
		finish_receiving(s, result);
	} else if (!s->tls) {
		s->events->received(s->owner, data, n);
	} else if (!s->half_closed) { /* nothing counts behind a close_notify */
		tls_input(s->tls, data, n);
		advance(s);
	}
	leave(s);
}

static void on_discarded(void *owner, size_t n)
{
	struct stream *s = owner;

	if (s->ended)
		return;
	s->entered = true;
	s->events->discarded(s->owner, n);
	leave(s);
}

static void on_sent(void *owner, int result)
{
	struct stream *s = owner;

	s->entered = true;
	flushed(s, result);
	leave(s);
}

static const struct loop_events loop_events = {
	.received = on_received,
	.discarded = on_discarded,
	.sent = on_sent,
};

static void start(struct stream *s)
{
	loop_receive(s->io);
	if (s->tls) {
		advance(s);
	} else {
		s->opened = true;
		s->events->opened(s->owner);
	}
}

static void on_turn(void *owner)
{
	struct stream *s = owner;

	s->entered = true;
	if (s->failure.code && !s->ended)
		end(s, &s->failure);
	else if (!s->ended)
		start(s);
	leave(s);
}

/* --- the owner's calls ------------------------------------------------------------------------ */

static int stream_new(struct loop *l, int fd, const struct stream_events *events, void *owner,
                      struct tls *tls, struct stream **ret, struct err *err)
{
	CLEANUP(stream_freep) struct stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		tls_free(tls);
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a stream");
	}
	*s = (struct stream){ .loop = l, .events = events, .owner = owner, .tls = tls };
	s->turn = (struct loop_timer){ .fire = on_turn, .owner = s };
	s->plaintext = tls ? malloc(PLAINTEXT_BYTES) : NULL;
	if (tls && !s->plaintext)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a stream");
	r = loop_add(l, fd, &loop_events, s, &s->io, err);
	if (r < 0)
		return r;
	loop_timer_set(l, &s->turn, loop_now_ns(l));
	*ret = TAKE(s, NULL);
	return 0;
}

int stream_open_client(struct loop *l, int fd, struct tls_context *tls, const char *host,
                       const struct stream_events *events, void *owner, struct stream **ret,
                       struct err *err)
{
	CLEANUP(fd_closep) int taken = fd;
	struct tls *t = NULL;
	int r = tls ? tls_open_client(tls, host, &t, err) : 0;

	if (r == 0)
		r = stream_new(l, fd, events, owner, t, ret, err);
	if (r == 0)
		taken = -1; /* the loop's */
	return r;
}

int stream_open_server(struct loop *l, int fd, struct tls_context *tls,
                       const struct stream_events *events, void *owner, struct stream **ret,
                       struct err *err)
{
	CLEANUP(fd_closep) int taken = fd;
	struct tls *t = NULL;
	int r = tls ? tls_open_server(tls, &t, err) : 0;

	if (r == 0)
		r = stream_new(l, fd, events, owner, t, ret, err);
	if (r == 0)
		taken = -1;
	return r;
}

struct stream *stream_close(struct stream *s)
{
	if (!s)
		return NULL;
	if (s->tls && s->opened) {
		if (!s->close_notify_queued)
			tls_close(s->tls);
		send_without_waiting(s);
	}
	loop_timer_cancel(s->loop, &s->turn);
	s->io = loop_remove(s->io);
	s->closed = true;
	if (!s->entered)
		stream_free(s);
	return NULL;
}

static bool send_with(struct stream *s, const struct iovec *iov, size_t n_iov,
                      void (*send_clear)(struct loop_io *, const struct iovec *, size_t))
{
	struct err err = {};

	if (!s->opened || s->sending || s->ended || s->end_sending || n_iov > STREAM_IOV_MAX)
		return false;
	s->sending = true;
	if (!s->tls) {
		s->flushing = true;
		send_clear(s->io, iov, n_iov);
		return true;
	}
	memcpy(s->iov, iov, n_iov * sizeof(*iov));
	s->n_iov = n_iov;
	s->iov_at = 0;
	if (push(s, &err) < 0)
		end_later(s, &err);
	return true;
}

bool stream_send(struct stream *s, const struct iovec *iov, size_t n_iov)
{
	return send_with(s, iov, n_iov, loop_send);
}

bool stream_send_kept(struct stream *s, const struct iovec *iov, size_t n_iov)
{
	return send_with(s, iov, n_iov, loop_send_kept);
}

bool stream_sending(const struct stream *s)
{
	return s->sending;
}

bool stream_discard(struct stream *s, uint64_t n)
{
	if (s->tls)
		return false;
	loop_discard(s->io, n);
	return true;
}

void stream_may_wait(struct stream *s, uint64_t ns)
{
	loop_may_wait(s->io, ns);
}

void stream_end_sending(struct stream *s)
{
	struct err err = {};

	if (!s->opened || s->ended || s->end_sending)
		return;
	s->end_sending = true;
	if (s->tls && push(s, &err) < 0)
		end_later(s, &err);
	if (!s->flushing && !s->sending)
		settle(s);
}

int stream_fd(const struct stream *s)
{
	return loop_io_fd(s->io);
}

const struct tls *stream_tls(const struct stream *s)
{
	return s->tls;
}
