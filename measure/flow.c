#include "measure/flow.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "measure/measurement.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"
#include "transport/stream.h"
#include "transport/ws.h"

/* The payload of every binary message: random once, sent again and again (the ndt7 text allows it,
 * and each frame's fresh mask key makes a client's frames differ). A message longer than this repeats
 * it, so that the source of the kernel's copy stays in the processor's cache. */
#define PAYLOAD_BYTES (64 * 1024)

/* Whole pages are sent by reference; larger ones than this only split it. */
#define PAYLOAD_ALIGN_BYTES 4096

static_assert(NDT7_MESSAGE_BYTES_MAX / PAYLOAD_BYTES + 1 <= STREAM_IOV_MAX,
              "the largest message is one send");

struct flow {
	struct loop *loop;
	struct stream *stream;
	const struct flow_events *events;
	void *owner;
	enum ws_role role;
	struct ndt7 ndt7;
	struct ws_decoder decoder;
	struct loop_timer wake;
	bool over;   /* the state has finished: finished() is called from the loop's next turn */
	bool failed; /* the peer broke RFC 6455: what comes is read and not decoded */
	char violation[sizeof(((struct err *)0)->text)];
	uint8_t header[WS_HEADER_MAX];
	uint8_t small[WS_HEADER_MAX + MEASUREMENT_JSON_MAX]; /* a text or control frame */
	uint8_t text[FLOW_TEXT_BYTES];                       /* untouched until a text comes */
};

static const uint8_t *payload(void)
{
	static _Alignas(PAYLOAD_ALIGN_BYTES) uint8_t bytes[PAYLOAD_BYTES];
	static bool filled;

	if (!filled)
		bytes_random(bytes, sizeof(bytes));
	filled = true;
	return bytes;
}

static void send_binary(struct flow *f, uint64_t bytes)
{
	struct iovec iov[STREAM_IOV_MAX];
	struct ws_header h = { .payload_bytes = bytes,
		               .opcode = WS_BINARY,
		               .fin = true,
		               .masked = f->role == WS_CLIENT };
	size_t n = 1;

	if (h.masked)
		bytes_random(h.mask, sizeof(h.mask));
	iov[0] = (struct iovec){ f->header, ws_frame_encode(&h, f->header) };
	for (uint64_t left = bytes; left > 0; n++) {
		size_t piece = left < PAYLOAD_BYTES ? left : PAYLOAD_BYTES;

		iov[n] = (struct iovec){ (void *)payload(), piece };
		left -= piece;
	}
	stream_send_kept(f->stream, iov, n);
}

static void send_small(struct flow *f, enum ws_opcode opcode, const void *data, size_t n)
{
	size_t bytes = ws_small_frame(f->role, opcode, data, n, f->small, sizeof(f->small));

	stream_send(f->stream, &(struct iovec){ f->small, bytes }, 1);
}

static void send_close(struct flow *f, uint16_t code, const char *reason)
{
	uint8_t out[WS_CONTROL_PAYLOAD_MAX];

	send_small(f, WS_CLOSE, out, ws_close_payload(code, reason, out));
}

/* Answers the bytes acknowledged in the measurement that was sent. */
static uint64_t send_text(struct flow *f)
{
	char json[MEASUREMENT_JSON_MAX];
	uint64_t bytes_acked = 0;
	size_t n = f->events->compose(f->owner, json, sizeof(json), &bytes_acked);

	if (n > 0)
		send_small(f, WS_TEXT, json, n);
	return bytes_acked;
}

/* Gives the state one input, then does what it asks for until it asks for nothing. Each turn sends a
 * frame, after which the stream is busy and the state has to wait, or is the last. */
static void advance(struct flow *f, struct ndt7_input in)
{
	while (!f->over) {
		uint64_t now_ns = loop_now_ns(f->loop);
		struct ndt7_step step;

		in.writable = !stream_sending(f->stream);
		step = ndt7_advance(&f->ndt7, &in, now_ns);
		if (step.sample)
			f->events->sample(f->owner);
		in = (struct ndt7_input){ .kind = NDT7_IN_WAKE };
		switch (step.send) {
		case NDT7_SEND_NOTHING:
			break;
		case NDT7_SEND_BINARY:
			send_binary(f, step.bytes);
			break;
		case NDT7_SEND_TEXT:
			in = (struct ndt7_input){ .kind = NDT7_IN_SAMPLED, .bytes = send_text(f) };
			break;
		case NDT7_SEND_PING:
			send_small(f, WS_PING, step.payload, step.payload_bytes);
			break;
		case NDT7_SEND_PONG:
			send_small(f, WS_PONG, step.payload, step.payload_bytes);
			break;
		case NDT7_SEND_CLOSE:
			send_close(f, step.close_code, step.reason);
			break;
		}
		f->over = step.finished;
		loop_timer_set(f->loop, &f->wake, f->over ? now_ns : step.wake_at_ns);
		if (step.send == NDT7_SEND_NOTHING)
			return;
	}
}

static void on_wake(void *owner)
{
	struct flow *f = owner;

	if (f->over)
		f->events->finished(f->owner);
	else
		advance(f, (struct ndt7_input){ .kind = NDT7_IN_WAKE });
}

static void on_event(struct flow *f, const struct ws_event *e)
{
	struct ndt7_input in = { .bytes = e->n, .last = e->last };

	switch (e->kind) {
	case WS_EVENT_BINARY:
		in.kind = NDT7_IN_BINARY;
		break;
	case WS_EVENT_TEXT:
		in.kind = NDT7_IN_TEXT;
		in.bytes = e->message_bytes;
		if (f->events->text && !e->truncated)
			f->events->text(f->owner, (const char *)e->data, e->n);
		break;
	case WS_EVENT_PING:
		in.kind = NDT7_IN_PING;
		in.payload = e->data;
		in.payload_bytes = e->n;
		break;
	case WS_EVENT_PONG:
		in.kind = NDT7_IN_PONG;
		break;
	case WS_EVENT_CLOSE:
		in.kind = NDT7_IN_CLOSE;
		in.code = e->code;
		break;
	}
	advance(f, in);
}

static void on_violation(struct flow *f, const struct err *err)
{
	f->failed = true;
	bytes_copy_text(f->violation, sizeof(f->violation), err->text);
	advance(f, (struct ndt7_input){ .kind = NDT7_IN_VIOLATION, .code = f->decoder.close_code });
}

static void ignore(struct flow *f, size_t n)
{
	advance(f, (struct ndt7_input){ .kind = NDT7_IN_IGNORED, .bytes = n });
}

void flow_received(struct flow *f, const uint8_t *data, size_t n)
{
	struct err err = {};
	struct ws_event event;
	uint64_t skippable;
	int r = WS_OK;

	if (f->failed) {
		ignore(f, n);
		return;
	}
	while (!f->over) {
		r = ws_decoder_next(&f->decoder, &data, &n, &event, &err);
		if (r != WS_OK)
			break;
		on_event(f, &event);
	}
	if (r < 0) {
		on_violation(f, &err);
		return;
	}
	skippable = ws_decoder_skippable(&f->decoder);
	if (skippable > 0 && !f->over)
		stream_discard(f->stream, skippable);
}

void flow_discarded(struct flow *f, size_t n)
{
	struct err err = {};
	struct ws_event event;
	int r;

	if (f->over)
		return;
	if (f->failed) {
		ignore(f, n);
		return;
	}
	r = ws_decoder_skip(&f->decoder, n, &event, &err);
	if (r < 0)
		on_violation(f, &err);
	else if (r == WS_OK)
		on_event(f, &event);
}

void flow_sent(struct flow *f)
{
	advance(f, (struct ndt7_input){ .kind = NDT7_IN_WAKE });
}

void flow_half_closed(struct flow *f)
{
	advance(f, (struct ndt7_input){ .kind = NDT7_IN_FIN });
}

void flow_ended(struct flow *f, const struct err *why)
{
	advance(f, (struct ndt7_input){ .kind = NDT7_IN_END, .error = why->code });
}

void flow_stop(struct flow *f)
{
	advance(f, (struct ndt7_input){ .kind = NDT7_IN_STOP });
}

const struct ndt7_report *flow_report(const struct flow *f)
{
	return ndt7_report(&f->ndt7);
}

const char *flow_violation(const struct flow *f)
{
	return f->violation;
}

int flow_start(const struct flow_options *o, struct flow **ret, struct err *err)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a test's state");
	f->loop = o->loop;
	f->stream = o->stream;
	f->events = o->events;
	f->owner = o->owner;
	f->role = o->ndt7.role == NDT7_CLIENT ? WS_CLIENT : WS_SERVER;
	f->wake = (struct loop_timer){ .fire = on_wake, .owner = f };
	/* A server's text is commentary: what is wrong with it does not end a client's test. */
	ws_decoder_init(&f->decoder,
	                &(struct ws_decoder_options){ .role = f->role,
	                                              .message_bytes_max = NDT7_RECEIVE_BYTES_MAX,
	                                              .text = f->text,
	                                              .text_bytes = sizeof(f->text),
	                                              .binary = WS_BINARY_COUNT,
	                                              .any_text = f->role == WS_CLIENT });
	*ret = f;
	ndt7_start(&f->ndt7, &o->ndt7, loop_now_ns(o->loop));
	loop_timer_set(f->loop, &f->wake, loop_now_ns(o->loop));
	return 0;
}

struct flow *flow_free(struct flow *f)
{
	if (f)
		loop_timer_cancel(f->loop, &f->wake);
	free(f);
	return NULL;
}
