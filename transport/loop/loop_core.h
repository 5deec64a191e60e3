/* What loop.c (descriptors, turns) and loop_ops.c (operations) share; nobody else's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "transport/loop/loop.h"
#include "transport/loop/loop_body.h"
#include "transport/loop/loop_coalesce.h"
#include "transport/loop/loop_splice.h"
#include "transport/loop/loop_timers.h"

struct loop_io {
	struct loop *loop;
	const struct loop_events *events;
	void *owner;
	int fd;
	uint16_t slot;
	bool leaving;                 /* nothing of it is of interest any more */
	uint32_t under_way[LOOP_OPS]; /* generation of the request; 0: there is none */

	struct sockaddr_storage address; /* connect */

	struct msghdr message; /* send: what remains of it */
	struct iovec iov[LOOP_IOV_MAX];
	size_t copied_bytes; /* of what remains, to be copied before the rest is referred to */
	struct loop_splice splice;

	short poll_events; /* poll: wanted; 0: nothing any more */

	bool receiving;
	bool receive_cancelled; /* to go on in another mode */
	enum loop_receive_mode receive_mode;
	uint64_t discard_bytes; /* still to come and be dropped */
	uint32_t once_bytes;    /* size of the next read between discards; 0: as a stream again */
	struct loop_coalesce coalesce;
	struct loop_timer faltered; /* the bytes waited for together do not come */
};

struct loop_slot {
	struct loop_io *io;
	uint32_t generation; /* of the last request made in it */
};

struct loop {
	const struct loop_body_ops *ops;
	void *body;
	char fallback_reason[256];
	struct loop_slot slots[LOOP_IO_MAX];
	struct loop_timers timers;
	struct loop_counts counts;
	bool stopping;
	unsigned int receivers;   /* descriptors that receive; see loop_set_receiving() */
	bool buffers_used;        /* since there was one */
	struct loop_io *current;  /* whose callback runs; NULL once it has left the loop */
	struct loop_io *settling; /* whose requests are being waited for */

	struct loop_completion *ready; /* taken from the body, not yet dispatched */
	size_t ready_first, ready_count;
};

/* Submits `r` as the io's request of this kind, and fills its tag and descriptor. Where the body
 * refuses, the request ends with that errno, in a later turn as any other does. */
void loop_request(struct loop_io *io, enum loop_op op, struct loop_request *r);

/* Asks for the end of the io's request of this kind; it ends by a completion. */
void loop_request_cancel(struct loop_io *io, enum loop_op op);

/* The descriptor begins to receive, or does so no longer. */
void loop_set_receiving(struct loop_io *io, bool receiving);

/* A completion of the io's request of this kind; where it lacks LOOP_MORE, the request is no longer
 * under way. The io may be gone when this returns. */
void loop_complete(struct loop_io *io, const struct loop_completion *c);
