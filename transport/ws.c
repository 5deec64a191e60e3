/* Frames into messages (RFC 6455 5.4 to 5.6, 7.4).
 *
 * The decoder stands either between frames (frame_left_bytes is 0; the beginning of a header may
 * wait in `partial`) or in the payload of the frame whose header it holds. A message spans frames
 * and control frames come in between, so message_opcode and what belongs to it outlive a frame.
 */
#include "transport/ws.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/utf8.h"

/* Notes what our Close has to say, which also makes the failure final. */
#define REFUSE(d, err, code, ...)                                                                  \
	((d)->close_code = (code), ERR_SET((err), -EPROTO, ERR_WS, (code), __VA_ARGS__))

static bool is_control(uint8_t opcode)
{
	return opcode >= WS_CLOSE;
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

void ws_decoder_init(struct ws_decoder *d, const struct ws_decoder_options *options)
{
	assert(options->binary == WS_BINARY_COUNT || options->text_bytes > 0);
	*d = (struct ws_decoder){ .options = *options };
}

/* --- headers ---------------------------------------------------------------------------------- */

/* The usual case first: the whole header is in the input. One that came in pieces is collected in
 * `partial`, which may take in some payload with it; only the header's bytes leave the input. */
static int take_header(struct ws_decoder *d, const uint8_t **in, size_t *n, struct err *err)
{
	size_t before = d->partial_bytes;
	size_t added;
	int r;

	if (*n == 0)
		return WS_NEED_MORE;
	if (before == 0) {
		r = ws_header_parse(*in, *n, &d->header, err);
		if (r == WS_OK) {
			*in += d->header.header_bytes;
			*n -= d->header.header_bytes;
		}
		if (r != WS_NEED_MORE)
			return r;
	}

	added = min_size(*n, sizeof(d->partial) - before);
	memcpy(d->partial + before, *in, added);
	r = ws_header_parse(d->partial, before + added, &d->header, err);
	if (r == WS_NEED_MORE)
		d->partial_bytes = (uint8_t)(before + added);
	if (r == WS_OK) {
		added = d->header.header_bytes - before;
		d->partial_bytes = 0;
	}
	if (r >= 0) {
		*in += added;
		*n -= added;
	}
	return r;
}

/* A frame of text or binary begins a message or goes on with one. */
static int begin_data(struct ws_decoder *d, struct err *err)
{
	const struct ws_header *h = &d->header;

	if (h->opcode == WS_CONTINUATION && !d->message_opcode)
		return REFUSE(d, err, WS_CLOSE_PROTOCOL, "continue a message: none was begun");
	if (h->opcode != WS_CONTINUATION && d->message_opcode)
		return REFUSE(d, err, WS_CLOSE_PROTOCOL, "begin a message inside another");
	if (h->opcode != WS_CONTINUATION) {
		d->message_opcode = h->opcode;
		d->message_bytes = 0;
		d->text_used_bytes = 0;
		d->utf8_state = UTF8_ACCEPT;
	}
	if (h->payload_bytes > d->options.message_bytes_max - d->message_bytes)
		return REFUSE(d, err, WS_CLOSE_TOO_BIG, "take a message of more than %llu bytes",
		              (unsigned long long)d->options.message_bytes_max);
	return WS_OK;
}

static int begin_frame(struct ws_decoder *d, const uint8_t **in, size_t *n, struct err *err)
{
	const struct ws_header *h = &d->header;
	int r = take_header(d, in, n, err);

	if (r < 0)
		d->close_code = WS_CLOSE_PROTOCOL;
	if (r != WS_OK)
		return r;
	if (h->masked != (d->options.role == WS_SERVER))
		return REFUSE(d, err, WS_CLOSE_PROTOCOL, "take %s frame",
		              h->masked ? "a server's masked" : "a client's unmasked");
	if (is_control(h->opcode))
		d->control_bytes = 0;
	else
		r = begin_data(d, err);
	if (r == WS_OK)
		d->frame_left_bytes = h->payload_bytes;
	return r;
}

/* --- payload ---------------------------------------------------------------------------------- */

/* Takes at most `cap` bytes of the frame's payload off the input, unmasked into `to` unless that is
 * NULL; answers how many. */
static size_t take(struct ws_decoder *d, const uint8_t **in, size_t *n, uint8_t *to, size_t cap)
{
	size_t taken = min_size(*n, cap);

	if (taken > d->frame_left_bytes)
		taken = (size_t)d->frame_left_bytes;
	if (taken == 0)
		return 0;
	if (to)
		memcpy(to, *in, taken);
	if (to && d->header.masked)
		ws_mask(to, taken, d->header.mask, d->header.payload_bytes - d->frame_left_bytes);
	d->frame_left_bytes -= taken;
	*in += taken;
	*n -= taken;
	return taken;
}

/* 7.4: what may stand in a Close. 1005, 1006 and 1015 are for programs to tell each other, 1004 and
 * the rest below 3000 are nobody's yet. */
static bool is_close_code(uint16_t code)
{
	if (code >= 3000)
		return code < 5000;
	return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

static int close_event(struct ws_decoder *d, struct ws_event *ret, struct err *err)
{
	const uint8_t *reason = d->control + sizeof(uint16_t);
	size_t reason_bytes;
	uint16_t code;

	d->closed = true;
	if (d->control_bytes == 0) {
		*ret = (struct ws_event){ .kind = WS_EVENT_CLOSE, .code = WS_CLOSE_NONE };
		return WS_OK;
	}
	if (d->control_bytes < sizeof(code))
		return REFUSE(d, err, WS_CLOSE_PROTOCOL, "take a Close with half a code");
	code = bytes_load_be16(d->control);
	if (!is_close_code(code))
		return REFUSE(d, err, WS_CLOSE_PROTOCOL, "take a Close with code %u", code);

	reason_bytes = d->control_bytes - sizeof(code);
	if (utf8_check(UTF8_ACCEPT, reason, reason_bytes) != UTF8_ACCEPT)
		return REFUSE(d, err, WS_CLOSE_INVALID_TEXT, "read a Close's reason as UTF-8");

	*ret = (struct ws_event){
		.kind = WS_EVENT_CLOSE,
		.code = code,
		.data = reason,
		.n = reason_bytes,
	};
	return WS_OK;
}

static int take_control(struct ws_decoder *d, const uint8_t **in, size_t *n, struct ws_event *ret,
                        struct err *err)
{
	size_t room = sizeof(d->control) - d->control_bytes;

	d->control_bytes += (uint8_t)take(d, in, n, d->control + d->control_bytes, room);
	if (d->frame_left_bytes > 0)
		return WS_NEED_MORE;
	if (d->header.opcode == WS_CLOSE)
		return close_event(d, ret, err);
	*ret = (struct ws_event){
		.kind = d->header.opcode == WS_PING ? WS_EVENT_PING : WS_EVENT_PONG,
		.data = d->control,
		.n = d->control_bytes,
	};
	return WS_OK;
}

/* What does not fit into the caller's buffer is still checked. */
static int collect_text(struct ws_decoder *d, const uint8_t **in, size_t *n, struct err *err)
{
	uint8_t beyond[256];

	while (*n > 0 && d->frame_left_bytes > 0) {
		size_t room = d->options.text_bytes - d->text_used_bytes;
		uint8_t *to = room ? d->options.text + d->text_used_bytes : beyond;
		size_t taken = take(d, in, n, to, room ? room : sizeof(beyond));

		if (!d->options.any_text)
			d->utf8_state = utf8_check(d->utf8_state, to, taken);
		if (d->utf8_state == UTF8_REJECT)
			return REFUSE(d, err, WS_CLOSE_INVALID_TEXT, "read a text as UTF-8");
		d->message_bytes += taken;
		if (room)
			d->text_used_bytes += taken;
	}
	return WS_OK;
}

static int take_text(struct ws_decoder *d, const uint8_t **in, size_t *n, struct ws_event *ret,
                     struct err *err)
{
	int r = collect_text(d, in, n, err);

	if (r < 0)
		return r;
	if (d->frame_left_bytes > 0 || !d->header.fin)
		return WS_NEED_MORE;
	if (d->utf8_state != UTF8_ACCEPT)
		return REFUSE(d, err, WS_CLOSE_INVALID_TEXT, "read a text as UTF-8: it is cut");

	d->message_opcode = 0;
	*ret = (struct ws_event){
		.kind = WS_EVENT_TEXT,
		.data = d->options.text,
		.n = d->text_used_bytes,
		.message_bytes = d->message_bytes,
		.last = true,
		.truncated = d->message_bytes > d->text_used_bytes,
	};
	if (ret->truncated && !d->options.any_text)
		ret->n = utf8_whole_bytes(ret->data, ret->n);
	return WS_OK;
}

/* `n` bytes of the binary message have come, and lie at `data` where they were kept. */
static int binary_event(struct ws_decoder *d, const uint8_t *data, size_t n, struct ws_event *ret)
{
	bool last = d->header.fin && d->frame_left_bytes == 0;

	if (n == 0 && !last)
		return WS_NEED_MORE;
	d->message_bytes += n;
	if (last)
		d->message_opcode = 0;
	*ret = (struct ws_event){
		.kind = WS_EVENT_BINARY,
		.data = data,
		.n = n,
		.message_bytes = d->message_bytes,
		.last = last,
	};
	return WS_OK;
}

static int take_binary(struct ws_decoder *d, const uint8_t **in, size_t *n, struct ws_event *ret)
{
	bool deliver = d->options.binary == WS_BINARY_DELIVER;
	uint8_t *to = deliver ? d->options.text : NULL;
	size_t taken = take(d, in, n, to, deliver ? d->options.text_bytes : SIZE_MAX);

	return binary_event(d, to, taken, ret);
}

/* WS_NEED_MORE: no event came of it, as the input is used or the frame has ended. */
static int take_payload(struct ws_decoder *d, const uint8_t **in, size_t *n, struct ws_event *ret,
                        struct err *err)
{
	if (is_control(d->header.opcode))
		return take_control(d, in, n, ret, err);
	if (d->message_opcode == WS_TEXT)
		return take_text(d, in, n, ret, err);
	return take_binary(d, in, n, ret);
}

int ws_decoder_next(struct ws_decoder *d, const uint8_t **in, size_t *n, struct ws_event *ret,
                    struct err *err)
{
	int r;

	if (d->close_code)
		return ERR_SET(err, -EPROTO, ERR_WS, d->close_code,
		               "read on behind a broken frame");
	if (d->closed) {
		*in += *n;
		*n = 0;
		return WS_NEED_MORE;
	}
	do {
		if (d->frame_left_bytes == 0) {
			r = begin_frame(d, in, n, err);
			if (r != WS_OK)
				return r;
		}
		r = take_payload(d, in, n, ret, err);
	} while (r == WS_NEED_MORE && d->frame_left_bytes == 0);
	return r;
}

uint64_t ws_decoder_skippable(const struct ws_decoder *d)
{
	bool skippable = d->frame_left_bytes > 0 && !is_control(d->header.opcode) &&
	                 d->message_opcode == WS_BINARY && d->options.binary == WS_BINARY_COUNT;

	return skippable ? d->frame_left_bytes : 0;
}

int ws_decoder_skip(struct ws_decoder *d, uint64_t n, struct ws_event *ret, struct err *err)
{
	if (n > ws_decoder_skippable(d))
		return ERR_SET(err, -EINVAL, ERR_WS, 0,
		               "skip %llu bytes: not so many are binary payload",
		               (unsigned long long)n);
	if (n == 0)
		return WS_NEED_MORE;
	d->frame_left_bytes -= n;
	return binary_event(d, NULL, (size_t)n, ret);
}
