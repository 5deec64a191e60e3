/* TLS 1.2 and 1.3 as bytes in, bytes out, on OpenSSL 3; it never sees a socket.
 *
 *   received ciphertext ─▶ tls_input() ─▶ tls_read() ─▶ plaintext
 *   plaintext ─▶ tls_write() ─▶ tls_output() ─▶ ciphertext to send ─▶ tls_output_sent()
 *
 * What copies remain, and why, is in docs/decisions/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct tls;
struct tls_context;

#define TLS_RECORD_BYTES          16384 /* plaintext in a full record, RFC 8446 5.1 */
#define TLS_RECORD_OVERHEAD_BYTES 256   /* never more with what we speak */
#define TLS_OUTPUT_RECORDS        64    /* sent together */

/* Kept free by tls_write() for what OpenSSL says by itself: alerts, answers to a KeyUpdate. */
#define TLS_OUTPUT_RESERVE_BYTES 4096

/* All ciphertext that waits to be sent. */
#define TLS_OUTPUT_BYTES                                                                           \
	(TLS_OUTPUT_RECORDS * (TLS_RECORD_BYTES + TLS_RECORD_OVERHEAD_BYTES) +                     \
	 TLS_OUTPUT_RESERVE_BYTES)

struct tls_client_options {
	const char *ca_file;  /* PEM; NULL: the system's store */
	bool insecure;        /* no chain, no name: for private servers, and said in the result */
	bool prefer_chacha20; /* first in the offer, for a CPU without AES instructions */
};

/* TLS 1.2 and 1.3, chain and host name verified, ALPN http/1.1. */
int tls_context_client(const struct tls_client_options *options, struct tls_context **ret,
                       struct err *err);

/* A server's, with the chain and key of two PEM files, or, where both are NULL, with a self-signed
 * certificate made here (P-256; localhost, 127.0.0.1, ::1 and this host's name; 30 days). */
int tls_context_server(const char *cert_file, const char *key_file, struct tls_context **ret,
                       struct err *err);

/* Connections keep what they need of it. Accepts NULL; always returns NULL. */
struct tls_context *tls_context_free(struct tls_context *c);

/* The client's side of one connection; `host` is the name or literal address that the certificate
 * must be for, and the SNI where it is a name. */
int tls_open_client(struct tls_context *c, const char *host, struct tls **ret, struct err *err);
int tls_open_server(struct tls_context *c, struct tls **ret, struct err *err);
struct tls *tls_free(struct tls *t);

enum tls_outcome {
	TLS_OK = 0,
	TLS_NEED_INPUT,  /* all input is used; look at tls_output(), then wait for more */
	TLS_NEED_OUTPUT, /* the output is full: send it first, then call again */
	TLS_END,         /* the peer's close_notify: nothing more will come */
};

/* Lends received ciphertext. It is used by the tls_handshake() and tls_read() calls that follow,
 * and used up when one of them answers TLS_NEED_INPUT; until then it must stay. */
void tls_input(struct tls *t, const uint8_t *data, size_t n);

/* TLS_OK: the connection stands. TLS_NEED_INPUT. Negative: refused; err carries ERR_TLS with the
 * X509_V_ERR_* or the library's reason, and an alert may stand in the output. TLS_NEED_OUTPUT only
 * where a peer asks for answers and does not read them; likewise from tls_read().
 *   -EPROTO  not TLS, no common version or cipher;  -EACCES  the certificate was refused */
int tls_handshake(struct tls *t, struct err *err);

/* Up to `cap` bytes of plaintext, at most one record's. TLS_OK with *ret_n > 0, TLS_NEED_INPUT,
 * TLS_END, or -EPROTO. */
int tls_read(struct tls *t, uint8_t *out, size_t cap, size_t *ret_n, struct err *err);

/* Encrypts from `data` until all is taken or the output is full; *ret_taken says how much was.
 * TLS_OK with *ret_taken > 0, or TLS_NEED_OUTPUT. Only after the handshake (-ENOTCONN) and before
 * tls_close() or a refusal (-EPROTO). */
int tls_write(struct tls *t, const uint8_t *data, size_t n, size_t *ret_taken, struct err *err);

/* Queues a close_notify where there is room. */
void tls_close(struct tls *t);

/* Ciphertext that waits to be sent; n is 0 where there is none. It stays where it is until
 * tls_output_sent(), so that it may be sent while other calls append to it. */
const uint8_t *tls_output(const struct tls *t, size_t *ret_n);

/* The first n bytes of it are in the kernel's hands. */
void tls_output_sent(struct tls *t, size_t n);

/* After the handshake. */
const char *tls_version(const struct tls *t); /* "TLSv1.3" */
const char *tls_cipher(const struct tls *t);  /* "TLS_AES_128_GCM_SHA256" */

/* OpenSSL's error texts, 390 kB, which are kept out of the process until something here has failed.
 * For others in it that use OpenSSL and print its errors themselves. */
void tls_load_error_texts(void);
