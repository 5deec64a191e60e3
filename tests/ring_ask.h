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

/* Puts one request into it, past the loop; answers what the kernel says of it, INT_MIN where it takes none. */
static inline int ring_ask(int ring_fd, const struct io_uring_params *layout,
                           const struct io_uring_sqe *ask)
{
	size_t rings_bytes = layout->cq_off.cqes + layout->cq_entries * sizeof(struct io_uring_cqe);
	size_t sqes_bytes = layout->sq_entries * sizeof(struct io_uring_sqe);
	uint8_t *rings = mmap(NULL, rings_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd,
	                      IORING_OFF_SQ_RING);
	struct io_uring_sqe *sqes = mmap(NULL, sqes_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
	                                 ring_fd, IORING_OFF_SQES);
	unsigned *sq_tail = (unsigned *)(rings + layout->sq_off.tail);
	unsigned *cq_tail = (unsigned *)(rings + layout->cq_off.tail);
	unsigned *array = (unsigned *)(rings + layout->sq_off.array);
	const struct io_uring_cqe *cqes = (void *)(rings + layout->cq_off.cqes);
	int result = INT_MIN;
	unsigned at;

	if (rings == MAP_FAILED || sqes == MAP_FAILED)
		return INT_MIN;
	at = *sq_tail & (layout->sq_entries - 1);
	sqes[at] = *ask;
	array[at] = at;
	__atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring_fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1)
		result = cqes[(*cq_tail - 1) & (layout->cq_entries - 1)].res;
	munmap(rings, rings_bytes);
	munmap(sqes, sqes_bytes);
	return result;
}
