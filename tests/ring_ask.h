/* A loop's io_uring as whoever has taken over its process would find it, and ask it for something else. */
#pragma once

#include <limits.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As a loop's is laid out: made and closed, for its offsets. */
static inline int ring_layout(struct io_uring_params *ret)
{
	int fd;

	*ret = (struct io_uring_params){ .flags = IORING_SETUP_CQSIZE, .cq_entries = 1024 };
	fd = (int)syscall(SYS_io_uring_setup, 128, ret);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

/* The first there is; -1: none. */
static inline int ring_find(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		char path[64], target[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "io_uring"))
			return fd;
	}
	return -1;
}

/* What a ring and the kernel share, mapped. */
struct ring_map {
	uint8_t *rings;
	struct io_uring_sqe *sqes;
	size_t rings_bytes, sqes_bytes;
};

static inline int ring_map(int ring_fd, const struct io_uring_params *layout, struct ring_map *ret)
{
	size_t rings_bytes = layout->cq_off.cqes + layout->cq_entries * sizeof(struct io_uring_cqe);
	size_t sqes_bytes = layout->sq_entries * sizeof(struct io_uring_sqe);
	void *rings = mmap(NULL, rings_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd,
	                   IORING_OFF_SQ_RING);
	void *sqes = mmap(NULL, sqes_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd,
	                  IORING_OFF_SQES);

	*ret = (struct ring_map){ rings, sqes, rings_bytes, sqes_bytes };
	return rings == MAP_FAILED || sqes == MAP_FAILED ? -1 : 0;
}

static inline void ring_unmap(const struct ring_map *m)
{
	munmap(m->rings, m->rings_bytes);
	munmap(m->sqes, m->sqes_bytes);
}

/* How many requests it has been given since its birth. */
static inline unsigned ring_requests(const struct ring_map *m, const struct io_uring_params *layout)
{
	return __atomic_load_n((unsigned *)(m->rings + layout->sq_off.tail), __ATOMIC_ACQUIRE);
}

/* The one it was given last, as the kernel has read it. */
static inline const struct io_uring_sqe *ring_last(const struct ring_map *m,
                                                   const struct io_uring_params *layout)
{
	const unsigned *array = (unsigned *)(m->rings + layout->sq_off.array);

	return &m->sqes[array[(ring_requests(m, layout) - 1) & (layout->sq_entries - 1)]];
}

/* Puts one request into it, past the loop; answers what the kernel says of it, INT_MIN where it takes none. */
static inline int ring_ask(int ring_fd, const struct io_uring_params *layout,
                           const struct io_uring_sqe *ask)
{
	struct ring_map m;
	unsigned *sq_tail, *cq_tail, *array;
	const struct io_uring_cqe *cqes;
	int result = INT_MIN;
	unsigned at;

	if (ring_map(ring_fd, layout, &m) < 0)
		return INT_MIN;
	sq_tail = (unsigned *)(m.rings + layout->sq_off.tail);
	cq_tail = (unsigned *)(m.rings + layout->cq_off.tail);
	array = (unsigned *)(m.rings + layout->sq_off.array);
	cqes = (void *)(m.rings + layout->cq_off.cqes);
	at = *sq_tail & (layout->sq_entries - 1);
	m.sqes[at] = *ask;
	array[at] = at;
	__atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring_fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1)
		result = cqes[(*cq_tail - 1) & (layout->cq_entries - 1)].res;
	ring_unmap(&m);
	return result;
}
