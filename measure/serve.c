#include "measure/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure/serve_client.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/fast_gcm.h"
#include "transport/loop/loop.h"
#include "transport/tcp.h"
#include "transport/tls.h"

/* After a failure that does not pass by itself at once (no descriptors, no memory). */
#define ACCEPT_AGAIN_NS (100 * NS_PER_MS)

#define DRAIN_POLL_NS (20 * NS_PER_MS)

struct listener {
	struct serve *serve;
	struct loop_io *io;
	struct loop_timer again;
	struct tls_context *tls; /* NULL: cleartext */
	uint16_t port;
};

struct serve {
	struct loop *loop;
	struct serve_options o;
	struct listener ws, wss;
	struct tls_context *tls;
	struct serve_client_shared shared;
	struct serve_client *clients; /* a list, through serve_client_link() */
	struct serve_stats stats;
	bool stopping;
	struct loop_timer drain;
	void (*drained)(void *owner);
	void *drained_owner;
};

CLEANUP_DEFINE(serve_closep, struct serve *, serve_close)

/* --- clients --------------------------------------------------------------------------------------- */

static void unlink_client(struct serve *s, struct serve_client *c)
{
	struct serve_client **at = &s->clients;

	while (*at != c)
		at = serve_client_link(*at);
	*at = *serve_client_link(c);
}

/* Those with a place, or those without. */
static unsigned int count_clients(const struct serve *s, bool with_place)
{
	unsigned int count = 0;

	for (struct serve_client *c = s->clients; c; c = *serve_client_link(c))
		count += serve_client_has_place(c) == with_place;
	return count;
}

static bool on_client_asks(void *owner)
{
	const struct serve *s = owner;

	return count_clients(s, true) >= s->o.max_clients;
}

static void on_client_refused(void *owner)
{
	struct serve *s = owner;

	s->stats.refused++;
}

static void on_client_gone(void *owner, struct serve_client *c)
{
	unlink_client(owner, c);
	serve_client_free(c);
}

static void on_client_tests(void *owner)
{
	struct serve *s = owner;

	s->stats.tests++;
}

static void admit(struct listener *l, int fd)
{
	struct serve *s = l->serve;
	struct serve_client *c;

	s->stats.accepted++;
	if (count_clients(s, false) >= SERVE_ASKING_MAX) {
		s->stats.refused++;
		close(fd);
		return;
	}
	if (serve_client_start(&s->shared, fd, l->tls, &c, NULL) < 0)
		return; /* it is closed: the client sees that, and there was nobody else to tell */
	*serve_client_link(c) = s->clients;
	s->clients = c;
}

/* --- listening ------------------------------------------------------------------------------------- */

static void on_again(void *owner)
{
	struct listener *l = owner;

	loop_accept(l->io);
}

static void on_accepted(void *owner, int fd)
{
	struct listener *l = owner;

	if (fd >= 0)
		admit(l, fd);
	else if (fd != -ECONNABORTED)
		loop_timer_set(l->serve->loop, &l->again,
		               loop_now_ns(l->serve->loop) + ACCEPT_AGAIN_NS);
}

static const struct loop_events listener_events = { .accepted = on_accepted };

static int open_listener(struct serve *s, struct listener *l, int port, struct err *err)
{
	int fd, r;

	if (port < 0)
		return 0;
	fd = tcp_listen(s->o.listen, (uint16_t)port, &l->port, err);
	if (fd < 0)
		return fd;
	/* What it accepts inherits it, and may then be told so again by who has no CAP_NET_ADMIN any more. */
	if (s->shared.congestion)
		tcp_set_congestion(fd, s->shared.congestion, NULL);
	l->serve = s;
	l->again = (struct loop_timer){ .fire = on_again, .owner = l };
	r = loop_add(s->loop, fd, &listener_events, l, &l->io, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	loop_accept(l->io);
	return 0;
}

static void close_listener(struct listener *l)
{
	if (!l->io)
		return;
	loop_timer_cancel(l->serve->loop, &l->again);
	l->io = loop_remove(l->io);
}

/* --- congestion control ------------------------------------------------------------------------------ */

/* Asked for by name it must exist; else BBR where the kernel has it, as the reference server does. */
static int choose_congestion(struct serve *s, struct err *err)
{
	CLEANUP(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *name = s->o.congestion ? s->o.congestion : "bbr";

	if (fd < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open a socket");
	if (tcp_set_congestion(fd, name, s->o.congestion ? err : NULL) == 0)
		s->shared.congestion = name;
	else if (s->o.congestion)
		return err->code;
	return 0;
}

/* --- life ---------------------------------------------------------------------------------------------- */

static void on_drain(void *owner)
{
	struct serve *s = owner;

	if (s->clients)
		loop_timer_set(s->loop, &s->drain, loop_now_ns(s->loop) + DRAIN_POLL_NS);
	else
		s->drained(s->drained_owner);
}

void serve_stop(struct serve *s, void (*drained)(void *owner), void *owner)
{
	if (s->stopping)
		return;
	s->stopping = true;
	s->drained = drained;
	s->drained_owner = owner;
	close_listener(&s->ws);
	close_listener(&s->wss);
	for (struct serve_client *c = s->clients; c; c = *serve_client_link(c))
		serve_client_stop(c);
	loop_timer_set(s->loop, &s->drain, loop_now_ns(s->loop));
}

int serve_open(struct loop *l, const struct serve_options *options,
               void (*hear)(void *owner, const struct serve_event *event), void *owner,
               struct serve **ret, struct err *err)
{
	CLEANUP(serve_closep) struct serve *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the server");
	s->loop = l;
	s->o = *options;
	if (!s->o.listen)
		s->o.listen = "127.0.0.1";
	if (s->o.max_clients == 0)
		s->o.max_clients = SERVE_CLIENTS_DEFAULT;
	s->drain = (struct loop_timer){ .fire = on_drain, .owner = s };
	s->shared = (struct serve_client_shared){ .loop = l,
		                                  .started_utc_ns = clock_utc_ns(),
		                                  .hear = hear,
		                                  .hear_owner = owner,
		                                  .full = on_client_asks,
		                                  .refused = on_client_refused,
		                                  .gone = on_client_gone,
		                                  .test_began = on_client_tests,
		                                  .owner = s };
	r = choose_congestion(s, err);
	if (r < 0)
		return r;
	if (s->o.wss_port >= 0) {
		(void)fast_gcm_load(NULL);
		r = tls_context_server(s->o.cert, s->o.key, &s->tls, err);
		if (r < 0)
			return r;
		s->wss.tls = s->tls;
	}
	r = open_listener(s, &s->ws, s->o.ws_port, err);
	if (r == 0)
		r = open_listener(s, &s->wss, s->o.wss_port, err);
	if (r < 0)
		return r;
	s->shared.ws_port = s->ws.port;
	s->shared.wss_port = s->wss.port;
	*ret = TAKE(s, NULL);
	return 0;
}

uint16_t serve_ws_port(const struct serve *s)
{
	return s->ws.port;
}

uint16_t serve_wss_port(const struct serve *s)
{
	return s->wss.port;
}

struct serve_stats serve_stats(const struct serve *s)
{
	struct serve_stats stats = s->stats;

	stats.clients = count_clients(s, true);
	stats.asking = count_clients(s, false);
	return stats;
}

struct serve *serve_close(struct serve *s)
{
	if (!s)
		return NULL;
	loop_timer_cancel(s->loop, &s->drain);
	close_listener(&s->ws);
	close_listener(&s->wss);
	while (s->clients) {
		struct serve_client *c = s->clients;

		s->clients = *serve_client_link(c);
		serve_client_free(c);
	}
	tls_context_free(s->tls);
	free(s);
	return NULL;
}
