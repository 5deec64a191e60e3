/* What stands between the loop and a kernel: the loop's own, and its tests'.
 *
 * The core (loop.c) knows descriptors, owners, timers and what a completion means. A body knows how
 * to ask one kernel for one request: it submits, cancels, waits until an instant, and yields what
 * has come. It keeps no owner and calls nobody back, so stale, late and duplicate completions are
 * one code in the core, whichever body runs and whatever it yields.
 *
 * A request ends with the first completion that lacks LOOP_MORE; a cancelled one ends too, with
 * -ECANCELED where nothing else came first.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct err;
struct loop;

enum loop_op {
	LOOP_OP_CONNECT,
	LOOP_OP_ACCEPT,
	LOOP_OP_RECEIVE,
	LOOP_OP_SEND,
	LOOP_OP_POLL,
	LOOP_OP_ROOM, /* as LOOP_OP_POLL, for POLLOUT: what is sent by reference waits for room */
	LOOP_OPS,
};

union loop_tag { /* of a request and of its completions; sqe->user_data, cqe->user_data */
	struct {
		uint8_t op;          /* enum loop_op: picks the handler */
		uint8_t reserved;    /* the body's own */
		uint16_t slot;       /* index into the loop's descriptors */
		uint32_t generation; /* of that slot when the request was made: no two are alike */
	};
	uint64_t u64;
};
static_assert(sizeof(union loop_tag) == sizeof(uint64_t), "one user_data, one tag");

enum loop_receive_mode {
	LOOP_RECEIVE_STREAM, /* as it comes, into the body's buffers, until it ends */
	LOOP_RECEIVE_ONCE,   /* up to `bytes`, into one of the body's buffers */
	LOOP_RECEIVE_DROP,   /* up to `bytes`, left in the kernel and only counted (MSG_TRUNC) */
};

struct loop_request {
	union loop_tag tag;
	int fd;
	bool wait_first; /* do not try before the descriptor is ready: an attempt would be in vain
			  */
	union {
		struct {
			const struct sockaddr *address;
			socklen_t address_bytes;
		} connect;
		struct {
			enum loop_receive_mode mode;
			uint32_t bytes;
		} receive;
		const struct msghdr *send; /* stays until the request has ended */
		short poll;                /* poll(2) events, also of LOOP_OP_ROOM */
	};
};

enum loop_completion_flags {
	LOOP_MORE = 1U << 0,   /* the request is still under way */
	LOOP_BUFFER = 1U << 1, /* `buffer` is to be given back by release() */
};

struct loop_completion {
	union loop_tag tag;
	int32_t result; /* bytes, a descriptor, poll(2) events, 0; or a negative errno */
	uint16_t flags;
	uint16_t buffer;     /* the body's name for `data` */
	const uint8_t *data; /* of a receive; NULL where the bytes were dropped */
};

/* Receive buffers of the real bodies. Each read of a fast stream lets the kernel send one ACK, so larger
 * reads are cheaper (docs/decisions/0025): one receiver has one of them, which it gives back before the next
 * read, and of which no page is touched that is not read into. More are there for those who serve many. */
#define LOOP_BUFFER_BYTES (1024 * 1024)
#define LOOP_BUFFERS      8

struct loop_body_ops {
	const char *name;
	bool kernel; /* its descriptors are the kernel's: what is not asked of the body works too */

	/* 0: its completions will come. Negative: nothing was begun.
	 *   -EBUSY  not before completions have been taken by next() */
	int (*submit)(void *body, const struct loop_request *request);

	/* The request may have ended meanwhile; then this does nothing.  -EBUSY  as above */
	int (*cancel)(void *body, union loop_tag tag);

	/* Starts what was submitted and waits for a completion, not past until_ns. Returns early
	 * as it likes. Negative: the body is broken. */
	int (*wait)(void *body, uint64_t until_ns);

	/* Takes the next completion. false: there is none. */
	bool (*next)(void *body, struct loop_completion *ret);

	/* Gives the buffer of a completion back. */
	void (*release)(void *body, const struct loop_completion *c);

	/* The descriptor leaves the loop; its requests have been cancelled, and have ended unless
	 * the kernel is very late. */
	void (*forget)(void *body, uint16_t slot, int fd);

	/* So many descriptors receive from now on: as many may want a buffer at once. NULL where
	 * that makes no difference. */
	void (*receivers)(void *body, unsigned int n);

	/* Nothing receives: what the receive buffers held may go. NULL where there is nothing to do. */
	void (*rest)(void *body);

	uint64_t (*now_ns)(void *body);
	void (*close)(void *body);
};

/* Each makes a body that `*ret` stands for. */
int loop_uring_open(const struct loop_body_ops **ret_ops, void **ret, struct err *err);
int loop_epoll_open(const struct loop_body_ops **ret_ops, void **ret, struct err *err);

/* A loop over a body, which it owns from here on, failed or not. */
int loop_open_body(const struct loop_body_ops *ops, void *body, struct loop **ret, struct err *err);

void *loop_body_of(const struct loop *l);
