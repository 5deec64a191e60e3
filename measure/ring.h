/* The reading end of a BPF ring buffer (kernel/bpf/ringbuf.c), which any process may be that has the
 * map's descriptor. One reader at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;

struct ring {
	uint64_t *consumer;            /* a page of its own: where we have read to */
	const unsigned char *producer; /* a page: where it has been written to; then the data */
	size_t page_bytes;
	size_t data_bytes; /* a power of two */
};

/* The data is mapped once, where the kernel offers it twice in a row: half the memory, for a copy of
 * each record. */
int ring_open(int map_fd, size_t data_bytes, struct ring *ret, struct err *err);
void ring_close(struct ring *r); /* accepts one that was closed, or is all zero */

/* Called with what is at most `bytes` long and lies wherever. */
typedef void (*ring_taker)(void *self, const void *record, size_t bytes);

/* Up to where the writers are now, with `room` of `room_bytes` for each record; a longer one, and one
 * that its writer threw away, is passed over. Answers how many were handed to `take`: `most` at most, and
 * where it is so many, there may be more. */
size_t ring_drain(struct ring *r, void *room, size_t room_bytes, size_t most, ring_taker take,
                  void *self);
