/* libcurl says what it waits for in on_socket() and on_timer(); drive() tells it what has come, and
 * afterwards arms a one-shot poll on each descriptor it still wants. The loop closes what it is given,
 * so it gets a duplicate.
 */
#include "transport/libcurl_loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define LIBCURL_SOCKETS_MAX 8 /* two families racing, the resolver's pair, and room */

struct libcurl_socket {
	struct libcurl_loop *waiter;
	int fd;             /* libcurl's; -1: this one is free */
	int wanted;         /* CURL_POLL_* */
	struct loop_io *io; /* over a duplicate of fd; NULL until the first poll */
	bool armed;         /* a poll is under way */
};

struct libcurl_loop {
	struct loop *loop;
	const struct libcurl *curl;
	CURLM *multi;
	CURL *easy; /* NULL: no transfer */
	struct libcurl_socket sockets[LIBCURL_SOCKETS_MAX];
	struct loop_timer timer;
	struct err refused; /* set by a callback of libcurl's */
	libcurl_loop_done done;
	void *owner;
};

/* --- the end -------------------------------------------------------------------------------- */

static void end_transfer(struct libcurl_loop *w)
{
	if (w->easy)
		w->curl->multi_remove_handle(w->multi, w->easy);
	w->easy = NULL;
}

static void waiter_free(struct libcurl_loop *w)
{
	end_transfer(w);
	if (w->multi)
		w->curl->multi_cleanup(w->multi);
	loop_timer_cancel(w->loop, &w->timer); /* libcurl may have set it until here */
	for (size_t i = 0; i < LIBCURL_SOCKETS_MAX; i++)
		loop_remove(w->sockets[i].io);
	free(w);
}

CLEANUP_DEFINE(waiter_freep, struct libcurl_loop *, waiter_free)

struct libcurl_loop *libcurl_loop_free(struct libcurl_loop *w)
{
	if (w)
		waiter_free(w);
	return NULL;
}

bool libcurl_loop_is_connected(const struct libcurl_loop *w)
{
	for (size_t i = 0; i < LIBCURL_SOCKETS_MAX; i++) {
		struct sockaddr_storage peer;
		socklen_t peer_bytes = sizeof(peer);

		if (w->sockets[i].fd >= 0 &&
		    getpeername(w->sockets[i].fd, (struct sockaddr *)&peer, &peer_bytes) == 0)
			return true;
	}
	return false;
}

/* --- the work ------------------------------------------------------------------------------- */

static void on_polled(void *owner, int events);

static const struct loop_events socket_events = { .polled = on_polled };

static int arm(struct libcurl_socket *s)
{
	struct libcurl_loop *w = s->waiter;
	short events = 0;

	if (!s->io) {
		CLEANUP(fd_closep) int fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
		int r;

		if (fd < 0)
			return ERR_SET(&w->refused, -errno, ERR_SYS, 0, "duplicate a socket");
		r = loop_add(w->loop, fd, &socket_events, s, &s->io, &w->refused);
		if (r < 0)
			return r;
		TAKE(fd, -1);
	}
	if (s->wanted & CURL_POLL_IN)
		events |= POLLIN;
	if (s->wanted & CURL_POLL_OUT)
		events |= POLLOUT;
	loop_poll(s->io, events);
	s->armed = true;
	return 0;
}

static int arm_wanted(struct libcurl_loop *w)
{
	for (size_t i = 0; i < LIBCURL_SOCKETS_MAX; i++) {
		struct libcurl_socket *s = &w->sockets[i];
		int r;

		if (s->fd < 0 || s->armed || !s->wanted)
			continue;
		r = arm(s);
		if (r < 0)
			return r;
	}
	return 0;
}

static void finish(struct libcurl_loop *w, CURLcode result)
{
	end_transfer(w);
	w->done(w->owner, result, w->refused.code ? &w->refused : NULL);
}

/* The one place where libcurl works; w may be gone when it returns. */
static void drive(struct libcurl_loop *w, curl_socket_t fd, int ready)
{
	int running = 0, queued = 0;
	CURLMcode code = w->curl->multi_socket_action(w->multi, fd, ready, &running);
	const CURLMsg *message = w->curl->multi_info_read(w->multi, &queued);

	if (code != CURLM_OK && !w->refused.code)
		ERR_SET(&w->refused, -EIO, ERR_SYS, 0, "%s", w->curl->multi_strerror(code));
	if (message)
		finish(w, message->data.result);
	else if (w->refused.code || arm_wanted(w) < 0)
		finish(w, CURLE_ABORTED_BY_CALLBACK);
}

static void on_polled(void *owner, int events)
{
	struct libcurl_socket *s = owner;
	int ready = 0;

	s->armed = false;
	if (events < 0)
		ERR_SET(&s->waiter->refused, events, ERR_SYS, 0, "wait for a socket");
	else if (events & (POLLIN | POLLHUP | POLLERR)) /* reading tells what the error is */
		ready |= CURL_CSELECT_IN;
	if (events > 0 && events & (POLLOUT | POLLERR))
		ready |= CURL_CSELECT_OUT;
	drive(s->waiter, s->fd, ready);
}

static void on_libcurls_time(void *owner)
{
	drive(owner, CURL_SOCKET_TIMEOUT, 0);
}

/* --- what libcurl waits for ----------------------------------------------------------------- */

static int on_timer(CURLM *multi, long timeout_ms, void *owner)
{
	struct libcurl_loop *w = owner;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_cancel(w->loop, &w->timer);
	else
		loop_timer_set(w->loop, &w->timer,
		               loop_now_ns(w->loop) + (uint64_t)timeout_ms * NS_PER_MS);
	return 0;
}

static struct libcurl_socket *socket_of(struct libcurl_loop *w, curl_socket_t fd)
{
	for (size_t i = 0; i < LIBCURL_SOCKETS_MAX; i++)
		if (w->sockets[i].fd == fd)
			return &w->sockets[i];
	return NULL;
}

/* A poll under way cannot be changed: it ends with its duplicate, and drive() arms the next. */
static int on_socket(CURL *easy, curl_socket_t fd, int wanted, void *owner, void *unused)
{
	struct libcurl_loop *w = owner;
	struct libcurl_socket *s = socket_of(w, fd);

	(void)easy;
	(void)unused;
	if (!s && wanted != CURL_POLL_REMOVE)
		s = socket_of(w, -1);
	if (!s && wanted == CURL_POLL_REMOVE)
		return 0;
	if (!s)
		return ERR_SET(&w->refused, -EMFILE, ERR_SYS, 0, "watch more than %d sockets",
		               LIBCURL_SOCKETS_MAX);
	if (s->armed || wanted == CURL_POLL_REMOVE) {
		s->io = loop_remove(s->io);
		s->armed = false;
	}
	s->fd = wanted == CURL_POLL_REMOVE ? -1 : fd;
	s->wanted = wanted & CURL_POLL_INOUT;
	return 0;
}

/* --- the beginning -------------------------------------------------------------------------- */

struct libcurl_loop *libcurl_loop_new(struct loop *l, const struct libcurl *curl,
                                      libcurl_loop_done done, void *owner)
{
	CLEANUP(waiter_freep) struct libcurl_loop *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct libcurl_loop){ .loop = l, .curl = curl, .done = done, .owner = owner };
	w->timer = (struct loop_timer){ .fire = on_libcurls_time, .owner = w };
	for (size_t i = 0; i < LIBCURL_SOCKETS_MAX; i++)
		w->sockets[i] = (struct libcurl_socket){ .waiter = w, .fd = -1 };
	w->multi = curl->multi_init();
	if (!w->multi)
		return NULL;
	curl->multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl->multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
	curl->multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl->multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
	return TAKE(w, NULL);
}

int libcurl_loop_begin(struct libcurl_loop *w, CURL *easy, struct err *err)
{
	CURLMcode code;

	assert(!w->easy);
	w->refused = (struct err){};
	code = w->curl->multi_add_handle(w->multi, easy); /* on_timer() sets the first turn */
	if (code != CURLM_OK)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "begin a transfer: %s",
		               w->curl->multi_strerror(code));
	w->easy = easy;
	return 0;
}
