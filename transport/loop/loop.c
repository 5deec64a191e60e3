#include "transport/loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop_core.h"

/* Completions taken at a time. Behind them there is room for one of the core's own for every
 * request there can be, so that the queue never overflows. */
#define COLLECT_MAX 1024
#define READY_MAX   (COLLECT_MAX + LOOP_IO_MAX * LOOP_OPS)

/* How long a descriptor that leaves waits for its requests. Sockets return them at once; should a
 * kernel not, their slot stays taken until it does. */
#define SETTLE_NS NS_PER_S

/* --- completions that wait to be dispatched ------------------------------------------------- */

static void ready_append(struct loop *l, const struct loop_completion *c)
{
	if (l->ready_first + l->ready_count == READY_MAX) {
		memmove(l->ready, l->ready + l->ready_first, l->ready_count * sizeof(*l->ready));
		l->ready_first = 0;
	}
	l->ready[l->ready_first + l->ready_count++] = *c;
}

static struct loop_completion ready_take(struct loop *l)
{
	struct loop_completion c = l->ready[l->ready_first++];

	if (--l->ready_count == 0)
		l->ready_first = 0;
	return c;
}

/* --- whose completion it is ----------------------------------------------------------------- */

/* The descriptor whose request under way carries this tag; NULL: the request has ended. */
static struct loop_io *io_of(const struct loop *l, union loop_tag tag)
{
	struct loop_io *io;

	if (tag.slot >= LOOP_IO_MAX || tag.op >= LOOP_OPS || tag.generation == 0)
		return NULL;
	io = l->slots[tag.slot].io;
	return io && io->under_way[tag.op] == tag.generation ? io : NULL;
}

static bool has_requests(const struct loop_io *io)
{
	for (size_t op = 0; op < LOOP_OPS; op++)
		if (io->under_way[op])
			return true;
	return false;
}

static void free_slot(struct loop_io *io)
{
	io->loop->slots[io->slot].io = NULL;
	free(io);
}

static void release(struct loop *l, const struct loop_completion *c)
{
	if (c->flags & LOOP_BUFFER)
		l->ops->release(l->body, c);
}

/* Nobody wants it. The last one of a descriptor that has left frees the slot. */
static void drop(struct loop *l, const struct loop_completion *c)
{
	struct loop_io *io = io_of(l, c->tag);

	l->counts.stale_completions++;
	release(l, c);
	if (!io)
		return;
	if (c->tag.op == LOOP_OP_ACCEPT && c->result >= 0)
		close(c->result);
	if (!(c->flags & LOOP_MORE))
		io->under_way[c->tag.op] = 0;
	if (io != l->settling && !has_requests(io))
		free_slot(io);
}

static bool is_stale(const struct loop *l, const struct loop_completion *c)
{
	const struct loop_io *io = io_of(l, c->tag);

	return !io || io->leaving;
}

/* Takes what the body has; what is stale already waits for no turn. */
static void collect(struct loop *l)
{
	struct loop_completion c;

	while (l->ready_count < COLLECT_MAX && l->ops->next(l->body, &c)) {
		if (is_stale(l, &c))
			drop(l, &c);
		else
			ready_append(l, &c);
	}
}

static void dispatch(struct loop *l, const struct loop_completion *c)
{
	struct loop_io *io = io_of(l, c->tag);

	if (is_stale(l, c)) {
		drop(l, c);
		return;
	}
	if (!(c->flags & LOOP_MORE))
		io->under_way[c->tag.op] = 0;
	l->counts.completions++;
	l->current = io;
	loop_complete(io, c);
	l->current = NULL;
	release(l, c);
}

/* --- requests ------------------------------------------------------------------------------- */

static uint32_t next_generation(struct loop_slot *s)
{
	if (++s->generation == 0)
		s->generation = 1;
	return s->generation;
}

static union loop_tag tag_of(const struct loop_io *io, enum loop_op op)
{
	return (union loop_tag){ .op = (uint8_t)op,
		                 .slot = io->slot,
		                 .generation = io->under_way[op] };
}

void loop_request(struct loop_io *io, enum loop_op op, struct loop_request *r)
{
	struct loop *l = io->loop;
	int e;

	io->under_way[op] = next_generation(&l->slots[io->slot]);
	r->fd = io->fd;
	r->tag = tag_of(io, op);
	e = l->ops->submit(l->body, r);
	if (e == -EBUSY) {
		collect(l);
		e = l->ops->submit(l->body, r);
	}
	if (e < 0)
		ready_append(l, &(struct loop_completion){ .tag = r->tag, .result = e });
}

void loop_request_cancel(struct loop_io *io, enum loop_op op)
{
	struct loop *l = io->loop;

	if (l->ops->cancel(l->body, tag_of(io, op)) == -EBUSY) {
		collect(l);
		l->ops->cancel(l->body, tag_of(io, op));
	}
}

/* --- turns ---------------------------------------------------------------------------------- */

static void dispatch_ready(struct loop *l)
{
	/* What is appended meanwhile waits for the next turn: the deadline is looked at first. */
	for (size_t n = l->ready_count; n > 0 && l->ready_count > 0 && !l->stopping; n--) {
		struct loop_completion c = ready_take(l);

		dispatch(l, &c);
	}
}

static void fire_timers(struct loop *l)
{
	uint64_t now_ns = loop_now_ns(l);
	struct loop_timer *t;

	/* A timer that sets itself again to an instant past must not keep the turn. */
	for (size_t n = l->timers.count; n > 0 && !l->stopping; n--) {
		t = loop_timers_take_due(&l->timers, now_ns);
		if (!t)
			return;
		t->fire(t->owner);
	}
}

void loop_set_receiving(struct loop_io *io, bool receiving)
{
	struct loop *l = io->loop;

	if (io->receiving == receiving)
		return;
	io->receiving = receiving;
	l->receivers += receiving ? 1 : -1U;
	l->buffers_used |= receiving;
	if (l->ops->receivers)
		l->ops->receivers(l->body, l->receivers);
}

/* Between connections the memory of the receive buffers is the system's again: a callback may still
 * have read in one when its descriptor left, so not before the next turn. */
static void rest(struct loop *l)
{
	if (l->receivers > 0 || !l->buffers_used)
		return;
	l->buffers_used = false;
	l->counts.rests++;
	if (l->ops->rest)
		l->ops->rest(l->body);
}

static int turn(struct loop *l, uint64_t until_ns, struct err *err)
{
	uint64_t timer_ns = loop_timers_first_ns(&l->timers);
	int r;

	rest(l);
	if (l->ready_count > 0)
		until_ns = 0;
	r = l->ops->wait(l->body, timer_ns < until_ns ? timer_ns : until_ns);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "wait for %s", l->ops->name);
	l->counts.wakeups++;
	collect(l);
	dispatch_ready(l);
	fire_timers(l);
	return 0;
}

int loop_run(struct loop *l, uint64_t until_ns, struct err *err)
{
	for (;;) {
		int r;

		if (TAKE(l->stopping, false))
			return LOOP_STOPPED;
		r = turn(l, until_ns, err);
		if (r < 0)
			return r;
		if (!l->stopping && loop_now_ns(l) >= until_ns)
			return LOOP_DEADLINE;
	}
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
}

/* --- descriptors ---------------------------------------------------------------------------- */

static struct loop_slot *find_free_slot(struct loop *l)
{
	for (size_t i = 0; i < LOOP_IO_MAX; i++)
		if (!l->slots[i].io)
			return &l->slots[i];
	return NULL;
}

static int make_non_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int loop_add(struct loop *l, int fd, const struct loop_events *events, void *owner,
             struct loop_io **ret, struct err *err)
{
	struct loop_slot *slot = find_free_slot(l);
	struct loop_io *io;
	int r;

	if (!slot)
		return ERR_SET(err, -EMFILE, ERR_SYS, 0, "add a descriptor to %d others",
		               LOOP_IO_MAX);
	r = make_non_blocking(fd);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "make descriptor %d non-blocking", fd);
	io = malloc(sizeof(*io));
	if (!io)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "add a descriptor");
	*io = (struct loop_io){ .loop = l,
		                .events = events,
		                .owner = owner,
		                .fd = fd,
		                .slot = (uint16_t)(slot - l->slots) };
	slot->io = io;
	*ret = io;
	return 0;
}

/* Drops what of this descriptor's waits to be dispatched, which gives its buffers back. */
static void drop_ready(struct loop *l, const struct loop_io *io)
{
	size_t kept = l->ready_first;

	for (size_t i = l->ready_first; i < l->ready_first + l->ready_count; i++) {
		struct loop_completion c = l->ready[i];

		if (c.tag.slot == io->slot)
			drop(l, &c);
		else
			l->ready[kept++] = c;
	}
	l->ready_count = kept - l->ready_first;
}

/* Waits until the body has returned the io's requests. Completions of others queue up. */
static void settle(struct loop *l, const struct loop_io *io)
{
	uint64_t until_ns = loop_now_ns(l) + SETTLE_NS;

	while (has_requests(io) && l->ready_count < COLLECT_MAX) {
		if (l->ops->wait(l->body, until_ns) < 0)
			return;
		collect(l);
		if (loop_now_ns(l) >= until_ns)
			return;
	}
}

int loop_detach(struct loop_io *io)
{
	struct loop *l = io->loop;
	int fd = io->fd;

	if (l->current == io)
		l->current = NULL;
	io->leaving = true;
	l->settling = io;
	drop_ready(l, io);
	for (enum loop_op op = 0; op < LOOP_OPS; op++)
		if (io->under_way[op])
			loop_request_cancel(io, op);
	settle(l, io);
	l->ops->forget(l->body, io->slot, fd);
	l->settling = NULL;
	loop_timers_cancel(&l->timers, &io->faltered);
	loop_coalesce_unset(&io->coalesce, fd);
	loop_splice_close(&io->splice);
	loop_set_receiving(io, false);
	if (!has_requests(io))
		free_slot(io);
	return fd;
}

struct loop_io *loop_remove(struct loop_io *io)
{
	if (io)
		close(loop_detach(io));
	return NULL;
}

int loop_io_fd(const struct loop_io *io)
{
	return io->fd;
}

/* --- timers --------------------------------------------------------------------------------- */

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t at_ns)
{
	loop_timers_set(&l->timers, t, at_ns);
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	loop_timers_cancel(&l->timers, t);
}

/* --- the loop ------------------------------------------------------------------------------- */

struct loop *loop_close(struct loop *l)
{
	if (!l)
		return NULL;
	for (size_t i = 0; i < LOOP_IO_MAX; i++)
		if (l->slots[i].io && !l->slots[i].io->leaving)
			loop_remove(l->slots[i].io);
	l->ops->close(l->body);
	for (size_t i = 0; i < LOOP_IO_MAX; i++)
		free(l->slots[i].io);
	loop_timers_deinit(&l->timers);
	free(l->ready);
	free(l);
	return NULL;
}

int loop_open_body(const struct loop_body_ops *ops, void *body, struct loop **ret, struct err *err)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l) {
		ops->close(body);
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the event loop");
	}
	l->ops = ops;
	l->body = body;
	l->ready = calloc(READY_MAX, sizeof(*l->ready));
	if (!l->ready || loop_timers_init(&l->timers) < 0) {
		loop_close(l);
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the event loop");
	}
	*ret = l;
	return 0;
}

int loop_open(enum loop_body body, struct loop **ret, struct err *err)
{
	const struct loop_body_ops *ops;
	struct err barred = {};
	struct loop *l;
	void *b;
	int r;

	if (body != LOOP_BODY_EPOLL) {
		r = loop_uring_open(&ops, &b, body == LOOP_BODY_AUTO ? &barred : err);
		if (r == 0)
			return loop_open_body(ops, b, ret, err);
		if (body == LOOP_BODY_IO_URING)
			return r;
	}
	r = loop_epoll_open(&ops, &b, err);
	if (r < 0)
		return r;
	r = loop_open_body(ops, b, &l, err);
	if (r < 0)
		return r;
	if (barred.code < 0)
		err_sentence(&barred, l->fallback_reason, sizeof(l->fallback_reason));
	*ret = l;
	return 0;
}

void *loop_body_of(const struct loop *l)
{
	return l->body;
}

const char *loop_body_name(const struct loop *l)
{
	return l->ops->name;
}

const char *loop_fallback_reason(const struct loop *l)
{
	return l->fallback_reason;
}

uint64_t loop_now_ns(const struct loop *l)
{
	return l->ops->now_ns(l->body);
}

struct loop_counts loop_counts(const struct loop *l)
{
	return l->counts;
}
