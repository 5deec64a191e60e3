#include "tests/tls_peer.h"

#include "tests/cases.h"
#include "tests/certificates.h"
#include "transport/base/err.h"
#include "transport/tls.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS_MAX 20 /* more than any handshake has flights */

/* Notes the offer, and takes the first. */
static int note_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_bytes,
                     const unsigned char *offered, unsigned int offered_bytes, void *peer)
{
	struct tls_peer *p = peer;

	(void)ssl;
	for (unsigned int at = 0; at < offered_bytes; at += 1U + offered[at]) {
		size_t used = strlen(p->offered_alpn);

		snprintf(p->offered_alpn + used, sizeof(p->offered_alpn) - used, "%s%.*s",
		         used ? "," : "", offered[at], (const char *)offered + at + 1);
	}
	*ret = offered + 1;
	*ret_bytes = offered[0];
	return SSL_TLSEXT_ERR_OK;
}

static void open_context(struct tls_peer *p, const SSL_METHOD *method)
{
	*p = (struct tls_peer){ .context = SSL_CTX_new(method) };
	assert_non_null(p->context);
	SSL_CTX_set_security_level(p->context, 0);
	SSL_CTX_set_min_proto_version(p->context, 0);
}

void tls_peer_server(struct tls_peer *p, const struct certificate *leaf,
                     const struct certificate *const *chain, size_t n_chain)
{
	open_context(p, TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate(p->context, leaf->x509), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(p->context, leaf->key), 1);
	for (size_t i = 0; i < n_chain; i++)
		assert_int_equal(SSL_CTX_add1_chain_cert(p->context, chain[i]->x509), 1);
	SSL_CTX_set_alpn_select_cb(p->context, note_alpn, p);
}

void tls_peer_client(struct tls_peer *p)
{
	open_context(p, TLS_client_method());
}

void tls_peer_start(struct tls_peer *p)
{
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	p->ssl = SSL_new(p->context);
	assert_true(p->ssl && p->in && p->out);
	SSL_set_bio(p->ssl, p->in, p->out);
	if (SSL_CTX_get0_certificate(p->context))
		SSL_set_accept_state(p->ssl);
	else
		SSL_set_connect_state(p->ssl);
}

void tls_peer_end(struct tls_peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->context);
	*p = (struct tls_peer){};
}

void tls_peer_take(struct tls_peer *p, struct tls *t)
{
	size_t n;
	const uint8_t *out = tls_output(t, &n);

	if (n == 0)
		return;
	assert_int_equal(BIO_write(p->in, out, (int)n), (int)n);
	tls_output_sent(t, n);
}

size_t tls_peer_give(struct tls_peer *p, struct tls *t)
{
	int n = BIO_read(p->out, p->lent, sizeof(p->lent));

	if (n <= 0)
		return 0;
	tls_input(t, p->lent, (size_t)n);
	return (size_t)n;
}

int tls_peer_handshake(struct tls_peer *p, struct tls *t, struct err *err)
{
	int r = TLS_NEED_INPUT;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		if (r != TLS_OK)
			r = tls_handshake(t, err);
		tls_peer_take(p, t);
		if (!SSL_is_init_finished(p->ssl))
			SSL_do_handshake(p->ssl);
		if (r < 0 || (r == TLS_OK && SSL_is_init_finished(p->ssl)))
			return r;
		if (r == TLS_NEED_INPUT)
			tls_peer_give(p, t);
	}
	return r;
}
