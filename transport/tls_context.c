#include "transport/tls_context.h"

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/tls.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* RSA of 2048 bits, no SHA-1 in signatures: 112 bits, see SSL_CTX_set_security_level(3) */
#define SECURITY_LEVEL 2

#define SELF_SIGNED_DAYS 30

/* A machine whose clock is a little behind ours takes a certificate that we have just made. */
#define SELF_SIGNED_BACKDATE_S (24 * 60 * 60)

/* How much of a directory we look through for a certificate under its hash. */
#define HASH_DIR_ENTRIES_MAX 4096

CLEANUP_DEFINE(tls_context_freep, struct tls_context *, tls_context_free)
CLEANUP_DEFINE(x509_freep, X509 *, X509_free)
CLEANUP_DEFINE(pkey_freep, EVP_PKEY *, EVP_PKEY_free)
CLEANUP_DEFINE(dir_closep, DIR *, closedir)

/* What we speak: AEADs with forward secrecy. */
struct suites {
	const char *tls13;
	const char *tls12;
};

/* AES-128 first, which costs least where the CPU has instructions for it. */
static const struct suites aes_first = {
	"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384",
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
};

/* Servers that choose by their own order (Go's crypto/tls among them) take a ChaCha20 at the head
 * of the offer as the word of a CPU without AES instructions. */
static const struct suites chacha20_first = {
	"TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
};

/* RFC 7301: one protocol, with its length before it. Never h2: a WebSocket begins with HTTP/1.1. */
static const uint8_t alpn_http11[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };

unsigned long tls_take_error(void)
{
	unsigned long error = ERR_peek_error();

	ERR_clear_error();
	return error;
}

/* OpenSSL's tables of error texts take 390 kB of a process. Only one that has failed needs them: see
 * begin_library(). These calls are deprecated because the library loads its texts by itself unless
 * told not to, and there is no other way to have them later. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
void tls_load_error_texts(void)
{
	ERR_load_SSL_strings();
	ERR_load_CRYPTO_strings();
	ERR_load_ASN1_strings();
	ERR_load_BIO_strings();
	ERR_load_EC_strings();
	ERR_load_EVP_strings();
	ERR_load_PEM_strings();
	ERR_load_RSA_strings();
	ERR_load_X509_strings();
	ERR_load_X509V3_strings();
}
#pragma GCC diagnostic pop

static void begin_library(void)
{
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_SSL_STRINGS | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS,
	                 NULL);
}

const char *tls_error_text(unsigned long error)
{
	const char *text;

	if (ERR_SYSTEM_ERROR(error))
		return strerror(ERR_GET_REASON(error));
	tls_load_error_texts();
	text = ERR_reason_error_string(error);
	return text ? text : "no reason given";
}

/* A file of the user's: the errno where the system could not read it, else its contents are wrong.
 */
static int refuse_file(const char *what, const char *file, struct err *err)
{
	unsigned long error = tls_take_error();
	int code = ERR_SYSTEM_ERROR(error) ? -ERR_GET_REASON(error) : -EINVAL;

	return ERR_SET(err, code, ERR_TLS, ERR_GET_REASON(error), "load %s %s: %s", what, file,
	               tls_error_text(error));
}

static int refuse_context(struct err *err)
{
	unsigned long error = tls_take_error();

	return ERR_SET(err, -ENOMEM, ERR_TLS, ERR_GET_REASON(error), "prepare TLS: %s",
	               tls_error_text(error));
}

/* openssl.cnf may ask for more than we do, and then has it. */
static bool set_floor(SSL_CTX *ssl)
{
	if (SSL_CTX_get_security_level(ssl) < SECURITY_LEVEL)
		SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
	return SSL_CTX_get_min_proto_version(ssl) >= TLS1_2_VERSION ||
	       SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
}

static int new_context(const SSL_METHOD *method, const struct suites *suites,
                       struct tls_context **ret, struct err *err)
{
	CLEANUP(tls_context_freep) struct tls_context *c = calloc(1, sizeof(*c));

	if (!c)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a TLS context");
	begin_library();
	ERR_clear_error();
	c->ssl = SSL_CTX_new(method);
	if (!c->ssl || !set_floor(c->ssl) || !SSL_CTX_set_ciphersuites(c->ssl, suites->tls13) ||
	    !SSL_CTX_set_cipher_list(c->ssl, suites->tls12))
		return refuse_context(err);

	/* No session is ever resumed: a test is one connection, and its handshake is no cost. */
	SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(c->ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(c->ssl,
	                 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_keylog_callback(c->ssl, tls_note_secret);

	*ret = TAKE(c, NULL);
	return 0;
}

struct tls_context *tls_context_free(struct tls_context *c)
{
	if (!c)
		return NULL;
	SSL_CTX_free(c->ssl);
	free(c);
	return NULL;
}

/* --- whom a client trusts --------------------------------------------------------------------- */

/* "5ad8a5d6.0", as c_rehash(1) names them */
static bool is_hash_name(const char *name)
{
	return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' &&
	       isdigit((unsigned char)name[9]);
}

static bool is_hash_dir(const char *path)
{
	CLEANUP(dir_closep) DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return false;
	for (int i = 0; i < HASH_DIR_ENTRIES_MAX && (entry = readdir(dir)); i++)
		if (is_hash_name(entry->d_name))
			return true;
	return false;
}

/* A directory of hashes is read certificate by certificate, when a chain asks for one; a bundle is
 * parsed whole, 140 certificates and 1 MB of memory for each test. So a directory where there is
 * one, and only then the bundles of the distributions; what the environment names goes first. */
static int trust_system(SSL_CTX *ssl, struct err *err)
{
	const char *dirs[] = { X509_get_default_cert_dir(), "/etc/ssl/certs" };
	static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
		                               "/etc/pki/tls/certs/ca-bundle.crt",
		                               "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem" };

	if (!secure_getenv(X509_get_default_cert_dir_env()) &&
	    !secure_getenv(X509_get_default_cert_file_env())) {
		for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
			if (is_hash_dir(dirs[i]) && SSL_CTX_load_verify_dir(ssl, dirs[i]))
				return 0;
		for (size_t i = 0; i < sizeof(bundles) / sizeof(*bundles); i++)
			if (access(bundles[i], R_OK) == 0 &&
			    SSL_CTX_load_verify_file(ssl, bundles[i]))
				return 0;
		ERR_clear_error();
	}
	return SSL_CTX_set_default_verify_paths(ssl) ? 0 : refuse_context(err);
}

int tls_context_client(const struct tls_client_options *options, struct tls_context **ret,
                       struct err *err)
{
	CLEANUP(tls_context_freep) struct tls_context *c = NULL;
	int r = new_context(TLS_client_method(),
	                    options->prefer_chacha20 ? &chacha20_first : &aes_first, &c, err);

	if (r < 0)
		return r;
	if (SSL_CTX_set_alpn_protos(c->ssl, alpn_http11, sizeof(alpn_http11)) != 0)
		return refuse_context(err);

	if (options->insecure) {
		SSL_CTX_set_verify(c->ssl, SSL_VERIFY_NONE, NULL);
	} else {
		SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
		if (!options->ca_file)
			r = trust_system(c->ssl, err);
		else if (!SSL_CTX_load_verify_file(c->ssl, options->ca_file))
			r = refuse_file("the certificates of", options->ca_file, err);
	}
	if (r < 0)
		return r;
	*ret = TAKE(c, NULL);
	return 0;
}

/* --- what a server shows ---------------------------------------------------------------------- */

static bool set_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = extension && X509_add_ext(x, extension, -1);

	X509_EXTENSION_free(extension);
	return ok;
}

/* "DNS:localhost,IP:127.0.0.1,IP:::1,DNS:" and this host's name, where it can be a name in DNS
 * (a comma in it would begin another entry). */
static void own_names(char *out, size_t out_bytes)
{
	char host[256] = "";
	bool usable = gethostname(host, sizeof(host) - 1) == 0 && host[0] &&
	              strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                           "0123456789-.") == strlen(host);

	snprintf(out, out_bytes, "DNS:localhost,IP:127.0.0.1,IP:::1%s%s", usable ? ",DNS:" : "",
	         usable ? host : "");
}

static bool set_subject(X509 *x)
{
	X509_NAME *name = X509_get_subject_name(x);

	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	                                  (const unsigned char *)"localhost", -1, -1, 0) &&
	       X509_set_issuer_name(x, name);
}

static bool set_serial(X509 *x)
{
	uint64_t serial;

	bytes_random(&serial, sizeof(serial));
	return ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1 | 1);
}

static bool make_certificate(X509 *x, EVP_PKEY *key)
{
	char names[320];

	own_names(names, sizeof(names));
	return X509_set_version(x, X509_VERSION_3) && set_serial(x) && set_subject(x) &&
	       X509_gmtime_adj(X509_getm_notBefore(x), -SELF_SIGNED_BACKDATE_S) &&
	       X509_time_adj_ex(X509_getm_notAfter(x), SELF_SIGNED_DAYS, 0, NULL) &&
	       X509_set_pubkey(x, key) &&
	       set_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	       set_extension(x, NID_key_usage, "critical,digitalSignature") &&
	       set_extension(x, NID_ext_key_usage, "serverAuth") &&
	       set_extension(x, NID_subject_alt_name, names) && X509_sign(x, key, EVP_sha256()) > 0;
}

static int use_self_signed(SSL_CTX *ssl, struct err *err)
{
	CLEANUP(pkey_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
	CLEANUP(x509_freep) X509 *x = X509_new();

	if (!key || !x || !make_certificate(x, key) || !SSL_CTX_use_certificate(ssl, x) ||
	    !SSL_CTX_use_PrivateKey(ssl, key))
		return refuse_context(err);
	return 0;
}

/* OpenSSL would ask the terminal. */
static int no_password(char *out, int out_bytes, int writing, void *unused)
{
	(void)out;
	(void)out_bytes;
	(void)writing;
	(void)unused;
	return 0;
}

static int use_files(SSL_CTX *ssl, const char *cert_file, const char *key_file, struct err *err)
{
	SSL_CTX_set_default_passwd_cb(ssl, no_password);
	if (!SSL_CTX_use_certificate_chain_file(ssl, cert_file))
		return refuse_file("the certificate", cert_file, err);
	if (!SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM))
		return refuse_file("the key", key_file, err);
	return 0;
}

/* A client that offers protocols and not this one is told so, rather than answered in one that it
 * does not speak (RFC 7301 3.2). */
static int select_http11(SSL *ssl, const unsigned char **ret, unsigned char *ret_bytes,
                         const unsigned char *offered, unsigned int offered_bytes, void *unused)
{
	unsigned char *selected = NULL;

	(void)ssl;
	(void)unused;
	if (SSL_select_next_proto(&selected, ret_bytes, alpn_http11, sizeof(alpn_http11), offered,
	                          offered_bytes) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret = selected;
	return SSL_TLSEXT_ERR_OK;
}

int tls_context_server(const char *cert_file, const char *key_file, struct tls_context **ret,
                       struct err *err)
{
	CLEANUP(tls_context_freep) struct tls_context *c = NULL;
	int r;

	if (!cert_file != !key_file)
		return ERR_SET(err, -EINVAL, ERR_TLS, 0, "use a certificate without its key");
	r = new_context(TLS_server_method(), &aes_first, &c, err);
	if (r < 0)
		return r;
	r = cert_file ? use_files(c->ssl, cert_file, key_file, err) : use_self_signed(c->ssl, err);
	if (r < 0)
		return r;
	SSL_CTX_set_alpn_select_cb(c->ssl, select_http11, NULL);
	SSL_CTX_set_num_tickets(c->ssl, 0);

	*ret = TAKE(c, NULL);
	return 0;
}
