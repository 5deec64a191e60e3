/* The loop's core against a kernel that errs: a scripted one. H8 draws what it does. */
#include "transport/loop/loop_script.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

static int some_fd(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The byte at `place` of every stream in here. */
static uint8_t pattern(uint64_t place)
{
	return (uint8_t)((place * 2654435761U) >> 16);
}

static void fill(uint8_t *at, uint64_t place, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = pattern(place + i);
}

/* --- single plays ----------------------------------------------------------------------------- */

struct heard {
	struct loop *loop;
	struct loop_io *io;
	uint64_t received_bytes, discarded_bytes;
	unsigned calls, ends;
	int sent, ended, polled;
};

static void heard_received(void *owner, const uint8_t *data, size_t n, int result)
{
	struct heard *h = owner;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(data[i], pattern(h->received_bytes + h->discarded_bytes + i));
	h->calls++;
	h->received_bytes += n;
	h->ends += n == 0;
	h->ended = result;
}

static void heard_discarded(void *owner, size_t n)
{
	struct heard *h = owner;

	h->calls++;
	h->discarded_bytes += n;
}

static void heard_sent(void *owner, int result)
{
	struct heard *h = owner;

	h->calls++;
	h->sent = result;
}

static void heard_polled(void *owner, int result)
{
	struct heard *h = owner;

	h->calls++;
	h->polled = result;
}

static const struct loop_events heard_events = {
	.received = heard_received,
	.discarded = heard_discarded,
	.sent = heard_sent,
	.polled = heard_polled,
};

static int own(struct heard *h, struct loop *l)
{
	int fd = some_fd();

	*h = (struct heard){ .loop = l, .sent = 1 };
	assert_int_equal(loop_add(l, fd, &heard_events, h, &h->io, NULL), 0);
	return fd;
}

static void turn(struct loop *l)
{
	assert_int_equal(loop_run(l, loop_now_ns(l), NULL), LOOP_DEADLINE);
}

static enum loop_receive_mode receive_mode(struct loop *l, int fd)
{
	const struct loop_request *r = loop_script_request(l, fd, LOOP_OP_RECEIVE);

	assert_non_null(r);
	return r->receive.mode;
}

static void deliver(struct loop *l, int fd, uint64_t place, size_t n)
{
	uint8_t *data = malloc(n);

	assert_non_null(data);
	fill(data, place, n);
	assert_int_equal(loop_script_deliver(l, fd, data, n), n);
	free(data);
	turn(l);
}

/* What is asked of the kernel around a discard, and that bytes under way are taken off it. */
static void discard_changes_the_request(struct loop *l)
{
	struct heard h;
	int fd = own(&h, l);

	loop_receive(h.io);
	assert_int_equal(receive_mode(l, fd), LOOP_RECEIVE_STREAM);
	loop_discard(h.io, 100);
	deliver(l, fd, 0, 150); /* too few to be worth a change */
	assert_int_equal(receive_mode(l, fd), LOOP_RECEIVE_STREAM);
	assert_int_equal(h.discarded_bytes, 100);
	assert_int_equal(h.received_bytes, 50);

	loop_script_hold_cancels(l, true);
	loop_discard(h.io, 1000 * 1000);
	loop_discard(h.io, 1000 * 1000);
	deliver(l, fd, 150, 70 * 1000); /* came before the change */
	loop_script_answer(l, fd, LOOP_OP_RECEIVE, -ECANCELED);
	turn(l);
	assert_int_equal(h.discarded_bytes, 100 + 70 * 1000);
	assert_int_equal(receive_mode(l, fd), LOOP_RECEIVE_DROP);
	assert_int_equal(loop_script_request(l, fd, LOOP_OP_RECEIVE)->receive.bytes, 1930 * 1000);
	assert_int_equal(loop_script_deliver(l, fd, NULL, 1930 * 1000), 1930 * 1000);
	turn(l);
	assert_int_equal(h.discarded_bytes, 100 + 2000 * 1000);

	deliver(l, fd, h.discarded_bytes + h.received_bytes, 12);
	assert_int_equal(receive_mode(l, fd), LOOP_RECEIVE_ONCE); /* a header, most likely */
	for (unsigned reads = 0; receive_mode(l, fd) == LOOP_RECEIVE_ONCE; reads++) {
		size_t n = loop_script_request(l, fd, LOOP_OP_RECEIVE)->receive.bytes;

		assert_true(reads < 8);
		assert_true(reads > 0 || n <= 4096);
		deliver(l, fd, h.received_bytes + h.discarded_bytes, n);
	}
	assert_int_equal(receive_mode(l, fd), LOOP_RECEIVE_STREAM);
	assert_int_equal(h.ends, 0);
	loop_script_hold_cancels(l, false);
	loop_remove(h.io);
}

static void no_buffers_is_armed_again(struct loop *l)
{
	struct heard h;
	int fd = own(&h, l);

	loop_receive(h.io);
	for (unsigned i = 1; i <= 3; i++) {
		loop_script_answer(l, fd, LOOP_OP_RECEIVE, -ENOBUFS);
		turn(l);
		assert_int_equal(loop_counts(l).starved, i);
	}
	deliver(l, fd, 0, 10);
	assert_int_equal(h.received_bytes, 10);
	assert_int_equal(h.ends, 0);
	loop_remove(h.io);
}

static void short_sends_go_on(struct loop *l)
{
	uint8_t data[1000], out[1000];
	struct iovec iov[3] = { { data, 300 }, { data + 300, 0 }, { data + 300, 700 } };
	struct heard h;
	int fd = own(&h, l);
	size_t taken = 0;

	fill(data, 0, sizeof(data));
	loop_send(h.io, iov, 3);
	for (size_t n = 1; taken < sizeof(data); n += 37) {
		assert_int_equal(h.sent, 1);
		taken += loop_script_take(l, fd, out + taken, n);
		turn(l);
	}
	assert_int_equal(h.sent, 0);
	assert_memory_equal(out, data, sizeof(data));
	loop_send(h.io, iov, 3);
	loop_script_take(l, fd, NULL, 0);
	turn(l);
	assert_int_equal(h.sent, -EIO); /* a kernel that takes nothing is not asked for ever */
	loop_remove(h.io);
}

static void duplicates_are_stale(struct loop *l)
{
	union loop_tag tag;
	struct heard h;
	int fd = own(&h, l);

	loop_poll(h.io, POLLIN);
	tag = loop_script_request(l, fd, LOOP_OP_POLL)->tag;
	loop_script_answer(l, fd, LOOP_OP_POLL, POLLIN);
	loop_script_complete(l, tag, POLLIN, false, NULL, 0);
	turn(l);
	loop_poll(h.io, POLLIN);
	loop_script_complete(l, tag, POLLIN, false, NULL, 0);
	turn(l);
	assert_int_equal(h.calls, 1);
	assert_int_equal(loop_counts(l).stale_completions, 2);
	loop_remove(h.io);
}

/* A kernel that returns a request only long after its descriptor has left. */
static void late_return_keeps_the_slot(struct loop *l)
{
	uint64_t before_ns = loop_now_ns(l);
	struct loop_request held, next;
	struct heard h, other;

	own(&h, l);
	loop_receive(h.io);
	assert_int_equal(loop_script_requests(l, &held, 1), 1);
	loop_script_hold_cancels(l, true);
	loop_remove(h.io);
	assert_true(loop_now_ns(l) - before_ns <= 2 * NS_PER_S);
	own(&other, l);
	loop_poll(other.io, POLLIN);
	next = *loop_script_request(l, loop_io_fd(other.io), LOOP_OP_POLL);
	assert_int_not_equal(next.tag.slot, held.tag.slot);
	loop_script_complete(l, held.tag, 4, true, "late", 4);
	loop_script_complete(l, held.tag, -ECANCELED, false, NULL, 0);
	loop_script_complete(l, held.tag, -ECANCELED, false, NULL, 0);
	turn(l);
	assert_int_equal(h.calls + other.calls, 0);
	assert_int_equal(loop_counts(l).stale_completions, 3);
	loop_script_hold_cancels(l, false);
	loop_remove(other.io);
	own(&other, l); /* the slot is free again */
	loop_poll(other.io, POLLIN);
	assert_int_equal(loop_script_requests(l, &next, 1), 1);
	assert_int_equal(next.tag.slot, held.tag.slot);
	assert_true(next.tag.generation > held.tag.generation);
	loop_remove(other.io);
}

static void refusal_comes_as_a_completion(struct loop *l)
{
	struct heard h;

	own(&h, l);
	loop_script_refuse(l, -ENOMEM);
	loop_poll(h.io, POLLIN);
	assert_int_equal(h.calls, 0);
	turn(l);
	assert_int_equal(h.polled, -ENOMEM);
	loop_script_refuse(l, -EBUSY); /* asked for again once completions are taken */
	loop_poll(h.io, POLLIN);
	assert_non_null(loop_script_request(l, loop_io_fd(h.io), LOOP_OP_POLL));
	loop_remove(h.io);
}

/* The answer to what was wanted before is not one to what is wanted now. */
static void changed_poll_is_asked_again(struct loop *l)
{
	struct heard h;
	int fd = own(&h, l);

	loop_poll(h.io, POLLIN | POLLOUT);
	loop_script_answer(l, fd, LOOP_OP_POLL, POLLOUT);
	loop_poll(h.io, POLLIN);
	turn(l);
	assert_int_equal(h.calls, 0);
	assert_int_equal(loop_script_request(l, fd, LOOP_OP_POLL)->poll, POLLIN);
	loop_script_answer(l, fd, LOOP_OP_POLL, POLLHUP);
	turn(l);
	assert_int_equal(h.polled, POLLHUP);
	loop_remove(h.io);
}

static void nothing_to_come_is_said(struct loop *l)
{
	struct err err = {};

	assert_int_equal(loop_run(l, CLOCK_NEVER_NS, &err), -EDEADLK);
	assert_int_equal(err.code, -EDEADLK);
}

static void on_fire(void *owner)
{
	uint64_t *fired_ns = owner;

	*fired_ns = LOOP_SCRIPT_START_NS;
}

static uint64_t play_pollin(void *self, struct loop *l, uint64_t now_ns)
{
	struct heard *h = self;

	if (now_ns < LOOP_SCRIPT_START_NS + 4 * NS_PER_S)
		return LOOP_SCRIPT_START_NS + 4 * NS_PER_S;
	loop_script_answer(l, loop_io_fd(h->io), LOOP_OP_POLL, POLLIN);
	return CLOCK_NEVER_NS;
}

static void clock_jumps(struct loop *l)
{
	uint64_t fired_ns = 0;
	struct loop_timer t = { .fire = on_fire, .owner = &fired_ns };
	struct heard h;

	own(&h, l);
	loop_poll(h.io, POLLIN);
	loop_timer_set(l, &t, LOOP_SCRIPT_START_NS + 3600 * NS_PER_S);
	loop_script_set_play(l, play_pollin, &h);
	assert_int_equal(loop_run(l, LOOP_SCRIPT_START_NS + 3599 * NS_PER_S, NULL), LOOP_DEADLINE);
	assert_int_equal(loop_now_ns(l), LOOP_SCRIPT_START_NS + 3599 * NS_PER_S);
	assert_int_equal(h.polled, POLLIN);
	assert_int_equal(fired_ns, 0);
	assert_int_equal(loop_run(l, LOOP_SCRIPT_START_NS + 3600 * NS_PER_S, NULL), LOOP_DEADLINE);
	assert_int_equal(fired_ns, LOOP_SCRIPT_START_NS);
	loop_remove(h.io);
}

/* --- a wire ----------------------------------------------------------------------------------- */

struct pump {
	struct heard heard; /* first: heard_sent() sees it */
	uint8_t message[256 * 1024];
};

static void pump_sent(void *owner, int result)
{
	struct pump *p = owner;

	p->heard.sent = result;
	if (result == 0)
		loop_send(p->heard.io, &(struct iovec){ p->message, sizeof(p->message) }, 1);
}

static const struct loop_events pump_events = { .sent = pump_sent };

static void sink_received(void *owner, const uint8_t *data, size_t n, int result)
{
	struct heard *h = owner;

	(void)data;
	h->received_bytes += n;
	h->ends += n == 0;
	h->ended = result;
}

static const struct loop_events sink_events = { .received = sink_received };

static void wire_has_rate_delay_and_end(struct loop *l)
{
	static struct pump p;
	struct heard sink = { .ended = 1 };
	int a = some_fd(), b = some_fd();
	uint64_t want_bytes = 100 * 1000 * 1000 / 8 * 10ULL;

	assert_int_equal(loop_add(l, a, &pump_events, &p, &p.heard.io, NULL), 0);
	assert_int_equal(loop_add(l, b, &sink_events, &sink, &sink.io, NULL), 0);
	assert_int_equal(loop_script_connect_ends(l, a, b, 100 * 1000 * 1000, 20 * NS_PER_MS, NULL),
	                 0);
	loop_receive(sink.io);
	pump_sent(&p, 0);
	assert_int_equal(loop_run(l, LOOP_SCRIPT_START_NS + 20 * NS_PER_MS, NULL), LOOP_DEADLINE);
	assert_int_equal(sink.received_bytes, 0);
	assert_int_equal(loop_run(l, LOOP_SCRIPT_START_NS + 10020 * NS_PER_MS, NULL),
	                 LOOP_DEADLINE);
	assert_true(sink.received_bytes <= want_bytes);
	assert_true(sink.received_bytes > want_bytes - 2 * LOOP_BUFFER_BYTES);
	loop_remove(p.heard.io);
	assert_int_equal(sink.ends, 0);
	assert_int_equal(loop_run(l, LOOP_SCRIPT_START_NS + 11 * NS_PER_S, NULL), LOOP_DEADLINE);
	assert_int_equal(sink.ends, 1);
	assert_int_equal(sink.ended, 0);
	loop_remove(sink.io);
}

struct single_case {
	const char *name;
	void (*play)(struct loop *l);
};

static const struct single_case single_cases[] = {
	{ "a discard changes the request, and counts what was under way",
	  discard_changes_the_request },
	{ "a receive without a buffer is armed again and counted", no_buffers_is_armed_again },
	{ "short sends go on, in order", short_sends_go_on },
	{ "a duplicate is stale, and so is an older request's", duplicates_are_stale },
	{ "a request returned late keeps its slot until then", late_return_keeps_the_slot },
	{ "a refused request ends by a completion", refusal_comes_as_a_completion },
	{ "a poll for other events is asked again", changed_poll_is_asked_again },
	{ "nothing left to wait for is an error, not a hang", nothing_to_come_is_said },
	{ "the clock jumps to what is next", clock_jumps },
	{ "a wire has a rate, a delay and an end", wire_has_rate_delay_and_end },
};

static void single_play(void **state)
{
	const struct single_case *c = *state;
	struct loop *l = NULL;

	assert_int_equal(loop_script_open(&l, NULL), 0);
	assert_string_equal(loop_body_name(l), "script");
	c->play(l);
	loop_close(l);
}

/* --- H8 --------------------------------------------------------------------------------------- */

#define SEEDS  10000
#define ACTORS 6
#define STEPS  60
#define TAGS   32

/* Above all that is open: each number is used once a seed. */
#define FIRST_FD 100

struct play;

/* An owner that does what it draws, and knows what it must hear. */
struct actor {
	struct play *play;
	struct loop_io *io; /* NULL: not in the loop; then nothing may be heard */
	int fd;
	uint64_t delivered; /* bytes of its incoming stream that the kernel has let go */
	uint64_t place;     /* of them, heard of: received or discarded */
	uint64_t taken;     /* bytes of its outgoing stream that the kernel has taken */
	uint64_t message_end;
	uint8_t *message; /* being sent */
	bool receiving, connecting, accepting;
	struct loop_timer timer;
};

struct play {
	uint64_t seed, random;
	struct loop *l;
	struct actor actors[ACTORS];
	union loop_tag tags[TAGS]; /* of requests, some ended */
	bool leaves;     /* actors leave the loop: else what is stale can be told exactly */
	int next_fd;     /* each number once, so that a number is one actor's */
	uint64_t ghosts; /* completions of requests that had ended */
};

static uint64_t draw(struct play *p, uint64_t below)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return p->random % below;
}

static int fresh_fd(struct play *p)
{
	int fd = some_fd();
	int fresh = fcntl(fd, F_DUPFD_CLOEXEC, p->next_fd++);

	assert_true(fresh >= 0);
	close(fd);
	return fresh;
}

static void leave(struct actor *a)
{
	struct loop_io *io = TAKE(a->io, NULL);

	if (draw(a->play, 2))
		loop_remove(io);
	else
		close(loop_detach(io));
	free(TAKE(a->message, NULL));
	loop_timer_cancel(a->play->l, &a->timer);
}

static void send_something(struct actor *a)
{
	size_t max = draw(a->play, 4) ? 300 : 20 * 1000;
	size_t n = draw(a->play, max);
	size_t cut = draw(a->play, n + 1);

	a->message = malloc(n + 1);
	assert_non_null(a->message);
	fill(a->message, a->taken, n);
	a->message_end = a->taken + n;
	loop_send(a->io,
	          (struct iovec[]){
			  { a->message, cut }, { a->message, 0 }, { a->message + cut, n - cut } },
	          3);
}

static void act(struct actor *a)
{
	struct play *p = a->play;
	struct sockaddr_storage address = { .ss_family = AF_INET };

	if (!a->io)
		return;
	switch (draw(p, 10)) {
	case 0:
	case 1:
		a->receiving = true;
		loop_receive(a->io);
		break;
	case 2:
		loop_discard(a->io, draw(p, draw(p, 2) ? 200 : 200 * 1000));
		break;
	case 3:
	case 4:
		if (!a->message)
			send_something(a);
		break;
	case 5:
		loop_poll(a->io, (short)draw(p, 8));
		break;
	case 6:
		if (!TAKE(a->connecting, true))
			loop_connect(a->io, (struct sockaddr *)&address, sizeof(address));
		break;
	case 7:
		loop_accept(a->io);
		break;
	case 8:
		loop_timer_set(p->l, &a->timer, loop_now_ns(p->l) + draw(p, NS_PER_MS));
		break;
	default:
		if (p->leaves)
			leave(a);
		else
			loop_stop(p->l);
	}
}

/* In a callback: often nothing, sometimes something of its own or of another's. */
static void maybe_act(struct actor *a)
{
	if (draw(a->play, 2))
		act(draw(a->play, 2) ? a : &a->play->actors[draw(a->play, ACTORS)]);
}

static void actor_connected(void *owner, int result)
{
	struct actor *a = owner;

	assert_non_null(a->io);
	assert_true(TAKE(a->connecting, false));
	assert_true(result <= 0);
	maybe_act(a);
}

static void actor_accepted(void *owner, int fd)
{
	struct actor *a = owner;

	assert_non_null(a->io);
	if (fd >= 0)
		assert_int_equal(close(fd), 0);
	maybe_act(a);
}

static void actor_received(void *owner, const uint8_t *data, size_t n, int result)
{
	struct actor *a = owner;

	assert_non_null(a->io);
	assert_true(a->receiving);
	assert_true(result <= 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(data[i], pattern(a->place + i));
	a->place += n;
	assert_true(a->place <= a->delivered);
	if (n == 0)
		a->receiving = false;
	maybe_act(a);
}

static void actor_discarded(void *owner, size_t n)
{
	struct actor *a = owner;

	assert_non_null(a->io);
	assert_true(n > 0);
	a->place += n;
	assert_true(a->place <= a->delivered);
	maybe_act(a);
}

static void actor_sent(void *owner, int result)
{
	struct actor *a = owner;

	assert_non_null(a->io);
	assert_non_null(a->message);
	assert_true(result <= 0);
	assert_true(result < 0 || a->taken == a->message_end);
	free(TAKE(a->message, NULL));
	maybe_act(a);
}

static void actor_polled(void *owner, int events)
{
	struct actor *a = owner;

	assert_non_null(a->io);
	assert_true(events != 0);
	maybe_act(a);
}

static void actor_timer(void *owner)
{
	struct actor *a = owner;

	assert_non_null(a->io);
	maybe_act(a);
}

static const struct loop_events actor_events = {
	.connected = actor_connected,
	.accepted = actor_accepted,
	.received = actor_received,
	.discarded = actor_discarded,
	.sent = actor_sent,
	.polled = actor_polled,
};

static void enter(struct play *p, struct actor *a)
{
	*a = (struct actor){ .play = p,
		             .fd = fresh_fd(p),
		             .timer = { .fire = actor_timer, .owner = a } };
	assert_int_equal(loop_add(p->l, a->fd, &actor_events, a, &a->io, NULL), 0);
}

static struct actor *actor_of(struct play *p, int fd)
{
	for (size_t i = 0; i < ACTORS; i++)
		if (p->actors[i].io && p->actors[i].fd == fd)
			return &p->actors[i];
	return NULL;
}

static int drawn_error(struct play *p)
{
	static const int errors[] = { -ECANCELED, -ENOBUFS, -EAGAIN,       -EINTR,
		                      -EPIPE,     -EIO,     -ECONNABORTED, -ECONNRESET };

	return errors[draw(p, sizeof(errors) / sizeof(*errors))];
}

static void answer_receive(struct play *p, struct actor *a, const struct loop_request *r)
{
	size_t n = 1 + draw(p, draw(p, 4) ? 2000 : 150 * 1000);
	uint8_t *data;

	if (draw(p, 4) == 0) {
		int end = draw(p, 5) ? drawn_error(p) : 0;

		loop_script_complete(p->l, r->tag, end, false, NULL, 0);
		return;
	}
	data = malloc(n);
	assert_non_null(data);
	fill(data, a->delivered, n);
	a->delivered += loop_script_deliver(p->l, a->fd, data, n);
	free(data);
}

static void answer_send(struct play *p, struct actor *a, const struct loop_request *r)
{
	uint8_t out[4000];
	size_t n;

	if (draw(p, 5) == 0) {
		loop_script_complete(p->l, r->tag, drawn_error(p), false, NULL, 0);
		return;
	}
	n = loop_script_take(p->l, a->fd, out, draw(p, 3) ? sizeof(out) : draw(p, 100));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(out[i], pattern(a->taken + i));
	a->taken += n;
	assert_true(a->taken <= a->message_end);
}

/* Answers one request, whichever: so they come reordered, and late. */
static void answer_one(struct play *p)
{
	struct loop_request all[ACTORS * LOOP_OPS * 4];
	size_t n = loop_script_requests(p->l, all, sizeof(all) / sizeof(*all));
	const struct loop_request *r;
	struct actor *a;

	if (n == 0)
		return;
	r = &all[draw(p, n < sizeof(all) / sizeof(*all) ? n : sizeof(all) / sizeof(*all))];
	p->tags[draw(p, TAGS)] = r->tag;
	a = actor_of(p, r->fd);
	if (!a) { /* it has left, and the kernel is late */
		bool data = r->tag.op == LOOP_OP_RECEIVE;

		loop_script_complete(p->l, r->tag, -ECANCELED, draw(p, 2), data ? "??" : NULL, 2);
		return;
	}
	if (r->tag.op == LOOP_OP_RECEIVE)
		answer_receive(p, a, r);
	else if (r->tag.op == LOOP_OP_SEND)
		answer_send(p, a, r);
	else if (draw(p, 3) == 0)
		loop_script_complete(p->l, r->tag, drawn_error(p), false, NULL, 0);
	else if (r->tag.op == LOOP_OP_ACCEPT)
		loop_script_answer(p->l, a->fd, LOOP_OP_ACCEPT, fresh_fd(p));
	else
		loop_script_complete(p->l, r->tag, r->tag.op == LOOP_OP_POLL ? POLLIN : 0, false,
		                     NULL, 0);
}

static bool is_under_way(struct play *p, union loop_tag tag)
{
	struct loop_request all[ACTORS * LOOP_OPS * 4];
	size_t n = loop_script_requests(p->l, all, sizeof(all) / sizeof(*all));

	for (size_t i = 0; i < n && i < sizeof(all) / sizeof(*all); i++)
		if (all[i].tag.u64 == tag.u64)
			return true;
	return false;
}

/* A completion of a request that has ended, or of one that cannot be. */
static void haunt(struct play *p)
{
	union loop_tag tag = p->tags[draw(p, TAGS)];
	bool more = draw(p, 2);
	size_t n = draw(p, 2);

	switch (draw(p, 16)) {
	case 0:
		tag.op |= 0x80;
		break;
	case 1:
		tag.slot |= 0x8000;
		break;
	case 2:
		tag.generation = 0;
		break;
	default:
		if (is_under_way(p, tag))
			return;
	}
	loop_script_complete(p->l, tag, n ? 1 : drawn_error(p), more, n ? "!" : NULL, n);
	p->ghosts++;
}

static void step(struct play *p)
{
	struct actor *a = &p->actors[draw(p, ACTORS)];

	switch (draw(p, 10)) {
	case 0:
	case 1:
	case 2:
		act(a);
		break;
	case 3:
		if (!a->io)
			enter(p, a);
		break;
	case 4:
		haunt(p);
		break;
	case 5:
		if (draw(p, 4) == 0)
			loop_script_refuse(p->l, draw(p, 2) ? -EBUSY : -ENOMEM);
		break;
	case 6:
		loop_script_hold_cancels(p->l, draw(p, 4) == 0);
		break;
	case 7:
		assert_true(loop_run(p->l, loop_now_ns(p->l) + draw(p, NS_PER_MS), NULL) >= 0);
		break;
	default:
		answer_one(p);
	}
}

static void settle(struct play *p)
{
	uint64_t before;

	do {
		before = loop_counts(p->l).completions + loop_counts(p->l).stale_completions;
		assert_true(loop_run(p->l, loop_now_ns(p->l), NULL) >= 0);
		assert_true(loop_run(p->l, loop_now_ns(p->l), NULL) >= 0);
	} while (loop_counts(p->l).completions + loop_counts(p->l).stale_completions != before);
}

static void play_seed(uint64_t seed)
{
	struct play p = { .seed = seed,
		          .random = seed * 0x9e3779b97f4a7c15U + 1,
		          .next_fd = FIRST_FD };
	struct loop_counts counts;

	for (int i = 0; i < 4; i++)
		draw(&p, 2);
	p.leaves = draw(&p, 4) != 0;
	assert_int_equal(loop_script_open(&p.l, NULL), 0);
	for (size_t i = 0; i < ACTORS; i++)
		enter(&p, &p.actors[i]);
	for (size_t i = 0; i < STEPS; i++)
		step(&p);
	settle(&p);
	counts = loop_counts(p.l);
	assert_true(counts.stale_completions >= p.ghosts);
	if (!p.leaves)
		assert_int_equal(counts.stale_completions, p.ghosts);
	for (size_t i = 0; i < ACTORS; i++)
		if (p.actors[i].io && draw(&p, 2))
			leave(&p.actors[i]);
	loop_close(p.l);
	for (size_t i = 0; i < ACTORS; i++)
		free(p.actors[i].message);
	for (int fd = FIRST_FD; fd < p.next_fd; fd++)
		assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static uint64_t playing_seed; /* 0: none is being played */

static int tell_failed_seed(void **state)
{
	(void)state;
	if (playing_seed)
		print_message("LOOP_SEED=%llu\n", (unsigned long long)playing_seed);
	return 0;
}

static void ring_faults(void **state)
{
	const char *given = getenv("LOOP_SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : 1;
	uint64_t last = given ? first : SEEDS;

	(void)state;
	for (playing_seed = first; playing_seed <= last; playing_seed++)
		play_seed(playing_seed);
	playing_seed = 0;
}

int main(void)
{
	static const struct CMUnitTest h8[] = {
		{ "H8: ring faults, 10,000 seeds", ring_faults, NULL, tell_failed_seed, NULL },
	};
	int failed = CASES_RUN(single_play, single_cases);

	failed += cmocka_run_group_tests(h8, NULL, NULL);
	return failed != 0;
}
