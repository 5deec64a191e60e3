/* The race of RFC 8305 5, over the addresses in the order of RFC 6724, families in turn.
 *
 * The Resolution Delay (3) is the resolver's: whoever races here has all the addresses there will be.
 */
#include "transport/tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"
#include "transport/resolve.h"
#include "transport/tcp_bind.h"

struct attempt {
	struct tcp_dial *dial;
	struct resolve_address address;
	struct loop_io *io; /* NULL: failed, or not begun */
	enum tcp_bind how;
	uint64_t started_ns;
	int result; /* negative errno; -EINPROGRESS while nothing was heard */
};

struct tcp_dial {
	struct loop *loop;
	struct resolve *resolve;
	char interface[IF_NAMESIZE]; /* "": none */
	uint64_t deadline_ns;
	uint64_t started_ns;
	uint64_t resolved_ns;
	struct loop_timer deadline;
	struct loop_timer next; /* the Connection Attempt Delay */
	size_t count;
	size_t begun;
	struct attempt attempts[RESOLVE_ADDRESSES_MAX];
	void (*opened)(void *owner, int fd);
	void *opened_owner;
	tcp_dial_done done;
	void *owner;
};

static struct tcp_dial *dial_free(struct tcp_dial *d)
{
	if (!d)
		return NULL;
	resolve_cancel(d->resolve);
	loop_timer_cancel(d->loop, &d->deadline);
	loop_timer_cancel(d->loop, &d->next);
	for (size_t i = 0; i < d->begun; i++)
		loop_remove(d->attempts[i].io);
	free(d);
	return NULL;
}

CLEANUP_DEFINE(dial_freep, struct tcp_dial *, dial_free)

struct tcp_dial *tcp_dial_cancel(struct tcp_dial *d)
{
	return dial_free(d);
}

bool tcp_dial_is_resolving(const struct tcp_dial *d)
{
	return d->resolve != NULL;
}

/* --- the end ------------------------------------------------------------------------------------ */

/* How much an errno tells of the server, rather than of the way to it or of this machine. */
static int telling(int result)
{
	static const int order[] = { -EADDRNOTAVAIL, -EAFNOSUPPORT, -ENETDOWN,   -ENETUNREACH,
		                     -EHOSTUNREACH,  -ETIMEDOUT,    -ECONNRESET, -ECONNREFUSED };

	for (int i = 0; i < (int)(sizeof(order) / sizeof(*order)); i++)
		if (order[i] == result)
			return i + 1;
	return 0;
}

static int most_telling(const struct tcp_dial *d)
{
	int result = d->attempts[0].result;

	for (size_t i = 1; i < d->begun; i++)
		if (telling(d->attempts[i].result) > telling(result))
			result = d->attempts[i].result;
	return result;
}

static void append_attempt(struct text *t, const struct attempt *a)
{
	bool v6 = a->address.any.sa_family == AF_INET6;
	char ip[TCP_ADDRESS_TEXT_MAX];

	/* the port is at the same place in both */
	text_append(t, v6 ? "[%s]:%u: " : "%s:%u: ", tcp_address_text(&a->address.any, ip),
	            ntohs(a->address.v4.sin_port));
	text_append(t, "%s", a->result == -EINPROGRESS ? "no answer" : strerror(-a->result));
}

/* "192.0.2.1:443: Connection refused; [2001:db8::1]:443: Network is unreachable" */
static void list_attempts(const struct tcp_dial *d, char *out, size_t out_bytes)
{
	struct text t = text_on(out, out_bytes);

	for (size_t i = 0; i < d->begun; i++) {
		text_append(&t, "%s", i ? "; " : "");
		append_attempt(&t, &d->attempts[i]);
	}
}

static void fail(struct tcp_dial *d, const struct err *err)
{
	tcp_dial_done done = d->done;
	void *owner = d->owner;

	dial_free(d);
	done(owner, NULL, err);
}

static void fail_attempts(struct tcp_dial *d, int code)
{
	char attempts[RESOLVE_ADDRESSES_MAX * (TCP_ADDRESS_TEXT_MAX + 48)];
	struct err err = {};

	list_attempts(d, attempts, sizeof(attempts));
	ERR_SET(&err, code, ERR_SYS, 0, "connect to %s", attempts);
	fail(d, &err);
}

/* `c` has the names already. */
static void succeed(struct attempt *a, struct tcp_connection *c)
{
	struct tcp_dial *d = a->dial;
	tcp_dial_done done = d->done;
	void *owner = d->owner;

	c->resolved_ns = d->resolved_ns;
	c->connected_ns = loop_now_ns(d->loop) - a->started_ns;
	c->fd = loop_detach(TAKE(a->io, NULL));
	if (*d->interface)
		tcp_bind_prove(c->fd, d->interface, a->how, &c->bind);
	dial_free(d);
	done(owner, c, NULL);
}

static void on_deadline(void *owner)
{
	fail_attempts(owner, -ETIMEDOUT);
}

/* --- the race ----------------------------------------------------------------------------------- */

static void begin_next(struct tcp_dial *d);

static void on_connected(void *owner, int result)
{
	struct attempt *a = owner;
	struct tcp_connection c = {};

	if (result == 0)
		result =
			tcp_names(loop_io_fd(a->io), &c, NULL); /* fails where it was reset since */
	if (result == 0) {
		succeed(a, &c);
		return;
	}
	a->result = result;
	a->io = loop_remove(a->io);
	begin_next(a->dial);
}

static int open_attempt(struct attempt *a)
{
	static const struct loop_events events = { .connected = on_connected };
	const char *interface = a->dial->interface;
	int family = a->address.any.sa_family;
	CLEANUP(fd_closep) int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (*interface)
		r = tcp_bind(fd, family, interface, &a->how, NULL);
	if (r == 0)
		r = loop_add(a->dial->loop, fd, &events, a, &a->io, NULL);
	if (r < 0)
		return r;
	TAKE(fd, -1);
	if (a->dial->opened)
		a->dial->opened(a->dial->opened_owner, loop_io_fd(a->io));
	loop_connect(a->io, &a->address.any, a->address.bytes);
	return -EINPROGRESS;
}

static bool any_under_way(const struct tcp_dial *d)
{
	for (size_t i = 0; i < d->begun; i++)
		if (d->attempts[i].io)
			return true;
	return false;
}

/* Begins the next attempt, passing over those that cannot even begin; gives up when nothing is left
 * to begin or to wait for. */
static void begin_next(struct tcp_dial *d)
{
	while (d->begun < d->count) {
		struct attempt *a = &d->attempts[d->begun++];

		a->started_ns = loop_now_ns(d->loop);
		a->result = open_attempt(a);
		if (a->result != -EINPROGRESS)
			continue;
		loop_timer_set(d->loop, &d->next, a->started_ns + TCP_ATTEMPT_DELAY_NS);
		return;
	}
	loop_timer_cancel(d->loop, &d->next);
	if (!any_under_way(d))
		fail_attempts(d, most_telling(d));
}

static void on_next(void *owner)
{
	begin_next(owner);
}

/* RFC 8305 4, with a First Address Family Count of 1: the families in turn, from the one that the
 * resolver puts first. What is left of the longer list comes last. */
static void set_order(struct tcp_dial *d, const struct resolve_answer *answer)
{
	int family = answer->addresses[0].any.sa_family;
	size_t at[2] = {}; /* in the list: [0] of `family`, [1] of the other */

	for (size_t turn = 0; d->count < answer->count; turn = !turn) {
		while (at[turn] < answer->count &&
		       (answer->addresses[at[turn]].any.sa_family == family) != (turn == 0))
			at[turn]++;
		if (at[turn] == answer->count)
			continue;
		d->attempts[d->count++] = (struct attempt){
			.dial = d,
			.address = answer->addresses[at[turn]++],
		};
	}
}

static void on_resolved(void *owner, const struct resolve_answer *answer, const struct err *err)
{
	struct tcp_dial *d = owner;

	d->resolve = NULL; /* it ends by itself after this call */
	if (!answer) {
		fail(d, err);
		return;
	}
	d->resolved_ns = loop_now_ns(d->loop) - d->started_ns;
	set_order(d, answer);
	loop_timer_set(d->loop, &d->deadline, d->deadline_ns);
	begin_next(d);
}

/* --- the beginning ------------------------------------------------------------------------------ */

int tcp_dial(struct loop *l, const char *host, uint16_t port, const struct tcp_options *options,
             uint64_t deadline_ns, tcp_dial_done done, void *owner, struct tcp_dial **ret,
             struct err *err)
{
	CLEANUP(dial_freep) struct tcp_dial *d = NULL;
	int r;

	if (options->interface) {
		r = tcp_bind_check(options->interface, options->family, err);
		if (r < 0)
			return r;
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a connection attempt");
	d->loop = l;
	d->deadline_ns = deadline_ns;
	d->started_ns = loop_now_ns(l);
	d->deadline = (struct loop_timer){ .fire = on_deadline, .owner = d };
	d->next = (struct loop_timer){ .fire = on_next, .owner = d };
	d->opened = options->opened;
	d->opened_owner = options->owner;
	d->done = done;
	d->owner = owner;
	if (options->interface) /* it fits: the kernel has an interface of that name */
		bytes_copy_text(d->interface, sizeof(d->interface), options->interface);

	r = resolve_start(l, host, port, options->family, deadline_ns, on_resolved, d, &d->resolve,
	                  err);
	if (r < 0)
		return r;
	*ret = TAKE(d, NULL);
	return 0;
}
