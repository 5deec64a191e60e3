#include "transport/base/passing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(PASSING_DESCRIPTORS_MAX * sizeof(int))];
};

int passing_send(int socket_fd, const void *data, size_t bytes, const int *fds, size_t fd_count)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = bytes };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = {};

	if (fd_count > 0) {
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
	}
	return sendmsg(socket_fd, &m, MSG_NOSIGNAL) == (ssize_t)bytes ? 0 : -errno;
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

/* Answers how many there are; they are the caller's to close. */
static size_t take_descriptors(struct msghdr *m, int fds[PASSING_DESCRIPTORS_MAX])
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	size_t bytes;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	bytes = c->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(c), bytes);
	return bytes / sizeof(int);
}

int passing_receive(int socket_fd, void *data, size_t bytes, int *fds, size_t max_fds,
                    size_t *ret_fd_count)
{
	struct iovec iov = { .iov_base = data, .iov_len = bytes };
	union control control = {};
	struct msghdr m = { .msg_iov = &iov,
		            .msg_iovlen = 1,
		            .msg_control = control.room,
		            .msg_controllen = sizeof(control.room) };
	int taken[PASSING_DESCRIPTORS_MAX];
	ssize_t n = recvmsg(socket_fd, &m, MSG_CMSG_CLOEXEC);
	size_t count;

	if (n < 0)
		return errno == ECONNRESET ? -ECHILD : -errno;
	if (n == 0)
		return -ECHILD;
	count = take_descriptors(&m, taken);
	if ((size_t)n != bytes || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || count > max_fds) {
		close_all(taken, count);
		return -EPROTO;
	}
	if (count > 0)
		memcpy(fds, taken, count * sizeof(int));
	*ret_fd_count = count;
	return 0;
}
