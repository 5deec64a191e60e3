/* Runs a WebSocket decoder over bytes that come in pieces and writes down what it answers:
 *
 *   ping "hi"; binary 3 (3 so far); text 5 "hello"; close 1000 "bye"; refused 1002
 *
 * Neighbouring pieces of one binary message are written as one, so that two runs over the same
 * bytes give the same text wherever they were cut. Each piece lies in memory of its own size, for
 * the address sanitizer to see the edges. What must hold at every step is checked on the way.
 */
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/err.h"
#include "transport/base/utf8.h"
#include "transport/ws.h"

#define WS_LOG_BYTES (1 << 20)

struct ws_log {
	char text[WS_LOG_BYTES];
	size_t n;
	struct ws_event binary; /* not yet written */
	uint8_t binary_data[1 << 16];
	uint64_t payload_bytes; /* of whole and unfinished messages */
	bool any_text;          /* texts need not be UTF-8 */
};

struct ws_log_feed {
	size_t first;  /* bytes in the first piece */
	size_t rest;   /* in each after it */
	uint64_t seed; /* not 0: random pieces of at most `rest` instead */
	bool skip;     /* let pass unseen what ws_decoder_skippable() says */
};

#define WS_LOG_CHECK(condition)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static inline void ws_log_append(struct ws_log *log, const char *text, size_t n)
{
	WS_LOG_CHECK(log->n + n < sizeof(log->text));
	memcpy(log->text + log->n, text, n);
	log->n += n;
	log->text[log->n] = '\0';
}

static inline void ws_log_number(struct ws_log *log, const char *before, uint64_t number)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64, number);

	ws_log_append(log, before, strlen(before));
	ws_log_append(log, text, (size_t)n);
}

/* In quotes, with <7f> for what cannot be printed. */
static inline void ws_log_bytes(struct ws_log *log, const uint8_t *data, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	ws_log_append(log, " \"", 2);
	for (size_t i = 0; i < n; i++) {
		char escaped[4] = { '<', hex[data[i] >> 4], hex[data[i] & 15], '>' };
		char plain = (char)data[i];
		bool printable = data[i] >= ' ' && data[i] < 0x7F && !strchr("<>\"", plain);

		ws_log_append(log, printable ? &plain : escaped, printable ? 1 : 4);
	}
	ws_log_append(log, "\"", 1);
}

static inline void ws_log_separate(struct ws_log *log)
{
	if (log->n > 0)
		ws_log_append(log, "; ", 2);
}

static inline void ws_log_flush_binary(struct ws_log *log)
{
	const struct ws_event *e = &log->binary;

	if (e->n == 0 && !e->last)
		return;
	ws_log_separate(log);
	ws_log_number(log, "binary ", e->n);
	if (e->data)
		ws_log_bytes(log, log->binary_data, e->n);
	ws_log_number(log, " (", e->message_bytes);
	ws_log_append(log, e->last ? " whole)" : " so far)", e->last ? 7 : 8);
	log->binary = (struct ws_event){};
}

static inline void ws_log_binary(struct ws_log *log, const struct ws_event *e)
{
	WS_LOG_CHECK(e->n > 0 || e->last);
	if (e->data) {
		WS_LOG_CHECK(log->binary.n + e->n <= sizeof(log->binary_data));
		memcpy(log->binary_data + log->binary.n, e->data, e->n);
		log->binary.data = log->binary_data;
	}
	log->binary.n += e->n;
	log->binary.message_bytes = e->message_bytes;
	log->binary.last = e->last;
	log->payload_bytes += e->n;
	if (e->last)
		ws_log_flush_binary(log);
}

static inline void ws_log_event(struct ws_log *log, const struct ws_event *e)
{
	if (e->kind == WS_EVENT_BINARY) {
		ws_log_binary(log, e);
		return;
	}
	ws_log_flush_binary(log);
	ws_log_separate(log);
	WS_LOG_CHECK(e->n == 0 || e->data);
	switch (e->kind) {
	case WS_EVENT_TEXT:
		WS_LOG_CHECK(e->truncated ? e->n < e->message_bytes : e->n == e->message_bytes);
		WS_LOG_CHECK(log->any_text ||
		             utf8_check(UTF8_ACCEPT, e->data, e->n) == UTF8_ACCEPT);
		log->payload_bytes += e->message_bytes;
		ws_log_number(log, "text ", e->message_bytes);
		break;
	case WS_EVENT_PING:
	case WS_EVENT_PONG:
		WS_LOG_CHECK(e->n <= WS_CONTROL_PAYLOAD_MAX);
		ws_log_append(log, e->kind == WS_EVENT_PING ? "ping" : "pong", 4);
		break;
	case WS_EVENT_CLOSE:
		WS_LOG_CHECK(e->n <= WS_CONTROL_PAYLOAD_MAX - 2);
		WS_LOG_CHECK(e->code >= 1000 && e->code < 5000);
		ws_log_number(log, "close ", e->code);
		break;
	default:
		WS_LOG_CHECK(e->kind == WS_EVENT_CLOSE);
	}
	ws_log_bytes(log, e->data, e->n);
}

/* The failure is final, and says what our Close has to say. */
static inline void ws_log_refusal(struct ws_log *log, struct ws_decoder *d, const struct err *err,
                                  const uint8_t *at, size_t n)
{
	struct ws_event event;
	uint16_t code = d->close_code;

	WS_LOG_CHECK(code == 1002 || code == 1007 || code == 1009);
	WS_LOG_CHECK(err->code == -EPROTO && err->domain == ERR_WS && err->detail == code);
	WS_LOG_CHECK(ws_decoder_skippable(d) == 0);
	WS_LOG_CHECK(ws_decoder_next(d, &at, &n, &event, NULL) == -EPROTO && d->close_code == code);
	ws_log_flush_binary(log);
	ws_log_separate(log);
	ws_log_number(log, "refused ", code);
}

/* One piece; answers what the decoder answered last. */
static inline int ws_log_piece(struct ws_log *log, struct ws_decoder *d, const uint8_t *at,
                               size_t n, bool skip)
{
	struct ws_event event;
	struct err err = {};
	int r;

	do {
		uint64_t skippable = ws_decoder_skippable(d);
		size_t before = n;

		if (skip && skippable > 0 && n > 0) {
			size_t skipped = skippable < n ? (size_t)skippable : n;

			r = ws_decoder_skip(d, skipped, &event, &err);
			WS_LOG_CHECK(r == WS_OK && event.n == skipped);
			at += skipped;
			n -= skipped;
		} else {
			r = ws_decoder_next(d, &at, &n, &event, &err);
		}
		WS_LOG_CHECK(n <= before);
		if (r == WS_OK)
			ws_log_event(log, &event);
	} while (r == WS_OK);

	WS_LOG_CHECK(r < 0 || (r == WS_NEED_MORE && n == 0));
	if (r < 0)
		ws_log_refusal(log, d, &err, at, n);
	return r;
}

/* What the first byte of a corpus file chooses: our role, what becomes of binary messages, the size
 * of the buffer for texts, the ceiling of a message and whether texts are checked; see
 * tests/fuzz/make_ws_corpus.py. */
static inline struct ws_decoder_options ws_log_options(uint8_t choice)
{
	static const size_t text_bytes[] = { 64, 4, 1000, 0 };
	static const uint64_t message_bytes_max[] = { 1 << 24, 1000, 10, 0 };
	struct ws_decoder_options o = {
		.role = choice & 1 ? WS_SERVER : WS_CLIENT,
		.binary = choice & 2 ? WS_BINARY_DELIVER : WS_BINARY_COUNT,
		.text_bytes = text_bytes[choice >> 2 & 3],
		.message_bytes_max = message_bytes_max[choice >> 4 & 3],
		.any_text = choice & 0x40,
	};

	if (o.binary == WS_BINARY_DELIVER && o.text_bytes == 0)
		o.text_bytes = 1;
	return o;
}

static inline size_t ws_log_piece_bytes(struct ws_log_feed *feed, bool is_first)
{
	if (!feed->seed)
		return is_first ? feed->first : feed->rest;
	feed->seed = feed->seed * 6364136223846793005 + 1442695040888963407;
	return (feed->seed >> 33) % feed->rest + 1;
}

/* Answers the log's text. options->text need not be set: memory is found here. */
static inline const char *ws_log_run(struct ws_log *log, const struct ws_decoder_options *options,
                                     const uint8_t *in, size_t n, struct ws_log_feed feed)
{
	struct ws_decoder_options own = *options;
	struct ws_decoder d;
	size_t at = 0;
	int r = WS_NEED_MORE;

	log->n = 0;
	log->text[0] = '\0';
	log->binary = (struct ws_event){};
	log->payload_bytes = 0;
	log->any_text = own.any_text;
	own.text = malloc(own.text_bytes);
	ws_decoder_init(&d, &own);
	while (r == WS_NEED_MORE && at < n) {
		size_t piece = ws_log_piece_bytes(&feed, at == 0);
		uint8_t *copy;

		piece = piece < n - at ? piece : n - at;
		copy = malloc(piece);
		memcpy(copy, in + at, piece);
		r = ws_log_piece(log, &d, copy, piece, feed.skip);
		free(copy);
		at += piece;
	}
	ws_log_flush_binary(log);
	free(own.text);
	return log->text;
}
