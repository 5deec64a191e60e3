/* The loop on io_uring (kernel 6.0 and later; before, there is no multishot receive).
 *
 * One ring, used by one thread: what the kernel has for us is done when we wait, never in between.
 * Timers need no request; they are the wait's time-out. No SQPOLL: its thread would keep the rights
 * of its birth.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop_body.h"

#define SUBMISSIONS 128
/* More than is ever under way in a test; what exceeds it the kernel keeps (IORING_FEAT_NODROP). */
#define COMPLETIONS 1024

#define BUFFER_GROUP 0

/* op of a cancellation's own tag: its completion says nothing that the other's does not. */
#define OP_CANCEL LOOP_OPS

struct uring {
	struct io_uring ring;
	bool ring_is_open;
	struct io_uring_buf_ring *buffer_ring; /* one page, then the buffers themselves */
	uint8_t *buffers;
	/* Of those not lent, the one last used is lent first: with one receiver one of them is in use. */
	uint16_t spare[LOOP_BUFFERS];
	unsigned int spare_count;
	unsigned int depth; /* how many the kernel may have */
};

#define BUFFER_RING_BYTES 4096
#define BUFFER_MAP_BYTES  (BUFFER_RING_BYTES + (size_t)LOOP_BUFFERS * LOOP_BUFFER_BYTES)
static_assert(LOOP_BUFFERS * sizeof(struct io_uring_buf) <= BUFFER_RING_BYTES,
              "the ring of buffers fits its page");

/* --- requests ------------------------------------------------------------------------------- */

/* NULL: the kernel takes none before completions have been taken from it. */
static struct io_uring_sqe *get_sqe(struct uring *u)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (sqe)
		return sqe;
	if (io_uring_submit(&u->ring) < 0)
		return NULL;
	return io_uring_get_sqe(&u->ring);
}

static void prepare_receive(struct io_uring_sqe *sqe, const struct loop_request *r)
{
	switch (r->receive.mode) {
	case LOOP_RECEIVE_STREAM:
		io_uring_prep_recv_multishot(sqe, r->fd, NULL, 0, 0);
		break;
	case LOOP_RECEIVE_ONCE:
		io_uring_prep_recv(sqe, r->fd, NULL, r->receive.bytes, 0);
		break;
	case LOOP_RECEIVE_DROP:
		/* Never with MSG_WAITALL: the kernel would go on with the count of bytes, not
		 * with what remains of it, and drop too many. */
		io_uring_prep_recv(sqe, r->fd, NULL, r->receive.bytes, MSG_TRUNC);
		break;
	}
	if (r->receive.mode != LOOP_RECEIVE_DROP) {
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = BUFFER_GROUP;
	}
	if (r->wait_first)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

static void prepare_send(struct io_uring_sqe *sqe, const struct loop_request *r)
{
	/* MSG_WAITALL: the kernel waits for room and goes on by itself. */
	io_uring_prep_sendmsg(sqe, r->fd, r->send, MSG_NOSIGNAL | MSG_WAITALL);
	if (r->wait_first)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

static int uring_submit(void *body, const struct loop_request *r)
{
	struct io_uring_sqe *sqe = get_sqe(body);

	if (!sqe)
		return -EBUSY;
	switch (r->tag.op) {
	case LOOP_OP_CONNECT:
		io_uring_prep_connect(sqe, r->fd, r->connect.address, r->connect.address_bytes);
		break;
	case LOOP_OP_ACCEPT:
		io_uring_prep_multishot_accept(sqe, r->fd, NULL, NULL,
		                               SOCK_CLOEXEC | SOCK_NONBLOCK);
		break;
	case LOOP_OP_RECEIVE:
		prepare_receive(sqe, r);
		break;
	case LOOP_OP_SEND:
		prepare_send(sqe, r);
		break;
	case LOOP_OP_POLL:
	case LOOP_OP_ROOM:
		io_uring_prep_poll_add(sqe, r->fd, (unsigned short)r->poll);
		break;
	}
	io_uring_sqe_set_data64(sqe, r->tag.u64);
	return 0;
}

static int uring_cancel(void *body, union loop_tag tag)
{
	struct io_uring_sqe *sqe = get_sqe(body);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_cancel64(sqe, tag.u64, 0);
	tag.op = OP_CANCEL;
	io_uring_sqe_set_data64(sqe, tag.u64);
	return 0;
}

/* --- completions ---------------------------------------------------------------------------- */

static int uring_wait(void *body, uint64_t until_ns)
{
	struct uring *u = body;
	uint64_t now_ns = clock_now_ns();
	uint64_t for_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	struct __kernel_timespec ts = { .tv_sec = (int64_t)(for_ns / NS_PER_S),
		                        .tv_nsec = (long long)(for_ns % NS_PER_S) };
	struct io_uring_cqe *cqe;
	int r = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1,
	                                         until_ns == CLOCK_NEVER_NS ? NULL : &ts, NULL);

	/* ETIME: nothing came; EINTR: a signal's handler has run; EBUSY: take completions first. */
	return r < 0 && r != -ETIME && r != -EINTR && r != -EBUSY ? r : 0;
}

static bool uring_next(void *body, struct loop_completion *ret)
{
	struct uring *u = body;
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
		unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
		bool has_buffer = cqe->flags & IORING_CQE_F_BUFFER;

		*ret = (struct loop_completion){
			.tag.u64 = cqe->user_data,
			.result = cqe->res,
			.flags = (uint16_t)((cqe->flags & IORING_CQE_F_MORE ? LOOP_MORE : 0) |
			                    (has_buffer ? LOOP_BUFFER : 0)),
			.buffer = (uint16_t)buffer,
			.data = has_buffer ? u->buffers + (size_t)buffer * LOOP_BUFFER_BYTES : NULL,
		};
		io_uring_cqe_seen(&u->ring, cqe);
		if (ret->tag.op != OP_CANCEL)
			return true;
	}
	return false;
}

/* Of LOOP_BUFFERS those that are not spare are the kernel's, or in a completion. */
static void lend_buffers(struct uring *u)
{
	while (u->spare_count > LOOP_BUFFERS - u->depth) {
		uint16_t buffer = u->spare[--u->spare_count];

		io_uring_buf_ring_add(
			u->buffer_ring, u->buffers + (size_t)buffer * LOOP_BUFFER_BYTES,
			LOOP_BUFFER_BYTES, buffer, io_uring_buf_ring_mask(LOOP_BUFFERS), 0);
		io_uring_buf_ring_advance(u->buffer_ring, 1);
	}
}

static void uring_release(void *body, const struct loop_completion *c)
{
	struct uring *u = body;

	u->spare[u->spare_count++] = c->buffer;
	lend_buffers(u);
}

/* As many as receive. One that fills its buffer and finds no other is armed again when it has given
 * that one back: a second one would only split what is read at a time. */
static void uring_receivers(void *body, unsigned int n)
{
	struct uring *u = body;

	u->depth = n < 1 ? 1 : n < LOOP_BUFFERS ? n : LOOP_BUFFERS;
	lend_buffers(u);
}

static void uring_forget(void *body, uint16_t slot, int fd)
{
	(void)body; /* the kernel knows requests only */
	(void)slot;
	(void)fd;
}

static void uring_rest(void *body)
{
	struct uring *u = body;

	madvise(u->buffers, (size_t)LOOP_BUFFERS * LOOP_BUFFER_BYTES, MADV_DONTNEED);
}

static uint64_t uring_now_ns(void *body)
{
	(void)body;
	return clock_now_ns();
}

static void uring_close(void *body)
{
	struct uring *u = body;

	if (u->ring_is_open)
		io_uring_queue_exit(&u->ring);
	if (u->buffer_ring)
		munmap(u->buffer_ring, BUFFER_MAP_BYTES);
	free(u);
}

CLEANUP_DEFINE(uring_closep, struct uring *, uring_close)

/* --- birth ---------------------------------------------------------------------------------- */

/* SINGLE_ISSUER came with 6.0, as multishot receive did; DEFER_TASKRUN with 6.1. */
static int open_ring(struct io_uring *ring)
{
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
	};
	int r = -EINVAL;

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags) && r == -EINVAL; i++) {
		struct io_uring_params p = {
			.flags = flags[i] | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL |
			         IORING_SETUP_R_DISABLED,
			.cq_entries = COMPLETIONS,
		};

		r = io_uring_queue_init_params(SUBMISSIONS, ring, &p);
	}
	return r;
}

static int register_buffers(struct uring *u)
{
	struct io_uring_buf_reg reg = { .ring_entries = LOOP_BUFFERS, .bgid = BUFFER_GROUP };
	void *map = mmap(NULL, BUFFER_MAP_BYTES, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r;

	if (map == MAP_FAILED)
		return -errno;
	u->buffer_ring = map;
	u->buffers = (uint8_t *)map + BUFFER_RING_BYTES;
	io_uring_buf_ring_init(u->buffer_ring);
	reg.ring_addr = (uint64_t)(uintptr_t)map;
	r = io_uring_register_buf_ring(&u->ring, &reg, 0);
	if (r < 0)
		return r;
	for (uint16_t i = 0; i < LOOP_BUFFERS; i++)
		u->spare[u->spare_count++] = i;
	uring_receivers(u, 0);
	return 0;
}

/* Nothing but what this file asks for, for good: a seccomp filter does not see what a ring does, so
 * a taken-over process could open files through it. The calls are made by io_uring_register(), which
 * every liburing exports. */
static int restrict_operations(struct uring *u)
{
	static const uint8_t operations[] = { IORING_OP_CONNECT,  IORING_OP_ACCEPT,
		                              IORING_OP_RECV,     IORING_OP_SENDMSG,
		                              IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL };
	struct io_uring_restriction allowed[sizeof(operations) + 1] = {};
	unsigned n = 0;
	int r;

	while (n < sizeof(operations)) {
		allowed[n].opcode = IORING_RESTRICTION_SQE_OP;
		allowed[n].sqe_op = operations[n];
		n++;
	}
	allowed[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	allowed[n].sqe_flags = IOSQE_BUFFER_SELECT;
	r = io_uring_register((unsigned)u->ring.ring_fd, IORING_REGISTER_RESTRICTIONS, allowed,
	                      n + 1);
	if (r < 0)
		return r;
	r = io_uring_register((unsigned)u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	return r < 0 ? r : 0;
}

static void close_pair(int (*pair)[2])
{
	fd_closep(&(*pair)[0]);
	fd_closep(&(*pair)[1]);
}

/* A filter may bar any of the calls, a kernel may lack what its flags promise: receive once, as
 * every connection will. */
static int prove_receive(struct uring *u)
{
	CLEANUP(close_pair) int pair[2] = { -1, -1 };
	struct loop_request r = { .tag.op = LOOP_OP_RECEIVE };
	struct loop_completion c = { .flags = LOOP_MORE };
	int result = -ETIME;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	if (send(pair[1], "", 1, MSG_NOSIGNAL) != 1 || shutdown(pair[1], SHUT_WR) < 0)
		return -errno;
	r.fd = pair[0];
	uring_submit(u, &r);
	for (int waits = 0; waits < 4 && (c.flags & LOOP_MORE); waits++) {
		int e = uring_wait(u, clock_now_ns() + NS_PER_S);

		if (e < 0)
			return e;
		while (uring_next(u, &c)) {
			if (c.flags & LOOP_BUFFER)
				uring_release(u, &c);
			if (c.result > 0 || (c.result < 0 && result < 0))
				result =
					c.result; /* ENOBUFS behind the byte: its buffer was the only one */
		}
	}
	return result < 0 ? result : 0;
}

static const struct loop_body_ops uring_ops = {
	.name = "io_uring",
	.kernel = true,
	.submit = uring_submit,
	.cancel = uring_cancel,
	.wait = uring_wait,
	.next = uring_next,
	.release = uring_release,
	.forget = uring_forget,
	.receivers = uring_receivers,
	.rest = uring_rest,
	.now_ns = uring_now_ns,
	.close = uring_close,
};

int loop_uring_open(const struct loop_body_ops **ret_ops, void **ret, struct err *err)
{
	CLEANUP(uring_closep) struct uring *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate an io_uring");
	r = open_ring(&u->ring);
	if (r == -EINVAL)
		return ERR_SET(err, -ENOSYS, ERR_SYS, 0, "set up io_uring as of kernel 6.0");
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "set up io_uring");
	u->ring_is_open = true;
	r = register_buffers(u);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "register io_uring's receive buffers");
	r = restrict_operations(u);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "restrict io_uring to what is asked of it");
	r = prove_receive(u);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "receive through io_uring");
	*ret_ops = &uring_ops;
	*ret = TAKE(u, NULL);
	return 0;
}
