#include "agent/daemon/status_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define NAME       "status.sock"
#define BACKLOG    8
#define PATIENCE_S 5

struct status_socket {
	struct loop_io *io;
	int dir_fd;
	status_compose compose;
	void *owner;
};

CLEANUP_DEFINE(status_socket_freep, struct status_socket *, status_socket_close)

/* A socket's name has room for 107 bytes, a directory may have more: so it is named by its descriptor. */
static struct sockaddr_un address_in(int dir_fd)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" NAME, dir_fd);
	return a;
}

static int open_directory(const char *directory, struct err *err)
{
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : ERR_SET(err, -errno, ERR_SYS, 0, "open the directory %s", directory);
}

/* --- the daemon's end -------------------------------------------------------------------------------- */

/* What is sent fits into the socket's buffer: nobody is waited for. */
static void on_accepted(void *owner, int fd)
{
	static char out[STATUS_BYTES_MAX];
	struct status_socket *s = owner;
	size_t n;

	if (fd < 0)
		return;
	n = s->compose(s->owner, out, sizeof(out));
	if (n > 0)
		(void)!send(fd, out, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static const struct loop_events events = { .accepted = on_accepted };

static int listen_in(int dir_fd, const char *directory, mode_t mode, struct err *err)
{
	CLEANUP(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = address_in(dir_fd);
	mode_t before;
	int r;

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make the socket for status");
	unlinkat(dir_fd, NAME, 0);
	before = umask(0777 & ~mode);
	r = bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
	umask(before);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "listen on " NAME " in %s", directory);
	return TAKE(fd, -1);
}

int status_socket_open(struct loop *l, const char *directory, mode_t mode, status_compose compose,
                       void *owner, struct status_socket **ret, struct err *err)
{
	CLEANUP(status_socket_freep) struct status_socket *s = calloc(1, sizeof(*s));
	int fd, r;

	if (!s)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the socket for status");
	s->compose = compose;
	s->owner = owner;
	s->dir_fd = open_directory(directory, err);
	if (s->dir_fd < 0)
		return s->dir_fd;
	fd = listen_in(s->dir_fd, directory, mode, err);
	if (fd < 0)
		return fd;
	r = loop_add(l, fd, &events, s, &s->io, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	loop_accept(s->io);
	*ret = TAKE(s, NULL);
	return 0;
}

struct status_socket *status_socket_close(struct status_socket *s)
{
	if (!s)
		return NULL;
	if (s->io)
		unlinkat(s->dir_fd, NAME, 0);
	loop_remove(s->io);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	free(s);
	return NULL;
}

/* --- the other end -------------------------------------------------------------------------------------- */

static int read_all(int fd, char *out, size_t out_bytes, struct err *err)
{
	size_t n = 0;
	ssize_t got;

	while ((got = recv(fd, out + n, out_bytes - 1 - n, 0)) > 0)
		n += (size_t)got;
	if (got < 0 && errno == EAGAIN)
		return ERR_SET(err, -ETIMEDOUT, ERR_SYS, 0,
		               "hear from the daemon within %d s: it hangs", PATIENCE_S);
	if (got < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "read what the daemon says");
	out[n] = '\0';
	return n > 0 ? 0
	             : ERR_SET(err, -EPROTO, ERR_SYS, 0, "hear from the daemon: it said nothing");
}

int status_socket_ask(const char *directory, char *out, size_t out_bytes, struct err *err)
{
	CLEANUP(fd_closep) int dir_fd = open_directory(directory, err);
	CLEANUP(fd_closep) int fd = -1;
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un a = address_in(dir_fd);

	if (dir_fd < 0)
		return dir_fd;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "make a socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "reach a daemon at %s/" NAME, directory);
	return read_all(fd, out, out_bytes, err);
}
