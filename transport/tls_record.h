/* The protection of TLS 1.3 records in one direction, RFC 8446 5.2, 5.3, 7.2 and 7.3. The ciphers and the key
 * derivation are OpenSSL's; why the records are ours is in docs/decisions/0025.
 *
 *   secret ─▶ tls_record_keys_new() ─▶ tls_record_seal() or tls_record_open(), record after record
 *                                      tls_record_keys_next() at a KeyUpdate
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_RECORD_HEADER_BYTES 5
#define TLS_RECORD_TAG_BYTES    16
#define TLS_RECORD_TYPE_BYTES   1 /* behind the content, RFC 8446 5.2 */

/* What a record adds to its content, padding aside. */
#define TLS_RECORD_ADDED_BYTES                                                                     \
	(TLS_RECORD_HEADER_BYTES + TLS_RECORD_TYPE_BYTES + TLS_RECORD_TAG_BYTES)

/* Of its length field, RFC 8446 5.2. */
#define TLS_RECORD_LENGTH_MAX (16384 + 256)
#define TLS_RECORD_LENGTH_MIN (TLS_RECORD_TYPE_BYTES + TLS_RECORD_TAG_BYTES)

#define TLS_SECRET_BYTES_MAX 48 /* SHA-384 */

enum tls_content_type {
	TLS_CHANGE_CIPHER_SPEC = 20,
	TLS_ALERT = 21,
	TLS_HANDSHAKE = 22,
	TLS_APPLICATION_DATA = 23,
};

struct tls_record_keys;

/* `secret`: this direction's traffic secret, as long as the suite's hash. -ENOTSUP: not a suite of ours, or a secret of
 * another length; -ENOMEM: OpenSSL could not. */
int tls_record_keys_new(const SSL_CIPHER *suite, bool sealing, const uint8_t *secret,
                        size_t secret_bytes, struct tls_record_keys **ret);

/* Wipes them. Accepts NULL; always returns NULL. */
struct tls_record_keys *tls_record_keys_free(struct tls_record_keys *k);

/* The next generation's, RFC 8446 7.2. False: OpenSSL could not, and nothing is sealed or opened any more: half
 * changed, they might use a nonce again. */
bool tls_record_keys_next(struct tls_record_keys *k);

/* How many records these keys have sealed or opened. */
uint64_t tls_record_keys_used(const struct tls_record_keys *k);

/* One record of n bytes of content, 16384 at most, into `out`: n + TLS_RECORD_ADDED_BYTES. False: OpenSSL could not. */
bool tls_record_seal(struct tls_record_keys *k, enum tls_content_type type, const uint8_t *content,
                     size_t n, uint8_t *out);

enum tls_record_outcome {
	TLS_RECORD_OK = 0,
	TLS_RECORD_BAD,       /* not what the peer has sealed: bad_record_mac */
	TLS_RECORD_TOO_LONG,  /* more than 16384 of content and padding: record_overflow */
	TLS_RECORD_NO_CONTENT /* padding alone: unexpected_message */
};

/* A whole record of n bytes, header and all, n within the bounds above. `out` takes 16384 bytes, and may be
 * where the ciphertext begins; what is written there counts for nothing unless the answer is TLS_RECORD_OK. */
enum tls_record_outcome tls_record_open(struct tls_record_keys *k, const uint8_t *record, size_t n,
                                        uint8_t *out, size_t *ret_n, uint8_t *ret_type);
