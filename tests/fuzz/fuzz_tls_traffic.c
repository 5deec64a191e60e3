/* Whatever a peer says behind a TLS 1.3 handshake: the same comes out wherever its bytes are cut, and however little is
 * read at a time. Input: records, each a type (or an enum input_type), two bytes of length and so many bytes, which are
 * sealed here, as no fuzzer finds a tag. */
#include "transport/tls.h"
#include "transport/tls_traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_BYTES (1 << 18)

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s: %s\n", __func__, #what);                              \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

enum input_type {
	CLEAR = 0,       /* not sealed */
	NEXT_KEYS = 254, /* no record: what follows is under the peer's next keys */
	PADDED = 255,    /* no type but what its content ends with */
};

static const struct tls_secrets secrets = { .receive_bytes = 32, .send_bytes = 32, .receive = "r" };

static const SSL_CIPHER *aes_128_gcm(void)
{
	static const uint8_t id[] = { 0x13, 0x01 };
	static const SSL_CIPHER *suite;

	if (!suite) { /* it lies in the library: the connection is for asking alone */
		SSL_CTX *context = SSL_CTX_new(TLS_client_method());
		SSL *ssl = SSL_new(context);

		suite = SSL_CIPHER_find(ssl, id);
		SSL_free(ssl);
		SSL_CTX_free(context);
	}
	return suite;
}

struct heard {
	uint64_t digest; /* FNV-1a of what was read */
	uint64_t bytes;
	unsigned int answers;
	int end;
	struct tls_traffic_failure why;
};

static uint8_t wire[WIRE_BYTES];

static size_t seal_piece(struct tls_record_keys *k, uint8_t type, const uint8_t *in, size_t n,
                         uint8_t *out)
{
	switch (type) {
	case CLEAR:
		memcpy(out, in, n);
		return n;
	case NEXT_KEYS:
		CHECK(tls_record_keys_next(k));
		return 0;
	default:
		CHECK(tls_record_seal(k, type == PADDED ? 0 : type, in, n, out));
		return n + TLS_RECORD_ADDED_BYTES;
	}
}

static size_t seal_all(const uint8_t *in, size_t n)
{
	struct tls_record_keys *k = NULL;
	size_t total = 0;

	CHECK(tls_record_keys_new(aes_128_gcm(), true, secrets.receive, 32, &k) == 0);
	while (n >= 3) {
		size_t want = (size_t)in[1] << 8 | in[2];
		size_t piece = want < n - 3 ? want : n - 3;

		piece = piece < TLS_RECORD_BYTES ? piece : TLS_RECORD_BYTES;
		if (sizeof(wire) - total < piece + TLS_RECORD_ADDED_BYTES)
			break;
		total += seal_piece(k, in[0], in + 3, piece, wire + total);
		in += 3 + piece;
		n -= 3 + piece;
	}
	tls_record_keys_free(k);
	return total;
}

static void hear(struct heard *h, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h->digest = (h->digest ^ in[i]) * 0x100000001B3;
	h->bytes += n;
}

static struct heard read_all(const uint8_t *in, size_t n, size_t cut, size_t cap, bool client)
{
	static uint8_t out[TLS_RECORD_BYTES];
	struct tls_traffic_options options = { .client = client };
	struct heard h = { .digest = 0xCBF29CE484222325, .end = TLS_NEED_INPUT };
	struct tls_traffic *t = NULL;

	CHECK(tls_traffic_new(aes_128_gcm(), &secrets, &options, &t) == 0);
	for (size_t at = 0; at < n && h.end == TLS_NEED_INPUT; at += cut) {
		size_t left = cut < n - at ? cut : n - at, got;
		const uint8_t *lent = in + at;
		uint8_t answer[TLS_TRAFFIC_KEY_UPDATE_BYTES];

		do {
			h.end = tls_traffic_read(t, &lent, &left, out, cap, &got);
			if (h.end == TLS_OK)
				hear(&h, out, got);
			if (h.end == TLS_NEED_OUTPUT)
				h.answers += tls_traffic_answer(t, answer) == sizeof(answer);
		} while (h.end == TLS_OK || h.end == TLS_NEED_OUTPUT);
		CHECK(h.end != TLS_NEED_INPUT || left == 0);
	}
	h.why = tls_traffic_failure(t);
	CHECK((h.end < 0) == (h.why.reason != 0));
	tls_traffic_free(t);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
	bool client = n > 0 && in[0] & 1;
	struct heard whole, cut;
	size_t total;

	if (n == 0)
		return 0;
	total = seal_all(in + 1, n - 1);
	whole = read_all(wire, total, total, TLS_RECORD_BYTES, client);
	cut = read_all(wire, total, 1 + in[0] / 2U * 7, 1 + in[0] / 4U, client);
	CHECK(whole.digest == cut.digest && whole.bytes == cut.bytes);
	CHECK(whole.answers == cut.answers && whole.end == cut.end);
	CHECK(whole.why.reason == cut.why.reason && whole.why.alert == cut.why.alert);
	return 0;
}
