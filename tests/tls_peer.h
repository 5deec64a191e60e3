/* OpenSSL as it comes, over memory: the other end that transport/tls.c is tested against. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct certificate;
struct err;
struct tls;

struct tls_peer {
	SSL_CTX *context; /* a test may set it up further before tls_peer_start() */
	SSL *ssl;
	BIO *in;
	BIO *out;
	char offered_alpn[64]; /* a server's: what the client offered, "h2,http/1.1" */
	uint8_t lent[1 << 16]; /* what the end under test is reading */
};

/* A server that shows `leaf` and the `n_chain` certificates; any version, any key, however weak. */
void tls_peer_server(struct tls_peer *p, const struct certificate *leaf,
                     const struct certificate *const *chain, size_t n_chain);
void tls_peer_client(struct tls_peer *p);
void tls_peer_start(struct tls_peer *p);
void tls_peer_end(struct tls_peer *p);

/* Carries bytes both ways until both ends have shaken hands, or the end under test has refused:
 * what its tls_handshake() answered last. */
int tls_peer_handshake(struct tls_peer *p, struct tls *t, struct err *err);

/* What t has to send goes to the peer. */
void tls_peer_take(struct tls_peer *p, struct tls *t);

/* What the peer has to send is lent to t; answers how much. */
size_t tls_peer_give(struct tls_peer *p, struct tls *t);
