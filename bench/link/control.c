#include "bench/link/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/link/namespaces.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

static int socket_of(const char *link_name, struct sockaddr_un *ret, struct err *err)
{
	char path[NAMESPACES_PATH_BYTES];
	int fd, r = namespaces_path(link_name, "control", path, err);

	if (r < 0)
		return r;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? ERR_SET(err, -errno, ERR_SYS, 0, "open a socket") : fd;
}

/* --- the link's side ------------------------------------------------------------------------------ */

static void on_accepted(void *control, int fd)
{
	struct control *c = control;

	if (fd < 0)
		return;
	if (c->askers == CONTROL_ASKERS_MAX) {
		close(fd);
		return;
	}
	c->asker[c->askers++] = fd;
	c->asked(c->owner);
}

int control_open(struct control *c, const char *link_name, struct loop *loop, struct err *err)
{
	static const struct loop_events events = { .accepted = on_accepted };
	struct sockaddr_un address;
	CLEANUP(fd_closep) int fd = socket_of(link_name, &address, err);
	int r;

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, CONTROL_ASKERS_MAX) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "listen at %s", address.sun_path);
	r = loop_add(loop, fd, &events, c, &c->io, err);
	if (r < 0)
		return r;
	fd = -1; /* the loop's */
	loop_accept(c->io);
	return 0;
}

/* Who asked while the link was ending already, and its loop did not run any more. */
static void take_latecomers(struct control *c)
{
	int fd = 0;

	while (c->io && c->askers < CONTROL_ASKERS_MAX && fd >= 0) {
		fd = accept4(loop_io_fd(c->io), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			c->asker[c->askers++] = fd;
	}
}

void control_answer(struct control *c, enum exit_code code, const char *text)
{
	char line[16];
	int n = snprintf(line, sizeof(line), "%d\n", (int)code);

	take_latecomers(c);
	for (int i = 0; i < c->askers; i++) {
		send(c->asker[i], line, (size_t)n, MSG_NOSIGNAL);
		send(c->asker[i], text, strlen(text), MSG_NOSIGNAL);
		close(c->asker[i]);
	}
	c->askers = 0;
}

void control_close(struct control *c)
{
	c->io = loop_remove(c->io);
	for (int i = 0; i < c->askers; i++)
		close(c->asker[i]);
	c->askers = 0;
}

/* --- the other side ------------------------------------------------------------------------------- */

/* All that comes until the end, terminated. */
static int read_all(int fd, char *out, size_t out_bytes)
{
	size_t have = 0;
	ssize_t n;

	while (have < out_bytes - 1) {
		n = read(fd, out + have, out_bytes - 1 - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	out[have] = '\0';
	return 0;
}

/* The verdict comes in one piece, so that the ceiling of one read(2) is that of all. */
static int connect_within(int fd, const struct sockaddr_un *address, uint64_t patience_ns)
{
	const struct timeval patience = { .tv_sec = (time_t)(patience_ns / NS_PER_S),
		                          .tv_usec = (suseconds_t)(patience_ns % NS_PER_S /
		                                                   NS_PER_US) };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	return 0;
}

int control_ask(const char *link_name, uint64_t patience_ns, enum exit_code *ret_code,
                char text[CONTROL_TEXT_BYTES], struct err *err)
{
	struct sockaddr_un address;
	CLEANUP(fd_closep) int fd = socket_of(link_name, &address, err);
	char *newline;
	int r;

	if (fd < 0)
		return fd;
	r = connect_within(fd, &address, patience_ns);
	if (r < 0)
		return ERR_SET(err, r, ERR_SYS, 0, "ask the link %s", link_name);
	r = read_all(fd, text, CONTROL_TEXT_BYTES);
	if (r == -EAGAIN)
		return ERR_SET(err, -ETIMEDOUT, ERR_SYS, 0,
		               "hear within %d s from the link %s how it ended (is its process "
		               "stopped? link list)",
		               (int)(patience_ns / NS_PER_S), link_name);
	newline = r == 0 ? strchr(text, '\n') : NULL;
	if (!newline)
		return ERR_SET(err, -ECONNRESET, ERR_SYS, 0, "hear from the link %s how it ended",
		               link_name);
	*ret_code = (enum exit_code)atoi(text);
	memmove(text, newline + 1, strlen(newline + 1) + 1);
	return 0;
}
