#include "transport/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/head.h"
#include "transport/loop/loop.h"
#include "transport/proxy.h"
#include "transport/url.h"

#define REQUEST_BYTES (2 * URL_AUTHORITY_MAX + PROXY_HEADER_BYTES + 64)

struct tunnel {
	struct loop *loop;
	struct loop_io *io;
	struct loop_timer over; /* told from a turn of its own */
	tunnel_done done;
	void *owner;
	struct err err;              /* code 0: it stands */
	char request[REQUEST_BYTES]; /* may hold a password: wiped when it is out */
	char answer[HEAD_BYTES_MAX];
	size_t answer_bytes;
};

CLEANUP_DEFINE(tunnel_cancelp, struct tunnel *, tunnel_cancel)

struct tunnel *tunnel_cancel(struct tunnel *t)
{
	if (!t)
		return NULL;
	loop_remove(t->io);
	loop_timer_cancel(t->loop, &t->over);
	explicit_bzero(t->request, sizeof(t->request));
	free(t);
	return NULL;
}

static void end(struct tunnel *t)
{
	loop_timer_set(t->loop, &t->over, 0);
}

static void on_over(void *owner)
{
	CLEANUP(tunnel_cancelp) struct tunnel *t = owner;
	int fd = t->err.code ? -1 : loop_detach(TAKE(t->io, NULL));

	t->done(t->owner, fd, t->err.code ? &t->err : NULL);
}

/* The host behind it speaks only when it is spoken to: what follows the head is not its. */
static void read_answer(struct tunnel *t)
{
	struct head h;
	int r = head_parse_response(t->answer, t->answer_bytes, &h, &t->err);

	if (r == HEAD_NEED_MORE && t->answer_bytes < sizeof(t->answer))
		return;
	if (r == HEAD_NEED_MORE)
		ERR_SET(&t->err, -EMSGSIZE, ERR_HTTP, 0, "read a head of %zu bytes",
		        sizeof(t->answer));
	else if (r == HEAD_OK && (h.status < 200 || h.status > 299))
		ERR_SET(&t->err, -ECONNREFUSED, ERR_HTTP, h.status, "it answers %d", h.status);
	else if (r == HEAD_OK && h.bytes < t->answer_bytes)
		ERR_SET(&t->err, -EPROTO, ERR_HTTP, h.status, "it says more than it was asked");
	if (t->err.code)
		err_prefix(&t->err, "get through the proxy");
	end(t);
}

static void on_received(void *owner, const uint8_t *data, size_t n, int result)
{
	struct tunnel *t = owner;
	size_t room = sizeof(t->answer) - t->answer_bytes;

	if (n == 0) {
		ERR_SET(&t->err, result < 0 ? result : -ECONNRESET, ERR_SYS, 0,
		        "get through the proxy: it closed the connection");
		end(t);
		return;
	}
	n = n < room ? n : room;
	memcpy(t->answer + t->answer_bytes, data, n);
	t->answer_bytes += n;
	read_answer(t);
}

static void on_sent(void *owner, int result)
{
	struct tunnel *t = owner;

	explicit_bzero(t->request, sizeof(t->request));
	if (result == 0)
		return;
	ERR_SET(&t->err, result, ERR_SYS, 0, "ask the proxy");
	end(t);
}

static const struct loop_events events = { .received = on_received, .sent = on_sent };

static size_t write_request(const struct url *to, const struct proxy *via, char out[REQUEST_BYTES])
{
	char authority[URL_AUTHORITY_MAX];

	/* The port always: RFC 9110 9.3.6. */
	snprintf(authority, sizeof(authority), to->host_is_ipv6 ? "[%s]:%u" : "%s:%u", to->host,
	         to->port);
	return (size_t)snprintf(out, REQUEST_BYTES, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n",
	                        authority, authority, via->authorization,
	                        *via->authorization ? "\r\n" : "");
}

int tunnel_open(struct loop *l, int fd, const struct url *to, const struct proxy *via,
                tunnel_done done, void *owner, struct tunnel **ret, struct err *err)
{
	CLEANUP(tunnel_cancelp) struct tunnel *t = calloc(1, sizeof(*t));
	int r = t ? 0 : ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a tunnel");

	if (r == 0) {
		t->loop = l;
		r = loop_add(l, fd, &events, t, &t->io, err);
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	t->over = (struct loop_timer){ .fire = on_over, .owner = t };
	t->done = done;
	t->owner = owner;
	loop_receive(t->io);
	loop_send(t->io, &(struct iovec){ t->request, write_request(to, via, t->request) }, 1);
	*ret = TAKE(t, NULL);
	return 0;
}
