/* It knows nothing but the requests under way. Its loop is epoll's: every call that it makes is one that a filter of
 * system calls sees. Whatever is not as agreed ends it: the daemon starts another.
 */
#include "agent/service/courier_child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/service/courier.h"
#include "agent/service/courier_frame.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/passing.h"
#include "transport/loop/loop.h"

#define SAY_TIMEOUT_MS 5000 /* the daemon's loop takes a message within microseconds */

struct errand {
	struct courier_child *child;
	struct http *http; /* NULL: this one is free */
	uint32_t id;
	int fd;        /* of the request's contents */
	uint8_t *head; /* what the request's texts lie in */
};

struct courier_child {
	struct loop *loop;
	struct loop_io *io;
	struct errand errands[COURIER_CALLS_MAX];
};

static void errand_end(struct errand *e)
{
	e->http = http_cancel(e->http);
	free(TAKE(e->head, NULL));
	fd_closep(&e->fd);
	e->fd = -1;
}

/* --- saying --------------------------------------------------------------------------------------- */

static int say(int fd, const struct courier_said *said)
{
	uint8_t message[COURIER_SAID_BYTES_MAX];
	size_t n = courier_said_write(said, message);
	struct pollfd writable = { .fd = fd, .events = POLLOUT };

	while (send(fd, message, n, MSG_NOSIGNAL) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (errno == EAGAIN && poll(&writable, 1, SAY_TIMEOUT_MS) == 0)
			return -ETIMEDOUT;
	}
	return 0;
}

static int say_answer(int fd, const struct courier_said *answer, const char *body)
{
	struct courier_said piece = { .kind = COURIER_BODY, .id = answer->id };
	int r = say(fd, answer);

	for (size_t at = 0; at < answer->answer.body_bytes && r == 0; at += piece.data_bytes) {
		piece.data = (const uint8_t *)body + at;
		piece.data_bytes = answer->answer.body_bytes - at;
		if (piece.data_bytes > COURIER_DATA_BYTES_MAX)
			piece.data_bytes = COURIER_DATA_BYTES_MAX;
		r = say(fd, &piece);
	}
	return r;
}

static int say_failure(int fd, uint32_t id, bool was_sent, const struct err *err)
{
	return say(fd, &(struct courier_said){ .kind = COURIER_FAILED,
	                                       .id = id,
	                                       .was_sent = was_sent,
	                                       .code = err->code,
	                                       .domain = err->domain,
	                                       .detail = err->detail,
	                                       .text = err->text });
}

static void on_http(void *owner, const struct http_answer *answer, const struct err *err)
{
	struct errand *e = owner;
	struct courier_child *c = e->child;
	bool was_sent = http_was_sent(e->http);
	int r, fd = loop_io_fd(c->io);

	if (answer)
		r = say_answer(fd,
		               &(struct courier_said){ .kind = COURIER_ANSWER,
		                                       .id = e->id,
		                                       .was_sent = was_sent,
		                                       .answer = *answer },
		               answer->body);
	else
		r = say_failure(fd, e->id, was_sent, err);
	e->http = NULL; /* it ends by itself after this call */
	errand_end(e);
	if (r < 0)
		loop_stop(c->loop);
}

/* --- hearing -------------------------------------------------------------------------------------- */

static struct errand *errand_of(struct courier_child *c, uint32_t id)
{
	for (size_t i = 0; i < COURIER_CALLS_MAX; i++)
		if (c->errands[i].http && c->errands[i].id == id)
			return &c->errands[i];
	return NULL;
}

static struct errand *free_errand(struct courier_child *c)
{
	for (size_t i = 0; i < COURIER_CALLS_MAX; i++)
		if (!c->errands[i].http)
			return &c->errands[i];
	return NULL;
}

/* e->fd is the request's. What cannot be asked is an answer; below 0 nothing goes on. */
static int run_errand(struct errand *e, uint32_t head_bytes)
{
	struct http_request request;
	struct err err = {};
	int r;

	e->head = malloc(head_bytes > 0 ? head_bytes : 1);
	if (!e->head || pread(e->fd, e->head, head_bytes, 0) != (ssize_t)head_bytes)
		return -EPROTO;
	r = courier_head_read(e->head, head_bytes, e->fd, &request, &err);
	if (r < 0)
		return r;
	if (http_ask(e->child->loop, &request, on_http, e, &e->http, &err) == 0)
		return 0;
	r = say_failure(loop_io_fd(e->child->io), e->id, false, &err);
	errand_end(e);
	return r;
}

static int heed(struct courier_child *c, const struct courier_notice *notice, int fd)
{
	struct errand *e = notice->kind == COURIER_ASK ? free_errand(c) : errand_of(c, notice->id);

	if (notice->kind == COURIER_CANCEL && fd < 0) {
		if (e)
			errand_end(e);
		return 0; /* its answer is on its way, where there is none of that name */
	}
	if (notice->kind != COURIER_ASK || fd < 0 || !e ||
	    notice->head_bytes > COURIER_HEAD_BYTES_MAX) {
		fd_closep(&fd);
		return -EPROTO;
	}
	e->id = notice->id;
	e->fd = fd;
	return run_errand(e, notice->head_bytes);
}

static int hear(struct courier_child *c)
{
	struct courier_notice notice;
	size_t fds = 0;
	int fd = -1;
	int r = passing_receive(loop_io_fd(c->io), &notice, sizeof(notice), &fd, 1, &fds);

	return r < 0 ? r : heed(c, &notice, fds > 0 ? fd : -1);
}

static void on_readable(void *owner, int events)
{
	struct courier_child *c = owner;
	int r = events;

	while (r >= 0)
		r = hear(c);
	if (r == -EAGAIN || r == -EINTR)
		loop_poll(c->io, POLLIN);
	else
		loop_stop(c->loop);
}

static const struct loop_events socket_events = { .polled = on_readable };

/* --- the whole ------------------------------------------------------------------------------------ */

static int serve(struct courier_child *c)
{
	int r = loop_open(LOOP_BODY_EPOLL, &c->loop, NULL);

	for (size_t i = 0; i < COURIER_CALLS_MAX; i++)
		c->errands[i] = (struct errand){ .child = c, .fd = -1 };
	if (r == 0)
		r = loop_add(c->loop, COURIER_FD, &socket_events, c, &c->io, NULL);
	if (r < 0)
		return r;
	loop_poll(c->io, POLLIN);
	return loop_run(c->loop, CLOCK_NEVER_NS, NULL);
}

/* What ends the daemon's group of processes is the daemon's business: there it may still want an answer. */
void courier_role(void)
{
	static const int not_ours[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct courier_child c = {};
	int r;

	for (size_t i = 0; i < sizeof(not_ours) / sizeof(*not_ours); i++)
		signal(not_ours[i], SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	r = serve(&c);
	for (size_t i = 0; i < COURIER_CALLS_MAX; i++)
		errand_end(&c.errands[i]);
	loop_remove(c.io);
	loop_close(c.loop);
	exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
