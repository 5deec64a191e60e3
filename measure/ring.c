#include "measure/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transport/base/err.h"

/* The writers look at the consumer's page for each record: told of each one that was read, they would wait for
 * that line each time. */
#define ROOM_TOLD 16

#define LENGTH_MASK (~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT))

int ring_open(int map_fd, size_t data_bytes, struct ring *ret, struct err *err)
{
	struct ring r = { .page_bytes = (size_t)sysconf(_SC_PAGESIZE), .data_bytes = data_bytes };
	void *consumer = mmap(NULL, r.page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	void *producer;

	if (consumer == MAP_FAILED)
		return ERR_SET(err, -errno, ERR_BPF, 0, "map the ring's consumer page");
	producer = mmap(NULL, r.page_bytes + data_bytes, PROT_READ, MAP_SHARED, map_fd,
	                (off_t)r.page_bytes);
	if (producer == MAP_FAILED) {
		int error = errno;

		munmap(consumer, r.page_bytes);
		return ERR_SET(err, -error, ERR_BPF, 0, "map a ring of %zu bytes", data_bytes);
	}
	r.consumer = consumer;
	r.producer = producer;
	*ret = r;
	return 0;
}

void ring_close(struct ring *r)
{
	if (r->consumer) {
		munmap(r->consumer, r->page_bytes);
		munmap((void *)r->producer, r->page_bytes + r->data_bytes);
	}
	*r = (struct ring){};
}

static const unsigned char *data_at(const struct ring *r, uint64_t position)
{
	return r->producer + r->page_bytes + (position & (r->data_bytes - 1));
}

/* Where it lies, or put together in `room` where it goes on at the ring's beginning. */
static const void *whole(const struct ring *r, uint64_t position, void *room, size_t bytes)
{
	size_t to_end = r->data_bytes - (position & (r->data_bytes - 1));

	if (bytes <= to_end)
		return data_at(r, position);
	memcpy(room, data_at(r, position), to_end);
	memcpy((unsigned char *)room + to_end, data_at(r, 0), bytes - to_end);
	return room;
}

size_t ring_drain(struct ring *r, void *room, size_t room_bytes, size_t most, ring_taker take,
                  void *self)
{
	uint64_t end = __atomic_load_n((const uint64_t *)r->producer, __ATOMIC_ACQUIRE);
	uint64_t at = *r->consumer, told = at;
	size_t taken = 0;

	while (at < end && end - at <= r->data_bytes && taken < most) {
		uint32_t header =
			__atomic_load_n((const uint32_t *)data_at(r, at), __ATOMIC_ACQUIRE);
		size_t bytes = header & LENGTH_MASK;

		if (header & BPF_RINGBUF_BUSY_BIT || bytes > end - at)
			break; /* its writer is not done */
		if (!(header & BPF_RINGBUF_DISCARD_BIT) && bytes <= room_bytes) {
			take(self, whole(r, at + BPF_RINGBUF_HDR_SZ, room, bytes), bytes);
			taken++;
		}
		at += (BPF_RINGBUF_HDR_SZ + bytes + 7) / 8 * 8;
		if (at - told < r->data_bytes / ROOM_TOLD)
			continue;
		__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
		told = at;
	}
	__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
	return taken;
}
