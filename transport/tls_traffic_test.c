/* Behind a TLS 1.3 handshake: whatever a peer may seal, however it comes cut. */
#include "transport/tls_traffic.h"

#include "tests/cases.h"
#include "tests/scarce_memory.h"
#include "transport/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <stdio.h>
#include <string.h>

#define AES_128_GCM 0x1301

static const struct tls_secrets ours = {
	.receive_bytes = 32,
	.send_bytes = 32,
	.receive = "what the peer seals its with....",
	.send = "what we seal ours with..........",
};

static const SSL_CIPHER *suite;

/* What the peer says: one record. */
struct piece {
	uint8_t type; /* or enum piece_type */
	size_t n;
	const char *bytes;
};

enum piece_type {
	CLEAR = 0,       /* `bytes` as they are, not sealed */
	NEXT_KEYS = 254, /* nothing: what follows is under the peer's next keys */
	PADDED = 255,    /* sealed without a type of its own: its content's end has it */
};

#define DATA(text)                                                                                 \
	{                                                                                          \
		TLS_APPLICATION_DATA, sizeof(text) - 1, text                                       \
	}
#define MSG(text)                                                                                  \
	{                                                                                          \
		TLS_HANDSHAKE, sizeof(text) - 1, text                                              \
	}
#define ALERT(text)                                                                                \
	{                                                                                          \
		TLS_ALERT, sizeof(text) - 1, text                                                  \
	}
#define RAW(text)                                                                                  \
	{                                                                                          \
		CLEAR, sizeof(text) - 1, text                                                      \
	}
#define PADDING(text)                                                                              \
	{                                                                                          \
		PADDED, sizeof(text) - 1, text                                                     \
	}
#define NEXT                                                                                       \
	{                                                                                          \
		NEXT_KEYS, 0, ""                                                                   \
	}
#define OTHER(type)                                                                                \
	{                                                                                          \
		type, 1, "\1"                                                                      \
	}

#define TICKET       "\4\0\0\6ticket"
#define UPDATE       "\x18\0\0\1\0"
#define UPDATE_ASKED "\x18\0\0\1\1"
#define CLOSE        "\1\0"

static struct read_case {
	const char *name;
	bool server; /* is our end */
	struct piece pieces[8];
	const char *want; /* all that is read */
	int want_end;     /* the outcome behind it */
	int want_reason;  /* of a refusal */
	uint8_t want_alert;
	unsigned int want_answers;
} read_cases[] = {
	{ "data", false, { DATA("one "), DATA("two") }, "one two", TLS_NEED_INPUT, 0, 0, 0 },
	{ "close_notify", false, { DATA("one"), ALERT(CLOSE) }, "one", TLS_END, 0, 0, 0 },
	{ "nothing counts behind close_notify",
	  false,
	  { ALERT(CLOSE), DATA("one") },
	  "",
	  TLS_END,
	  0,
	  0,
	  0 },
	{ "user_canceled is no end",
	  false,
	  { ALERT("\1\x5a"), DATA("one") },
	  "one",
	  TLS_NEED_INPUT,
	  0,
	  0,
	  0 },
	{ "the peer refuses us",
	  false,
	  { DATA("one"), ALERT("\2\x14") },
	  "one",
	  -EPROTO,
	  SSL_AD_REASON_OFFSET + 20,
	  0,
	  0 },
	{ "close_notify, as fatal",
	  false,
	  { DATA("one"), ALERT("\2\0") },
	  "one",
	  TLS_END,
	  0,
	  0,
	  0 },
	{ "the peer refuses us, as a warning",
	  false,
	  { DATA("one"), ALERT("\1\x14") },
	  "one",
	  -EPROTO,
	  SSL_AD_REASON_OFFSET + 20,
	  0,
	  0 },
	{ "the peer refuses us, as nobody knows",
	  false,
	  { ALERT("\2\xc8") },
	  "",
	  -EPROTO,
	  SSL_AD_REASON_OFFSET + 200,
	  0,
	  0 },
	{ "a server wants a certificate of ours",
	  false,
	  { ALERT("\2\x74") },
	  "",
	  -EPROTO,
	  SSL_AD_REASON_OFFSET + 116,
	  0,
	  0 },
	{ "an alert of one byte",
	  false,
	  { ALERT("\2") },
	  "",
	  -EPROTO,
	  SSL_R_INVALID_ALERT,
	  SSL_AD_DECODE_ERROR,
	  0 },
	{ "two alerts in a record",
	  false,
	  { ALERT("\1\x5a\1\0") },
	  "",
	  -EPROTO,
	  SSL_R_INVALID_ALERT,
	  SSL_AD_DECODE_ERROR,
	  0 },
	{ "an alert of none",
	  false,
	  { { TLS_ALERT, 0, "" } },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_MESSAGE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a ticket", false, { MSG(TICKET), DATA("one") }, "one", TLS_NEED_INPUT, 0, 0, 0 },
	{ "two tickets in a record",
	  false,
	  { MSG(TICKET TICKET), DATA("one") },
	  "one",
	  TLS_NEED_INPUT,
	  0,
	  0,
	  0 },
	{ "a ticket over three records",
	  false,
	  { MSG("\4\0"), MSG("\0\6tic"), MSG("ket"), DATA("one") },
	  "one",
	  TLS_NEED_INPUT,
	  0,
	  0,
	  0 },
	{ "an empty ticket",
	  false,
	  { MSG("\4\0\0\0" UPDATE_ASKED), DATA("one") },
	  "",
	  -EPROTO,
	  SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC,
	  SSL_AD_BAD_RECORD_MAC,
	  1 }, /* under the old keys */
	{ "data within a message",
	  false,
	  { MSG("\4\0\0\6tic"), DATA("one") },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_RECORD,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "close_notify within a message",
	  false,
	  { MSG("\4\0\0\6tic"), ALERT(CLOSE) },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_RECORD,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "an empty record within a message",
	  false,
	  { MSG("\4\0"), { TLS_APPLICATION_DATA, 0, "" } },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_RECORD,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "no message within a message",
	  false,
	  { MSG("\4\0"), { TLS_HANDSHAKE, 0, "" } },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_MESSAGE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "the longest ticket begins", false, { MSG("\4\2\1\x9") }, "", TLS_NEED_INPUT, 0, 0, 0 },
	{ "a ticket too long for its fields",
	  false,
	  { MSG("\4\2\1\xa") },
	  "",
	  -EPROTO,
	  SSL_R_EXCESSIVE_MESSAGE_SIZE,
	  SSL_AD_ILLEGAL_PARAMETER,
	  0 },
	{ "a ticket for a server",
	  true,
	  { MSG(TICKET) },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_MESSAGE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a ClientHello",
	  true,
	  { MSG("\1\0\0\1x") },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_MESSAGE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a CertificateRequest",
	  false,
	  { MSG("\xd\0\0\1x") },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_MESSAGE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a HelloRequest",
	  false,
	  { MSG("\0\0\0\0") },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_MESSAGE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a second Finished",
	  true,
	  { MSG("\x14\0\0\x20") },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_MESSAGE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "an EndOfEarlyData",
	  true,
	  { MSG("\5\0\0\0") },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_MESSAGE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a client's certificate, unasked",
	  true,
	  { MSG("\xb\0\0\4") },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_MESSAGE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "no message",
	  false,
	  { { TLS_HANDSHAKE, 0, "" } },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_MESSAGE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a KeyUpdate", false, { MSG(UPDATE) }, "", TLS_NEED_INPUT, 0, 0, 0 },
	{ "a KeyUpdate that asks for ours",
	  true,
	  { MSG(UPDATE_ASKED) },
	  "",
	  TLS_NEED_INPUT,
	  0,
	  0,
	  1 },
	{ "data behind a KeyUpdate",
	  false,
	  { DATA("one "), MSG(UPDATE), NEXT, DATA("two") },
	  "one two",
	  TLS_NEED_INPUT,
	  0,
	  0,
	  0 },
	{ "one KeyUpdate behind the other",
	  true,
	  { MSG(UPDATE_ASKED), NEXT, MSG(UPDATE_ASKED), NEXT, DATA("one") },
	  "one",
	  TLS_NEED_INPUT,
	  0,
	  0,
	  2 },
	{ "a KeyUpdate behind a ticket",
	  false,
	  { MSG(TICKET UPDATE), NEXT, DATA("one") },
	  "one",
	  TLS_NEED_INPUT,
	  0,
	  0,
	  0 },
	{ "old keys behind a KeyUpdate",
	  false,
	  { MSG(UPDATE), DATA("one") },
	  "",
	  -EPROTO,
	  SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC,
	  SSL_AD_BAD_RECORD_MAC,
	  0 },
	{ "new keys before a KeyUpdate",
	  false,
	  { NEXT, DATA("one") },
	  "",
	  -EPROTO,
	  SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC,
	  SSL_AD_BAD_RECORD_MAC,
	  0 },
	{ "a KeyUpdate once more",
	  false,
	  { MSG(UPDATE), MSG(UPDATE) },
	  "",
	  -EPROTO,
	  SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC,
	  SSL_AD_BAD_RECORD_MAC,
	  0 },
	{ "a KeyUpdate over two records",
	  true,
	  { MSG("\x18\0\0"), MSG("\1\1") },
	  "",
	  TLS_NEED_INPUT,
	  0,
	  0,
	  1 },
	{ "a KeyUpdate before other messages",
	  false,
	  { MSG(UPDATE TICKET) },
	  "",
	  -EPROTO,
	  SSL_R_NOT_ON_RECORD_BOUNDARY,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a KeyUpdate of another kind",
	  false,
	  { MSG("\x18\0\0\1\2") },
	  "",
	  -EPROTO,
	  SSL_R_BAD_KEY_UPDATE,
	  SSL_AD_ILLEGAL_PARAMETER,
	  0 },
	{ "a KeyUpdate of two bytes",
	  false,
	  { MSG("\x18\0\0\2\0\0") },
	  "",
	  -EPROTO,
	  SSL_R_BAD_KEY_UPDATE,
	  SSL_AD_DECODE_ERROR,
	  0 },
	{ "a KeyUpdate of none",
	  false,
	  { MSG("\x18\0\0\0") },
	  "",
	  -EPROTO,
	  SSL_R_BAD_KEY_UPDATE,
	  SSL_AD_DECODE_ERROR,
	  0 },
	{ "padding",
	  false,
	  { PADDING("one\x17\0\0\0"), PADDING("\x18\0\0\1\0\x16\0"), NEXT, DATA("two") },
	  "onetwo",
	  TLS_NEED_INPUT,
	  0,
	  0,
	  0 },
	{ "padding behind nothing",
	  false,
	  { PADDING("\x17\0\0"), DATA("one") },
	  "one",
	  TLS_NEED_INPUT,
	  0,
	  0,
	  0 },
	{ "padding alone",
	  false,
	  { PADDING("\0\0\0") },
	  "",
	  -EPROTO,
	  SSL_R_BAD_RECORD_TYPE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "not even padding",
	  false,
	  { PADDING("") },
	  "",
	  -EPROTO,
	  SSL_R_BAD_RECORD_TYPE,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a content type of nobody",
	  false,
	  { OTHER(99) },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_RECORD,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a ChangeCipherSpec under the keys",
	  false,
	  { OTHER(TLS_CHANGE_CIPHER_SPEC) },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_RECORD,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a ChangeCipherSpec in clear",
	  false,
	  { RAW("\x14\3\3\0\1\1") },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_RECORD,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "an alert in clear",
	  false,
	  { RAW("\x15\3\3\0\2\1\0") },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_RECORD,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "no TLS at all",
	  false,
	  { RAW("HTTP/1.1 200 OK\r\n") },
	  "",
	  -EPROTO,
	  SSL_R_UNEXPECTED_RECORD,
	  SSL_AD_UNEXPECTED_MESSAGE,
	  0 },
	{ "a record too short for its tag",
	  false,
	  { RAW("\x17\3\3\0\x10") },
	  "",
	  -EPROTO,
	  SSL_R_LENGTH_TOO_SHORT,
	  SSL_AD_BAD_RECORD_MAC,
	  0 },
	{ "a record too long",
	  false,
	  { RAW("\x17\3\3\x41\1") },
	  "",
	  -EPROTO,
	  SSL_R_ENCRYPTED_LENGTH_TOO_LONG,
	  SSL_AD_RECORD_OVERFLOW,
	  0 },
	{ "a record of nothing that was sealed",
	  false,
	  { RAW("\x17\3\3\0\x11"
	        "seventeen bytes .") },
	  "",
	  -EPROTO,
	  SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC,
	  SSL_AD_BAD_RECORD_MAC,
	  0 },
};

struct end {
	struct tls_traffic *t;
	struct tls_record_keys *peer;      /* seals what t receives */
	struct tls_record_keys *peer_open; /* opens what t sends */
};

static struct end open_end(bool server, uint64_t records_per_key)
{
	struct tls_traffic_options options = { .client = !server,
		                               .records_per_key = records_per_key };
	struct end e = {};

	assert_int_equal(tls_traffic_new(suite, &ours, &options, &e.t), 0);
	assert_int_equal(tls_record_keys_new(suite, true, ours.receive, 32, &e.peer), 0);
	assert_int_equal(tls_record_keys_new(suite, false, ours.send, 32, &e.peer_open), 0);
	return e;
}

static void close_end(struct end *e)
{
	tls_traffic_free(e->t);
	tls_record_keys_free(e->peer);
	tls_record_keys_free(e->peer_open);
}

static size_t seal_piece(struct end *e, const struct piece *p, uint8_t *out)
{
	uint8_t type = p->type == PADDED ? 0 : p->type;

	if (p->type == CLEAR) {
		memcpy(out, p->bytes, p->n);
		return p->n;
	}
	if (p->type == NEXT_KEYS) {
		assert_true(tls_record_keys_next(e->peer));
		return 0;
	}
	assert_true(tls_record_seal(e->peer, (enum tls_content_type)type, (const uint8_t *)p->bytes,
	                            p->n, out));
	return p->n + TLS_RECORD_ADDED_BYTES;
}

struct heard {
	char text[64];
	size_t n;
	int end;
	unsigned int answers;
};

/* An answer is a KeyUpdate under the keys before it. */
static void take_answer(struct end *e, struct heard *h)
{
	uint8_t out[TLS_TRAFFIC_KEY_UPDATE_BYTES], content[TLS_RECORD_BYTES], type;
	size_t n;

	assert_int_equal(tls_traffic_answer(e->t, out), sizeof(out));
	assert_int_equal(tls_record_open(e->peer_open, out, sizeof(out), content, &n, &type),
	                 TLS_RECORD_OK);
	assert_int_equal(type, TLS_HANDSHAKE);
	assert_int_equal(n, 5);
	assert_memory_equal(content, UPDATE, 5);
	assert_true(tls_record_keys_next(e->peer_open));
	h->answers++;
}

/* Reads `n` bytes in pieces of `cut`, `cap` at a time. */
static void read_all(struct end *e, const uint8_t *in, size_t n, size_t cut, size_t cap,
                     struct heard *h)
{
	static uint8_t out[TLS_RECORD_BYTES];

	*h = (struct heard){ .end = TLS_NEED_INPUT };
	for (size_t at = 0; at < n && h->end == TLS_NEED_INPUT; at += cut) {
		const uint8_t *lent = in + at;
		size_t left = cut < n - at ? cut : n - at, got;

		do {
			h->end = tls_traffic_read(e->t, &lent, &left, out, cap, &got);
			if (h->end == TLS_OK) {
				assert_in_range(got, 1, sizeof(h->text) - h->n);
				memcpy(h->text + h->n, out, got);
				h->n += got;
			}
			if (h->end == TLS_NEED_OUTPUT)
				take_answer(e, h);
		} while (h->end == TLS_OK || h->end == TLS_NEED_OUTPUT);
	}
}

static void check_heard(const struct read_case *c, const struct end *e, const struct heard *h)
{
	struct tls_traffic_failure why = tls_traffic_failure(e->t);

	assert_int_equal(h->n, strlen(c->want));
	assert_memory_equal(h->text, c->want, h->n);
	assert_int_equal(h->end, c->want_end);
	assert_int_equal(why.reason, c->want_reason);
	assert_int_equal(why.alert, c->want_alert);
	assert_int_equal(h->answers, c->want_answers);
}

/* Every cut, in memory of exactly its size; read whole and two bytes at a time. */
static void peer_is_understood(void **state)
{
	const struct read_case *c = *state;
	size_t total = 1;

	for (size_t cut = 1; cut <= total; cut++)
		for (size_t cap = 2; cap <= TLS_RECORD_BYTES; cap *= TLS_RECORD_BYTES / 2) {
			struct end e = open_end(c->server, 0);
			uint8_t wire[512];
			struct heard h;

			total = 0;
			for (const struct piece *p = c->pieces; p->bytes; p++)
				total += seal_piece(&e, p, wire + total);
			read_all(&e, wire, total, cut, cap, &h);
			check_heard(c, &e, &h);
			close_end(&e);
		}
}

/* A refusal and an end stay. */
static void last_word_stays(void **state)
{
	static const struct piece last[] = { ALERT("\2\x14"), ALERT(CLOSE) };
	static const struct piece more = DATA("more");
	uint8_t wire[256], out[8];
	size_t n, got;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct end e = open_end(false, 0);
		const uint8_t *at = wire;
		int want = i == 0 ? -EPROTO : TLS_END;

		n = seal_piece(&e, &last[i], wire);
		n += seal_piece(&e, &more, wire + n);
		for (int again = 0; again < 3; again++)
			assert_int_equal(tls_traffic_read(e.t, &at, &n, out, sizeof(out), &got),
			                 want);
		close_end(&e);
	}
}

/* RFC 8446 5.2: the longest that may be, with its type behind it, and one more. */
static void content_has_a_length(void **state)
{
	static uint8_t wire[TLS_RECORD_BYTES + 1 + TLS_RECORD_ADDED_BYTES];
	static uint8_t content[TLS_RECORD_BYTES + 1], out[TLS_RECORD_BYTES];

	(void)state;
	for (size_t n = TLS_RECORD_BYTES; n <= sizeof(content); n++) {
		struct end e = open_end(false, 0);
		size_t left = n + TLS_RECORD_ADDED_BYTES, got;
		const uint8_t *at = wire;
		bool fits = n == TLS_RECORD_BYTES;

		assert_true(tls_record_seal(e.peer, TLS_APPLICATION_DATA, content, n, wire));
		assert_int_equal(tls_traffic_read(e.t, &at, &left, out, sizeof(out), &got),
		                 fits ? TLS_OK : -EPROTO);
		assert_int_equal(tls_traffic_failure(e.t).reason,
		                 fits ? 0 : SSL_R_DATA_LENGTH_TOO_LONG);
		assert_int_equal(tls_traffic_failure(e.t).alert, fits ? 0 : SSL_AD_RECORD_OVERFLOW);
		close_end(&e);
	}
}

static struct idle_case {
	const char *name;
	struct piece piece; /* of no use to a reader, `records` times */
	struct piece then;  /* each time */
	unsigned int records;
	int want; /* of what is read behind them */
	int want_reason;
} idle_cases[] = {
	{ "some empty records", { TLS_APPLICATION_DATA, 0, "" }, {}, 32, TLS_OK, 0 },
	{ "empty records without end",
	  { TLS_APPLICATION_DATA, 0, "" },
	  {},
	  33,
	  -EPROTO,
	  SSL_R_RECORD_TOO_SMALL },
	{ "some tickets", MSG(TICKET), {}, 32, TLS_OK, 0 },
	{ "tickets without end", MSG(TICKET), {}, 33, -EPROTO, SSL_R_TOO_MANY_KEY_UPDATES },
	{ "some KeyUpdates", MSG(UPDATE), NEXT, 32, TLS_OK, 0 },
	{ "KeyUpdates without end", MSG(UPDATE), NEXT, 33, -EPROTO, SSL_R_TOO_MANY_KEY_UPDATES },
	{ "some warnings", ALERT("\1\x5a"), {}, 32, TLS_OK, 0 },
	{ "warnings without end", ALERT("\1\x5a"), {}, 33, -EPROTO, SSL_R_TOO_MANY_WARN_ALERTS },
};

static void idle_records_have_an_end(void **state)
{
	static const struct piece data = DATA("x");
	const struct idle_case *c = *state;
	struct end e = open_end(false, 0);
	uint8_t wire[64 * (16 + TLS_RECORD_ADDED_BYTES)], out[8];
	size_t n = 0, got;
	const uint8_t *at = wire;

	for (unsigned int i = 0; i < c->records; i++) {
		n += seal_piece(&e, &c->piece, wire + n);
		if (c->then.bytes)
			n += seal_piece(&e, &c->then, wire + n);
	}
	n += seal_piece(&e, &data, wire + n);
	assert_int_equal(tls_traffic_read(e.t, &at, &n, out, sizeof(out), &got), c->want);
	assert_int_equal(tls_traffic_failure(e.t).reason, c->want_reason);
	close_end(&e);
}

/* Data in between, and there may be any number. */
static void busy_records_have_none(void **state)
{
	static const struct piece pieces[] = { MSG(UPDATE), NEXT, MSG(TICKET), DATA("x") };
	struct end e = open_end(false, 0);
	uint8_t wire[256], out[8];

	(void)state;
	for (int i = 0; i < 100; i++) {
		const uint8_t *at = wire;
		size_t n = 0, got;

		for (size_t p = 0; p < sizeof(pieces) / sizeof(*pieces); p++)
			n += seal_piece(&e, &pieces[p], wire + n);
		assert_int_equal(tls_traffic_read(e.t, &at, &n, out, sizeof(out), &got), TLS_OK);
		assert_int_equal(n, 0);
	}
	close_end(&e);
}

/* RFC 8446 5.5: the keys change by themselves, the peer follows, and nothing is missed. */
static void keys_are_not_worn_out(void **state)
{
	enum { PER_KEY = 3 };
	struct end e = open_end(false, PER_KEY);
	uint8_t content[TLS_RECORD_BYTES];

	(void)state;
	for (unsigned int i = 0; i < 4 * PER_KEY; i++) {
		uint8_t out[1 + TLS_TRAFFIC_ADDED_BYTES], byte = (uint8_t)i, type;
		size_t sealed = tls_traffic_write(e.t, &byte, 1, out), at = 0, n;

		/* every third record but the first brings a KeyUpdate before it */
		if (sealed > 1 + TLS_RECORD_ADDED_BYTES) {
			assert_int_equal(sealed, sizeof(out));
			assert_int_equal(i % PER_KEY, 0);
			at = TLS_TRAFFIC_KEY_UPDATE_BYTES;
			assert_int_equal(tls_record_open(e.peer_open, out, at, content, &n, &type),
			                 TLS_RECORD_OK);
			assert_int_equal(type, TLS_HANDSHAKE);
			assert_true(tls_record_keys_next(e.peer_open));
		} else {
			assert_true(i == 0 || i % PER_KEY != 0);
		}
		assert_int_equal(
			tls_record_open(e.peer_open, out + at, sealed - at, content, &n, &type),
			TLS_RECORD_OK);
		assert_int_equal(content[0], i);
	}
	close_end(&e);
}

/* What t says of the peer's pieces, and that nothing can follow it. */
static void last_is(bool server, const struct piece *said, const char *want)
{
	struct end e = open_end(server, 0);
	uint8_t out[TLS_TRAFFIC_ADDED_BYTES + 1], content[TLS_RECORD_BYTES], type;
	size_t n = 0;

	if (said) {
		uint8_t wire[64];
		struct heard h;

		read_all(&e, wire, seal_piece(&e, said, wire), 1, sizeof(content), &h);
	}
	if (want) {
		assert_int_equal(tls_traffic_alert(e.t, out), TLS_TRAFFIC_ALERT_BYTES);
		assert_int_equal(tls_record_open(e.peer_open, out, TLS_TRAFFIC_ALERT_BYTES, content,
		                                 &n, &type),
		                 TLS_RECORD_OK);
		assert_int_equal(type, TLS_ALERT);
		assert_int_equal(n, 2);
		assert_memory_equal(content, want, 2);
	}
	assert_true(tls_traffic_is_over(e.t));
	assert_int_equal(tls_traffic_alert(e.t, out), 0);
	assert_int_equal(tls_traffic_write(e.t, content, 1, out), 0);
	assert_int_equal(tls_traffic_answer(e.t, out), 0);
	close_end(&e);
}

static void alert_is_the_last_word(void **state)
{
	static const struct piece spoiled = RAW("\x17\3\3\0\x11"
	                                        "seventeen bytes ."),
				  unknown = OTHER(99), refused = ALERT("\2\x28"),
				  closed = ALERT(CLOSE);

	(void)state;
	last_is(false, NULL, "\1\0");
	last_is(true, &closed, "\1\0");
	last_is(true, &spoiled, "\2\x14");
	last_is(false, &unknown, "\2\xa");
	last_is(false, &refused, NULL);
}

/* RFC 8446 6.1: we have said our last, and the peer has not: it is read on, and not answered. */
static void closed_end_reads_on(void **state)
{
	static const struct piece pieces[] = { DATA("one"), MSG(UPDATE_ASKED), NEXT, DATA("two"),
		                               ALERT(CLOSE) };
	uint8_t out[TLS_TRAFFIC_ALERT_BYTES], wire[256];
	struct heard h;

	(void)state;
	/* asked before our alert, and behind it */
	for (size_t before = 0; before <= 2; before++) {
		struct end e = open_end(true, 0);
		size_t n = 0, got;
		const uint8_t *at = wire;

		for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++)
			n += seal_piece(&e, &pieces[i], wire + n);
		for (size_t i = 0; i < before; i++)
			assert_int_equal(tls_traffic_read(e.t, &at, &n, (uint8_t *)h.text,
			                                  sizeof(h.text), &got),
			                 i == 0 ? TLS_OK : TLS_NEED_OUTPUT);
		assert_int_equal(tls_traffic_alert(e.t, out), sizeof(out));
		read_all(&e, at, n, n, TLS_RECORD_BYTES, &h);
		assert_int_equal(h.end, TLS_END);
		assert_int_equal(h.answers, 0);
		assert_int_equal(h.n, before == 0 ? 6 : 3);
		close_end(&e);
	}
}

/* --- memory that runs out --------------------------------------------------------------------- */

/* Not even an alert is sealed: it might be with a nonce that was used. */
static void our_keys_could_not_change(void **state)
{
	struct end e = open_end(false, 1);
	uint8_t out[1 + TLS_TRAFFIC_ADDED_BYTES], byte = 0;

	(void)state;
	assert_int_equal(tls_traffic_write(e.t, &byte, 1, out), 1 + TLS_RECORD_ADDED_BYTES);
	scarce_memory_left = 0;
	assert_int_equal(tls_traffic_write(e.t, &byte, 1, out), 0);
	scarce_memory_left = ULONG_MAX;
	ERR_clear_error();
	assert_int_equal(tls_traffic_write(e.t, &byte, 1, out), 0);
	assert_int_equal(tls_traffic_answer(e.t, out), 0);
	assert_int_equal(tls_traffic_alert(e.t, out), 0);
	close_end(&e);
}

/* Ours are as they were, and the peer is told. */
static void the_peers_keys_could_not_change(void **state)
{
	static const struct piece update = MSG(UPDATE_ASKED);
	struct end e = open_end(true, 0);
	uint8_t wire[64], out[TLS_TRAFFIC_ALERT_BYTES], content[TLS_RECORD_BYTES], type;
	size_t n = seal_piece(&e, &update, wire), got;
	const uint8_t *at = wire;

	(void)state;
	scarce_memory_left = 0;
	assert_int_equal(tls_traffic_read(e.t, &at, &n, content, sizeof(content), &got), -EPROTO);
	scarce_memory_left = ULONG_MAX;
	ERR_clear_error();
	assert_int_equal(tls_traffic_failure(e.t).reason, SSL_R_BAD_KEY_UPDATE);
	assert_int_equal(tls_traffic_alert(e.t, out), sizeof(out));
	assert_int_equal(tls_record_open(e.peer_open, out, sizeof(out), content, &got, &type),
	                 TLS_RECORD_OK);
	assert_memory_equal(content, "\2\x50", 2);
	close_end(&e);
}

int main(void)
{
	static const uint8_t wire[] = { AES_128_GCM >> 8, AES_128_GCM & 0xff };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_word_stays),
		cmocka_unit_test(keys_are_not_worn_out),
		cmocka_unit_test(content_has_a_length),
		cmocka_unit_test(busy_records_have_none),
		cmocka_unit_test(alert_is_the_last_word),
		cmocka_unit_test(closed_end_reads_on),
		cmocka_unit_test(our_keys_could_not_change),
		cmocka_unit_test(the_peers_keys_could_not_change),
	};
	SSL_CTX *context = scarce_memory_begin() ? SSL_CTX_new(TLS_client_method()) : NULL;
	SSL *ssl = context ? SSL_new(context) : NULL;
	int failed;

	if (!ssl)
		return 1;
	suite = SSL_CIPHER_find(ssl, wire);
	failed = CASES_RUN(peer_is_understood, read_cases);
	failed += CASES_RUN(idle_records_have_an_end, idle_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	SSL_free(ssl);
	SSL_CTX_free(context);
	return failed != 0;
}
