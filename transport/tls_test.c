/* A connection in memory, however its bytes are cut: both ends ours, or OpenSSL as it comes. */
#include "transport/tls.h"

#include "tests/cases.h"
#include "tests/certificates.h"
#include "tests/tls_peer.h"
#include "transport/base/err.h"
#include "transport/tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed;

/* Marsaglia's xorshift64*: the same numbers again for the same seed. */
static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 0x2545f4914f6cdd1dULL >> 16) % below;
}

/* --- two ends of ours, and what is on its way between them ------------------------------------ */

#define WIRE_BYTES (2 * TLS_OUTPUT_BYTES)

struct wire {
	uint8_t bytes[WIRE_BYTES];
	size_t n;
};

struct pair {
	struct tls *client, *server;
	struct wire up, down; /* from the client, to the client */
};

static struct tls_context *open_client_context(int version, bool chacha20)
{
	struct tls_client_options options = { .insecure = true, .prefer_chacha20 = chacha20 };
	struct tls_context *context = NULL;

	assert_int_equal(tls_context_client(&options, &context, NULL), 0);
	assert_int_equal(SSL_CTX_set_max_proto_version(context->ssl, version), 1);
	return context;
}

static void open_pair(struct pair *p, int version, bool chacha20)
{
	struct tls_context *client = open_client_context(version, chacha20);
	struct tls_context *server = NULL;

	p->up.n = p->down.n = 0;
	assert_int_equal(tls_context_server(NULL, NULL, &server, NULL), 0);
	assert_int_equal(tls_open_client(client, "localhost", &p->client, NULL), 0);
	assert_int_equal(tls_open_server(server, &p->server, NULL), 0);
	tls_context_free(client); /* the connections keep what they need */
	tls_context_free(server);
}

static void close_pair(struct pair *p)
{
	p->client = tls_free(p->client);
	p->server = tls_free(p->server);
}

/* At most n bytes of what t has to send, as a socket takes them. */
static void put_on(struct wire *w, struct tls *t, size_t n)
{
	size_t waiting;
	const uint8_t *out = tls_output(t, &waiting);

	n = n < waiting ? n : waiting;
	n = n < sizeof(w->bytes) - w->n ? n : sizeof(w->bytes) - w->n;
	memcpy(w->bytes + w->n, out, n);
	w->n += n;
	tls_output_sent(t, n);
}

/* The first n bytes on the wire, in memory of exactly that size; the caller frees it. */
static uint8_t *take_off(struct wire *w, size_t n)
{
	uint8_t *lent = malloc(n ? n : 1);

	assert_non_null(lent);
	memcpy(lent, w->bytes, n);
	memmove(w->bytes, w->bytes + n, w->n - n);
	w->n -= n;
	return lent;
}

/* Hands n bytes to a handshake, which must use them all. */
static int shake(struct tls *t, struct wire *w, size_t n, bool *done)
{
	struct err err = {};
	uint8_t *lent = take_off(w, n);
	int r;

	tls_input(t, lent, n);
	r = *done ? TLS_OK : tls_handshake(t, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	if (r == TLS_OK)
		*done = true;
	if (r == TLS_OK) {
		uint8_t byte;
		size_t got;

		assert_int_equal(tls_read(t, &byte, 1, &got, &err), TLS_NEED_INPUT);
	}
	free(lent);
	return r;
}

/* Every flight comes as `first` bytes and then the rest; answers the longest flight's length. */
static size_t handshake_split_at(struct pair *p, size_t first)
{
	bool client_done = false, server_done = false;
	size_t longest = 0;

	for (int i = 0; i < 10 && !(client_done && server_done); i++) {
		bool to_server = i % 2 == 1;
		struct wire *w = to_server ? &p->up : &p->down;
		struct tls *t = to_server ? p->server : p->client;
		bool *done = to_server ? &server_done : &client_done;

		longest = w->n > longest ? w->n : longest;
		shake(t, w, w->n < first ? w->n : first, done);
		shake(t, w, w->n, done);
		put_on(to_server ? &p->down : &p->up, t, SIZE_MAX);
	}
	assert_true(client_done && server_done);
	assert_true(p->up.n + p->down.n == 0);
	return longest;
}

static void establish(struct pair *p, int version, bool chacha20)
{
	open_pair(p, version, chacha20);
	handshake_split_at(p, SIZE_MAX);
}

/* --- the handshake ---------------------------------------------------------------------------- */

static struct version_case {
	const char *name;
	int version;
	bool chacha20;
} version_cases[] = {
	{ "TLS 1.3", TLS1_3_VERSION, false },
	{ "TLS 1.3, ChaCha20", TLS1_3_VERSION, true },
	{ "TLS 1.2", TLS1_2_VERSION, false },
	{ "TLS 1.2, ChaCha20", TLS1_2_VERSION, true },
};

/* The suite makes no difference to the flights. */
static struct version_case split_cases[] = {
	{ "TLS 1.3", TLS1_3_VERSION, false },
	{ "TLS 1.2", TLS1_2_VERSION, false },
};

static struct pair pair;

static void handshake_is_done_at_every_split(void **state)
{
	const struct version_case *c = *state;
	size_t longest = SIZE_MAX;

	for (size_t first = 1; first < longest; first++) {
		open_pair(&pair, c->version, c->chacha20);
		longest = handshake_split_at(&pair, first);
		close_pair(&pair);
	}
}

static void handshake_is_done_byte_by_byte(void **state)
{
	const struct version_case *c = *state;
	bool client_done = false, server_done = false;

	open_pair(&pair, c->version, c->chacha20);
	for (int i = 0; i < 20000 && !(client_done && server_done); i++) {
		shake(pair.client, &pair.down, pair.down.n ? 1 : 0, &client_done);
		put_on(&pair.up, pair.client, SIZE_MAX);
		shake(pair.server, &pair.up, pair.up.n ? 1 : 0, &server_done);
		put_on(&pair.down, pair.server, SIZE_MAX);
	}
	assert_true(client_done && server_done);
	close_pair(&pair);
}

/* --- data ------------------------------------------------------------------------------------- */

#define TRANSFER_BYTES (3 << 20)

/* One direction of a transfer: what is sent, and how far it is. */
struct flow {
	struct tls *from, *to;
	struct wire *wire;
	size_t sent, received;
};

static uint8_t *payload;

static void send_some(struct flow *f, uint64_t *random)
{
	struct err err = {};
	size_t left = TRANSFER_BYTES - f->sent;
	size_t n = 1 + draw(random, draw(random, 4) ? 20000 : 400000);
	size_t taken = 0;
	int r;

	if (left == 0)
		return;
	r = tls_write(f->from, payload + f->sent, n < left ? n : left, &taken, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	assert_int_equal(r, taken > 0 ? TLS_OK : TLS_NEED_OUTPUT);
	f->sent += taken;
}

static void receive_some(struct flow *f, uint64_t *random)
{
	static uint8_t plaintext[40000];
	struct err err = {};
	size_t n = 1 + draw(random, draw(random, 2) ? 100 : 100000);
	uint8_t *lent;
	int r;

	n = n < f->wire->n ? n : f->wire->n;
	lent = take_off(f->wire, n);
	tls_input(f->to, lent, n);
	for (;;) {
		size_t got = 0;

		r = tls_read(f->to, plaintext, 1 + draw(random, sizeof(plaintext)), &got, &err);
		if (r != TLS_OK)
			break;
		assert_true(got > 0 && got <= TRANSFER_BYTES - f->received);
		assert_memory_equal(plaintext, payload + f->received, got);
		f->received += got;
	}
	if (r < 0)
		fail_msg("%s", err.text);
	assert_int_equal(r, TLS_NEED_INPUT);
	free(lent);
}

static void transfer_arrives(void **state)
{
	const struct version_case *c = *state;
	uint64_t random = seed;
	struct flow up, down;

	establish(&pair, c->version, c->chacha20);
	up = (struct flow){ pair.client, pair.server, &pair.up, 0, 0 };
	down = (struct flow){ pair.server, pair.client, &pair.down, 0, 0 };
	while (up.received < TRANSFER_BYTES || down.received < TRANSFER_BYTES) {
		struct flow *f = draw(&random, 2) ? &up : &down;

		send_some(f, &random);
		put_on(f->wire, f->from, draw(&random, 300000));
		receive_some(f, &random);
	}
	close_pair(&pair);
}

/* What is in the output stays where it is while more is written behind it. */
static void output_fills_and_empties(void **state)
{
	const struct version_case *c = *state;
	struct err err = {};
	const uint8_t *out;
	size_t n, taken = 0, total = 0, first_bytes;

	establish(&pair, c->version, c->chacha20);
	assert_int_equal(tls_write(pair.client, payload, 100, &taken, &err), TLS_OK);
	out = tls_output(pair.client, &first_bytes);
	assert_true(first_bytes > 100 && first_bytes <= 100 + TLS_RECORD_OVERHEAD_BYTES);
	assert_int_equal(tls_write(pair.client, payload, TRANSFER_BYTES, &total, &err), TLS_OK);
	assert_true(total >= (TLS_OUTPUT_RECORDS - 1) * TLS_RECORD_BYTES && total < TRANSFER_BYTES);
	assert_int_equal(tls_write(pair.client, payload, TLS_RECORD_BYTES, &taken, &err),
	                 TLS_NEED_OUTPUT);
	assert_int_equal(taken, 0);
	assert_ptr_equal(tls_output(pair.client, &n), out);
	assert_true(n <= TLS_OUTPUT_BYTES - TLS_OUTPUT_RESERVE_BYTES);

	tls_output_sent(pair.client, first_bytes);
	assert_ptr_equal(tls_output(pair.client, &n), out + first_bytes);
	tls_output_sent(pair.client, n);
	tls_output(pair.client, &n);
	assert_int_equal(n, 0);
	assert_int_equal(tls_write(pair.client, payload, TRANSFER_BYTES, &total, &err), TLS_OK);
	assert_true(total == TLS_OUTPUT_RECORDS * TLS_RECORD_BYTES);
	close_pair(&pair);
}

static void end_is_told(void **state)
{
	const struct version_case *c = *state;
	struct err err = {};
	uint8_t *lent, byte[8];
	size_t n;

	establish(&pair, c->version, c->chacha20);
	assert_int_equal(tls_write(pair.server, payload, 5, &n, &err), TLS_OK);
	tls_close(pair.server);
	tls_close(pair.server);
	put_on(&pair.down, pair.server, SIZE_MAX);
	n = pair.down.n;
	lent = take_off(&pair.down, n);
	tls_input(pair.client, lent, n);
	assert_int_equal(tls_read(pair.client, byte, sizeof(byte), &n, &err), TLS_OK);
	assert_int_equal(n, 5);
	assert_int_equal(tls_read(pair.client, byte, sizeof(byte), &n, &err), TLS_END);
	assert_int_equal(tls_read(pair.client, byte, sizeof(byte), &n, &err), TLS_END);
	free(lent);
	close_pair(&pair);
}

/* Cut anywhere, a record is waited for; spoiled anywhere, it is refused. */
static void record_is_whole_or_nothing(void **state)
{
	const struct version_case *c = *state;
	struct err err = {};
	uint8_t *lent, byte[200];
	size_t n, record_bytes = 1;
	int r;

	for (size_t at = 0; at < record_bytes; at++) {
		establish(&pair, c->version, c->chacha20);
		assert_int_equal(tls_write(pair.server, payload, 100, &n, &err), TLS_OK);
		put_on(&pair.down, pair.server, SIZE_MAX);
		record_bytes = pair.down.n;
		lent = take_off(&pair.down, record_bytes);
		tls_input(pair.client, lent, at);
		r = tls_read(pair.client, byte, sizeof(byte), &n, &err);
		assert_int_equal(r, TLS_NEED_INPUT);
		lent[at] ^= 0x40;
		tls_input(pair.client, lent + at, record_bytes - at);
		r = tls_read(pair.client, byte, sizeof(byte), &n, &err);
		/* byte 3 makes it longer by 16 KiB: those are waited for */
		assert_int_equal(r, at == 3 ? TLS_NEED_INPUT : -EPROTO);
		assert_int_equal(ERR_peek_error(), 0);
		free(lent);
		close_pair(&pair);
	}
}

static void close_before_the_handshake_says_nothing(void **state)
{
	const struct version_case *c = *state;
	size_t n, hello_bytes;

	open_pair(&pair, c->version, c->chacha20);
	tls_close(pair.client);
	tls_output(pair.client, &n);
	assert_int_equal(n, 0);
	assert_int_equal(tls_handshake(pair.client, NULL), TLS_NEED_INPUT);
	tls_output(pair.client, &hello_bytes);
	tls_close(pair.client);
	tls_output(pair.client, &n);
	assert_int_equal(n, hello_bytes);
	close_pair(&pair);
}

/* --- what OpenSSL's own client and server do that ours do not --------------------------------- */

static struct tls_peer peer;

static void meet_peer_client(struct tls **ret, int version)
{
	struct tls_context *context = NULL;
	struct err err = {};

	assert_int_equal(tls_context_server(NULL, NULL, &context, &err), 0);
	assert_int_equal(tls_open_server(context, ret, &err), 0);
	tls_context_free(context);
	tls_peer_client(&peer);
	SSL_CTX_set_max_proto_version(peer.context, version);
	tls_peer_start(&peer);
	assert_int_equal(tls_peer_handshake(&peer, *ret, &err), TLS_OK);
}

/* As SSL_read() has it: what arrived, or -1 where nothing did. */
static int peer_reads(struct tls *t, void *out, int cap)
{
	tls_peer_take(&peer, t);
	return SSL_read(peer.ssl, out, cap);
}

/* RFC 8446 4.6.3: our answer goes out by itself, and the data before and after it is read. */
static void key_update_is_answered(void **state)
{
	struct tls *t = NULL;
	struct err err = {};
	char in[16] = "";
	size_t n;

	(void)state;
	meet_peer_client(&t, TLS1_3_VERSION);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(SSL_write(peer.ssl, "before", 6), 6);
		assert_int_equal(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_write(peer.ssl, "after", 5), 5);
		assert_true(tls_peer_give(&peer, t) > 0);
		assert_int_equal(tls_read(t, (uint8_t *)in, sizeof(in), &n, &err), TLS_OK);
		assert_memory_equal(in, "before", 6);
		assert_int_equal(tls_read(t, (uint8_t *)in, sizeof(in), &n, &err), TLS_OK);
		assert_memory_equal(in, "after", 5);
		assert_int_equal(tls_read(t, (uint8_t *)in, sizeof(in), &n, &err), TLS_NEED_INPUT);
		assert_int_equal(tls_write(t, (const uint8_t *)"answer", 6, &n, &err), TLS_OK);
		assert_int_equal(peer_reads(t, in, sizeof(in)), 6);
		assert_memory_equal(in, "answer", 6);
	}
	tls_free(t);
	tls_peer_end(&peer);
}

/* The reserve is for answers; who asks without end and never reads them is told from who does. */
static void key_updates_without_end_fill_the_output(void **state)
{
	struct tls *t = NULL;
	struct err err = {};
	uint8_t in[16];
	size_t n, asked = 0;
	int r = TLS_NEED_INPUT;

	(void)state;
	meet_peer_client(&t, TLS1_3_VERSION);
	while (tls_write(t, payload, TLS_RECORD_BYTES, &n, &err) == TLS_OK)
		;
	for (; r == TLS_NEED_INPUT && asked < 10000; asked++) {
		assert_int_equal(SSL_write(peer.ssl, "data", 4), 4);
		assert_int_equal(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(peer.ssl), 1);
		assert_true(tls_peer_give(&peer, t) > 0);
		assert_int_equal(tls_read(t, in, sizeof(in), &n, &err), TLS_OK);
		r = tls_read(t, in, sizeof(in), &n, &err);
	}
	assert_int_equal(r, TLS_NEED_OUTPUT);
	assert_true(asked > 50);
	assert_int_equal(ERR_peek_error(), 0);
	tls_free(t);
	tls_peer_end(&peer);
}

/* A server as most are: two tickets behind the handshake, data both ways, keys changed in between, and an end. */
static void server_of_openssl_is_understood(void **state)
{
	const struct version_case *c = *state;
	struct tls_context *context = open_client_context(c->version, c->chacha20);
	struct certificate leaf = certificate_make(&(struct certificate_wish){}, NULL);
	struct tls *t = NULL;
	struct err err = {};
	char in[16] = "";
	size_t n;

	assert_int_equal(tls_open_client(context, "ndt.test", &t, &err), 0);
	tls_peer_server(&peer, &leaf, NULL, 0);
	tls_peer_start(&peer);
	assert_int_equal(tls_peer_handshake(&peer, t, &err), TLS_OK);
	for (int i = 0; i < 3; i++) {
		if (c->version == TLS1_3_VERSION)
			assert_int_equal(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_write(peer.ssl, "question", 8), 8);
		assert_true(tls_peer_give(&peer, t) > 0);
		assert_int_equal(tls_read(t, (uint8_t *)in, sizeof(in), &n, &err), TLS_OK);
		assert_int_equal(n, 8);
		assert_memory_equal(in, "question", 8);
		assert_int_equal(tls_read(t, (uint8_t *)in, sizeof(in), &n, &err), TLS_NEED_INPUT);
		assert_int_equal(tls_write(t, (const uint8_t *)"answer", 6, &n, &err), TLS_OK);
		assert_int_equal(peer_reads(t, in, sizeof(in)), 6);
		assert_memory_equal(in, "answer", 6);
	}
	SSL_shutdown(peer.ssl);
	assert_true(tls_peer_give(&peer, t) > 0);
	assert_int_equal(tls_read(t, (uint8_t *)in, sizeof(in), &n, &err), TLS_END);
	tls_close(t);
	tls_close(t);
	assert_int_equal(peer_reads(t, in, sizeof(in)), 0);
	assert_int_equal(SSL_get_error(peer.ssl, 0), SSL_ERROR_ZERO_RETURN);
	tls_free(t);
	tls_context_free(context);
	tls_peer_end(&peer);
	certificate_free(&leaf);
}

/* What is not as it was sealed is refused in words, and the peer is told which alert it is, once. */
static void peer_is_told_why(void **state)
{
	struct tls *t = NULL;
	struct err err = {};
	uint8_t in[16];
	size_t n;

	(void)state;
	meet_peer_client(&t, TLS1_3_VERSION);
	assert_int_equal(SSL_write(peer.ssl, "data", 4), 4);
	n = tls_peer_give(&peer, t);
	peer.lent[n - 1] ^= 1;
	assert_int_equal(tls_read(t, in, sizeof(in), &n, &err), -EPROTO);
	assert_non_null(strstr(err.text, "bad record mac"));
	assert_int_equal(tls_read(t, in, sizeof(in), &n, &err), -EPROTO);
	tls_close(t);
	tls_output(t, &n);
	assert_int_equal(n, 5 + 2 + 1 + 16);
	assert_int_equal(peer_reads(t, in, sizeof(in)), 0); /* as of an end */
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
	ERR_clear_error();
	tls_free(t);
	tls_peer_end(&peer);
}

/* Nothing but new keys: whoever asks for them has our CPU for 27 bytes each. OpenSSL itself would go on. */
static void key_updates_alone_are_refused(void **state)
{
	struct tls *t = NULL;
	struct err err = {};
	uint8_t in[16];
	size_t n, asked = 0;
	int r = TLS_NEED_INPUT;

	(void)state;
	meet_peer_client(&t, TLS1_3_VERSION);
	for (; r == TLS_NEED_INPUT && asked < 1000; asked++) {
		assert_int_equal(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(peer.ssl), 1);
		assert_true(tls_peer_give(&peer, t) > 0);
		r = tls_read(t, in, sizeof(in), &n, &err);
		if (r == TLS_NEED_INPUT)
			assert_int_equal(peer_reads(t, in, sizeof(in)), -1);
	}
	assert_int_equal(r, -EPROTO);
	assert_int_equal(asked, 33);
	assert_non_null(strstr(err.text, "too many key updates"));
	assert_int_equal(peer_reads(t, in, sizeof(in)), 0);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_UNEXPECTED_MESSAGE);
	ERR_clear_error();
	tls_free(t);
	tls_peer_end(&peer);
}

static struct peer_case {
	const char *name;
	int version;
	bool server; /* the peer is */
} peer_cases[] = {
	{ "TLS 1.3, a client", TLS1_3_VERSION, false },
	{ "TLS 1.3, a server", TLS1_3_VERSION, true },
	{ "TLS 1.2, a client", TLS1_2_VERSION, false },
	{ "TLS 1.2, a server", TLS1_2_VERSION, true },
};

static struct certificate peer_leaf;

/* The peer is made, and may be set up further; then tls_peer_start(). */
static void prepare_peer(const struct peer_case *c, struct tls **ret)
{
	struct tls_context *context = NULL;

	if (c->server) {
		context = open_client_context(c->version, false);
		assert_int_equal(tls_open_client(context, "ndt.test", ret, NULL), 0);
		tls_peer_server(&peer, &peer_leaf, NULL, 0);
	} else {
		assert_int_equal(tls_context_server(NULL, NULL, &context, NULL), 0);
		assert_int_equal(tls_open_server(context, ret, NULL), 0);
		tls_peer_client(&peer);
		SSL_CTX_set_max_proto_version(peer.context, c->version);
	}
	tls_context_free(context);
}

static void part_from_peer(struct tls *t)
{
	tls_free(t);
	tls_peer_end(&peer);
}

/* All that t has to read of what is lent to it, which is `want_bytes` of the payload from `at` on. */
static void read_payload(struct tls *t, size_t at, size_t want_bytes)
{
	static uint8_t in[TLS_RECORD_BYTES];
	struct err err = {};
	size_t total = 0, n;
	int r;

	while ((r = tls_read(t, in, sizeof(in), &n, &err)) == TLS_OK) {
		assert_true(n <= want_bytes - total);
		assert_memory_equal(in, payload + at + total, n);
		total += n;
	}
	if (r < 0)
		fail_msg("%s", err.text);
	assert_int_equal(r, TLS_NEED_INPUT);
	assert_int_equal(total, want_bytes);
}

static struct suite_case {
	const char *name;
	const char *suite;
	bool server;        /* the peer is */
	const char *groups; /* the only ones it has; NULL: as it comes */
} suite_cases[] = {
	{ "AES-128, a client", "TLS_AES_128_GCM_SHA256", false, NULL },
	{ "AES-128, a server", "TLS_AES_128_GCM_SHA256", true, NULL },
	{ "AES-256, a client", "TLS_AES_256_GCM_SHA384", false, NULL },
	{ "AES-256, a server", "TLS_AES_256_GCM_SHA384", true, NULL },
	{ "ChaCha20, a client", "TLS_CHACHA20_POLY1305_SHA256", false, NULL },
	{ "ChaCha20, a server", "TLS_CHACHA20_POLY1305_SHA256", true, NULL },
	{ "a HelloRetryRequest", "TLS_AES_256_GCM_SHA384", true, "P-384" },
};

/* All that t has to send is n bytes of the payload. */
static void peer_reads_payload(struct tls *t, size_t n)
{
	static uint8_t in[TLS_RECORD_BYTES];
	size_t total = 0;
	int got;

	while ((got = peer_reads(t, in, sizeof(in))) > 0) {
		assert_memory_equal(in, payload + total, got);
		total += (size_t)got;
	}
	assert_int_equal(SSL_get_error(peer.ssl, got), SSL_ERROR_WANT_READ);
	assert_int_equal(total, n);
}

/* Over changes of both ends' keys. */
static void suite_is_spoken(void **state)
{
	const struct suite_case *c = *state;
	const struct peer_case role = { "", TLS1_3_VERSION, c->server };
	enum { BYTES = 2 * TLS_RECORD_BYTES + 1000 };
	struct tls *t = NULL;
	struct err err = {};
	size_t taken;

	prepare_peer(&role, &t);
	assert_int_equal(SSL_CTX_set_ciphersuites(peer.context, c->suite), 1);
	if (c->groups)
		assert_int_equal(SSL_CTX_set1_groups_list(peer.context, c->groups), 1);
	tls_peer_start(&peer);
	assert_int_equal(tls_peer_handshake(&peer, t, &err), TLS_OK);
	assert_string_equal(tls_cipher(t), c->suite);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(SSL_write(peer.ssl, payload, BYTES), BYTES);
		assert_true(tls_peer_give(&peer, t) > 0);
		read_payload(t, 0, BYTES);
		assert_int_equal(tls_write(t, payload, BYTES, &taken, &err), TLS_OK);
		peer_reads_payload(t, BYTES);
		assert_int_equal(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	}
	part_from_peer(t);
}

/* RFC 8446 5.4: who hides how much is said. */
static void padding_is_no_data(void **state)
{
	const struct peer_case *c = *state;
	static const size_t sizes[] = { 1, 100, 511, 512, 4000, TLS_RECORD_BYTES };
	struct tls *t = NULL;
	struct err err = {};

	prepare_peer(c, &t);
	SSL_CTX_set_block_padding(peer.context, 4096);
	tls_peer_start(&peer);
	assert_int_equal(tls_peer_handshake(&peer, t, &err), TLS_OK);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		assert_int_equal(SSL_write(peer.ssl, payload, (int)sizes[i]), sizes[i]);
		assert_true(tls_peer_give(&peer, t) >
		            (c->version == TLS1_3_VERSION ? 4096 : sizes[i]));
		read_payload(t, 0, sizes[i]);
	}
	part_from_peer(t);
}

/* RFC 6066 4: a client that has little memory asks for records of 512 bytes, and gets all that we write in such. */
static void fragment_length_is_kept(void **state)
{
	const struct peer_case *c = *state;
	static uint8_t in[TLS_RECORD_BYTES];
	enum { BYTES = 3 * TLS_RECORD_BYTES + 100 };
	struct tls *t = NULL;
	struct err err = {};
	size_t taken, total = 0;
	int n;

	if (c->server)
		return; /* our client asks for nothing */
	prepare_peer(c, &t);
	assert_int_equal(SSL_CTX_set_tlsext_max_fragment_length(peer.context,
	                                                        TLSEXT_max_fragment_length_512),
	                 1);
	tls_peer_start(&peer);
	assert_int_equal(tls_peer_handshake(&peer, t, &err), TLS_OK);
	assert_int_equal(tls_write(t, payload, BYTES, &taken, &err), TLS_OK);
	assert_int_equal(taken, BYTES);
	while ((n = peer_reads(t, in, sizeof(in))) > 0) {
		assert_in_range(n, 1, 512);
		assert_memory_equal(in, payload + total, n);
		total += (size_t)n;
	}
	assert_int_equal(SSL_get_error(peer.ssl, n), SSL_ERROR_WANT_READ);
	assert_int_equal(total, BYTES);
	assert_int_equal(SSL_write(peer.ssl, payload, 2000), 2000);
	assert_true(tls_peer_give(&peer, t) > 0);
	read_payload(t, 0, 2000);
	part_from_peer(t);
}

/* How much of the payload t has read so far, with what is lent to it now. */
static size_t read_flight(struct tls *t, bool *done, size_t so_far)
{
	struct err err = {};
	uint8_t in[16];
	size_t n;
	int r;

	if (!*done) {
		r = tls_handshake(t, &err);
		if (r < 0)
			fail_msg("%s", err.text);
		*done = r == TLS_OK;
	}
	if (!*done)
		return so_far;
	while ((r = tls_read(t, in, sizeof(in), &n, &err)) == TLS_OK) {
		assert_memory_equal(in, payload + so_far, n);
		so_far += n;
	}
	assert_int_equal(r, TLS_NEED_INPUT);
	return so_far;
}

/* The peer's last flight with 5 bytes of the payload behind it, come as `first` bytes and the rest. A signature is not
 * as long each time. */
static void take_flight(struct tls *t, const uint8_t *flight, size_t n, size_t first)
{
	bool done = false;
	size_t total;

	first = first < n ? first : n;
	tls_input(t, flight, first);
	total = read_flight(t, &done, 0);
	tls_input(t, flight + first, n - first);
	total = read_flight(t, &done, total);
	assert_true(done);
	assert_int_equal(total, 5);
}

/* What a server says before it has our Finished (RFC 8446 2.3), and a client together with its own: OpenSSL has the
 * handshake of it, we the rest, wherever it is cut. */
static void data_may_come_with_the_handshake(void **state)
{
	const struct peer_case *c = *state;
	size_t flight_bytes = 1, n;
	struct err err = {};
	uint8_t byte;

	if (c->version != TLS1_3_VERSION)
		return;
	/* a server's flight is long, and we are nearly the last of it */
	for (size_t first = 0; first <= flight_bytes;
	     first += first + 100 < flight_bytes ? 11 : 1) {
		struct tls *t = NULL;

		prepare_peer(c, &t);
		tls_peer_start(&peer);
		if (c->server) {
			assert_int_equal(tls_handshake(t, &err), TLS_NEED_INPUT);
			tls_peer_take(&peer, t);
			assert_int_equal(SSL_read_early_data(peer.ssl, &byte, 1, &n),
			                 SSL_READ_EARLY_DATA_FINISH);
			assert_int_equal(SSL_write_early_data(peer.ssl, payload, 5, &n), 1);
		} else {
			SSL_do_handshake(peer.ssl);
			tls_peer_give(&peer, t);
			assert_int_equal(tls_handshake(t, &err), TLS_NEED_INPUT);
			tls_peer_take(&peer, t);
			assert_int_equal(SSL_write(peer.ssl, payload, 5), 5);
		}
		flight_bytes = (size_t)BIO_read(peer.out, peer.lent, sizeof(peer.lent));
		take_flight(t, peer.lent, flight_bytes, first);
		part_from_peer(t);
	}
}

/* Behind a close_notify nothing is said, no answer either; what the peer has still to say is heard. */
static void nothing_follows_the_end(void **state)
{
	const struct peer_case *c = *state;
	struct tls *t = NULL;
	struct err err = {};
	uint8_t in[16];
	size_t n;

	prepare_peer(c, &t);
	tls_peer_start(&peer);
	assert_int_equal(tls_peer_handshake(&peer, t, &err), TLS_OK);
	tls_close(t);
	assert_int_equal(peer_reads(t, in, sizeof(in)), 0);
	assert_int_equal(tls_write(t, payload, 5, &n, &err), -EPROTO);
	assert_non_null(strstr(err.text, "protocol is shutdown"));
	if (c->version == TLS1_3_VERSION)
		assert_int_equal(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	assert_int_equal(SSL_write(peer.ssl, payload, 5), 5);
	SSL_shutdown(peer.ssl);
	assert_true(tls_peer_give(&peer, t) > 0);
	assert_int_equal(tls_read(t, in, sizeof(in), &n, &err), TLS_OK);
	assert_int_equal(n, 5);
	assert_int_equal(tls_read(t, in, sizeof(in), &n, &err), TLS_END);
	tls_output(t, &n);
	assert_int_equal(n, 0);
	part_from_peer(t);
}

/* A server that misses our certificate says so behind a handshake that we took for done: RFC 8446 4.4.2.4. */
static void late_refusal_is_told(void **state)
{
	struct peer_case c = { "", TLS1_3_VERSION, true };
	struct tls *t = NULL;
	struct err err = {};
	uint8_t in[16];
	size_t n;

	(void)state;
	prepare_peer(&c, &t);
	SSL_CTX_set_verify(peer.context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	tls_peer_start(&peer);
	assert_int_equal(tls_handshake(t, &err), TLS_NEED_INPUT);
	tls_peer_take(&peer, t);
	SSL_do_handshake(peer.ssl);
	assert_true(tls_peer_give(&peer, t) > 0);
	assert_int_equal(tls_handshake(t, &err), TLS_OK);
	tls_peer_take(&peer, t);
	SSL_do_handshake(peer.ssl);
	ERR_clear_error();
	assert_true(tls_peer_give(&peer, t) > 0);
	assert_int_equal(tls_read(t, in, sizeof(in), &n, &err), -EPROTO);
	assert_int_equal(err.domain, ERR_TLS);
	assert_int_equal(err.detail, SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED);
	assert_non_null(strstr(err.text, "certificate required"));
	tls_close(t);
	tls_output(t, &n);
	assert_int_equal(n, 0); /* RFC 8446 6.2 */
	part_from_peer(t);
}

/* A client could make us sign without end (CVE-2011-1473). */
static void renegotiation_is_declined(void **state)
{
	struct tls *t = NULL;
	struct err err = {};
	uint8_t in[16];
	size_t n;

	(void)state;
	meet_peer_client(&t, TLS1_2_VERSION);
	assert_int_equal(SSL_renegotiate(peer.ssl), 1);
	SSL_do_handshake(peer.ssl);
	assert_true(tls_peer_give(&peer, t) > 0);
	assert_int_equal(tls_read(t, in, sizeof(in), &n, &err), TLS_NEED_INPUT);
	assert_int_equal(peer_reads(t, in, sizeof(in)), -1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	ERR_clear_error();
	tls_free(t);
	tls_peer_end(&peer);
}

/* A server may ask too: our answer is an alert, no ClientHello. */
static void renegotiation_is_declined_by_the_client(void **state)
{
	enum { ALERT = 21 }; /* the type of a record, RFC 5246 6.2.1 */
	struct tls_context *context = open_client_context(TLS1_2_VERSION, false);
	struct certificate leaf = certificate_make(&(struct certificate_wish){}, NULL);
	struct tls *t = NULL;
	struct err err = {};
	const uint8_t *out;
	uint8_t in[16];
	size_t n;

	(void)state;
	assert_int_equal(tls_open_client(context, "ndt.test", &t, &err), 0);
	tls_peer_server(&peer, &leaf, NULL, 0);
	tls_peer_start(&peer);
	assert_int_equal(tls_peer_handshake(&peer, t, &err), TLS_OK);
	assert_int_equal(SSL_renegotiate(peer.ssl), 1);
	SSL_do_handshake(peer.ssl);
	assert_true(tls_peer_give(&peer, t) > 0);
	assert_int_equal(tls_read(t, in, sizeof(in), &n, &err), TLS_NEED_INPUT);
	out = tls_output(t, &n);
	assert_true(n > 0);
	assert_int_equal(out[0], ALERT);
	tls_free(t);
	tls_context_free(context);
	tls_peer_end(&peer);
	certificate_free(&leaf);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_update_is_answered),
		cmocka_unit_test(key_updates_without_end_fill_the_output),
		cmocka_unit_test(key_updates_alone_are_refused),
		cmocka_unit_test(late_refusal_is_told),
		cmocka_unit_test(peer_is_told_why),
		cmocka_unit_test(renegotiation_is_declined),
		cmocka_unit_test(renegotiation_is_declined_by_the_client),
	};
	int failed;

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20260101;
	printf("seed %llu (give another as argument)\n", (unsigned long long)seed);
	payload = malloc(TRANSFER_BYTES);
	if (!payload)
		return 1;
	for (uint64_t i = 0, random = seed; i < TRANSFER_BYTES; i++)
		payload[i] = (uint8_t)draw(&random, 256);

	failed = CASES_RUN(handshake_is_done_at_every_split, split_cases);
	failed += CASES_RUN(handshake_is_done_byte_by_byte, version_cases);
	failed += CASES_RUN(server_of_openssl_is_understood, version_cases);
	failed += CASES_RUN(transfer_arrives, version_cases);
	failed += CASES_RUN(output_fills_and_empties, version_cases);
	failed += CASES_RUN(end_is_told, version_cases);
	failed += CASES_RUN(record_is_whole_or_nothing, version_cases);
	failed += CASES_RUN(close_before_the_handshake_says_nothing, version_cases);
	peer_leaf = certificate_make(&(struct certificate_wish){}, NULL);
	failed += CASES_RUN(suite_is_spoken, suite_cases);
	failed += CASES_RUN(padding_is_no_data, peer_cases);
	failed += CASES_RUN(fragment_length_is_kept, peer_cases);
	failed += CASES_RUN(data_may_come_with_the_handshake, peer_cases);
	failed += CASES_RUN(nothing_follows_the_end, peer_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	certificate_free(&peer_leaf);
	free(payload);
	return failed != 0;
}
