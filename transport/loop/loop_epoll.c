/* The loop on epoll, for kernels and filters that bar io_uring.
 *
 * It answers as io_uring does: a request is tried when it is made, and again whenever its
 * descriptor is ready; one try a turn and operation, so that no descriptor keeps the others
 * waiting. Level triggered. What a descriptor is watched for follows its requests; epoll is told
 * just before the wait, by when most of it has changed back.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"
#include "transport/loop/loop_body.h"

#define EVENTS_A_WAIT 64

/* Slots in the order they came, each at most once. */
struct slot_queue {
	uint16_t slots[LOOP_IO_MAX];
	bool holds[LOOP_IO_MAX];
	size_t first, count;
};

struct watch {
	struct loop_request requests[LOOP_OPS];
	uint8_t pending;   /* bits of enum loop_op: the request is under way */
	uint8_t cancelled; /* bits: it ends at its next try */
	uint8_t try_now;   /* bits: worth a try in this turn */
	int fd;
	int refused;    /* epoll would not watch it: negative errno */
	uint32_t told;  /* what epoll watches it for; 0: epoll does not know it */
	uint32_t ready; /* what epoll said last */
};

struct epoll {
	int fd;
	bool no_pwait2; /* before 5.11, or barred: then waits are whole milliseconds */
	struct watch watches[LOOP_IO_MAX];
	struct slot_queue to_try;
	struct slot_queue to_tell; /* what is watched for may have changed */
	uint8_t *buffers;
	uint16_t free_buffers[LOOP_BUFFERS];
	size_t free_count;
};

#define BUFFER_MAP_BYTES ((size_t)LOOP_BUFFERS * LOOP_BUFFER_BYTES)

static void queue_slot(struct slot_queue *q, uint16_t slot)
{
	if (q->holds[slot])
		return;
	q->holds[slot] = true;
	q->slots[(q->first + q->count++) % LOOP_IO_MAX] = slot;
}

static uint16_t first_slot(const struct slot_queue *q)
{
	return q->slots[q->first];
}

static void drop_first_slot(struct slot_queue *q)
{
	q->holds[first_slot(q)] = false;
	q->first = (q->first + 1) % LOOP_IO_MAX;
	q->count--;
}

static uint8_t bit_of(enum loop_op op)
{
	return (uint8_t)(1U << op);
}

/* Only epoll can say how it ends. */
static bool is_poll(enum loop_op op)
{
	return op == LOOP_OP_POLL || op == LOOP_OP_ROOM;
}

/* --- requests ------------------------------------------------------------------------------- */

static int epoll_submit(void *body, const struct loop_request *r)
{
	struct epoll *e = body;
	struct watch *w = &e->watches[r->tag.slot];
	uint8_t bit = bit_of(r->tag.op);

	w->fd = r->fd;
	w->refused = 0;
	w->requests[r->tag.op] = *r;
	w->pending |= bit;
	w->cancelled &= (uint8_t)~bit;
	queue_slot(&e->to_tell, r->tag.slot);
	if (!r->wait_first && !is_poll(r->tag.op)) {
		w->try_now |= bit;
		queue_slot(&e->to_try, r->tag.slot);
	}
	return 0;
}

static int epoll_cancel(void *body, union loop_tag tag)
{
	struct epoll *e = body;
	struct watch *w = &e->watches[tag.slot];
	uint8_t bit = bit_of(tag.op);

	if (!(w->pending & bit) || w->requests[tag.op].tag.u64 != tag.u64)
		return 0;
	w->cancelled |= bit;
	w->try_now |= bit;
	queue_slot(&e->to_try, tag.slot);
	return 0;
}

/* --- tries: each answers as the kernel does, -EAGAIN where the request stays ----------------- */

static int try_connect(struct loop_request *r)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (!r->wait_first) {
		if (connect(r->fd, r->connect.address, r->connect.address_bytes) == 0)
			return 0;
		r->wait_first = true; /* the next look is for how it ended */
		return errno == EINPROGRESS ? -EAGAIN : -errno;
	}
	if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return -error;
}

static int try_accept(const struct loop_request *r, struct loop_completion *c)
{
	int fd = accept4(r->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return -errno;
	c->flags |= LOOP_MORE;
	return fd;
}

static int try_drop(const struct loop_request *r)
{
	ssize_t n = recv(r->fd, NULL, r->receive.bytes, MSG_TRUNC | MSG_DONTWAIT);

	return n < 0 ? -errno : (int)n;
}

static int try_receive(struct epoll *e, const struct loop_request *r, struct loop_completion *c)
{
	size_t cap = LOOP_BUFFER_BYTES;
	uint16_t buffer;
	uint8_t *data;
	ssize_t n;

	if (r->receive.mode == LOOP_RECEIVE_DROP)
		return try_drop(r);
	if (e->free_count == 0)
		return -EAGAIN; /* epoll will say again that it is ready */
	if (r->receive.mode == LOOP_RECEIVE_ONCE && r->receive.bytes < cap)
		cap = r->receive.bytes;
	buffer = e->free_buffers[e->free_count - 1];
	data = e->buffers + (size_t)buffer * LOOP_BUFFER_BYTES;
	n = recv(r->fd, data, cap, MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	e->free_count--;
	c->buffer = buffer;
	c->data = data;
	c->flags |= LOOP_BUFFER | (r->receive.mode == LOOP_RECEIVE_STREAM ? LOOP_MORE : 0);
	return (int)n;
}

static int try_send(const struct loop_request *r)
{
	ssize_t n = sendmsg(r->fd, r->send, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 ? -errno : (int)n;
}

static int try_poll(const struct watch *w, const struct loop_request *r)
{
	uint32_t events = w->ready & ((uint16_t)r->poll | EPOLLERR | EPOLLHUP);

	return events ? (int)events : -EAGAIN;
}

static int try_request(struct epoll *e, struct watch *w, enum loop_op op, struct loop_completion *c)
{
	struct loop_request *r = &w->requests[op];

	if (w->cancelled & bit_of(op))
		return -ECANCELED;
	if (w->refused < 0)
		return w->refused;
	switch (op) {
	case LOOP_OP_CONNECT:
		return try_connect(r);
	case LOOP_OP_ACCEPT:
		return try_accept(r, c);
	case LOOP_OP_RECEIVE:
		return try_receive(e, r, c);
	case LOOP_OP_SEND:
		return try_send(r);
	case LOOP_OP_POLL:
	case LOOP_OP_ROOM:
		return try_poll(w, r);
	default:
		return -EINVAL;
	}
}

/* Tries what is worth it, until one has come to something. */
static bool try_watch(struct epoll *e, uint16_t slot, struct loop_completion *ret)
{
	struct watch *w = &e->watches[slot];

	for (enum loop_op op = 0; op < LOOP_OPS; op++) {
		if (!(w->pending & w->try_now & bit_of(op)))
			continue;
		w->try_now &= (uint8_t)~bit_of(op);
		*ret = (struct loop_completion){ .tag = w->requests[op].tag };
		ret->result = try_request(e, w, op, ret);
		queue_slot(&e->to_tell, slot);
		if (ret->result == -EAGAIN || ret->result == -EINTR)
			continue;
		if (!(ret->flags & LOOP_MORE))
			w->pending &= (uint8_t)~bit_of(op);
		return true;
	}
	return false;
}

static bool epoll_next(void *body, struct loop_completion *ret)
{
	struct epoll *e = body;

	while (e->to_try.count > 0) {
		if (try_watch(e, first_slot(&e->to_try), ret))
			return true;
		drop_first_slot(&e->to_try);
	}
	return false;
}

static void epoll_release(void *body, const struct loop_completion *c)
{
	struct epoll *e = body;

	e->free_buffers[e->free_count++] = c->buffer;
}

/* --- the wait ------------------------------------------------------------------------------- */

static uint32_t events_of(const struct watch *w, uint8_t ops)
{
	uint32_t events = 0;

	if (ops & (bit_of(LOOP_OP_RECEIVE) | bit_of(LOOP_OP_ACCEPT)))
		events |= EPOLLIN;
	if (ops & (bit_of(LOOP_OP_SEND) | bit_of(LOOP_OP_CONNECT) | bit_of(LOOP_OP_ROOM)))
		events |= EPOLLOUT;
	if (ops & bit_of(LOOP_OP_POLL))
		events |= (uint16_t)w->requests[LOOP_OP_POLL].poll;
	return events;
}

static void tell(struct epoll *e, uint16_t slot)
{
	struct watch *w = &e->watches[slot];
	/* What is about to be tried needs no watch yet, and keeps the one it has. */
	uint32_t events = events_of(w, w->pending & (uint8_t)~w->try_now) |
	                  (w->told & events_of(w, w->pending));
	struct epoll_event ev = { .events = events, .data.u32 = slot };
	int op = EPOLL_CTL_MOD;

	if (events == w->told)
		return;
	if (w->told == 0)
		op = EPOLL_CTL_ADD;
	else if (events == 0) /* with an empty set, EPOLLHUP would be said for ever */
		op = EPOLL_CTL_DEL;
	if (epoll_ctl(e->fd, op, w->fd, &ev) == 0) {
		w->told = events;
		return;
	}
	w->refused = -errno;
	w->try_now = w->pending;
	queue_slot(&e->to_try, slot);
}

static int wait_for_events(struct epoll *e, struct epoll_event *events, uint64_t for_ns)
{
	struct timespec ts = { .tv_sec = (time_t)(for_ns / NS_PER_S),
		               .tv_nsec = (long)(for_ns % NS_PER_S) };
	uint64_t ms = for_ns / NS_PER_MS + (for_ns % NS_PER_MS != 0);
	int n;

	if (!e->no_pwait2) {
		n = epoll_pwait2(e->fd, events, EVENTS_A_WAIT, &ts, NULL);
		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return n < 0 ? -errno : n;
		e->no_pwait2 = true;
	}
	n = epoll_wait(e->fd, events, EVENTS_A_WAIT, ms < INT_MAX ? (int)ms : INT_MAX);
	return n < 0 ? -errno : n;
}

static void note_event(struct epoll *e, const struct epoll_event *ev)
{
	struct watch *w = &e->watches[ev->data.u32];
	uint32_t both = ev->events & (EPOLLERR | EPOLLHUP);

	w->ready = ev->events;
	if (both || (ev->events & EPOLLIN))
		w->try_now |= bit_of(LOOP_OP_RECEIVE) | bit_of(LOOP_OP_ACCEPT);
	if (both || (ev->events & EPOLLOUT))
		w->try_now |= bit_of(LOOP_OP_SEND) | bit_of(LOOP_OP_CONNECT);
	w->try_now |= bit_of(LOOP_OP_POLL) | bit_of(LOOP_OP_ROOM);
	w->try_now &= w->pending;
	queue_slot(&e->to_try, (uint16_t)ev->data.u32);
}

static int epoll_body_wait(void *body, uint64_t until_ns)
{
	struct epoll *e = body;
	struct epoll_event events[EVENTS_A_WAIT];
	uint64_t now_ns;
	int n;

	for (; e->to_tell.count > 0; drop_first_slot(&e->to_tell))
		tell(e, first_slot(&e->to_tell));
	now_ns = clock_now_ns();
	/* With tries due, only a look: what others have must not wait for them either. */
	n = wait_for_events(e, events,
	                    e->to_try.count > 0 || until_ns < now_ns ? 0 : until_ns - now_ns);
	if (n == -EINTR)
		return 0;
	for (int i = 0; i < n; i++)
		note_event(e, &events[i]);
	return n < 0 ? n : 0;
}

/* --- birth and end -------------------------------------------------------------------------- */

static void epoll_forget(void *body, uint16_t slot, int fd)
{
	struct epoll *e = body;
	struct watch *w = &e->watches[slot];

	/* A duplicate of the descriptor may live on, and would keep the watch alive with it. */
	if (w->told)
		epoll_ctl(e->fd, EPOLL_CTL_DEL, fd, NULL);
	*w = (struct watch){};
}

static void epoll_rest(void *body)
{
	struct epoll *e = body;

	madvise(e->buffers, BUFFER_MAP_BYTES, MADV_DONTNEED);
}

static uint64_t epoll_now_ns(void *body)
{
	(void)body;
	return clock_now_ns();
}

static void epoll_body_close(void *body)
{
	struct epoll *e = body;

	fd_closep(&e->fd);
	if (e->buffers)
		munmap(e->buffers, BUFFER_MAP_BYTES);
	free(e);
}

CLEANUP_DEFINE(epoll_closep, struct epoll *, epoll_body_close)

static const struct loop_body_ops epoll_ops = {
	.name = "epoll",
	.kernel = true,
	.submit = epoll_submit,
	.cancel = epoll_cancel,
	.wait = epoll_body_wait,
	.next = epoll_next,
	.release = epoll_release,
	.forget = epoll_forget,
	.rest = epoll_rest,
	.now_ns = epoll_now_ns,
	.close = epoll_body_close,
};

int loop_epoll_open(const struct loop_body_ops **ret_ops, void **ret, struct err *err)
{
	CLEANUP(epoll_closep) struct epoll *e = calloc(1, sizeof(*e));
	void *map;

	if (!e)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate an epoll loop");
	e->fd = epoll_create1(EPOLL_CLOEXEC);
	if (e->fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "create an epoll descriptor");
	map = mmap(NULL, BUFFER_MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	           0);
	if (map == MAP_FAILED)
		return ERR_SET(err, -errno, ERR_SYS, 0, "map receive buffers");
	e->buffers = map;
	for (uint16_t i = 0; i < LOOP_BUFFERS; i++)
		e->free_buffers[e->free_count++] = i;
	*ret_ops = &epoll_ops;
	*ret = TAKE(e, NULL);
	return 0;
}
