#include "bench/instructions/codec_bench.h"

#include <string.h>

#include "transport/base/bytes.h"
#include "transport/ws.h"

#define MESSAGE_BYTES  (1 << 20)
#define FRAGMENT_BYTES 4096
#define RECEIVE_BYTES  (64 * 1024) /* what one receive of ours may bring */
#define TEXT_BYTES     1150        /* a server's measurement */

static uint8_t stream[2 * MESSAGE_BYTES];
static size_t stream_bytes;
static uint8_t text[4096];

static void append_frame(struct ws_header h)
{
	h.fin |= h.opcode >= WS_CLOSE;
	stream_bytes += ws_frame_encode(&h, stream + stream_bytes);
	memset(stream + stream_bytes, 'a', (size_t)h.payload_bytes);
	stream_bytes += (size_t)h.payload_bytes;
}

static void prepare_whole_message(void)
{
	append_frame((struct ws_header){
		.opcode = WS_BINARY, .payload_bytes = MESSAGE_BYTES, .fin = true });
}

/* As ndt7-client-go sends: 256 masked frames of 4096 bytes a message. */
static void prepare_fragments(void)
{
	for (size_t i = 0; i < MESSAGE_BYTES / FRAGMENT_BYTES; i++)
		append_frame((struct ws_header){
			.opcode = i == 0 ? WS_BINARY : WS_CONTINUATION,
			.payload_bytes = FRAGMENT_BYTES,
			.fin = i == MESSAGE_BYTES / FRAGMENT_BYTES - 1,
			.masked = true,
			.mask = { 1, 2, 3, 4 },
		});
}

/* What a server says of its view: a text and the ping behind it. */
static void prepare_measurement(void)
{
	append_frame(
		(struct ws_header){ .opcode = WS_TEXT, .payload_bytes = TEXT_BYTES, .fin = true });
	append_frame((struct ws_header){ .opcode = WS_PING, .payload_bytes = 19 });
}

/* Feeds the stream `times` times, in pieces as they are received; answers how many messages and
 * control frames came out. */
static size_t decode(enum ws_role role, size_t times)
{
	struct ws_decoder_options options = {
		.role = role,
		.message_bytes_max = 1 << 24,
		.text = text,
		.text_bytes = sizeof(text),
	};
	struct ws_decoder d;
	size_t whole = 0;

	ws_decoder_init(&d, &options);
	for (; times > 0; times--) {
		for (size_t at = 0; at < stream_bytes; at += RECEIVE_BYTES) {
			size_t left = stream_bytes - at;
			size_t n = left < RECEIVE_BYTES ? left : RECEIVE_BYTES;
			const uint8_t *in = stream + at;
			struct ws_event event;
			int r;

			while ((r = ws_decoder_next(&d, &in, &n, &event, NULL)) == WS_OK)
				whole += event.kind != WS_EVENT_BINARY || event.last;
			CODEC_CHECK(r == WS_NEED_MORE);
		}
	}
	return whole;
}

static void decode_whole_messages(size_t count)
{
	CODEC_CHECK(decode(WS_CLIENT, count) == count);
}

static void decode_fragments(size_t count)
{
	size_t messages = count / (MESSAGE_BYTES / FRAGMENT_BYTES);

	CODEC_CHECK(decode(WS_SERVER, messages) == messages);
}

static void decode_measurements(size_t count)
{
	CODEC_CHECK(decode(WS_CLIENT, count) == 2 * count);
}

/* Header and fresh key of an upload's message. */
static void encode(size_t count)
{
	struct ws_header h = {
		.opcode = WS_BINARY, .payload_bytes = MESSAGE_BYTES, .fin = true, .masked = true
	};
	uint8_t out[WS_HEADER_MAX];

	for (; count > 0; count--) {
		bytes_random(h.mask, sizeof(h.mask));
		CODEC_CHECK(ws_frame_encode(&h, out) == WS_HEADER_MAX);
	}
}

static void mask(size_t count)
{
	static const uint8_t key[4] = { 1, 2, 3, 4 };

	for (; count > 0; count--)
		ws_mask(stream, RECEIVE_BYTES, key, count);
}

const struct codec_case ws_cases[] = {
	{ "ws_decode_1mib", "message of 1 MiB in one frame", 1000, prepare_whole_message,
	  decode_whole_messages },
	{ "ws_decode_4k", "frame of 4 KiB, masked", 25600, prepare_fragments, decode_fragments },
	{ "ws_decode_text", "text of 1150 bytes and a ping", 1000, prepare_measurement,
	  decode_measurements },
	{ "ws_encode", "header with a fresh key", 10000, NULL, encode },
	{ "ws_mask", "64 KiB", 1000, NULL, mask },
	{},
};
