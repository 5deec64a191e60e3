#include "agent/service/cable.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/config/config.h"
#include "agent/service/cable_frames.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"
#include "transport/proxy.h"
#include "transport/stream.h"
#include "transport/tcp.h"
#include "transport/tunnel.h"
#include "transport/url.h"
#include "transport/ws.h"

#define TARGET            "/api/v1/clients/ws"
#define USER_AGENT        "RadarPodsAgent/" POD_VERSION
#define REQUEST_BYTES_MAX 2048

/* A frame of the service's is a few hundred bytes. After a longer one its memory goes back to the system. */
#define TEXT_KEPT_BYTES (64 * 1024)

/* What belongs to one connection. */
struct link {
	struct tcp_dial *dial;
	bool through_proxy; /* whom we dial, and ask for the service behind it */
	struct proxy proxy;
	struct tunnel *tunnel; /* NULL: not begun, or there */
	struct stream *stream;
	bool secured;  /* TLS is up, or there is none: what is sent goes out */
	bool upgraded; /* what comes is frames */
	bool deaf;     /* the peer broke the protocol: what comes is read and not decoded */
	char key[WS_KEY_TEXT_BYTES];
	char request[REQUEST_BYTES_MAX]; /* holds the secret: wiped when it is out */
	size_t head_bytes;               /* of the answer, in `text` */
	struct ws_decoder decoder;
	char identifier[CABLE_IDENTIFIER_BYTES];
	uint8_t *text; /* CABLE_TEXT_BYTES_MAX; a page is there once it is used */
	uint8_t *out;  /* what is being sent; NULL: nothing, or the request */
	uint8_t echo
		[WS_CONTROL_PAYLOAD_MAX]; /* of a ping of RFC 6455 that is still to be answered */
	size_t echo_bytes;
	bool echo_due;
};

struct cable {
	struct cable_state state;
	struct cable_options o; /* its texts are ours */
	struct url url;
	char client_id[CONFIG_ID_BYTES], secret[CONFIG_ID_BYTES];
	char interface[IF_NAMESIZE];
	struct loop_timer wake;
	struct link link;
	enum cable_phase told; /* changed() was called for */
	bool over;             /* a connection has ended, which ended() has not told of */
	char last_end[256];
	char broke[200]; /* what ended it, where the state does not know */
};

CLEANUP_DEFINE(cable_freep, struct cable *, cable_free)

static uint64_t now_ns(const struct cable *c)
{
	return loop_now_ns(c->o.loop);
}

/* --- the connection's end --------------------------------------------------------------------------- */

static void link_end(struct cable *c)
{
	struct link *l = &c->link;

	tcp_dial_cancel(l->dial);
	tunnel_cancel(l->tunnel);
	stream_close(l->stream);
	if (l->text)
		munmap(l->text, CABLE_TEXT_BYTES_MAX);
	free(l->out);
	explicit_bzero(l->request, sizeof(l->request));
	explicit_bzero(&l->proxy, sizeof(l->proxy));
	*l = (struct link){};
}

static void keep_why(struct cable *c, const struct err *why)
{
	err_sentence(why, c->broke, sizeof(c->broke));
}

/* It has ended by itself; where that was awaited, the reason is known. */
static void broke(struct cable *c, const struct err *why)
{
	if (c->state.phase != CABLE_CLOSING)
		keep_why(c, why);
	link_end(c);
	cable_state_ended(&c->state, now_ns(c));
	c->over = true;
}

/* --- what we say --------------------------------------------------------------------------------------- */

static bool is_writable(const struct cable *c)
{
	return c->link.upgraded && !stream_sending(c->link.stream);
}

static void send_frame(struct cable *c, enum ws_opcode opcode, const void *payload, size_t n)
{
	size_t room = WS_HEADER_MAX + n;

	free(c->link.out);
	c->link.out = malloc(room);
	if (!c->link.out)
		return; /* it is said again, or its absence has a deadline */
	n = ws_small_frame(WS_CLIENT, opcode, payload, n, c->link.out, room);
	stream_send(c->link.stream, &(struct iovec){ c->link.out, n }, 1);
}

static void send_subscribe(struct cable *c)
{
	char out[CABLE_MESSAGE_BYTES(0)];
	int n = cable_subscribe_write(c->link.identifier, out, sizeof(out));

	assert(n > 0);
	send_frame(c, WS_TEXT, out, (size_t)n);
}

static void send_message(struct cable *c, const char *action, const char *payload)
{
	size_t room = CABLE_MESSAGE_BYTES(strlen(payload));
	CLEANUP(freep) char *out = malloc(room);
	int n = out ? cable_message_write(c->link.identifier, action, payload, out, room) : -ENOMEM;

	if (n > 0)
		send_frame(c, WS_TEXT, out, (size_t)n);
}

static void send_sync(struct cable *c)
{
	CLEANUP(freep) char *payload = c->o.events->compose_sync(c->o.owner);

	if (payload)
		send_message(c, "sync", payload);
}

static void send_close(struct cable *c, uint16_t code)
{
	uint8_t payload[WS_CONTROL_PAYLOAD_MAX];

	send_frame(c, WS_CLOSE, payload, ws_close_payload(code, NULL, payload));
}

static void send_echo(struct cable *c)
{
	c->link.echo_due = false;
	send_frame(c, WS_PONG, c->link.echo, c->link.echo_bytes);
}

/* --- what the state asks for -------------------------------------------------------------------------- */

static void dial(struct cable *c);

static const char *why_no_address(const struct link *l)
{
	if (l->tunnel)
		return "the proxy says nothing within 15 s";
	if (l->dial && tcp_dial_is_resolving(l->dial))
		return "no name server answers within 15 s";
	return cable_why_text(CABLE_WHY_NO_ADDRESS_ANSWERS);
}

static void do_step(struct cable *c, const struct cable_step *step)
{
	switch (step->what) {
	case CABLE_WAIT:
		break;
	case CABLE_DIAL:
		dial(c);
		break;
	case CABLE_SUBSCRIBE:
		send_subscribe(c);
		break;
	case CABLE_SYNC:
		send_sync(c);
		break;
	case CABLE_PONG:
		send_message(c, "pong", "null");
		break;
	case CABLE_CLOSE:
		send_close(c, step->close_code);
		break;
	case CABLE_DROP:
		if (c->state.why == CABLE_WHY_NO_ADDRESS_ANSWERS)
			snprintf(c->broke, sizeof(c->broke), "%s", why_no_address(&c->link));
		link_end(c);
		c->over = true;
		break;
	}
}

/* What is known here is more than what the state knows. */
static bool is_known_here(enum cable_why why)
{
	return why == CABLE_WHY_BROKE || why == CABLE_WHY_NO_ADDRESS_ANSWERS ||
	       why == CABLE_WHY_PEER_WRONG || why == CABLE_WHY_SENT_AWAY;
}

static void tell_end(struct cable *c)
{
	uint64_t now = now_ns(c);

	snprintf(c->last_end, sizeof(c->last_end), "%s",
	         is_known_here(c->state.why) ? c->broke : cable_why_text(c->state.why));
	c->o.events->ended(c->o.owner, c->last_end,
	                   c->state.until_ns > now ? c->state.until_ns - now : 0);
}

static void tell(struct cable *c)
{
	bool changed = c->told != c->state.phase;

	c->told = c->state.phase;
	if (TAKE(c->over, false))
		tell_end(c);
	if (c->told == CABLE_CONFIRMED)
		c->last_end[0] = '\0';
	if (changed)
		c->o.events->changed(c->o.owner);
}

/* Called last by whatever the loop calls: here, and only here, a connection is given up. */
static void advance(struct cable *c)
{
	struct cable_step step;

	do {
		if (c->link.echo_due && is_writable(c))
			send_echo(c);
		step = cable_state_turn(&c->state, now_ns(c), is_writable(c));
		do_step(c, &step);
	} while (step.what != CABLE_WAIT);
	loop_timer_set(c->o.loop, &c->wake, step.wake_ns);
	tell(c);
}

static void on_wake(void *owner)
{
	advance(owner);
}

/* --- what we are told ---------------------------------------------------------------------------------- */

static void take_text(struct cable *c, const struct ws_event *e)
{
	struct cable_frame f;
	struct err err;

	if (cable_frame_read((const char *)e->data, e->n, c->link.identifier, &f, &err) < 0) {
		c->o.events->dropped(c->o.owner, &err);
	} else if (f.kind >= CABLE_RUN_TEST) {
		if (c->state.phase == CABLE_CONFIRMED)
			c->o.events->ordered(c->o.owner, &f);
	} else {
		if (f.kind == CABLE_DISCONNECT)
			snprintf(c->broke, sizeof(c->broke), "the service says: %s%s",
			         f.reason[0] ? f.reason : "disconnect",
			         f.stay_away ? ", and not to come back" : "");
		cable_state_took(&c->state, &f, now_ns(c));
	}
	if (e->n > TEXT_KEPT_BYTES)
		madvise(c->link.text, CABLE_TEXT_BYTES_MAX, MADV_DONTNEED);
}

static void take_event(struct cable *c, const struct ws_event *e)
{
	struct link *l = &c->link;

	if (e->kind != WS_EVENT_BINARY || e->last)
		cable_state_heard(&c->state, now_ns(c));
	switch (e->kind) {
	case WS_EVENT_TEXT:
		take_text(c, e);
		break;
	case WS_EVENT_PING:
		memcpy(l->echo, e->data, e->n);
		l->echo_bytes = e->n;
		l->echo_due = true;
		break;
	case WS_EVENT_CLOSE:
		cable_state_leave(&c->state, CABLE_WHY_PEER_CLOSED, WS_CLOSE_NORMAL, now_ns(c));
		break;
	case WS_EVENT_BINARY: /* Action Cable has none: counted by the decoder, and gone */
	case WS_EVENT_PONG:
		break;
	}
}

static void take_frames(struct cable *c, const uint8_t *data, size_t n)
{
	struct ws_event e;
	struct err err;
	int r = WS_NEED_MORE;

	while (!c->link.deaf &&
	       (r = ws_decoder_next(&c->link.decoder, &data, &n, &e, &err)) == WS_OK)
		take_event(c, &e);
	if (c->link.deaf || r >= 0)
		return;
	c->link.deaf = true;
	keep_why(c, &err);
	cable_state_leave(&c->state, CABLE_WHY_PEER_WRONG, c->link.decoder.close_code, now_ns(c));
}

/* --- the request -------------------------------------------------------------------------------------- */

static int send_request(struct cable *c, struct err *err)
{
	char authority[URL_AUTHORITY_MAX], authorization[2 * CONFIG_ID_BYTES + 32];
	char started[48];
	const char *headers[] = { authorization, "Sec-Radar-Tool: true", started };
	struct ws_request request = { .target = TARGET,
		                      .user_agent = USER_AGENT,
		                      .key = c->link.key,
		                      .headers = headers,
		                      .header_count = sizeof(headers) / sizeof(*headers) };
	int n;

	request.authority = url_authority(&c->url, authority);
	/* Not base64: the service takes the pair as it is, and nothing else. */
	snprintf(authorization, sizeof(authorization), "Authorization: Basic %s:%s", c->client_id,
	         c->secret);
	snprintf(started, sizeof(started), "Sec-Radar-Service-Started: %s",
	         c->o.events->tells_start(c->o.owner) ? "true" : "false");
	ws_key(c->link.key);
	n = ws_request_write(&request, c->link.request, sizeof(c->link.request));
	explicit_bzero(authorization, sizeof(authorization));
	if (n < 0)
		return ERR_SET(err, n, ERR_SYS, 0, "write the request for the service's socket");
	stream_send(c->link.stream, &(struct iovec){ c->link.request, (size_t)n }, 1);
	return 0;
}

static void begin_frames(struct cable *c)
{
	uint8_t random[16];
	char uuid[CABLE_UUID_BYTES];

	ws_decoder_init(&c->link.decoder,
	                &(struct ws_decoder_options){ .role = WS_CLIENT,
	                                              .message_bytes_max = CABLE_TEXT_BYTES_MAX,
	                                              .text = c->link.text,
	                                              .text_bytes = CABLE_TEXT_BYTES_MAX });
	bytes_random(random, sizeof(random));
	random[6] = (random[6] & 0x0f) | 0x40; /* RFC 9562 5.4 */
	random[8] = (random[8] & 0x3f) | 0x80;
	snprintf(uuid, sizeof(uuid),
	         "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", random[0],
	         random[1], random[2], random[3], random[4], random[5], random[6], random[7],
	         random[8], random[9], random[10], random[11], random[12], random[13], random[14],
	         random[15]);
	cable_identifier_write(uuid, c->link.identifier);
	c->link.upgraded = true;
	cable_state_opened(&c->state, now_ns(c));
}

/* Bytes behind the head's blank line are frames already. */
static void read_answer(struct cable *c, const uint8_t *data, size_t n)
{
	struct link *l = &c->link;
	size_t before = l->head_bytes, room = HEAD_BYTES_MAX - before;
	size_t taken = n < room ? n : room, bytes;
	struct err err;
	int r;

	memcpy(l->text + before, data, taken);
	l->head_bytes += taken;
	r = ws_response_check((const char *)l->text, l->head_bytes, l->key, NULL, &bytes, &err);
	if (r == WS_NEED_MORE && l->head_bytes < HEAD_BYTES_MAX)
		return;
	if (r == WS_NEED_MORE)
		r = ERR_SET(&err, -EMSGSIZE, ERR_WS, 0, "read an answer of over %d bytes",
		            HEAD_BYTES_MAX);
	if (r < 0) {
		broke(c, &err);
		return;
	}
	begin_frames(c);
	take_frames(c, data + (bytes - before), n - (bytes - before));
}

/* --- the stream ------------------------------------------------------------------------------------------ */

static void on_opened(void *owner)
{
	struct cable *c = owner;
	struct err err;

	c->link.secured = true;
	if (send_request(c, &err) < 0)
		broke(c, &err);
	advance(c);
}

static void on_received(void *owner, const uint8_t *data, size_t n)
{
	struct cable *c = owner;

	if (c->link.upgraded)
		take_frames(c, data, n);
	else
		read_answer(c, data, n);
	advance(c);
}

static void on_sent(void *owner)
{
	struct cable *c = owner;

	explicit_bzero(c->link.request, sizeof(c->link.request));
	free(TAKE(c->link.out, NULL));
	advance(c);
}

static void on_ended(void *owner, const struct err *why)
{
	struct cable *c = owner;
	struct err err = *why;

	if (err.code == 0)
		ERR_SET(&err, -ECONNRESET, ERR_SYS, 0, "%s: the service closed the connection",
		        !c->link.secured   ? "finish the TLS handshake"
		        : c->link.upgraded ? "keep the connection"
		                           : "get an answer to the request for the socket");
	broke(c, &err);
	advance(c);
}

static const struct stream_events stream_events = {
	.opened = on_opened,
	.received = on_received,
	.sent = on_sent,
	.ended = on_ended,
};

/* --- the connection ------------------------------------------------------------------------------------- */

static int open_stream(struct cable *c, int fd, struct err *err)
{
	void *text = mmap(NULL, CABLE_TEXT_BYTES_MAX, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (text == MAP_FAILED) {
		close(fd);
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "get memory for what the service says");
	}
	c->link.text = text;
	tcp_set_nodelay(fd, NULL); /* a pong is small and must not wait for an ACK */
	return stream_open_client(c->o.loop, fd, c->url.tls ? c->o.tls : NULL, c->url.host,
	                          &stream_events, c, &c->link.stream, err);
}

static void is_there(struct cable *c, int fd)
{
	struct err err;

	cable_state_connected(&c->state, now_ns(c));
	if (open_stream(c, fd, &err) < 0)
		broke(c, &err);
}

static void on_tunnel(void *owner, int fd, const struct err *why)
{
	struct cable *c = owner;

	c->link.tunnel = NULL;
	if (fd < 0)
		broke(c, why);
	else
		is_there(c, fd);
	advance(c);
}

static void on_dialed(void *owner, const struct tcp_connection *connection, const struct err *why)
{
	struct cable *c = owner;
	struct err err;

	c->link.dial = NULL;
	if (!connection) {
		err = *why;
		if (c->link.through_proxy)
			err_prefix(&err, "reach the proxy");
		broke(c, &err);
	} else if (!c->link.through_proxy) {
		is_there(c, connection->fd);
	} else if (tunnel_open(c->o.loop, connection->fd, &c->url, &c->link.proxy, on_tunnel, c,
	                       &c->link.tunnel, &err) < 0) {
		broke(c, &err);
	}
	advance(c);
}

/* The environment's proxy, as for everything over HTTP. */
static void dial(struct cable *c)
{
	struct tcp_options tcp = { .interface = c->o.interface };
	struct proxy *p = &c->link.proxy;
	struct err err;
	int r = proxy_of_environment(&c->url, p, &err);

	c->link.through_proxy = r == 0;
	if (r < 0 ||
	    tcp_dial(c->o.loop, r == 0 ? p->host : c->url.host, r == 0 ? p->port : c->url.port,
	             &tcp, CLOCK_NEVER_NS, on_dialed, c, &c->link.dial, &err) < 0)
		broke(c, &err);
}

/* --- life ------------------------------------------------------------------------------------------------- */

int cable_open(const struct cable_options *options, struct cable **ret, struct err *err)
{
	CLEANUP(cable_freep) struct cable *c = calloc(1, sizeof(*c));
	uint64_t seed;
	int r;

	if (!c)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate the service's socket");
	r = url_parse(options->server_url, &c->url, err);
	if (r < 0)
		return r;
	assert(!c->url.tls || options->tls);
	c->o = *options;
	c->wake = (struct loop_timer){ .fire = on_wake, .owner = c };
	bytes_copy_text(c->client_id, sizeof(c->client_id), options->client_id);
	bytes_copy_text(c->secret, sizeof(c->secret), options->secret);
	bytes_copy_text(c->interface, sizeof(c->interface),
	                options->interface ? options->interface : "");
	c->o.interface = c->interface[0] ? c->interface : NULL;
	bytes_random(&seed, sizeof(seed));
	cable_state_start(&c->state, c->o.spread_ns, now_ns(c), seed);
	loop_timer_set(c->o.loop, &c->wake, now_ns(c));
	*ret = TAKE(c, NULL);
	return 0;
}

void cable_stop(struct cable *c)
{
	cable_state_stop(&c->state, now_ns(c));
	loop_timer_set(c->o.loop, &c->wake, now_ns(c));
}

struct cable *cable_free(struct cable *c)
{
	if (!c)
		return NULL;
	link_end(c);
	loop_timer_cancel(c->o.loop, &c->wake);
	explicit_bzero(c->secret, sizeof(c->secret));
	free(c);
	return NULL;
}

enum cable_phase cable_phase(const struct cable *c)
{
	return c->state.phase;
}

uint64_t cable_confirmed_ns(const struct cable *c)
{
	return c->state.joined_ns;
}

const char *cable_last_end(const struct cable *c)
{
	return c->last_end;
}
