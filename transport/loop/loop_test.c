/* What loop.h promises, on both real bodies: every row runs on io_uring and on epoll. */
#include "transport/loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/cases.h"
#include "tests/loop_plays.h"
#include "tests/process.h"
#include "tests/ring_ask.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define SOON_NS (60 * NS_PER_S) /* far more than anything here takes, on valgrind too */

/* --- a descriptor's owner, and what it has heard --------------------------------------------- */

struct owner {
	struct loop *loop;
	struct loop_io *io;
	void (*hook)(struct owner *o); /* runs at the end of each callback */
	size_t stop_at_bytes;          /* received and discarded: then the loop stops */

	unsigned calls; /* of any callback */
	uint64_t received_bytes, discarded_bytes;
	uint64_t wrong_bytes; /* received, and not what pattern() says of their place */
	int ended;            /* result of the end; 1: has not come */
	int connected, sent, polled;
	int accepted[8];
	size_t accepted_count;
	struct owner *other;
};

/* The byte at `place` of every stream in here: a shifted or lost byte shows. */
static uint8_t pattern(uint64_t place)
{
	return (uint8_t)((place * 2654435761U) >> 16);
}

static void fill(uint8_t *at, uint64_t place, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = pattern(place + i);
}

static void after(struct owner *o)
{
	o->calls++;
	if (o->hook)
		o->hook(o);
}

static void on_connected(void *owner, int result)
{
	struct owner *o = owner;

	o->connected = result;
	after(o);
}

static void on_accepted(void *owner, int fd)
{
	struct owner *o = owner;

	assert_true(o->accepted_count < sizeof(o->accepted) / sizeof(*o->accepted));
	o->accepted[o->accepted_count++] = fd;
	after(o);
}

static void on_received(void *owner, const uint8_t *data, size_t n, int result)
{
	struct owner *o = owner;

	for (size_t i = 0; i < n; i++)
		o->wrong_bytes += data[i] != pattern(o->received_bytes + o->discarded_bytes + i);
	o->received_bytes += n;
	if (n == 0)
		o->ended = result;
	if (o->stop_at_bytes && o->received_bytes + o->discarded_bytes >= o->stop_at_bytes)
		loop_stop(o->loop);
	after(o);
}

static void on_discarded(void *owner, size_t n)
{
	struct owner *o = owner;

	o->discarded_bytes += n;
	if (o->stop_at_bytes && o->received_bytes + o->discarded_bytes >= o->stop_at_bytes)
		loop_stop(o->loop);
	after(o);
}

static void on_sent(void *owner, int result)
{
	struct owner *o = owner;

	o->sent = result;
	after(o);
}

static void on_polled(void *owner, int events)
{
	struct owner *o = owner;

	o->polled = events;
	after(o);
}

static const struct loop_events events = {
	.connected = on_connected,
	.accepted = on_accepted,
	.received = on_received,
	.discarded = on_discarded,
	.sent = on_sent,
	.polled = on_polled,
};

static void stop(struct owner *o)
{
	loop_stop(o->loop);
}

static void remove_self(struct owner *o)
{
	o->io = loop_remove(o->io);
}

static void own(struct owner *o, struct loop *l, int fd)
{
	o->loop = l;
	o->ended = o->connected = o->sent = 1;
	assert_int_equal(loop_add(l, fd, &events, o, &o->io, NULL), 0);
}

/* --- sockets --------------------------------------------------------------------------------- */

static int listen_on_loopback(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(*address);

	*address = (struct sockaddr_in){ .sin_family = AF_INET,
		                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)address, size), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
	return fd;
}

static void tcp_pair(int pair[2])
{
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address);

	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(pair[0], (struct sockaddr *)&address, sizeof(address)), 0);
	pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair[1] >= 0);
	close(listener);
}

/* Two owners in the loop, connected. */
static void own_pair(struct owner *a, struct owner *b, struct loop *l)
{
	int pair[2];

	tcp_pair(pair);
	own(a, l, pair[0]);
	own(b, l, pair[1]);
}

static void close_peer_with_reset(int fd)
{
	struct linger abort_it = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
	close(fd);
}

static int run(struct loop *l, uint64_t for_ns)
{
	struct err err = {};
	int r = loop_run(l, loop_now_ns(l) + for_ns, &err);

	assert_true(r >= 0);
	return r;
}

/* --- plays: each gets an open loop, and leaves nothing behind --------------------------------- */

static void connects_and_accepts(struct loop *l)
{
	struct owner listener = { .hook = stop }, client = { .hook = stop };
	struct sockaddr_in address;
	int fd = listen_on_loopback(&address);
	int flags;

	own(&listener, l, fd);
	own(&client, l, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	loop_accept(listener.io);
	loop_connect(client.io, (struct sockaddr *)&address, sizeof(address));
	while (listener.accepted_count == 0 || client.connected == 1)
		assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(client.connected, 0);
	flags = fcntl(listener.accepted[0], F_GETFL);
	assert_true(flags & O_NONBLOCK);
	flags = fcntl(listener.accepted[0], F_GETFD);
	assert_true(flags & FD_CLOEXEC);
	close(listener.accepted[0]);
	loop_remove(client.io);
	loop_remove(listener.io);
}

static void refused_is_heard(struct loop *l)
{
	struct owner client = { .hook = stop };
	struct sockaddr_in address;

	close(listen_on_loopback(&address));
	own(&client, l, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	loop_connect(client.io, (struct sockaddr *)&address, sizeof(address));
	assert_int_equal(client.calls, 0);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(client.connected, -ECONNREFUSED);
	loop_remove(client.io);
}

static void accepts_many(struct loop *l)
{
	struct owner listener = {};
	struct sockaddr_in address;
	int clients[5];

	own(&listener, l, listen_on_loopback(&address));
	loop_accept(listener.io);
	for (size_t i = 0; i < 5; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(clients[i], (struct sockaddr *)&address, sizeof(address)),
		                 0);
		if (i == 2)
			run(l, 20 * NS_PER_MS);
	}
	run(l, 20 * NS_PER_MS);
	assert_int_equal(listener.accepted_count, 5);
	for (size_t i = 0; i < 5; i++) {
		close(listener.accepted[i]);
		close(clients[i]);
	}
	loop_remove(listener.io);
}

/* Sends `total` bytes in messages of three pieces, one after the other. */
struct sender {
	struct owner owner; /* the first member: hook() gets it */
	uint8_t *data;
	uint64_t sent_bytes, total_bytes;
	size_t message_bytes;
	bool stay_open;
};

static void send_next(struct owner *o)
{
	struct sender *s = (struct sender *)o;
	size_t n = s->message_bytes;
	struct iovec iov[3];

	assert_true(o->sent == 1 || o->sent == 0);
	if (s->sent_bytes == s->total_bytes) {
		if (!s->stay_open)
			shutdown(loop_io_fd(o->io), SHUT_WR);
		return;
	}
	if (n > s->total_bytes - s->sent_bytes)
		n = (size_t)(s->total_bytes - s->sent_bytes);
	fill(s->data, s->sent_bytes, n);
	iov[0] = (struct iovec){ s->data, n / 3 };
	iov[1] = (struct iovec){ NULL, 0 };
	iov[2] = (struct iovec){ s->data + n / 3, n - n / 3 };
	s->sent_bytes += n;
	loop_send(o->io, iov, 3);
}

static void start_sending(struct sender *s, uint64_t total_bytes, size_t message_bytes)
{
	s->data = malloc(message_bytes);
	assert_non_null(s->data);
	s->total_bytes = total_bytes;
	s->message_bytes = message_bytes;
	s->owner.hook = send_next;
	send_next(&s->owner);
}

static void stop_at_end(struct owner *o)
{
	if (o->ended != 1)
		loop_stop(o->loop);
}

static void sends_and_receives_in_order(struct loop *l)
{
	struct sender s = {};
	struct owner r = { .hook = stop_at_end };
	int small = 128 * 1024;

	own_pair(&s.owner, &r, l);
	setsockopt(loop_io_fd(s.owner.io), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	loop_receive(r.io);
	start_sending(&s, 5 * 1000 * 1000, 1024 * 1024);
	assert_int_equal(s.owner.calls + r.calls, 0);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(r.ended, 0);
	assert_int_equal(r.received_bytes, s.total_bytes);
	assert_int_equal(r.wrong_bytes, 0);
	assert_int_equal(s.owner.sent, 0);
	free(s.data);
	loop_remove(s.owner.io);
	loop_remove(r.io);
}

static void many_at_once(struct loop *l)
{
	enum { PAIRS = 40 }; /* more than there are receive buffers */
	struct sender s[PAIRS] = {};
	struct owner r[PAIRS] = {};
	size_t done = 0;

	for (size_t i = 0; i < PAIRS; i++) {
		r[i].hook = stop_at_end;
		own_pair(&s[i].owner, &r[i], l);
		loop_receive(r[i].io);
		start_sending(&s[i], 300 * 1000, 100 * 1000);
	}
	while (done < PAIRS) {
		assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
		done++;
	}
	for (size_t i = 0; i < PAIRS; i++) {
		assert_int_equal(r[i].received_bytes, 300 * 1000);
		assert_int_equal(r[i].wrong_bytes, 0);
		free(s[i].data);
		loop_remove(s[i].owner.io);
		loop_remove(r[i].io);
	}
}

static void reset_is_heard(struct loop *l)
{
	struct owner o = { .hook = stop_at_end };
	int pair[2];

	tcp_pair(pair);
	own(&o, l, pair[0]);
	loop_receive(o.io);
	close_peer_with_reset(pair[1]);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(o.ended, -ECONNRESET);
	loop_remove(o.io);
}

static void broken_pipe_is_no_signal(struct loop *l)
{
	struct owner o = { .hook = stop };
	uint8_t byte = 0;
	int pair[2];

	tcp_pair(pair);
	own(&o, l, pair[0]);
	close_peer_with_reset(pair[1]);
	assert_int_equal(recv(pair[0], &byte, 1, 0), -1); /* takes the reset's own error */
	loop_send(o.io, &(struct iovec){ &byte, 1 }, 1);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(o.sent, -EPIPE);
	loop_remove(o.io);
}

static void empty_send_is_sent(struct loop *l)
{
	struct owner a = { .hook = stop }, b = {};

	own_pair(&a, &b, l);
	loop_send(a.io, &(struct iovec){ NULL, 0 }, 1);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(a.sent, 0);
	loop_remove(a.io);
	loop_remove(b.io);
}

static void removed_in_its_callback(struct loop *l)
{
	struct owner o = { .hook = remove_self };
	uint8_t data[1000];
	int pair[2];

	tcp_pair(pair);
	own(&o, l, pair[0]);
	loop_receive(o.io);
	loop_poll(o.io, POLLPRI);
	loop_send(o.io, &(struct iovec){ data, 0 }, 1);
	fill(data, 0, sizeof(data));
	assert_int_equal(send(pair[1], data, sizeof(data), MSG_NOSIGNAL), sizeof(data));
	run(l, 20 * NS_PER_MS);
	assert_int_equal(o.calls, 1);
	close(pair[1]);
}

static void remove_other(struct owner *o)
{
	if (o->other->io)
		o->other->io = loop_remove(o->other->io);
}

/* Both have bytes waiting in the same batch: whoever hears first removes the other. */
static void removed_by_another(struct loop *l)
{
	struct owner a = { .hook = remove_other }, b = { .hook = remove_other };
	int pa[2], pb[2];

	a.other = &b;
	b.other = &a;
	tcp_pair(pa);
	tcp_pair(pb);
	own(&a, l, pa[0]);
	own(&b, l, pb[0]);
	loop_receive(a.io);
	loop_receive(b.io);
	assert_int_equal(send(pa[1], "a", 1, 0), 1);
	assert_int_equal(send(pb[1], "b", 1, 0), 1);
	run(l, 20 * NS_PER_MS);
	assert_int_equal(a.calls + b.calls, 1);
	assert_true(loop_counts(l).stale_completions > 0);
	loop_remove(a.io);
	loop_remove(b.io);
	close(pa[1]);
	close(pb[1]);
}

static void detached_stays_open(struct loop *l)
{
	struct owner o = {};
	uint8_t byte = 0;
	int pair[2];
	int fd;

	tcp_pair(pair);
	own(&o, l, pair[0]);
	loop_receive(o.io);
	run(l, 5 * NS_PER_MS);
	fd = loop_detach(o.io);
	assert_int_equal(fd, pair[0]);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	run(l, 5 * NS_PER_MS);
	assert_int_equal(o.calls, 0);
	assert_int_equal(recv(fd, &byte, 1, 0), 1); /* the kernel's request did not take it */
	assert_int_equal(byte, 'x');

	own(&o, l, fd); /* and it can come back */
	o.hook = stop;
	loop_receive(o.io);
	assert_int_equal(send(pair[1], "y", 1, 0), 1);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(o.received_bytes, 1);
	loop_remove(o.io);
	close(pair[1]);
}

/* A request still in the kernel would keep the socket open behind its closed descriptor. */
static void removed_is_closed(struct loop *l)
{
	uint8_t data[1000] = {};
	struct owner o = {};
	int pair[2];

	tcp_pair(pair);
	own(&o, l, pair[0]);
	loop_receive(o.io);
	loop_poll(o.io, POLLPRI);
	run(l, 5 * NS_PER_MS);
	loop_send(o.io, &(struct iovec){ data, sizeof(data) }, 1);
	loop_remove(o.io);
	for (ssize_t n = 1; n > 0;) {
		struct pollfd p = { .fd = pair[1], .events = POLLIN };

		assert_int_equal(poll(&p, 1, 1000), 1);
		n = recv(pair[1], data, sizeof(data), 0);
	}
	close(pair[1]);
}

static void polls(struct loop *l)
{
	struct owner o = { .hook = stop };
	int pair[2];

	tcp_pair(pair);
	own(&o, l, pair[0]);
	loop_poll(o.io, POLLIN);
	assert_int_equal(run(l, 5 * NS_PER_MS), LOOP_DEADLINE);
	loop_poll(o.io, POLLIN | POLLOUT);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(o.polled, POLLOUT);
	assert_int_equal(run(l, 5 * NS_PER_MS), LOOP_DEADLINE); /* one wait, one answer */
	loop_poll(o.io, POLLIN);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(o.polled, POLLIN);
	loop_poll(o.io, POLLIN);
	loop_poll(o.io, 0);
	assert_int_equal(run(l, 5 * NS_PER_MS), LOOP_DEADLINE);
	assert_int_equal(o.calls, 2);
	loop_poll(o.io, POLLPRI);
	close_peer_with_reset(pair[1]);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_true(o.polled & (POLLHUP | POLLERR));
	loop_remove(o.io);
}

/* epoll watches the open file, not the descriptor: a duplicate must not be heard of. */
static void duplicate_outlives(struct loop *l)
{
	struct owner o = {};
	uint64_t wakeups;
	int pair[2];
	int duplicate;

	tcp_pair(pair);
	duplicate = dup(pair[0]);
	own(&o, l, pair[0]);
	loop_poll(o.io, POLLIN);
	run(l, 5 * NS_PER_MS);
	loop_remove(o.io);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	wakeups = loop_counts(l).wakeups;
	run(l, 20 * NS_PER_MS);
	assert_int_equal(o.calls, 0);
	assert_true(loop_counts(l).wakeups <= wakeups + 3);
	close(duplicate);
	close(pair[1]);
}

/* A peer that has gone, while nothing is asked of its descriptor: the loop must sleep. */
static void hung_up_and_idle(struct loop *l)
{
	struct owner o = { .hook = stop_at_end };
	uint64_t wakeups;
	int pair[2];

	tcp_pair(pair);
	own(&o, l, pair[0]);
	loop_receive(o.io);
	close_peer_with_reset(pair[1]);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	wakeups = loop_counts(l).wakeups;
	run(l, 20 * NS_PER_MS);
	assert_true(loop_counts(l).wakeups <= wakeups + 3);
	loop_remove(o.io);
}

/* --- discard ---------------------------------------------------------------------------------- */

#define HEADER_BYTES 10 /* of a frame: 0x82, 127, eight of length; as a WebSocket's */
#define STREAM_BYTES (24 * 1024 * 1024)

/* A stream of frames of drawn lengths, sent in drawn pieces; the receiver reads headers and
 * discards payloads, wholly, in parts, or not at all. */
struct frames {
	struct owner sender, receiver;
	uint64_t random;
	uint8_t *stream;
	size_t stream_bytes, sent_bytes;

	uint8_t header[HEADER_BYTES];
	size_t header_bytes;
	uint64_t payload_left;  /* of this frame, not yet come */
	uint64_t discard_later; /* of it, to be announced when the first part is used up */
	uint64_t announced;     /* to be discarded, not yet come */
	uint64_t frames, wrong, unannounced;
};

static uint64_t draw(uint64_t *random, uint64_t below)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random % below;
}

/* Most bytes are of payloads that no single read holds: what comes in one is not discarded. */
static uint64_t drawn_payload(uint64_t *random)
{
	static const uint64_t ceilings[] = { 3, 200, 5000, 70 * 1000, 4800 * 1000, 4800 * 1000 };

	return draw(random, ceilings[draw(random, 6)]);
}

static void compose(struct frames *f)
{
	size_t at = 0;

	f->stream = malloc(STREAM_BYTES);
	assert_non_null(f->stream);
	for (;;) {
		uint64_t n = drawn_payload(&f->random);

		if (at + HEADER_BYTES + n > STREAM_BYTES)
			break;
		f->stream[at] = 0x82;
		f->stream[at + 1] = 127;
		for (size_t i = 0; i < 8; i++)
			f->stream[at + 2 + i] = (uint8_t)(n >> (56 - 8 * i));
		fill(f->stream + at + HEADER_BYTES, at + HEADER_BYTES, n);
		at += HEADER_BYTES + n;
	}
	f->stream_bytes = at;
}

static void send_piece(struct owner *o)
{
	struct frames *f = (struct frames *)o;
	size_t left = f->stream_bytes - f->sent_bytes;
	size_t n = 1 + draw(&f->random, draw(&f->random, 4) ? 400 * 1000 : 20);

	if (n > left)
		n = left;
	if (n == 0) {
		shutdown(loop_io_fd(o->io), SHUT_WR);
		return;
	}
	f->sent_bytes += n;
	loop_send(o->io, &(struct iovec){ f->stream + f->sent_bytes - n, n }, 1);
}

static uint64_t place(const struct frames *f)
{
	return f->receiver.received_bytes + f->receiver.discarded_bytes;
}

/* All of the payload that has not come, at once or in two parts; or nothing of it. */
static void maybe_discard(struct frames *f)
{
	uint64_t n = f->payload_left;

	if (n == 0 || draw(&f->random, 8) == 0)
		return;
	if (n > 1 && draw(&f->random, 4) == 0) {
		n = 1 + draw(&f->random, n - 1);
		f->discard_later = f->payload_left - n;
	}
	f->announced += n;
	loop_discard(f->receiver.io, n);
}

static void take_header_byte(struct frames *f, uint8_t byte)
{
	f->header[f->header_bytes++] = byte;
	if (f->header_bytes < HEADER_BYTES)
		return;
	f->header_bytes = 0;
	f->frames++;
	f->wrong += f->header[0] != 0x82 || f->header[1] != 127;
	for (size_t i = 0; i < 8; i++)
		f->payload_left = f->payload_left << 8 | f->header[2 + i];
}

static void frames_received(void *owner, const uint8_t *data, size_t n, int result)
{
	struct frames *f = (struct frames *)((uint8_t *)owner - offsetof(struct frames, receiver));

	f->unannounced += n > 0 && f->announced > 0;
	for (size_t i = 0; i < n; i++) {
		if (f->payload_left == 0) {
			take_header_byte(f, data[i]);
		} else {
			f->wrong += data[i] != pattern(place(f) + i);
			f->payload_left--;
		}
	}
	f->receiver.received_bytes += n;
	if (n > 0) {
		maybe_discard(f);
		return;
	}
	f->receiver.ended = result;
	loop_stop(f->receiver.loop);
}

static void frames_discarded(void *owner, size_t n)
{
	struct frames *f = (struct frames *)((uint8_t *)owner - offsetof(struct frames, receiver));

	f->wrong += n == 0 || n > f->announced || n > f->payload_left;
	f->announced -= n;
	f->payload_left -= n;
	f->receiver.discarded_bytes += n;
	if (f->announced > 0 && draw(&f->random, 2))
		return; /* the second part is announced when the first is used up, or before */
	f->announced += f->discard_later;
	loop_discard(f->receiver.io, TAKE(f->discard_later, 0));
}

static const struct loop_events frame_events = {
	.received = frames_received,
	.discarded = frames_discarded,
};

static void discard_counts_exactly(struct loop *l, uint64_t seed)
{
	struct frames f = { .random = seed };
	int pair[2];

	tcp_pair(pair);
	own(&f.sender, l, pair[0]);
	f.sender.hook = send_piece;
	f.receiver = (struct owner){ .loop = l, .ended = 1 };
	assert_int_equal(loop_add(l, pair[1], &frame_events, &f.receiver, &f.receiver.io, NULL), 0);
	compose(&f);
	loop_receive(f.receiver.io);
	send_piece(&f.sender);
	assert_int_equal(run(l, 4 * SOON_NS), LOOP_STOPPED);
	assert_int_equal(f.receiver.ended, 0);
	assert_int_equal(f.wrong, 0);
	assert_int_equal(f.unannounced, 0);
	assert_int_equal(place(&f), f.stream_bytes);
	assert_int_equal(f.payload_left + f.header_bytes + f.announced, 0);
	assert_true(f.receiver.discarded_bytes > f.stream_bytes / 2);
	free(f.stream);
	loop_remove(f.sender.io);
	loop_remove(f.receiver.io);
}

static void discards_exactly(struct loop *l)
{
	const char *given = getenv("LOOP_SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : 1;

	for (uint64_t seed = first; seed < first + (given ? 1 : 8); seed++) {
		print_message("LOOP_SEED=%llu\n", (unsigned long long)seed);
		discard_counts_exactly(l, seed);
	}
}

/* The end of the stream, and a failure, are heard through a discard. */
static void discard_cut_short(struct loop *l)
{
	struct owner o = { .hook = stop_at_end };
	uint8_t data[1000];
	int pair[2];

	tcp_pair(pair);
	own(&o, l, pair[0]);
	loop_receive(o.io);
	loop_discard(o.io, 1000 * 1000);
	fill(data, 0, sizeof(data));
	assert_int_equal(send(pair[1], data, sizeof(data), 0), sizeof(data));
	close(pair[1]);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(o.ended, 0);
	assert_int_equal(o.discarded_bytes, sizeof(data));
	assert_int_equal(o.received_bytes, 0);
	loop_remove(o.io);
}

/* No byte behind a discard is lost when the owner ends it in the middle. */
static void detached_in_a_discard(struct loop *l)
{
	struct owner o = { .stop_at_bytes = 4000 };
	uint8_t data[8000], rest[8000];
	int pair[2];
	int fd;

	tcp_pair(pair);
	own(&o, l, pair[0]);
	loop_receive(o.io);
	loop_discard(o.io, 1000 * 1000);
	fill(data, 0, sizeof(data));
	assert_int_equal(send(pair[1], data, 4000, 0), 4000);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	fd = loop_detach(o.io);
	assert_int_equal(send(pair[1], data + 4000, 4000, 0), 4000);
	assert_int_equal(recv(fd, rest, sizeof(rest), MSG_WAITALL | MSG_DONTWAIT), 4000);
	assert_memory_equal(rest, data + 4000, 4000);
	close(fd);
	close(pair[1]);
}

/* A fast stream that stops: what came of it is handed over or counted all the same, and soon; the
 * descriptor goes back as it was born. */
static void play_faltering(struct loop *l, uint64_t discard_bytes)
{
	struct sender s = {};
	struct owner r = { .stop_at_bytes = 64 * 1000 * 1000 };
	socklen_t size = sizeof(int);
	int low_water = 0;
	int fd;

	own_pair(&s.owner, &r, l);
	loop_receive(r.io);
	loop_discard(r.io, discard_bytes);
	s.stay_open = true;
	start_sending(&s, r.stop_at_bytes, 1000 * 1000);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(r.discarded_bytes + r.received_bytes, r.stop_at_bytes);
	assert_int_equal(r.discarded_bytes, discard_bytes > 0 ? r.stop_at_bytes : 0);
	fd = loop_detach(r.io);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, &size), 0);
	assert_int_equal(low_water, 1);
	close(fd);
	loop_remove(s.owner.io);
	free(s.data);
}

static void faltering_discard_is_counted(struct loop *l)
{
	play_faltering(l, 1000 * 1000 * 1000);
}

static void faltering_stream_is_received(struct loop *l)
{
	play_faltering(l, 0);
}

/* --- timers ---------------------------------------------------------------------------------- */

struct alarm {
	struct loop_timer timer;
	struct loop *loop;
	uint64_t due_ns;
	unsigned fired, early;
	unsigned order;
	unsigned *next_order;
};

static void on_fire(void *owner)
{
	struct alarm *a = owner;

	a->fired++;
	a->early += loop_now_ns(a->loop) < a->due_ns;
	a->order = ++*a->next_order;
}

static void set(struct alarm *a, uint64_t in_ns)
{
	a->due_ns = loop_now_ns(a->loop) + in_ns;
	loop_timer_set(a->loop, &a->timer, a->due_ns);
}

static void timers_fire_in_order(struct loop *l)
{
	enum { ALARMS = 100 };
	struct alarm a[ALARMS] = {};
	unsigned order = 0;

	for (size_t i = 0; i < ALARMS; i++) {
		a[i] = (struct alarm){ .timer = { .fire = on_fire, .owner = &a[i] },
			               .loop = l,
			               .next_order = &order };
		set(&a[i], (i * 37 % ALARMS) * NS_PER_MS / 4);
	}
	for (size_t i = 0; i < ALARMS; i += 5)
		loop_timer_cancel(l, &a[i].timer);
	set(&a[1], 30 * NS_PER_MS); /* moved behind all others */
	loop_timer_set(l, &a[2].timer, CLOCK_NEVER_NS);
	run(l, 60 * NS_PER_MS);
	for (size_t i = 0; i < ALARMS; i++) {
		assert_int_equal(a[i].fired, i % 5 != 0 && i != 2);
		assert_int_equal(a[i].early, 0);
		for (size_t j = 0; j < ALARMS; j++)
			if (a[i].fired && a[j].fired && a[i].due_ns < a[j].due_ns)
				assert_true(a[i].order < a[j].order);
	}
	assert_int_equal(a[1].order, order);
}

static void fire_again_at_once(void *owner)
{
	struct alarm *a = owner;

	a->fired++;
	loop_timer_set(a->loop, &a->timer, 0);
}

/* A timer always due keeps neither the descriptors nor the deadline waiting. */
static void busy_timer_starves_nobody(struct loop *l)
{
	struct alarm a = { .loop = l, .timer = { .fire = fire_again_at_once, .owner = &a } };
	struct owner o = { .hook = stop };
	int pair[2];

	tcp_pair(pair);
	own(&o, l, pair[0]);
	loop_receive(o.io);
	set(&a, 0);
	assert_int_equal(run(l, 2 * NS_PER_MS), LOOP_DEADLINE);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_true(a.fired > 1);
	loop_timer_cancel(l, &a.timer);
	loop_remove(o.io);
	close(pair[1]);
}

static void stops_and_keeps_deadlines(struct loop *l)
{
	uint64_t before_ns = loop_now_ns(l);

	assert_int_equal(run(l, 3 * NS_PER_MS), LOOP_DEADLINE);
	assert_true(loop_now_ns(l) - before_ns >= 3 * NS_PER_MS);
	assert_int_equal(loop_run(l, 0, NULL), LOOP_DEADLINE);
	loop_stop(l);
	assert_int_equal(loop_run(l, CLOCK_NEVER_NS, NULL), LOOP_STOPPED);
	assert_int_equal(run(l, NS_PER_MS), LOOP_DEADLINE);
}

/* --- ceilings and fairness -------------------------------------------------------------------- */

static void holds_as_many_as_it_says(struct loop *l)
{
	static struct loop_io *ios[LOOP_IO_MAX];
	struct loop_io *one_more = NULL;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct err err = {};
	struct rlimit limit = {};

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < LOOP_IO_MAX + 64)
		skip();
	for (size_t i = 0; i < LOOP_IO_MAX; i++)
		assert_int_equal(loop_add(l, dup(fd), &events, NULL, &ios[i], NULL), 0);
	assert_int_equal(loop_add(l, fd, &events, NULL, &one_more, &err), -EMFILE);
	assert_null(one_more);
	for (size_t i = 0; i < LOOP_IO_MAX; i++)
		loop_remove(ios[i]);
	close(fd);
}

/* A descriptor whose bytes never end does not keep another's from being heard. */
static void flood_starves_nobody(struct loop *l)
{
	struct sender flood = {};
	struct owner sink = {}, quiet = { .hook = stop };
	int pair[2];

	own_pair(&flood.owner, &sink, l);
	loop_receive(sink.io);
	start_sending(&flood, UINT64_MAX, 256 * 1024);
	tcp_pair(pair);
	own(&quiet, l, pair[0]);
	loop_receive(quiet.io);
	run(l, 10 * NS_PER_MS);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	assert_int_equal(quiet.received_bytes, 1);
	assert_true(sink.received_bytes > 0);
	loop_remove(flood.owner.io);
	loop_remove(sink.io);
	loop_remove(quiet.io);
	free(flood.data);
	close(pair[1]);
}

/* By the end of a stream as by a removal; not while another still receives. */
static void buffers_rest(struct loop *l)
{
	struct owner first = {}, second = {};
	int pairs[2][2];

	tcp_pair(pairs[0]);
	tcp_pair(pairs[1]);
	own(&first, l, pairs[0][0]);
	own(&second, l, pairs[1][0]);
	loop_receive(first.io);
	loop_receive(second.io);
	close(pairs[0][1]);
	run(l, 10 * NS_PER_MS);
	assert_int_equal(loop_counts(l).rests, 0);
	loop_remove(second.io);
	run(l, NS_PER_MS);
	assert_int_equal(loop_counts(l).rests, 1);
	run(l, NS_PER_MS);
	assert_int_equal(loop_counts(l).rests, 1);
	loop_remove(first.io);
	close(pairs[1][1]);
}

static void closes_with_work_under_way(struct loop *l)
{
	struct sender s = {};
	struct owner r = {};

	own_pair(&s.owner, &r, l);
	start_sending(&s, 100 * 1000 * 1000, 8 * 1024 * 1024);
	run(l, 5 * NS_PER_MS);
	loop_remove(s.owner.io); /* the rest is loop_close()'s */
	free(s.data);
}

/* --- rows ------------------------------------------------------------------------------------- */

static const struct play_case play_cases[] = {
	ON_BOTH("connects, accepts; close-on-exec and non-blocking", connects_and_accepts),
	ON_BOTH("a refused connection is heard, later", refused_is_heard),
	ON_BOTH("accepts every connection that comes", accepts_many),
	ON_BOTH("sends and receives in order, short writes continued", sends_and_receives_in_order),
	ON_BOTH("more descriptors than receive buffers", many_at_once),
	ON_BOTH("a reset is heard", reset_is_heard),
	ON_BOTH("a broken pipe is EPIPE and no signal", broken_pipe_is_no_signal),
	ON_BOTH("an empty send is sent", empty_send_is_sent),
	ON_BOTH("removed in its own callback", removed_in_its_callback),
	ON_BOTH("removed by another's callback in the same batch", removed_by_another),
	ON_BOTH("detached: open, silent, no byte taken", detached_stays_open),
	ON_BOTH("removed: closed at once, no request holds it open", removed_is_closed),
	ON_BOTH("polls; events changed, ended, hung up", polls),
	ON_BOTH("a duplicate that outlives its descriptor is not heard", duplicate_outlives),
	ON_BOTH("a peer that hung up costs no wake-ups", hung_up_and_idle),
	ON_BOTH("discards exactly what it is told, in drawn frames", discards_exactly),
	ON_BOTH("a discard cut short by the end of the stream", discard_cut_short),
	ON_BOTH("detached in the middle of a discard", detached_in_a_discard),
	ON_BOTH("a fast discard that falters is counted", faltering_discard_is_counted),
	ON_BOTH("a fast stream that falters is received", faltering_stream_is_received),
	ON_BOTH("timers fire in order, never early, moved, cancelled", timers_fire_in_order),
	ON_BOTH("a timer always due starves nobody", busy_timer_starves_nobody),
	ON_BOTH("stops, and keeps deadlines", stops_and_keeps_deadlines),
	ON_BOTH("LOOP_IO_MAX descriptors and not one more", holds_as_many_as_it_says),
	ON_BOTH("a flood starves nobody", flood_starves_nobody),
	ON_BOTH("idle receive buffers are given back", buffers_rest),
	ON_BOTH("closes with work under way", closes_with_work_under_way),
};

/* --- what the ring is ---------------------------------------------------------------------------- */

struct ring_case {
	const char *name;
	unsigned setup;  /* skipped where the kernel has no such ring */
	unsigned submit; /* io_uring_enter(2)'s, from another thread */
	unsigned flags;
};

/* Of a ring of any thread the kernel takes either call. */
static const struct ring_case ring_cases[] = {
	{ "single issuer: another thread's requests are refused", IORING_SETUP_SINGLE_ISSUER, 1,
	  0 },
	{ "deferred task work: another thread cannot have it done",
	  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0, IORING_ENTER_GETEVENTS },
};

static void *enter_from_outside(void *row)
{
	const struct ring_case *c = row;
	long r = syscall(SYS_io_uring_enter, ring_find(), c->submit, 0, c->flags, NULL, 0);

	return (void *)(intptr_t)(r < 0 ? -errno : 0);
}

static void ring_belongs_to_one_thread(void **state)
{
	const struct ring_case *c = *state;
	struct io_uring_params params = { .flags = c->setup };
	int ring_fd = (int)syscall(SYS_io_uring_setup, 1, &params);
	struct loop *l = NULL;
	pthread_t outsider;
	void *answer;

	if (ring_fd < 0)
		skip();
	close(ring_fd);
	assert_int_equal(loop_open(LOOP_BODY_IO_URING, &l, NULL), 0);
	assert_int_equal(pthread_create(&outsider, NULL, enter_from_outside, *state), 0);
	assert_int_equal(pthread_join(outsider, &answer), 0);
	assert_int_equal((intptr_t)answer, -EEXIST);
	loop_close(l);
}

/* One request, however much comes; its buffers are of the ring that was registered, as a ring of the
 * loop's refuses IORING_OP_PROVIDE_BUFFERS. */
static void receives_by_one_request(void **state)
{
	struct io_uring_params layout;
	struct owner o = { .hook = stop };
	struct loop *l = NULL;
	struct ring_map ring;
	unsigned armed;
	int pair[2];

	(void)state;
	if (ring_layout(&layout) < 0 || loop_open(LOOP_BODY_IO_URING, &l, NULL) < 0)
		skip();
	assert_int_equal(ring_map(ring_find(), &layout, &ring), 0);
	tcp_pair(pair);
	own(&o, l, pair[0]);
	loop_receive(o.io);
	run(l, 0);
	armed = ring_requests(&ring, &layout);
	assert_int_equal(ring_last(&ring, &layout)->opcode, IORING_OP_RECV);
	assert_true(ring_last(&ring, &layout)->ioprio & IORING_RECV_MULTISHOT);
	assert_true(ring_last(&ring, &layout)->flags & IOSQE_BUFFER_SELECT);
	for (uint64_t place = 0; place < 10; place++) {
		uint8_t byte = pattern(place);

		assert_int_equal(send(pair[1], &byte, 1, 0), 1);
		assert_int_equal(run(l, SOON_NS), LOOP_STOPPED);
	}
	assert_int_equal(o.received_bytes, 10);
	assert_int_equal(o.wrong_bytes, 0);
	assert_int_equal(ring_requests(&ring, &layout), armed);
	ring_unmap(&ring);
	loop_remove(o.io);
	close(pair[1]);
	loop_close(l);
}

/* --- P4: a ring does nothing else --------------------------------------------------------------- */

static void ring_refuses_what_is_not_the_loops(void **state)
{
	static const uint8_t barred[] = { IORING_OP_OPENAT,         IORING_OP_READ,
		                          IORING_OP_WRITE,          IORING_OP_UNLINKAT,
		                          IORING_OP_SOCKET,         IORING_OP_SEND,
		                          IORING_OP_CLOSE,          IORING_OP_MKDIRAT,
		                          IORING_OP_STATX,          IORING_OP_RENAMEAT,
		                          IORING_OP_URING_CMD,      IORING_OP_SPLICE,
		                          IORING_OP_PROVIDE_BUFFERS };
	struct io_uring_params layout;
	struct loop *l = NULL;

	(void)state;
	if (ring_layout(&layout) < 0 || loop_open(LOOP_BODY_IO_URING, &l, NULL) < 0)
		skip();
	for (size_t i = 0; i < sizeof(barred); i++) {
		struct io_uring_sqe ask = { .opcode = barred[i],
			                    .fd = AT_FDCWD,
			                    .addr = (uintptr_t) "/nowhere/at/all" };

		assert_int_equal(ring_ask(ring_find(), &layout, &ask), -EACCES);
	}
	loop_close(l);
}

/* --- H7: no io_uring --------------------------------------------------------------------------- */

struct barred_case {
	const char *name;
	int syscall;
	int error;
};

static const struct barred_case barred_cases[] = {
	{ "H7: io_uring_setup answers EPERM", SYS_io_uring_setup, EPERM },
	{ "H7: io_uring_setup answers ENOSYS", SYS_io_uring_setup, ENOSYS },
	{ "H7: io_uring_register answers EACCES", SYS_io_uring_register, EACCES },
	{ "H7: io_uring_enter answers EPERM", SYS_io_uring_enter, EPERM },
};

/* In a child, since the filter stays: 0, or the number of what failed. */
static int open_barred(const void *row)
{
	const struct barred_case *c = row;
	struct loop *l = NULL;
	struct err err = {};

	process_bar(c->syscall, c->error);
	if (loop_open(LOOP_BODY_IO_URING, &l, &err) != -c->error || l || err.code != -c->error)
		return 1;
	if (loop_open(LOOP_BODY_AUTO, &l, &err) != 0)
		return 2;
	if (strcmp(loop_body_name(l), "epoll") != 0)
		return 3;
	if (!strstr(loop_fallback_reason(l), "io_uring") ||
	    !strstr(loop_fallback_reason(l), strerror(c->error)))
		return 4;
	sends_and_receives_in_order(l);
	loop_close(l);
	return 0;
}

static void falls_back(void **state)
{
	assert_int_equal(process_in_child(open_barred, *state), 0);
}

static void epoll_by_choice_is_no_fallback(void **state)
{
	struct loop *l = NULL;

	(void)state;
	assert_int_equal(loop_open(LOOP_BODY_EPOLL, &l, NULL), 0);
	assert_string_equal(loop_body_name(l), "epoll");
	assert_string_equal(loop_fallback_reason(l), "");
	loop_close(l);
	assert_null(loop_close(NULL));
	assert_null(loop_remove(NULL));
}

/* Else every row on io_uring would be skipped, and nobody would notice. */
static void io_uring_runs_where_the_kernel_has_it(void **state)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SINGLE_ISSUER };
	int ring_fd = (int)syscall(SYS_io_uring_setup, 1, &params);
	struct loop *l = NULL;
	struct err err = {};

	(void)state;
	if (ring_fd < 0) /* barred, or before 6.0 */
		skip();
	close(ring_fd);
	assert_int_equal(loop_open(LOOP_BODY_AUTO, &l, &err), 0);
	assert_string_equal(loop_fallback_reason(l), "");
	assert_string_equal(loop_body_name(l), "io_uring");
	loop_close(l);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(io_uring_runs_where_the_kernel_has_it),
		cmocka_unit_test(epoll_by_choice_is_no_fallback),
		{ "io_uring: receives by one request, into a ring of buffers",
		  receives_by_one_request, NULL, NULL, NULL },
		{ "P4: the ring refuses what is not the loop's", ring_refuses_what_is_not_the_loops,
		  NULL, NULL, NULL },
	};
	int failed = CASES_RUN(plays, play_cases);

	failed += CASES_RUN(ring_belongs_to_one_thread, ring_cases);
	failed += CASES_RUN(falls_back, barred_cases);
	failed += cmocka_run_group_tests(others, NULL, NULL);
	return failed != 0;
}
