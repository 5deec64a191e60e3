#include "agent/service/courier_order.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "agent/service/courier_frame.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

static int write_memory(int fd, const void *data, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes;) {
		ssize_t n = write(fd, (const char *)data + at, bytes - at);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

static int write_content(int fd, const struct http_content *c)
{
	off_t offset = (off_t)c->offset;

	if (c->data || c->bytes == 0)
		return write_memory(fd, c->data, c->bytes);
	for (uint64_t left = c->bytes; left > 0;) {
		ssize_t n = sendfile(fd, c->fd, &offset, left);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -ENODATA;
		left -= n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

int courier_order_write(const struct http_request *request, int *ret_fd, uint32_t *ret_head_bytes,
                        struct err *err)
{
	CLEANUP(fd_closep) int fd = memfd_create("courier", MFD_CLOEXEC);
	CLEANUP(freep) uint8_t *head = malloc(COURIER_HEAD_BYTES_MAX);
	size_t head_bytes = 0;
	int r;

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a file for a request");
	if (!head)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a request");
	r = courier_head_write(request, head, COURIER_HEAD_BYTES_MAX, &head_bytes, err);
	if (r < 0)
		return r;
	r = write_memory(fd, head, head_bytes);
	if (r == 0)
		r = write_content(fd, &request->body);
	for (size_t i = 0; i < request->part_count && r == 0; i++)
		r = write_content(fd, &request->parts[i].content);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "write a request for the courier");
	*ret_head_bytes = (uint32_t)head_bytes;
	*ret_fd = TAKE(fd, -1);
	return 0;
}
