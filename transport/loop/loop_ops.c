/* The operations: what each asks of the body, and what its completions mean to the owner. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "transport/loop/loop.h"
#include "transport/loop/loop_core.h"

/* What a discard costs against receiving is set here and nowhere else. */

/* Below this, what comes is dropped from the buffers it is received into: two requests for each
 * discard and the header behind it cost more than to copy so little (break-even on loopback:
 * frames of 100 KiB). */
#define DISCARD_WORTH_BYTES (128 * 1024)

/* The first read behind a discard: room for a frame's header, and little of a payload that will
 * most likely be discarded as well. While reads fill it and nothing is discarded, it grows. */
#define HEADER_READ_BYTES  512
#define HEADER_READ_GROWTH 8

/* What of a stream may wait together at most: the one read that a receiver has a buffer for. */
#define STREAM_WAIT_MAX_BYTES LOOP_BUFFER_BYTES

/* Below this, two calls more and a reference for each page cost what they save. */
#define REFER_WORTH_BYTES (128 * 1024)

/* One request's share of a discard, so that a fast sender cannot hold the loop. */
#define DROP_MAX_BYTES (4U * 1024 * 1024)

static bool is_transient(int result)
{
	return result == -EAGAIN || result == -EINTR;
}

/* False once a callback of io's has taken it out of the loop: then it must not be looked at. */
static bool is_here(const struct loop *l, const struct loop_io *io)
{
	return l->current == io;
}

/* --- connect -------------------------------------------------------------------------------- */

void loop_connect(struct loop_io *io, const struct sockaddr *address, socklen_t address_bytes)
{
	struct loop_request r = { .connect = { (struct sockaddr *)&io->address, address_bytes } };

	if (address_bytes > sizeof(io->address))
		r.connect.address_bytes = 0; /* the kernel's EINVAL says it in due course */
	memcpy(&io->address, address, r.connect.address_bytes);
	loop_request(io, LOOP_OP_CONNECT, &r);
}

static void on_connect(struct loop_io *io, const struct loop_completion *c)
{
	io->events->connected(io->owner, c->result);
}

/* --- accept --------------------------------------------------------------------------------- */

static void accept_on(struct loop_io *io)
{
	struct loop_request r = {};

	if (!io->under_way[LOOP_OP_ACCEPT])
		loop_request(io, LOOP_OP_ACCEPT, &r);
}

void loop_accept(struct loop_io *io)
{
	accept_on(io);
}

/* accept(2): an error of the connection that was to be accepted, not of the listening socket. */
static bool is_passing(int result)
{
	switch (-result) {
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
	case ENOPROTOOPT:
	case EPERM:
		return true;
	default:
		return false;
	}
}

static void on_accept(struct loop_io *io, const struct loop_completion *c)
{
	struct loop *l = io->loop;

	if (!is_transient(c->result))
		io->events->accepted(io->owner, c->result);
	if (!is_here(l, io))
		return;
	if (c->result >= 0 || is_transient(c->result) || is_passing(c->result))
		accept_on(io);
}

/* --- receive and discard -------------------------------------------------------------------- */

static void on_faltered(void *owner)
{
	struct loop_io *io = owner;

	loop_coalesce_falter(&io->coalesce, io->fd, loop_now_ns(io->loop));
}

static void await_more(struct loop_io *io)
{
	struct loop *l = io->loop;

	io->faltered.fire = on_faltered;
	io->faltered.owner = io;
	loop_timer_set(l, &io->faltered, loop_now_ns(l) + loop_coalesce_patience_ns(&io->coalesce));
}

/* Whether to wait until much of the discard has come, or to take what there is. */
static bool coalesce(struct loop_io *io, const struct loop_request *r)
{
	switch (r->receive.mode) {
	case LOOP_RECEIVE_ONCE:
		loop_coalesce_unset(&io->coalesce, io->fd);
		return false;
	case LOOP_RECEIVE_STREAM:
		return false; /* its mark is moved as it goes, see coalesce_stream() */
	case LOOP_RECEIVE_DROP:
		break;
	}
	if (!loop_coalesce_set(&io->coalesce, io->fd, r->receive.bytes))
		return false;
	await_more(io);
	return true;
}

/* Of a fast stream too, what comes in a millisecond may come together, as far as buffers hold it. */
static void coalesce_stream(struct loop_io *io)
{
	if (loop_coalesce_set(&io->coalesce, io->fd, STREAM_WAIT_MAX_BYTES))
		await_more(io);
}

static void receive_on(struct loop_io *io, bool wait_first)
{
	struct loop_request r = { .wait_first = wait_first };

	if (!io->receiving || io->under_way[LOOP_OP_RECEIVE])
		return;
	if (io->discard_bytes >= DISCARD_WORTH_BYTES ||
	    (io->discard_bytes > 0 && io->receive_mode == LOOP_RECEIVE_DROP)) {
		r.receive.mode = LOOP_RECEIVE_DROP;
		r.receive.bytes = io->discard_bytes < DROP_MAX_BYTES ? (uint32_t)io->discard_bytes
		                                                     : DROP_MAX_BYTES;
	} else if (io->discard_bytes == 0 && io->once_bytes > 0) {
		r.receive.mode = LOOP_RECEIVE_ONCE;
		r.receive.bytes = io->once_bytes;
	} else {
		r.receive.mode = LOOP_RECEIVE_STREAM;
		io->once_bytes = 0;
	}
	io->receive_mode = r.receive.mode;
	io->receive_cancelled = false;
	r.wait_first |= coalesce(io, &r);
	loop_request(io, LOOP_OP_RECEIVE, &r);
}

void loop_may_wait(struct loop_io *io, uint64_t ns)
{
	io->coalesce.period_ns = ns;
}

void loop_receive(struct loop_io *io)
{
	loop_set_receiving(io, true);
	receive_on(io, false);
}

void loop_discard(struct loop_io *io, uint64_t n)
{
	if (!io->receiving)
		return;
	if (__builtin_add_overflow(io->discard_bytes, n, &io->discard_bytes))
		io->discard_bytes = UINT64_MAX;
	if (io->receive_mode != LOOP_RECEIVE_STREAM || io->receive_cancelled ||
	    !io->under_way[LOOP_OP_RECEIVE] || io->discard_bytes < DISCARD_WORTH_BYTES)
		return;
	loop_request_cancel(io, LOOP_OP_RECEIVE);
	io->receive_cancelled = true;
}

/* Takes what comes next off the discard. */
static void discarded(struct loop_io *io, size_t n)
{
	io->discard_bytes -= n;
	if (io->receive_mode != LOOP_RECEIVE_STREAM && io->discard_bytes == 0)
		io->once_bytes = HEADER_READ_BYTES;
	io->events->discarded(io->owner, n);
}

/* What was wanted by nobody's discard: reads may grow, up to the stream's. */
static void received(struct loop_io *io, const uint8_t *data, size_t n)
{
	if (io->receive_mode == LOOP_RECEIVE_ONCE && n == io->once_bytes) {
		io->once_bytes *= HEADER_READ_GROWTH;
		if (io->once_bytes >= LOOP_BUFFER_BYTES)
			io->once_bytes = 0;
	}
	io->events->received(io->owner, data, n, 0);
}

/* A discard called for from in here is for the bytes behind those handed over with it. */
static void deliver(struct loop_io *io, const uint8_t *data, size_t n)
{
	struct loop *l = io->loop;

	while (n > 0 && is_here(l, io)) {
		size_t part = n;

		if (io->discard_bytes == 0) {
			if (!data)
				return;
			received(io, data, n);
			return;
		}
		if (io->discard_bytes < part)
			part = (size_t)io->discard_bytes;
		discarded(io, part);
		n -= part;
		data = data ? data + part : NULL;
	}
}

static void on_receive(struct loop_io *io, const struct loop_completion *c)
{
	struct loop *l = io->loop;
	bool to_change = c->result == -ECANCELED && io->receive_cancelled;

	loop_timer_cancel(l, &io->faltered);
	if (c->result > 0) {
		if (io->receive_mode != LOOP_RECEIVE_ONCE)
			loop_coalesce_learn(&io->coalesce, io->fd, (uint64_t)c->result,
			                    loop_now_ns(l));
		deliver(io, c->data, (size_t)c->result);
	} else if (c->result == -ENOBUFS) {
		l->counts.starved++;
	} else if (!to_change && !is_transient(c->result)) {
		loop_set_receiving(io, false);
		io->events->received(io->owner, NULL, 0, c->result);
	}
	if (!is_here(l, io))
		return;
	if (io->receiving && io->receive_mode == LOOP_RECEIVE_STREAM)
		coalesce_stream(io);
	receive_on(io, is_transient(c->result));
}

/* --- send ----------------------------------------------------------------------------------- */

static void send_on(struct loop_io *io, bool wait_first)
{
	struct loop_request r = { .send = &io->message, .wait_first = wait_first };

	loop_request(io, LOOP_OP_SEND, &r);
}

static void keep_message(struct loop_io *io, const struct iovec *iov, size_t n_iov)
{
	if (n_iov > LOOP_IOV_MAX)
		abort(); /* a mistake of ours: no peer decides it */
	memcpy(io->iov, iov, n_iov * sizeof(*iov));
	io->message = (struct msghdr){ .msg_iov = io->iov, .msg_iovlen = n_iov };
}

void loop_send(struct loop_io *io, const struct iovec *iov, size_t n_iov)
{
	keep_message(io, iov, n_iov);
	send_on(io, false);
}

/* The first n bytes of the message are in the kernel; true where some remain. */
static bool advance(struct msghdr *m, size_t n)
{
	while (m->msg_iovlen > 0 && n >= m->msg_iov->iov_len) {
		n -= m->msg_iov->iov_len;
		m->msg_iov++;
		m->msg_iovlen--;
	}
	if (m->msg_iovlen == 0)
		return false;
	m->msg_iov->iov_base = (uint8_t *)m->msg_iov->iov_base + n;
	m->msg_iov->iov_len -= n;
	return true;
}

static void on_send(struct loop_io *io, const struct loop_completion *c)
{
	bool unsent = c->result < 0 || advance(&io->message, (size_t)c->result);

	if (is_transient(c->result) || (unsent && c->result > 0))
		send_on(io, true);
	else if (unsent)
		io->events->sent(io->owner, c->result < 0 ? c->result : -EIO);
	else
		io->events->sent(io->owner, 0);
}

/* --- send by reference ----------------------------------------------------------------------- */

static void await_room(struct loop_io *io)
{
	struct loop_request r = { .poll = POLLOUT };

	loop_request(io, LOOP_OP_ROOM, &r);
}

static bool is_worth_referring(const struct loop_io *io, const struct iovec *iov, size_t n_iov)
{
	size_t bytes = 0;

	for (size_t i = 1; i < n_iov; i++)
		bytes += iov[i].iov_len;
	return io->loop->ops->kernel && !io->splice.barred && bytes >= REFER_WORTH_BYTES;
}

void loop_send_kept(struct loop_io *io, const struct iovec *iov, size_t n_iov)
{
	if (!is_worth_referring(io, iov, n_iov)) {
		loop_send(io, iov, n_iov);
		return;
	}
	keep_message(io, iov, n_iov);
	io->copied_bytes = iov[0].iov_len;
	await_room(io);
}

/* Takes n bytes off the message; false where nothing remains. */
static bool referred(struct loop_io *io, size_t n)
{
	if (io->copied_bytes > 0)
		io->copied_bytes -= n;
	else
		io->loop->counts.referred_bytes += n;
	return advance(&io->message, n);
}

/* There is room, or the connection is broken, which the next call tells. */
static void on_room(struct loop_io *io, const struct loop_completion *c)
{
	int r = c->result < 0 ? c->result : 1;

	while (r > 0) {
		r = loop_splice_send(&io->splice, io->fd, &io->message, io->copied_bytes);
		if (r > 0 && !referred(io, (size_t)r)) {
			io->events->sent(io->owner, 0);
			return;
		}
	}
	if (r == -EOPNOTSUPP)
		send_on(io, false);
	else if (is_transient(r))
		await_room(io);
	else
		io->events->sent(io->owner, r < 0 ? r : -EIO);
}

/* --- poll ----------------------------------------------------------------------------------- */

static void poll_on(struct loop_io *io)
{
	struct loop_request r = { .poll = io->poll_events };

	if (io->poll_events)
		loop_request(io, LOOP_OP_POLL, &r);
}

void loop_poll(struct loop_io *io, short events)
{
	bool other = events != io->poll_events;

	io->poll_events = events;
	if (!io->under_way[LOOP_OP_POLL])
		poll_on(io);
	else if (other)
		loop_request_cancel(io, LOOP_OP_POLL);
}

static void on_poll(struct loop_io *io, const struct loop_completion *c)
{
	int result = c->result;

	/* It may have been asked for other events than are wanted by now. */
	if (result > 0)
		result &= io->poll_events | POLLERR | POLLHUP | POLLNVAL;
	if (!io->poll_events)
		return;
	if (result == 0 || result == -ECANCELED || is_transient(result)) {
		poll_on(io);
		return;
	}
	io->poll_events = 0;
	io->events->polled(io->owner, result);
}

/* -------------------------------------------------------------------------------------------- */

typedef void (*loop_handler)(struct loop_io *io, const struct loop_completion *c);

static const loop_handler handlers[LOOP_OPS] = {
	[LOOP_OP_CONNECT] = on_connect, [LOOP_OP_ACCEPT] = on_accept,
	[LOOP_OP_RECEIVE] = on_receive, [LOOP_OP_SEND] = on_send,
	[LOOP_OP_POLL] = on_poll,       [LOOP_OP_ROOM] = on_room,
};

void loop_complete(struct loop_io *io, const struct loop_completion *c)
{
	handlers[c->tag.op](io, c);
}
