#include "transport/tls.h"

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/tls_context.h"
#include "transport/tls_secrets.h"
#include "transport/tls_traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

/* RFC 1035 2.3.4, with the NUL */
#define HOST_BYTES 256

struct tls {
	SSL *ssl;
	struct tls_secrets secrets;  /* of a handshake under way */
	struct tls_traffic *traffic; /* behind one of TLS 1.3, in OpenSSL's place; else NULL */
	char host[HOST_BYTES];       /* whom we speak to, for errors; "" on a server */
	const uint8_t *in;           /* lent by tls_input() */
	size_t in_bytes;
	size_t out_head; /* the first byte not sent */
	size_t out_tail; /* appended here; both return to 0 when all is sent, nothing ever moves */
	uint8_t *out;    /* TLS_OUTPUT_BYTES, of which no page is touched before it is written */
};

CLEANUP_DEFINE(tls_freep, struct tls *, tls_free)

/* --- OpenSSL's side: a BIO over the lent input and the output buffer -------------------------- */

static int bio_read(BIO *bio, char *out, size_t cap, size_t *ret_n)
{
	struct tls *t = BIO_get_data(bio);
	size_t n = t->in_bytes < cap ? t->in_bytes : cap;

	BIO_clear_retry_flags(bio);
	if (n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(out, t->in, n);
	t->in += n;
	t->in_bytes -= n;
	*ret_n = n;
	return 1;
}

static int bio_write(BIO *bio, const char *data, size_t size_bytes, size_t *ret_n)
{
	struct tls *t = BIO_get_data(bio);
	size_t room = TLS_OUTPUT_BYTES - t->out_tail;
	size_t n = size_bytes < room ? size_bytes : room;

	BIO_clear_retry_flags(bio);
	if (n == 0) {
		BIO_set_retry_write(bio);
		return 0;
	}
	memcpy(t->out + t->out_tail, data, n);
	t->out_tail += n;
	*ret_n = n;
	return 1;
}

/* OpenSSL flushes at the end of each flight, and asks for nothing else that we have. */
static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_method_once = PTHREAD_ONCE_INIT;

/* Lives as long as the process: a BIO does not count its references to the method. */
static void make_bio_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "radar-pod");

	if (m && BIO_meth_set_read_ex(m, bio_read) && BIO_meth_set_write_ex(m, bio_write) &&
	    BIO_meth_set_ctrl(m, bio_ctrl))
		bio_method = m;
}

static bool attach_bio(struct tls *t)
{
	BIO *bio;

	pthread_once(&bio_method_once, make_bio_method);
	bio = bio_method ? BIO_new(bio_method) : NULL;
	if (!bio)
		return false;
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	return true;
}

/* SSL_get_error(3) takes any error in this thread's queue for the call's own. Looking is cheap;
 * clearing walks the whole queue, which for each record came to 1 % of a download. */
static void forget_errors(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

/* --- why not ---------------------------------------------------------------------------------- */

static const char *peer_name(const struct tls *t)
{
	return t->host[0] ? t->host : "the client";
}

/* A pod that has lost its clock is the usual reason for a good certificate to be out of time. */
static int refuse_certificate(const struct tls *t, long why, struct err *err)
{
	char now[CLOCK_UTC_TEXT_BYTES] = "";
	bool in_time = why != X509_V_ERR_CERT_HAS_EXPIRED && why != X509_V_ERR_CERT_NOT_YET_VALID;

	if (!in_time)
		clock_utc_text(clock_utc_ns(), 0, now);
	return ERR_SET(err, -EACCES, ERR_TLS, why, "trust the certificate of %s: %s%s%s", t->host,
	               X509_verify_cert_error_string(why), in_time ? "" : "; our clock says ", now);
}

/* What a first record that is no record looks like to OpenSSL. */
static bool hardly_tls(int reason)
{
	return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
	       reason == SSL_R_HTTPS_PROXY_REQUEST || reason == SSL_R_PACKET_LENGTH_TOO_LONG;
}

static int refuse(const struct tls *t, const char *verb, struct err *err)
{
	unsigned long error = tls_take_error();
	long why = SSL_get_verify_result(t->ssl);
	bool shaking = !SSL_is_init_finished(t->ssl);

	if (shaking && why != X509_V_OK && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE)
		return refuse_certificate(t, why, err);
	return ERR_SET(err, -EPROTO, ERR_TLS, ERR_GET_REASON(error), "%s TLS with %s: %s%s", verb,
	               peer_name(t), tls_error_text(error),
	               shaking && hardly_tls(ERR_GET_REASON(error))
	                       ? " (the peer may not speak TLS at all)"
	                       : "");
}

/* What the call that answered `r` asks us to do. */
static int outcome(const struct tls *t, int r, const char *verb, struct err *err)
{
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return TLS_NEED_INPUT;
	case SSL_ERROR_WANT_WRITE:
		return TLS_NEED_OUTPUT;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_END;
	default:
		return refuse(t, verb, err);
	}
}

/* --- a connection ----------------------------------------------------------------------------- */

/* As a certificate spells it: no dot of the root, no zone of a link-local address. */
static bool copy_host(struct tls *t, const char *host)
{
	size_t n = strcspn(host, "%");

	if (n > 1 && host[n - 1] == '.')
		n--;
	if (n == 0 || n >= sizeof(t->host))
		return false;
	memcpy(t->host, host, n);
	return true;
}

static bool is_address(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* RFC 9525: the name counts where it stands as a subjectAltName, not as a common name. RFC 6066 3:
 * no SNI for an address. */
static bool expect_host(struct tls *t)
{
	if (is_address(t->host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), t->host);
	SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
	                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return SSL_set1_host(t->ssl, t->host) && SSL_set_tlsext_host_name(t->ssl, t->host);
}

static int open_connection(struct tls_context *c, struct tls **ret, struct err *err)
{
	CLEANUP(tls_freep) struct tls *t = calloc(1, sizeof(*t));

	ERR_clear_error();
	if (t) {
		t->out = malloc(TLS_OUTPUT_BYTES);
		t->ssl = SSL_new(c->ssl);
	}
	if (!t || !t->out || !t->ssl || !attach_bio(t)) {
		ERR_clear_error();
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a TLS connection");
	}
	*ret = TAKE(t, NULL);
	return 0;
}

int tls_open_client(struct tls_context *c, const char *host, struct tls **ret, struct err *err)
{
	CLEANUP(tls_freep) struct tls *t = NULL;
	int r = open_connection(c, &t, err);

	if (r < 0)
		return r;
	if (!copy_host(t, host) || !expect_host(t)) {
		ERR_clear_error();
		return ERR_SET(err, -EINVAL, ERR_TLS, 0, "take \"%s\" for a host's name", host);
	}
	SSL_set_connect_state(t->ssl);
	*ret = TAKE(t, NULL);
	return 0;
}

int tls_open_server(struct tls_context *c, struct tls **ret, struct err *err)
{
	int r = open_connection(c, ret, err);

	if (r == 0)
		SSL_set_accept_state((*ret)->ssl);
	return r;
}

struct tls *tls_free(struct tls *t)
{
	if (!t)
		return NULL;
	SSL_free(t->ssl);
	tls_traffic_free(t->traffic);
	OPENSSL_cleanse(&t->secrets, sizeof(t->secrets));
	free(t->out);
	free(t);
	return NULL;
}

void tls_input(struct tls *t, const uint8_t *data, size_t n)
{
	t->in = data;
	t->in_bytes = n;
}

/* --- the handshake, and what takes over behind it ---------------------------------------------- */

void tls_note_secret(const SSL *ssl, const char *line)
{
	struct tls *t = SSL_get_app_data(ssl);

	tls_secrets_note(&t->secrets, !SSL_is_server(ssl), line);
}

/* RFC 6066 4: a client may have asked us for smaller records. */
static bool has_full_records(const SSL *ssl)
{
	return SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl)) ==
	       TLSEXT_max_fragment_length_DISABLED;
}

/* From here on OpenSSL would copy every byte twice (docs/decisions/0025). It has read no record beyond the
 * handshake's last, as it reads one at a time, and written none: a server of ours sends no tickets. Where
 * the keys cannot be made, it goes on by itself. */
static void take_over(struct tls *t)
{
	struct tls_traffic_options options = { .client = !SSL_is_server(t->ssl) };

	if (SSL_version(t->ssl) == TLS1_3_VERSION && tls_secrets_are_whole(&t->secrets) &&
	    has_full_records(t->ssl) && !SSL_has_pending(t->ssl) &&
	    tls_traffic_new(SSL_get_current_cipher(t->ssl), &t->secrets, &options, &t->traffic) ==
	            0)
		SSL_free_buffers(t->ssl);
	OPENSSL_cleanse(&t->secrets, sizeof(t->secrets));
	forget_errors();
}

int tls_handshake(struct tls *t, struct err *err)
{
	int r;

	forget_errors();
	r = SSL_do_handshake(t->ssl);
	if (r != 1)
		return outcome(t, r, "begin", err);
	take_over(t);
	return TLS_OK;
}

/* A record only begins where all of it will fit, and answers still do. */
static bool has_room(const struct tls *t, size_t plaintext_bytes)
{
	return TLS_OUTPUT_BYTES - t->out_tail >=
	       plaintext_bytes + TLS_RECORD_OVERHEAD_BYTES + TLS_OUTPUT_RESERVE_BYTES;
}

/* --- behind a handshake of TLS 1.3 ------------------------------------------------------------- */

/* As refuse(): OpenSSL's words for its number. */
static int refuse_record(const struct tls *t, const char *verb, int reason, struct err *err)
{
	unsigned long error = ERR_PACK(ERR_LIB_SSL, 0, reason);

	return ERR_SET(err, -EPROTO, ERR_TLS, reason, "%s TLS with %s: %s", verb, peer_name(t),
	               tls_error_text(error));
}

static bool has_room_to_answer(const struct tls *t, size_t n)
{
	return TLS_OUTPUT_BYTES - t->out_tail >= n;
}

static void say_last(struct tls *t)
{
	if (has_room_to_answer(t, TLS_TRAFFIC_ALERT_BYTES))
		t->out_tail += tls_traffic_alert(t->traffic, t->out + t->out_tail);
}

static int refuse_traffic(struct tls *t, struct err *err)
{
	say_last(t);
	return refuse_record(t, "receive", tls_traffic_failure(t->traffic).reason, err);
}

static int read_traffic(struct tls *t, uint8_t *out, size_t cap, size_t *ret_n, struct err *err)
{
	for (;;) {
		int r = tls_traffic_read(t->traffic, &t->in, &t->in_bytes, out, cap, ret_n);
		size_t answered;

		if (r == -EPROTO)
			return refuse_traffic(t, err);
		if (r != TLS_NEED_OUTPUT || !has_room_to_answer(t, TLS_TRAFFIC_KEY_UPDATE_BYTES))
			return r;
		answered = tls_traffic_answer(t->traffic, t->out + t->out_tail);
		if (answered == 0)
			return refuse_record(t, "send", ERR_R_INTERNAL_ERROR, err);
		t->out_tail += answered;
	}
}

static int write_record(struct tls *t, const uint8_t *data, size_t n, struct err *err)
{
	size_t sealed;

	if (tls_traffic_is_over(t->traffic))
		return refuse_record(t, "send", SSL_R_PROTOCOL_IS_SHUTDOWN, err);
	sealed = tls_traffic_write(t->traffic, data, n, t->out + t->out_tail);
	t->out_tail += sealed;
	return sealed > 0 ? 0 : refuse_record(t, "send", ERR_R_INTERNAL_ERROR, err);
}

/* --- data -------------------------------------------------------------------------------------- */

int tls_read(struct tls *t, uint8_t *out, size_t cap, size_t *ret_n, struct err *err)
{
	int r;

	if (t->traffic)
		return read_traffic(t, out, cap, ret_n, err);
	forget_errors();
	r = SSL_read_ex(t->ssl, out, cap, ret_n);
	return r == 1 ? TLS_OK : outcome(t, r, "receive", err);
}

/* One record: all n bytes, or as many as the peer takes in one. */
static int encrypt(struct tls *t, const uint8_t *data, size_t n, size_t *ret_taken, struct err *err)
{
	*ret_taken = n;
	if (t->traffic)
		return write_record(t, data, n, err);
	return SSL_write_ex(t->ssl, data, n, ret_taken) == 1 ? 0 : refuse(t, "send", err);
}

int tls_write(struct tls *t, const uint8_t *data, size_t n, size_t *ret_taken, struct err *err)
{
	size_t taken = 0;

	forget_errors();
	if (!SSL_is_init_finished(t->ssl))
		return ERR_SET(err, -ENOTCONN, ERR_TLS, 0, "send to %s before the TLS handshake",
		               peer_name(t));
	while (taken < n) {
		size_t left = n - taken;
		size_t piece = left < TLS_RECORD_BYTES ? left : TLS_RECORD_BYTES;
		int r;

		if (!has_room(t, piece))
			break;
		r = encrypt(t, data + taken, piece, &piece, err);
		if (r < 0)
			return r;
		taken += piece;
	}
	*ret_taken = taken;
	return taken > 0 ? TLS_OK : TLS_NEED_OUTPUT;
}

void tls_close(struct tls *t)
{
	if (!SSL_is_init_finished(t->ssl))
		return;
	if (t->traffic)
		say_last(t);
	else
		SSL_shutdown(t->ssl);
	ERR_clear_error();
}

const uint8_t *tls_output(const struct tls *t, size_t *ret_n)
{
	*ret_n = t->out_tail - t->out_head;
	return t->out + t->out_head;
}

void tls_output_sent(struct tls *t, size_t n)
{
	t->out_head += n;
	if (t->out_head == t->out_tail)
		t->out_head = t->out_tail = 0;
}

const char *tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *tls_cipher(const struct tls *t)
{
	return SSL_get_cipher_name(t->ssl);
}
