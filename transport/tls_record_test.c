/* Records of TLS 1.3: RFC 8448's bytes, every suite there and back, and what is not as it was sealed. */
#include "transport/tls_record.h"

#include "transport/base/err.h"
#include "transport/fast_gcm.h"

#include "tests/cases.h"
#include "tests/scarce_memory.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#define CONTENT_MAX 16384

static uint8_t content[CONTENT_MAX + 2];
static uint8_t sealed[sizeof(content) + TLS_RECORD_ADDED_BYTES];
static uint8_t opened[CONTENT_MAX];

static const uint8_t secret[TLS_SECRET_BYTES_MAX] = "a secret that nobody else would think of";

/* SSL_CIPHER_find(3) wants a connection; its own table is asked by number. */
static SSL *ssl;

static const SSL_CIPHER *suite_of(uint16_t id)
{
	const uint8_t wire[] = { (uint8_t)(id >> 8), (uint8_t)id };

	return SSL_CIPHER_find(ssl, wire);
}

static struct tls_record_keys *keys(uint16_t id, bool sealing, const uint8_t *from, size_t n)
{
	struct tls_record_keys *k = NULL;

	assert_int_equal(tls_record_keys_new(suite_of(id), sealing, from, n, &k), 0);
	return k;
}

/* --- RFC 8448, 3: what the client sends under its first application keys ----------------------- */

static const uint8_t rfc8448_secret[32] = {
	0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d, 0xc0, 0x5a, 0xf8,
	0x88, 0x9b, 0xce, 0x65, 0x52, 0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf,
	0x00, 0x87, 0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5,
};

static const uint8_t rfc8448_data[] = {
	0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94, 0xd0, 0xaf, 0xfa,
	0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea, 0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc,
	0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8, 0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20,
	0x44, 0x1e, 0x2b, 0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
	0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4,
};

static const uint8_t rfc8448_close_notify[] = {
	0x17, 0x03, 0x03, 0x00, 0x13, 0xc9, 0x87, 0x27, 0x60, 0x65, 0x56, 0x66,
	0xb7, 0x4d, 0x7f, 0xf1, 0x15, 0x3e, 0xfd, 0x6d, 0xb6, 0xd0, 0xb0, 0xe3,
};

static void rfc8448_is_sealed(void **state)
{
	const uint8_t close_notify[] = { 1, 0 };
	struct tls_record_keys *k = keys(0x1301, true, rfc8448_secret, sizeof(rfc8448_secret));

	(void)state;
	assert_true(tls_record_seal(k, TLS_APPLICATION_DATA, content, 50, sealed));
	assert_memory_equal(sealed, rfc8448_data, sizeof(rfc8448_data));
	assert_true(tls_record_seal(k, TLS_ALERT, close_notify, sizeof(close_notify), sealed));
	assert_memory_equal(sealed, rfc8448_close_notify, sizeof(rfc8448_close_notify));
	assert_int_equal(tls_record_keys_used(k), 2);
	tls_record_keys_free(k);
}

static void rfc8448_is_opened(void **state)
{
	struct tls_record_keys *k = keys(0x1301, false, rfc8448_secret, sizeof(rfc8448_secret));
	uint8_t type;
	size_t n;

	(void)state;
	assert_int_equal(tls_record_open(k, rfc8448_data, sizeof(rfc8448_data), opened, &n, &type),
	                 TLS_RECORD_OK);
	assert_int_equal(n, 50);
	assert_int_equal(type, TLS_APPLICATION_DATA);
	assert_memory_equal(opened, content, 50);
	assert_int_equal(tls_record_open(k, rfc8448_close_notify, sizeof(rfc8448_close_notify),
	                                 opened, &n, &type),
	                 TLS_RECORD_OK);
	assert_int_equal(type, TLS_ALERT);
	assert_int_equal(n, 2);
	tls_record_keys_free(k);
}

/* --- each suite ------------------------------------------------------------------------------- */

static struct suite_case {
	const char *name;
	uint16_t id;
	size_t secret_bytes;
} suite_cases[] = {
	{ "AES-128-GCM", 0x1301, 32 },
	{ "AES-256-GCM", 0x1302, 48 },
	{ "ChaCha20-Poly1305", 0x1303, 32 },
};

struct two_ends {
	struct tls_record_keys *seal, *open;
};

static struct two_ends open_ends(const struct suite_case *c)
{
	return (struct two_ends){ keys(c->id, true, secret, c->secret_bytes),
		                  keys(c->id, false, secret, c->secret_bytes) };
}

static void close_ends(struct two_ends *e)
{
	e->seal = tls_record_keys_free(e->seal);
	e->open = tls_record_keys_free(e->open);
}

/* Through both ends: the record as it was sealed, or as `spoil` left it. */
static enum tls_record_outcome pass(struct two_ends *e, size_t n, size_t *ret_n, uint8_t *ret_type)
{
	return tls_record_open(e->open, sealed, n + TLS_RECORD_ADDED_BYTES, opened, ret_n,
	                       ret_type);
}

static void content_comes_back(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 1000, CONTENT_MAX - 1, CONTENT_MAX };
	struct two_ends e = open_ends(*state);
	uint8_t type;
	size_t n;

	for (size_t i = 0; i < 4 * sizeof(sizes) / sizeof(*sizes); i++) {
		size_t want = sizes[i % (sizeof(sizes) / sizeof(*sizes))];

		assert_true(tls_record_seal(e.seal, TLS_HANDSHAKE, content, want, sealed));
		assert_int_equal(pass(&e, want, &n, &type), TLS_RECORD_OK);
		assert_int_equal(type, TLS_HANDSHAKE);
		assert_int_equal(n, want);
		assert_memory_equal(opened, content, n);
		if (i % 8 == 7) { /* RFC 8446 7.2: both ends go on to the next keys */
			assert_true(tls_record_keys_next(e.seal));
			assert_true(tls_record_keys_next(e.open));
			assert_int_equal(tls_record_keys_used(e.seal), 0);
		}
	}
	close_ends(&e);
}

static void opens_where_it_lies(void **state)
{
	struct two_ends e = open_ends(*state);
	uint8_t type;
	size_t n;

	assert_true(tls_record_seal(e.seal, TLS_APPLICATION_DATA, content, CONTENT_MAX, sealed));
	assert_int_equal(tls_record_open(e.open, sealed, CONTENT_MAX + TLS_RECORD_ADDED_BYTES,
	                                 sealed + TLS_RECORD_HEADER_BYTES, &n, &type),
	                 TLS_RECORD_OK);
	assert_int_equal(n, CONTENT_MAX);
	assert_memory_equal(sealed + TLS_RECORD_HEADER_BYTES, content, CONTENT_MAX);
	close_ends(&e);
}

/* RFC 8446 5.4. A record of type 0 whose content ends with another type and zeros is one with padding. */
static void padding_is_taken_off(void **state)
{
	static const uint8_t padded[] = { 1, 2, 3, TLS_APPLICATION_DATA, 0, 0, 0, 0 };
	struct two_ends e = open_ends(*state);
	uint8_t type;
	size_t n;

	assert_true(
		tls_record_seal(e.seal, (enum tls_content_type)0, padded, sizeof(padded), sealed));
	assert_int_equal(pass(&e, sizeof(padded), &n, &type), TLS_RECORD_OK);
	assert_int_equal(n, 3);
	assert_int_equal(type, TLS_APPLICATION_DATA);
	assert_memory_equal(opened, padded, 3);
	close_ends(&e);
}

static void padding_alone_is_nothing(void **state)
{
	static const uint8_t zeros[20];
	struct two_ends e = open_ends(*state);
	uint8_t type;
	size_t n;

	for (size_t i = 0; i <= sizeof(zeros); i++) {
		assert_true(tls_record_seal(e.seal, (enum tls_content_type)0, zeros, i, sealed));
		assert_int_equal(pass(&e, i, &n, &type), TLS_RECORD_NO_CONTENT);
	}
	close_ends(&e);
}

static void more_than_a_record_holds_is_refused(void **state)
{
	struct two_ends e = open_ends(*state);
	uint8_t type;
	size_t n;

	assert_true(tls_record_seal(e.seal, TLS_ALERT, content, CONTENT_MAX + 1, sealed));
	assert_int_equal(pass(&e, CONTENT_MAX + 1, &n, &type), TLS_RECORD_TOO_LONG);
	close_ends(&e);
}

static void every_bit_counts(void **state)
{
	enum { BYTES = 33 };
	uint8_t type;
	size_t n;

	for (size_t bit = 0; bit < 8 * (size_t)(BYTES + TLS_RECORD_ADDED_BYTES); bit++) {
		struct two_ends e = open_ends(*state);

		assert_true(tls_record_seal(e.seal, TLS_APPLICATION_DATA, content, BYTES, sealed));
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(pass(&e, BYTES, &n, &type), TLS_RECORD_BAD);
		close_ends(&e);
	}
}

/* Again, or one left out: the number is in the nonce. */
static void order_counts(void **state)
{
	struct two_ends e = open_ends(*state);
	uint8_t type;
	size_t n;

	assert_true(tls_record_seal(e.seal, TLS_APPLICATION_DATA, content, 8, sealed));
	assert_int_equal(pass(&e, 8, &n, &type), TLS_RECORD_OK);
	assert_int_equal(pass(&e, 8, &n, &type), TLS_RECORD_BAD);
	close_ends(&e);
	e = open_ends(*state);
	assert_true(tls_record_seal(e.seal, TLS_APPLICATION_DATA, content, 8, sealed));
	assert_true(tls_record_seal(e.seal, TLS_APPLICATION_DATA, content, 8, sealed));
	assert_int_equal(pass(&e, 8, &n, &type), TLS_RECORD_BAD);
	close_ends(&e);
}

static void old_keys_are_of_no_use(void **state)
{
	struct two_ends e = open_ends(*state);
	uint8_t type;
	size_t n;

	assert_true(tls_record_keys_next(e.seal));
	assert_true(tls_record_seal(e.seal, TLS_APPLICATION_DATA, content, 8, sealed));
	assert_int_equal(pass(&e, 8, &n, &type), TLS_RECORD_BAD);
	close_ends(&e);
}

static void secret_of_another_length_is_refused(void **state)
{
	const struct suite_case *c = *state;
	struct tls_record_keys *k = NULL;

	assert_int_equal(
		tls_record_keys_new(suite_of(c->id), true, secret, 80 - c->secret_bytes, &k),
		-ENOTSUP);
	assert_int_equal(tls_record_keys_new(suite_of(c->id), true, secret, 0, &k), -ENOTSUP);
}

static void other_suites_are_refused(void **state)
{
	struct tls_record_keys *k = NULL;

	(void)state;
	assert_int_equal(tls_record_keys_new(suite_of(0x1304), true, secret, 32, &k),
	                 -ENOTSUP); /* CCM */
	assert_int_equal(tls_record_keys_new(suite_of(0xc02f), true, secret, 32, &k),
	                 -ENOTSUP); /* 1.2 */
	assert_int_equal(tls_record_keys_new(NULL, true, secret, 32, &k), -ENOTSUP);
}

/* --- memory that runs out --------------------------------------------------------------------- */

/* Wherever a change of keys breaks off, no number is ever used again under a key: nothing is. */
static void half_changed_keys_are_of_no_use(void **state)
{
	const struct suite_case *c = *state;
	bool changed = false;
	unsigned long allowed;

	for (allowed = 0; !changed; allowed++) {
		struct two_ends e = open_ends(c);
		uint8_t type;
		size_t n;

		assert_true(tls_record_seal(e.seal, TLS_APPLICATION_DATA, content, 8, sealed));
		scarce_memory_left = allowed;
		changed = tls_record_keys_next(e.seal);
		scarce_memory_left = allowed;
		assert_int_equal(tls_record_keys_next(e.open), changed);
		scarce_memory_left = ULONG_MAX;
		ERR_clear_error();
		if (!changed) {
			assert_int_equal(pass(&e, 8, &n, &type), TLS_RECORD_BAD);
			assert_false(
				tls_record_seal(e.seal, TLS_APPLICATION_DATA, content, 8, sealed));
			assert_false(tls_record_keys_next(e.seal));
		}
		close_ends(&e);
	}
	assert_true(allowed > 3); /* one for each of its derivations, at least */
}

/* --- with another's AES-GCM ------------------------------------------------------------------------- */

/* Made before it was loaded, which is OpenSSL's, and after. */
static struct two_ends openssls[sizeof(suite_cases) / sizeof(*suite_cases)];

static void what_one_seals_the_other_opens(void **state)
{
	const struct suite_case *c = *state;
	struct two_ends *theirs = &openssls[c - suite_cases], ours = open_ends(c);
	struct two_ends there = { theirs->seal, ours.open }, back = { ours.seal, theirs->open };
	uint8_t type;
	size_t n;

	for (size_t want = 0; want <= CONTENT_MAX; want += want < 1100 ? 1 : 997) {
		assert_true(tls_record_seal(there.seal, TLS_HANDSHAKE, content, want, sealed));
		assert_int_equal(pass(&there, want, &n, &type), TLS_RECORD_OK);
		assert_int_equal(n, want);
		assert_memory_equal(opened, content, n);
		assert_true(tls_record_seal(back.seal, TLS_ALERT, content, want, sealed));
		assert_int_equal(pass(&back, want, &n, &type), TLS_RECORD_OK);
		assert_int_equal(n, want);
		assert_memory_equal(opened, content, n);
	}
	close_ends(&ours);
	close_ends(theirs);
}

static int all_rows(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc8448_is_sealed),
		cmocka_unit_test(rfc8448_is_opened),
		cmocka_unit_test(other_suites_are_refused),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	failed += CASES_RUN(content_comes_back, suite_cases);
	failed += CASES_RUN(opens_where_it_lies, suite_cases);
	failed += CASES_RUN(padding_is_taken_off, suite_cases);
	failed += CASES_RUN(padding_alone_is_nothing, suite_cases);
	failed += CASES_RUN(more_than_a_record_holds_is_refused, suite_cases);
	failed += CASES_RUN(every_bit_counts, suite_cases);
	failed += CASES_RUN(order_counts, suite_cases);
	failed += CASES_RUN(old_keys_are_of_no_use, suite_cases);
	failed += CASES_RUN(half_changed_keys_are_of_no_use, suite_cases);
	failed += CASES_RUN(secret_of_another_length_is_refused, suite_cases);
	return failed;
}

/* Where this machine has it: every row once more, and each against the other. */
static int rows_of_fast_gcm(void)
{
	struct err err;
	int r;

	assert_null(fast_gcm(16));
	for (size_t i = 0; i < sizeof(suite_cases) / sizeof(*suite_cases); i++)
		openssls[i] = open_ends(&suite_cases[i]);
	r = fast_gcm_load(&err);
	if (r < 0) {
		printf("skip: not with %s: %s\n", FAST_GCM_SONAME, err.text);
		assert_int_not_equal(r, -EBADMSG);
		for (size_t i = 0; i < sizeof(suite_cases) / sizeof(*suite_cases); i++)
			close_ends(&openssls[i]);
		return 0;
	}
	assert_non_null(fast_gcm(16));
	assert_non_null(fast_gcm(32));
	assert_null(fast_gcm(24));
	return all_rows() + CASES_RUN(what_one_seals_the_other_opens, suite_cases);
}

int main(void)
{
	SSL_CTX *context;
	int failed;

	if (!scarce_memory_begin())
		return 1;
	context = SSL_CTX_new(TLS_client_method());
	ssl = context ? SSL_new(context) : NULL;
	if (!ssl)
		return 1;
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)i;
	failed = all_rows();
	failed += rows_of_fast_gcm();
	SSL_free(ssl);
	SSL_CTX_free(context);
	return failed != 0;
}
