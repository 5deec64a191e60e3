/* WebSocket (RFC 6455) as a codec without I/O, for both roles: frames, messages, handshake.
 *
 * Reading: bytes go into ws_decoder_next() and events come out. Payload of binary messages is never
 * copied or collected: it passes by in pieces. Texts and control frames come out whole.
 *
 *   while ((r = ws_decoder_next(&d, &in, &n, &event, &err)) == WS_OK)
 *           handle(&event);
 *   if (r < 0) send a Close of d.close_code, then close the connection
 *
 * Writing: ws_frame_encode() makes a header, the payload follows it. A client must mask (5.3): small
 * payloads with ws_mask(); one that is arbitrary random needs none, because XOR with a fresh
 * unpredictable key of bytes that are constant and random is what the peer would see either way: any
 * wire image is the masked form of some random payload.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/head.h"

struct err;

/* --- frames (RFC 6455 5.2) ------------------------------------------------------------------- */

#define WS_HEADER_MAX          14
#define WS_CONTROL_PAYLOAD_MAX 125

enum ws_role { WS_CLIENT, WS_SERVER };

enum ws_opcode {
	WS_CONTINUATION = 0x0,
	WS_TEXT = 0x1,
	WS_BINARY = 0x2,
	WS_CLOSE = 0x8,
	WS_PING = 0x9,
	WS_PONG = 0xA,
};

/* 7.4.1 */
enum ws_close_code {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_GOING_AWAY = 1001,
	WS_CLOSE_PROTOCOL = 1002,
	WS_CLOSE_UNSUPPORTED = 1003,
	WS_CLOSE_NONE = 1005, /* no code was in the frame; never sent */
	WS_CLOSE_INVALID_TEXT = 1007,
	WS_CLOSE_TOO_BIG = 1009,
	WS_CLOSE_INTERNAL = 1011,
};

struct ws_header {
	uint64_t payload_bytes; /* top bit clear */
	uint8_t opcode;         /* enum ws_opcode */
	bool fin;
	bool masked;
	uint8_t mask[4];
	uint8_t header_bytes; /* 2 to WS_HEADER_MAX */
};

enum ws_outcome {
	WS_OK = 0,
	WS_NEED_MORE,
};

/* Parses one header. Lengths in another than the shortest form are refused (5.2), as are reserved
 * bits and opcodes, and control frames that are fragmented or longer than 125.
 *   WS_OK, WS_NEED_MORE;  -EPROTO  with ERR_WS and the close code in detail */
int ws_header_parse(const uint8_t *in, size_t n, struct ws_header *ret, struct err *err);

/* Writes the shortest form of `h` (header_bytes is not read); answers its length. */
size_t ws_frame_encode(const struct ws_header *h, uint8_t out[WS_HEADER_MAX]);

/* XORs data with the key; `offset` is the position of data[0] in its payload. Wide registers. */
void ws_mask(uint8_t *data, size_t n, const uint8_t mask[4], uint64_t offset);

/* A whole small frame into `out`, masked with a fresh key in the role WS_CLIENT. Answers its length;
 * 0 where out_bytes is less than WS_HEADER_MAX + n. */
size_t ws_small_frame(enum ws_role role, enum ws_opcode opcode, const void *payload, size_t n,
                      uint8_t *out, size_t out_bytes);

/* A Close's payload: code and reason (may be NULL), cut at 123 bytes on a UTF-8 boundary. The code
 * WS_CLOSE_NONE makes an empty one. Answers its length. */
size_t ws_close_payload(uint16_t code, const char *reason, uint8_t out[WS_CONTROL_PAYLOAD_MAX]);

/* --- messages (5.4 to 5.6) -------------------------------------------------------------------- */

enum ws_event_kind {
	WS_EVENT_BINARY, /* `n` bytes of a binary message passed (n may be 0); `last`: it is whole */
	WS_EVENT_TEXT,   /* a whole text message, valid UTF-8 unless any_text; `truncated`: longer
	                  * than the buffer, data holds its beginning, cut on a character */
	WS_EVENT_PING,
	WS_EVENT_PONG,
	WS_EVENT_CLOSE, /* code (WS_CLOSE_NONE where there was none) and reason in data */
};

struct ws_event {
	enum ws_event_kind kind;
	const uint8_t *data; /* valid until the next call; binary: NULL, it is not kept (and still
	                      * masked in the role of a server) */
	size_t n;
	uint64_t message_bytes; /* text: of the whole message; binary: of what passed so far */
	uint16_t code;
	bool last;
	bool truncated;
};

enum ws_binary { WS_BINARY_COUNT, WS_BINARY_DELIVER }; /* only pass by, or unmasked in data */

struct ws_decoder_options {
	enum ws_role role;          /* ours: a server takes masked frames only, a client none */
	uint64_t message_bytes_max; /* of a reassembled message; more is -EPROTO with 1009 */
	uint8_t *text;              /* where texts (and with WS_BINARY_DELIVER pieces) are put */
	size_t text_bytes;          /* with WS_BINARY_DELIVER at least 1 */
	enum ws_binary binary;
	/* Texts may be of any bytes: whoever reads them judges. Otherwise one that is not UTF-8 is
	 * -EPROTO with 1007, as RFC 6455 8.1 has it. */
	bool any_text;
};

struct ws_decoder {
	struct ws_decoder_options options;
	uint16_t close_code; /* after a failure: what our Close should say */
	/* the codec's own; see ws.c */
	struct ws_header header;
	uint8_t partial[WS_HEADER_MAX]; /* a header that came in pieces */
	uint8_t partial_bytes;
	bool closed;            /* the peer's Close has come */
	uint8_t message_opcode; /* 0: between messages */
	uint64_t frame_left_bytes;
	uint64_t message_bytes; /* that have come of the message */
	size_t text_used_bytes;
	uint32_t utf8_state;
	uint8_t control[WS_CONTROL_PAYLOAD_MAX];
	uint8_t control_bytes;
};

void ws_decoder_init(struct ws_decoder *d, const struct ws_decoder_options *options);

/* The next event of the bytes at *in, which are taken off *in and *n.
 *   WS_OK         one event; call again, even with n == 0, as one may still be due
 *   WS_NEED_MORE  everything is used
 *   -EPROTO       the peer broke the protocol: d->close_code, also ERR_WS's detail; final
 * What follows a Close is taken and dropped. */
int ws_decoder_next(struct ws_decoder *d, const uint8_t **in, size_t *n, struct ws_event *ret,
                    struct err *err);

/* How many of the bytes that come next are payload of a binary frame, so that they need not be seen
 * (0 in the mode WS_BINARY_DELIVER); and that they have come and gone. ws_decoder_skip() answers as
 * ws_decoder_next() does, with an event of kind WS_EVENT_BINARY. n is at most what skippable said. */
uint64_t ws_decoder_skippable(const struct ws_decoder *d);
int ws_decoder_skip(struct ws_decoder *d, uint64_t n, struct ws_event *ret, struct err *err);

/* --- handshake (4) ------------------------------------------------------------------------------ */

#define WS_KEY_TEXT_BYTES    25 /* base64 of 16 bytes, terminated */
#define WS_ACCEPT_TEXT_BYTES 29 /* base64 of 20 bytes, terminated */

void ws_key(char out[WS_KEY_TEXT_BYTES]); /* fresh and random */

/* What the server answers to a key.   -EINVAL  it has not a key's length;  -ENOMEM */
int ws_accept(const char *key, size_t key_bytes, char out[WS_ACCEPT_TEXT_BYTES]);

struct ws_request {
	const char *authority; /* Host */
	const char *target;
	const char *protocol; /* Sec-WebSocket-Protocol; NULL: none is offered */
	const char *user_agent;
	const char *key;
	const char *const *headers; /* further ones, "Name: value" */
	size_t header_count;
};

/* The client's request into out; answers its length.
 *   -ENOSPC  it does not fit
 *   -EINVAL  a value holds a control character, or the target what no target may hold */
int ws_request_write(const struct ws_request *r, char *out, size_t out_bytes);

/* Checks the server's answer to `key` and `protocol`: 101, Upgrade, Connection, Accept, the protocol
 * echoed (none at all is taken; another is not, nor any where `protocol` is NULL), no extensions.
 * *ret_bytes: the head's length; the bytes behind it are frames.
 *   WS_OK, WS_NEED_MORE
 *   -ECONNREFUSED  another status, ERR_HTTP with it in detail
 *   -EPROTO        no HTTP, or the answer to another question
 *   -EMSGSIZE      a head above the ceiling */
int ws_response_check(const char *in, size_t n, const char *key, const char *protocol,
                      size_t *ret_bytes, struct err *err);

/* What a server answers to a request for `protocol`: 0 and the Accept, or the HTTP status to refuse
 * with: 400, 405 (the reference's order: protocol, upgrade/version/key, method), 500. */
int ws_request_check(const struct head *request, const char *protocol,
                     char ret_accept[WS_ACCEPT_TEXT_BYTES], struct err *err);

/* The five exact lines that the strictest client in the field compares byte for byte. Answers the
 * length, -ENOSPC. */
int ws_response_write(const char *accept, const char *protocol, char *out, size_t out_bytes);
