/* The event loop: descriptors, timers, and the one place where this program waits.
 *
 * One interface, three bodies: io_uring (loop_uring.c), epoll where io_uring is barred
 * (loop_epoll.c), and a script that tests play (loop_script.c). Which one runs is loop_body_name().
 *
 *   loop_open(LOOP_BODY_AUTO, &loop, &err);
 *   loop_add(loop, fd, &events, owner, &io, &err);     the loop owns fd now
 *   loop_receive(io);
 *   loop_run(loop, deadline_ns, &err);                  callbacks run in here, and only in here
 *
 * Promises:
 *  - No callback runs from inside another loop_…() call than loop_run(), and never inside another
 *    callback. A callback may call everything here but loop_run() and loop_close().
 *  - Nothing is heard of a descriptor after loop_remove() or loop_detach(): what the kernel still
 *    completes for it is counted as stale and dropped, by the generation in its tag. When those two
 *    return, the kernel holds no buffer of the caller's any more.
 *  - loop_run() never waits past its deadline. All instants are CLOCK_MONOTONIC, except on the
 *    script, whose clock the test moves.
 *  - Everything has a ceiling: LOOP_IO_MAX descriptors, LOOP_IOV_MAX pieces a send, LOOP_TIMERS_MAX
 *    timers.
 *
 * One thread; a loop is used by the thread that opened it (IORING_SETUP_SINGLE_ISSUER).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct err;
struct loop;
struct loop_io; /* a descriptor in the loop */

#define LOOP_IO_MAX     1024
#define LOOP_IOV_MAX    32
#define LOOP_TIMERS_MAX 4096 /* set at a time */

enum loop_body {
	LOOP_BODY_AUTO, /* io_uring, or epoll where the kernel or a filter bars it */
	LOOP_BODY_IO_URING,
	LOOP_BODY_EPOLL,
};

/* What the owner of a descriptor hears. NULL where it never asks for that operation.
 * `result` is 0 or negative errno. */
struct loop_events {
	/* loop_connect() has ended. */
	void (*connected)(void *owner, int result);

	/* `fd` is a new connection, the owner's now; or a negative errno, after which accepting
	 * goes on for what passes by itself (ECONNABORTED) and has stopped for anything else. */
	void (*accepted)(void *owner, int fd);

	/* n > 0: bytes, valid until this returns. n == 0: nothing more will come, result says why:
	 * 0 is the peer's end of stream, else what failed. */
	void (*received)(void *owner, const uint8_t *data, size_t n, int result);

	/* `n` bytes came and were dropped, see loop_discard(). */
	void (*discarded)(void *owner, size_t n);

	/* loop_send() has ended: 0, every byte is in the kernel; else what failed. */
	void (*sent)(void *owner, int result);

	/* loop_poll() has ended: POLLIN, POLLOUT, POLLERR, POLLHUP; or a negative errno. */
	void (*polled)(void *owner, int events);
};

/* --- the loop ------------------------------------------------------------------------------- */

/*   -ENOSYS, -EPERM, -EACCES  LOOP_BODY_IO_URING was asked for and is not to be had here */
int loop_open(enum loop_body body, struct loop **ret, struct err *err);

/* Removes what is still in it. Accepts NULL; always returns NULL. */
struct loop *loop_close(struct loop *l);

const char *loop_body_name(const struct loop *l); /* "io_uring", "epoll", "script" */

/* Why LOOP_BODY_AUTO fell back to epoll, "" where it did not. */
const char *loop_fallback_reason(const struct loop *l);

uint64_t loop_now_ns(const struct loop *l); /* read afresh, not the time of the last wake-up */

enum loop_run_outcome {
	LOOP_STOPPED = 0,  /* loop_stop() was called */
	LOOP_DEADLINE = 1, /* until_ns has come */
};

/* Waits and calls back until loop_stop() or until_ns. Negative: the loop itself is broken. */
int loop_run(struct loop *l, uint64_t until_ns, struct err *err);

/* Makes the loop_run() under way return after the callback that called this; without one, the next
 * loop_run() returns at once. */
void loop_stop(struct loop *l);

struct loop_counts {
	uint64_t wakeups;           /* returns from the kernel's wait */
	uint64_t completions;       /* of requests under way */
	uint64_t stale_completions; /* of a descriptor that was gone, or a second time; dropped */
	uint64_t rests;             /* the receive buffers' memory went back to the system */
	uint64_t referred_bytes;    /* that were sent without a copy, see loop_send_kept() */
	uint64_t starved; /* receives that found no provided buffer and were armed again */
};

struct loop_counts loop_counts(const struct loop *l);

/* --- descriptors ---------------------------------------------------------------------------- */

/* Takes `fd`, makes it non-blocking. `events` must outlive the descriptor's time in the loop.
 *   -EMFILE  LOOP_IO_MAX descriptors are in the loop: fd is the caller's still */
int loop_add(struct loop *l, int fd, const struct loop_events *events, void *owner,
             struct loop_io **ret, struct err *err);

/* Ends every operation and closes the descriptor. Accepts NULL; always returns NULL. */
struct loop_io *loop_remove(struct loop_io *io);

/* Ends every operation and hands the descriptor back, open. */
int loop_detach(struct loop_io *io);

int loop_io_fd(const struct loop_io *io);

/* --- operations: at most one of each kind is under way on a descriptor ---------------------- */

void loop_connect(struct loop_io *io, const struct sockaddr *address, socklen_t address_bytes);

/* Every connection that comes, until the descriptor leaves the loop. */
void loop_accept(struct loop_io *io);

/* Everything that comes, until its end; the buffers are the loop's. */
void loop_receive(struct loop_io *io);

/* The next `n` bytes of the stream are of no interest: they are dropped without being copied out of
 * the kernel where it can do that (tcp(7), MSG_TRUNC), and only counted. Those that were under way
 * into a buffer already are taken off n, so the caller need not care which came how. What follows
 * them arrives through received() again. Only for TCP, while receiving; may be called again before
 * the last count is used up, which adds to it. */
void loop_discard(struct loop_io *io, uint64_t n);

/* What comes of a fast stream or discard within `ns` may be told together, and so much later: for who has
 * the instants of arrival from elsewhere, and wants few wake-ups. 0: as it was, a millisecond. */
void loop_may_wait(struct loop_io *io, uint64_t ns);

/* All of `iov`, in order; short writes are continued. `iov` is copied, what it points to must stay
 * until sent(). n_iov is at most LOOP_IOV_MAX. Never raises SIGPIPE. */
void loop_send(struct loop_io *io, const struct iovec *iov, size_t n_iov);

/* As loop_send(), of memory that is never written to again: everything behind the first piece may be
 * referred to instead of copied, for as long as the peer has not acknowledged it, which may be long
 * after sent(). Best in whole pages. Where that cannot be had, or is not worth it, it is copied. */
void loop_send_kept(struct loop_io *io, const struct iovec *iov, size_t n_iov);

/* One wait for `events` (poll(2)); for descriptors that others read, such as libcurl's. Called
 * again while one is under way, it waits for these events instead; 0 ends the wait unheard. */
void loop_poll(struct loop_io *io, short events);

/* --- timers --------------------------------------------------------------------------------- */

/* Lives in its owner; all zero but `fire` and `owner` before the first use. */
struct loop_timer {
	void (*fire)(void *owner);
	void *owner;
	/* the loop's own */
	uint64_t at_ns;
	size_t position; /* in the heap, from 1; 0: not set */
};

/* Fires once, not before at_ns, and not at all when that is CLOCK_NEVER_NS. A timer that is set is
 * moved. */
void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t at_ns);

void loop_timer_cancel(struct loop *l, struct loop_timer *t);
