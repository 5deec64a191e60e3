#include "transport/loop/loop_splice.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* As many pages as the largest message has; what of it is not granted (pipe(7), pipe-user-pages-soft)
 * makes more calls. */
#define PIPE_BYTES (1024 * 1024)

/* splice(2) has no MSG_NOSIGNAL. */
struct sigpipe_guard {
	sigset_t before;
	bool was_pending;
};

static void guard_sigpipe(struct sigpipe_guard *g)
{
	sigset_t pipe, pending;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	g->was_pending = false;
	if (pthread_sigmask(SIG_BLOCK, &pipe, &g->before) != 0)
		return;
	/* One that waits already is not ours to take. */
	if (sigismember(&g->before, SIGPIPE) == 1 && sigpending(&pending) == 0)
		g->was_pending = sigismember(&pending, SIGPIPE) == 1;
}

static void unguard_sigpipe(const struct sigpipe_guard *g, bool raised)
{
	static const struct timespec at_once = {};
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	if (raised && !g->was_pending)
		sigtimedwait(&pipe, NULL, &at_once);
	pthread_sigmask(SIG_SETMASK, &g->before, NULL);
}

static int open_pipe(struct loop_splice *s)
{
	int pair[2];

	if (s->open)
		return 0;
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	fcntl(pair[1], F_SETPIPE_SZ, PIPE_BYTES);
	s->read_fd = pair[0];
	s->write_fd = pair[1];
	s->held_bytes = 0;
	s->open = true;
	return 0;
}

void loop_splice_close(struct loop_splice *s)
{
	if (!s->open)
		return;
	close(s->read_fd);
	close(s->write_fd);
	s->open = false;
	s->held_bytes = 0;
}

static int bar(struct loop_splice *s)
{
	loop_splice_close(s);
	s->barred = true;
	return -EOPNOTSUPP;
}

/* More is to follow: the segments are filled up with it. */
static int copy(int fd, const struct msghdr *message, size_t bytes)
{
	ssize_t n =
		send(fd, message->msg_iov->iov_base, bytes, MSG_MORE | MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 ? -errno : (int)n;
}

static int hold(struct loop_splice *s, const struct iovec *iov, size_t n_iov)
{
	ssize_t n = vmsplice(s->write_fd, iov, n_iov, SPLICE_F_NONBLOCK);

	if (n < 0)
		return -errno;
	s->held_bytes = (size_t)n;
	return 0;
}

static int give(struct loop_splice *s, int fd)
{
	struct sigpipe_guard guard;
	ssize_t n;
	int error;

	guard_sigpipe(&guard);
	n = splice(s->read_fd, NULL, fd, NULL, s->held_bytes, SPLICE_F_NONBLOCK);
	error = n < 0 ? errno : 0;
	unguard_sigpipe(&guard, error == EPIPE);
	if (n < 0)
		return -error;
	s->held_bytes -= (size_t)n;
	return (int)n;
}

int loop_splice_send(struct loop_splice *s, int fd, const struct msghdr *message,
                     size_t copied_bytes)
{
	int r;

	if (s->barred)
		return -EOPNOTSUPP;
	if (copied_bytes > 0)
		return copy(fd, message, copied_bytes);
	r = open_pipe(s);
	if (r == 0 && s->held_bytes == 0)
		r = hold(s, message->msg_iov, message->msg_iovlen);
	if (r < 0)
		return r == -EINTR ? -EAGAIN : bar(s);
	r = give(s, fd);
	/* A socket's own failures are told; that it cannot be spliced to is not one of them. */
	return r == -EINVAL || r == -ENOSYS || r == -EPERM ? bar(s) : r;
}
