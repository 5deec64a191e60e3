/* Whom the client trusts, what the server shows: N44, N45, and the certificates of H4. */
#include "tests/cases.h"
#include "tests/certificates.h"
#include "tests/tls_peer.h"
#include "transport/base/err.h"
#include "transport/tls.h"
#include "transport/tls_context.h"

#include <errno.h>
#include <glob.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST "ndt.test"

static char dir[] = "/tmp/tls_context_test.XXXXXX";

/* A path in the test's directory; the few that one call needs at a time are kept apart. */
static const char *in_dir(const char *name)
{
	static char paths[4][128];
	static unsigned at;
	char *path = paths[at++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

/* --- certificates ----------------------------------------------------------------------------- */

/* A chain of a root, perhaps an intermediate, and a leaf; and what a client asks of it. */
struct chain_case {
	const char *name;
	const char *host; /* NULL: HOST */
	struct certificate_wish leaf;
	struct certificate_wish middle; /* there is one where `basic` is set */
	struct certificate_wish root;
	bool self_signed;  /* the leaf is its own root, and nobody has told the client */
	bool unknown_root; /* the client trusts another */
	bool root_sent;    /* the server shows the root too */
	bool middle_kept;  /* the server does not show the intermediate */
	int want;          /* X509_V_ERR_* */
};

#define CA .basic = "critical,CA:TRUE", .no_alt_names = true
#define MIDDLE                                                                                     \
	{                                                                                          \
		CA                                                                                 \
	}

static struct chain_case refused_cases[] = {
	{ "expired", .leaf = { .days_since = 3, .days_until = -1 },
	  .want = X509_V_ERR_CERT_HAS_EXPIRED },
	{ "not yet valid", .leaf = { .days_since = -1, .days_until = 3 },
	  .want = X509_V_ERR_CERT_NOT_YET_VALID },
	{ "root expired", .root = { .days_since = 3, .days_until = -1 },
	  .want = X509_V_ERR_CERT_HAS_EXPIRED },
	{ "intermediate expired", .middle = { CA, .days_since = 3, .days_until = -1 },
	  .want = X509_V_ERR_CERT_HAS_EXPIRED },
	{ "another host", .leaf = { .alt_names = "DNS:other.test" },
	  .want = X509_V_ERR_HOSTNAME_MISMATCH },
	{ "a host below", .host = "a." HOST, .want = X509_V_ERR_HOSTNAME_MISMATCH },
	{ "wildcard, one label too many", .host = "a.b." HOST,
	  .leaf = { .alt_names = "DNS:*." HOST }, .want = X509_V_ERR_HOSTNAME_MISMATCH },
	{ "wildcard within a label", .host = "ab." HOST, .leaf = { .alt_names = "DNS:a*." HOST },
	  .want = X509_V_ERR_HOSTNAME_MISMATCH },
	{ "the name only as common name", .leaf = { .common_name = HOST, .no_alt_names = true },
	  .want = X509_V_ERR_HOSTNAME_MISMATCH },
	{ "another IPv4 address", .host = "192.0.2.1", .leaf = { .alt_names = "IP:192.0.2.2" },
	  .want = X509_V_ERR_IP_ADDRESS_MISMATCH },
	{ "another IPv6 address", .host = "2001:db8::1", .leaf = { .alt_names = "IP:2001:db8::2" },
	  .want = X509_V_ERR_IP_ADDRESS_MISMATCH },
	{ "an address spelt as a name", .host = "192.0.2.1",
	  .leaf = { .alt_names = "DNS:192.0.2.1" }, .want = X509_V_ERR_IP_ADDRESS_MISMATCH },
	{ "self-signed", .self_signed = true, .want = X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT },
	{ "unknown root", .unknown_root = true,
	  .want = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
	{ "unknown root, sent along", .unknown_root = true, .root_sent = true,
	  .want = X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN },
	{ "intermediate not sent", .middle = MIDDLE, .middle_kept = true,
	  .want = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
	{ "for clients only", .leaf = { .usage = "clientAuth" },
	  .want = X509_V_ERR_INVALID_PURPOSE },
	{ "for signing code only", .leaf = { .usage = "codeSigning" },
	  .want = X509_V_ERR_INVALID_PURPOSE },
	{ "RSA of 1024 bits", .leaf = { .rsa_bits = 1024 }, .want = X509_V_ERR_EE_KEY_TOO_SMALL },
	{ "RSA of 1024 bits in the intermediate", .middle = { CA, .rsa_bits = 1024 },
	  .want = X509_V_ERR_CA_KEY_TOO_SMALL },
	{ "signed over SHA-1", .leaf = { .sha1 = true }, .want = X509_V_ERR_CA_MD_TOO_WEAK },
	{ "intermediate signed over SHA-1", .middle = { CA, .sha1 = true },
	  .want = X509_V_ERR_CA_MD_TOO_WEAK },
	{ "outside the permitted names",
	  .middle = { CA, .name_constraints = "permitted;DNS:other.test" },
	  .want = X509_V_ERR_PERMITTED_VIOLATION },
	{ "among the excluded names", .middle = { CA, .name_constraints = "excluded;DNS:" HOST },
	  .want = X509_V_ERR_EXCLUDED_VIOLATION },
	{ "a leaf as intermediate", .middle = { .basic = "critical,CA:FALSE" },
	  .want = X509_V_ERR_INVALID_CA },
	{ "path longer than its root allows", .middle = MIDDLE,
	  .root = { .basic = "critical,CA:TRUE,pathlen:0", .no_alt_names = true },
	  .want = X509_V_ERR_PATH_LENGTH_EXCEEDED },
	{ "signature spoiled", .leaf = { .spoiled = true },
	  .want = X509_V_ERR_CERT_SIGNATURE_FAILURE },
	{ "critical extension nobody knows", .leaf = { .private_critical = "?" },
	  .want = X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION },
};

static struct chain_case trusted_cases[] = {
	{ .name = "the name" },
	{ "the name in capitals, with the root's dot", .host = "NDT.Test." },
	{ "a wildcard", .host = "a." HOST, .leaf = { .alt_names = "DNS:*." HOST } },
	{ "an IPv4 address", .host = "192.0.2.1", .leaf = { .alt_names = "IP:192.0.2.1" } },
	{ "an IPv6 address", .host = "2001:db8:0::1", .leaf = { .alt_names = "IP:2001:db8::1" } },
	{ "an IPv6 address with its zone", .host = "fe80::1%lo",
	  .leaf = { .alt_names = "IP:fe80::1" } },
	{ "an intermediate", .middle = MIDDLE },
	{ "RSA of 2048 bits", .leaf = { .rsa_bits = 2048 } },
	{ "within the permitted names",
	  .middle = { CA, .name_constraints = "permitted;DNS:test" } },
};

struct chain {
	struct certificate root, middle, leaf, other;
	const struct certificate *sent[2];
	size_t n_sent;
};

static void make_chain(struct chain *ch, const struct chain_case *c)
{
	struct certificate_wish root = c->root, middle = c->middle;
	const struct certificate *issuer = &ch->root;

	*ch = (struct chain){};
	root.common_name = "root";
	root.basic = root.basic ? root.basic : "critical,CA:TRUE";
	root.no_alt_names = true;
	ch->root = certificate_make(&root, NULL);
	root.common_name = "other";
	ch->other = certificate_make(&root, NULL);
	if (c->middle.basic) {
		middle.common_name = "middle";
		ch->middle = certificate_make(&middle, &ch->root);
		issuer = &ch->middle;
		if (!c->middle_kept)
			ch->sent[ch->n_sent++] = &ch->middle;
	}
	if (c->root_sent)
		ch->sent[ch->n_sent++] = &ch->root;
	ch->leaf = certificate_make(&c->leaf, c->self_signed ? NULL : issuer);
}

static void free_chain(struct chain *ch)
{
	certificate_free(&ch->root);
	certificate_free(&ch->middle);
	certificate_free(&ch->leaf);
	certificate_free(&ch->other);
}

/* One handshake of a client of ours that trusts `trusted` with a server that shows the chain. */
static int meet(const struct chain *ch, const char *host, const struct certificate *trusted,
                bool insecure, struct tls_peer *p, struct tls **ret_tls, struct err *err)
{
	const char *ca_file = in_dir("ca.pem");
	struct tls_client_options options = { .ca_file = ca_file, .insecure = insecure };
	struct tls_context *context = NULL;
	int r;

	certificate_append(trusted, ca_file);
	assert_int_equal(tls_context_client(&options, &context, err), 0);
	unlink(ca_file);
	assert_int_equal(tls_open_client(context, host, ret_tls, err), 0);
	tls_context_free(context);

	tls_peer_server(p, &ch->leaf, ch->sent, ch->n_sent);
	tls_peer_start(p);
	r = tls_peer_handshake(p, *ret_tls, err);
	return r;
}

static void nothing_was_sent(struct tls_peer *p, struct tls *t)
{
	struct err err = {};
	size_t taken = 0;
	uint8_t byte = 0;

	assert_int_equal(tls_write(t, &byte, 1, &taken, &err), -ENOTCONN);
	assert_int_equal(taken, 0);
	tls_peer_take(p, t);
	assert_true(SSL_read(p->ssl, &byte, 1) <= 0);
	assert_false(SSL_is_init_finished(p->ssl));
}

static void is_refused(void **state)
{
	const struct chain_case *c = *state;
	const char *host = c->host ? c->host : HOST;
	struct chain ch;
	struct tls_peer p;
	struct tls *t = NULL;
	struct err err = {};

	make_chain(&ch, c);
	assert_int_equal(
		meet(&ch, host, c->unknown_root ? &ch.other : &ch.root, false, &p, &t, &err),
		-EACCES);
	assert_int_equal(err.domain, ERR_TLS);
	if (err.detail != c->want)
		fail_msg("%s, not %s", err.text, X509_verify_cert_error_string(c->want));
	assert_non_null(strstr(err.text, host));
	assert_non_null(strstr(err.text, X509_verify_cert_error_string(c->want)));
	nothing_was_sent(&p, t);
	tls_free(t);
	tls_peer_end(&p);
	free_chain(&ch);
}

static void is_taken(const struct chain_case *c, bool insecure)
{
	struct chain ch;
	struct tls_peer p;
	struct tls *t = NULL;
	struct err err = {};
	int r;

	make_chain(&ch, c);
	r = meet(&ch, c->host ? c->host : HOST, &ch.root, insecure, &p, &t, &err);
	if (r != TLS_OK)
		fail_msg("%d: %s", r, err.text);
	tls_free(t);
	tls_peer_end(&p);
	free_chain(&ch);
}

static void is_trusted(void **state)
{
	is_taken(*state, false);
}

static void is_taken_when_told_to(void **state)
{
	is_taken(*state, true);
}

/* --- what the client says of itself ----------------------------------------------------------- */

static struct hello_case {
	const char *name;
	const char *host;
	const char *want_sni; /* NULL: none */
} hello_cases[] = {
	{ "SNI is the host", HOST, HOST },
	{ "without the root's dot", HOST ".", HOST },
	{ "none for an IPv4 address", "192.0.2.1", NULL },
	{ "none for an IPv6 address", "2001:db8::1", NULL },
};

static void client_says(void **state)
{
	const struct hello_case *c = *state;
	const char *sni;
	struct chain ch;
	struct tls_peer p;
	struct tls *t = NULL;
	struct err err = {};

	make_chain(&ch, &(struct chain_case){});
	assert_int_equal(meet(&ch, c->host, &ch.root, true, &p, &t, &err), TLS_OK);
	sni = SSL_get_servername(p.ssl, TLSEXT_NAMETYPE_host_name);
	if (c->want_sni)
		assert_string_equal(sni, c->want_sni);
	else
		assert_null(sni);
	assert_string_equal(p.offered_alpn, "http/1.1");
	tls_free(t);
	tls_peer_end(&p);
	free_chain(&ch);
}

static struct host_case {
	const char *name;
	const char *host;
} bad_host_cases[] = {
	{ "empty", "" },
	{ "only a zone", "%eth0" },
	{ "256 bytes", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
};

static void host_is_refused(void **state)
{
	const struct host_case *c = *state;
	struct tls_client_options options = { .insecure = true };
	struct tls_context *context = NULL;
	struct tls *t = NULL;
	struct err err = {};

	assert_int_equal(tls_context_client(&options, &context, &err), 0);
	assert_int_equal(tls_open_client(context, c->host, &t, &err), -EINVAL);
	assert_null(t);
	tls_context_free(context);
}

/* --- versions, suites, and what is no TLS ----------------------------------------------------- */

static struct offer_case {
	const char *name;
	int version;       /* the server's only one */
	const char *tls12; /* its suites, NULL: what OpenSSL has */
	const char *want_text;
} bad_offer_cases[] = {
	{ "TLS 1.0 only", TLS1_VERSION, NULL, "alert protocol version" },
	{ "TLS 1.1 only", TLS1_1_VERSION, NULL, "alert protocol version" },
	{ "no AEAD", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", "handshake failure" },
};

static void server_is_refused(void **state)
{
	const struct offer_case *c = *state;
	struct tls_client_options options = { .insecure = true };
	struct tls_context *context = NULL;
	struct chain ch;
	struct tls_peer p;
	struct tls *t = NULL;
	struct err err = {};

	make_chain(&ch, &(struct chain_case){});
	assert_int_equal(tls_context_client(&options, &context, &err), 0);
	assert_int_equal(tls_open_client(context, HOST, &t, &err), 0);
	tls_peer_server(&p, &ch.leaf, NULL, 0);
	SSL_CTX_set_min_proto_version(p.context, c->version);
	SSL_CTX_set_max_proto_version(p.context, c->version);
	assert_int_equal(SSL_CTX_set_cipher_list(p.context, c->tls12 ? c->tls12 : "ALL"), 1);
	tls_peer_start(&p);
	assert_int_equal(tls_peer_handshake(&p, t, &err), -EPROTO);
	assert_int_equal(err.domain, ERR_TLS);
	assert_true(err.detail > 0);
	if (!strstr(err.text, c->want_text))
		fail_msg("%s", err.text);
	nothing_was_sent(&p, t);
	tls_free(t);
	tls_context_free(context);
	tls_peer_end(&p);
	free_chain(&ch);
}

static struct noise_case {
	const char *name;
	const char *bytes;
	const char *want_text;
	uint8_t hello[48]; /* where bytes is NULL */
} noise_cases[] = {
	{ "an HTTP server", "HTTP/1.1 400 Bad Request\r\n\r\n", "may not speak TLS", {} },
	{ "an SSH server", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "may not speak TLS", {} },
	{ "a record that is too long", "\x16\x03\x03\xff\xff", "may not speak TLS", {} },
	{ "a ServerHello of TLS 1.1",
	  NULL,
	  "unsupported protocol",
	  { 22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2, [44] = 0xc0, [45] = 0x09 } },
};

static void noise_is_no_tls(void **state)
{
	const struct noise_case *c = *state;
	struct tls_client_options options = { .insecure = true };
	struct tls_context *context = NULL;
	struct tls *t = NULL;
	struct err err = {};

	assert_int_equal(tls_context_client(&options, &context, &err), 0);
	assert_int_equal(tls_open_client(context, HOST, &t, &err), 0);
	assert_int_equal(tls_handshake(t, &err), TLS_NEED_INPUT);
	if (c->bytes)
		tls_input(t, (const uint8_t *)c->bytes, strlen(c->bytes));
	else
		tls_input(t, c->hello, 47);
	assert_int_equal(tls_handshake(t, &err), -EPROTO);
	if (!strstr(err.text, c->want_text))
		fail_msg("%s", err.text);
	assert_int_equal(ERR_peek_error(), 0);
	tls_free(t);
	tls_context_free(context);
}

/* --- the suites, both ways -------------------------------------------------------------------- */

static struct suite_case {
	const char *name;
	bool prefer_chacha20;
	int version;
	const char *want;
} suite_cases[] = {
	{ "AES first, 1.3", false, TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256" },
	{ "ChaCha20 first, 1.3", true, TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256" },
	{ "AES first, 1.2", false, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ "ChaCha20 first, 1.2", true, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305" },
};

static void carry(struct tls *from, struct tls *to, uint8_t *lent)
{
	size_t n;
	const uint8_t *out = tls_output(from, &n);

	memcpy(lent, out, n);
	tls_output_sent(from, n);
	tls_input(to, lent, n);
}

/* Our server follows the order of our client. */
static void suite_is(void **state)
{
	const struct suite_case *c = *state;
	struct tls_client_options options = { .insecure = true,
		                              .prefer_chacha20 = c->prefer_chacha20 };
	static uint8_t lent[TLS_OUTPUT_BYTES];
	struct tls_context *client = NULL, *server = NULL;
	struct tls *ours = NULL, *theirs = NULL;
	struct err err = {};

	assert_int_equal(tls_context_client(&options, &client, &err), 0);
	assert_int_equal(tls_context_server(NULL, NULL, &server, &err), 0);
	SSL_CTX_set_max_proto_version(client->ssl, c->version);
	assert_int_equal(tls_open_client(client, "localhost", &ours, &err), 0);
	assert_int_equal(tls_open_server(server, &theirs, &err), 0);
	for (int i = 0; i < 4; i++) {
		assert_true(tls_handshake(ours, &err) >= 0);
		carry(ours, theirs, lent);
		assert_true(tls_handshake(theirs, &err) >= 0);
		carry(theirs, ours, lent);
	}
	assert_int_equal(tls_handshake(ours, &err), TLS_OK);
	assert_int_equal(tls_handshake(theirs, &err), TLS_OK);
	assert_string_equal(tls_cipher(ours), c->want);
	assert_string_equal(tls_version(ours),
	                    c->version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
	tls_free(ours);
	tls_free(theirs);
	tls_context_free(client);
	tls_context_free(server);
}

/* --- our server ------------------------------------------------------------------------------- */

static struct client_case {
	const char *name;
	int version;
	const char *alpn; /* with the lengths before */
	int want;
	const char *want_alpn;
} client_cases[] = {
	{ "http/1.1 is selected", TLS1_3_VERSION, "\x02h2\x08http/1.1", TLS_OK, "http/1.1" },
	{ "no offer, none selected", TLS1_3_VERSION, NULL, TLS_OK, "" },
	{ "h2 only", TLS1_3_VERSION, "\x02h2", -EPROTO, "" },
	{ "TLS 1.2", TLS1_2_VERSION, "\x08http/1.1", TLS_OK, "http/1.1" },
	{ "TLS 1.1", TLS1_1_VERSION, NULL, -EPROTO, "" },
};

static void server_answers(void **state)
{
	const struct client_case *c = *state;
	struct tls_context *context = NULL;
	const unsigned char *alpn;
	unsigned int alpn_bytes;
	struct tls_peer p;
	struct tls *t = NULL;
	struct err err = {};

	assert_int_equal(tls_context_server(NULL, NULL, &context, &err), 0);
	assert_int_equal(tls_open_server(context, &t, &err), 0);
	tls_peer_client(&p);
	SSL_CTX_set_max_proto_version(p.context, c->version);
	if (c->alpn)
		SSL_CTX_set_alpn_protos(p.context, (const unsigned char *)c->alpn,
		                        (unsigned int)strlen(c->alpn));
	tls_peer_start(&p);
	assert_int_equal(tls_peer_handshake(&p, t, &err), c->want);
	SSL_get0_alpn_selected(p.ssl, &alpn, &alpn_bytes);
	assert_int_equal(alpn_bytes, strlen(c->want_alpn));
	assert_memory_equal(alpn ? (const char *)alpn : "", c->want_alpn, alpn_bytes);
	if (c->want < 0)
		assert_non_null(strstr(err.text, "the client"));
	tls_free(t);
	tls_context_free(context);
	tls_peer_end(&p);
}

/* The certificate we make ourselves, trusted by who has it: for every name it is meant for. */
static struct host_case own_host_cases[] = {
	{ "localhost", "localhost" },
	{ "127.0.0.1", "127.0.0.1" },
	{ "::1", "::1" },
	{ "this host's name", NULL },
};

static void self_signed_stands_for(void **state)
{
	const struct host_case *c = *state;
	struct tls_context *server = NULL, *client = NULL;
	struct certificate own = {};
	struct tls_peer p;
	struct tls *t = NULL;
	struct err err = {};
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	assert_int_equal(tls_context_server(NULL, NULL, &server, &err), 0);
	own = (struct certificate){ SSL_CTX_get0_certificate(server->ssl),
		                    SSL_CTX_get0_privatekey(server->ssl) };
	certificate_append(&own, in_dir("own.pem"));
	assert_int_equal(
		tls_context_client(&(struct tls_client_options){ .ca_file = in_dir("own.pem") },
	                           &client, &err),
		0);
	unlink(in_dir("own.pem"));
	assert_int_equal(tls_open_client(client, c->host ? c->host : host, &t, &err), 0);
	tls_peer_server(&p, &own, NULL, 0);
	tls_peer_start(&p);
	if (tls_peer_handshake(&p, t, &err) != TLS_OK)
		fail_msg("%s", err.text);
	tls_free(t);
	tls_peer_end(&p);
	tls_context_free(client);
	tls_context_free(server);
}

/* --- files ------------------------------------------------------------------------------------ */

enum file_kind {
	NO_FILE, /* none is named */
	MISSING,
	JUNK,
	CERT,
	KEY,
	OTHER_KEY,
	LOCKED_KEY
};

static const char *const file_names[] = {
	[MISSING] = "missing.pem", [JUNK] = "junk.pem",           [CERT] = "cert.pem",
	[KEY] = "key.pem",         [OTHER_KEY] = "other-key.pem", [LOCKED_KEY] = "locked-key.pem",
};

static struct file_case {
	const char *name;
	enum file_kind cert, key;
	int want;
	const char *want_text;
} file_cases[] = {
	{ "both good", CERT, KEY, 0, NULL },
	{ "certificate missing", MISSING, KEY, -ENOENT, "missing.pem: No such file or directory" },
	{ "key missing", CERT, MISSING, -ENOENT, "missing.pem: No such file or directory" },
	{ "certificate is no PEM", JUNK, KEY, -EINVAL, "junk.pem" },
	{ "key is no PEM", CERT, JUNK, -EINVAL, "junk.pem" },
	{ "key of another certificate", CERT, OTHER_KEY, -EINVAL, "key values mismatch" },
	{ "key under a password", CERT, LOCKED_KEY, -EINVAL, "locked-key.pem" },
	{ "certificate without key", CERT, NO_FILE, -EINVAL, "without its key" },
	{ "key without certificate", NO_FILE, KEY, -EINVAL, "without its" },
};

static void files_are_loaded(void **state)
{
	const struct file_case *c = *state;
	struct tls_context *context = NULL;
	struct err err = {};
	int r = tls_context_server(c->cert ? in_dir(file_names[c->cert]) : NULL,
	                           c->key ? in_dir(file_names[c->key]) : NULL, &context, &err);

	if (r != c->want || (r < 0 && !strstr(err.text, c->want_text)))
		fail_msg("%d: %s", r, err.text);
	assert_true((r == 0) == (context != NULL));
	assert_int_equal(ERR_peek_error(), 0);
	tls_context_free(context);
}

static struct file_case ca_file_cases[] = {
	{ "good", CERT, 0, 0, NULL },
	{ "missing", MISSING, 0, -ENOENT, "missing.pem: No such file or directory" },
	{ "no PEM", JUNK, 0, -EINVAL, "junk.pem" },
};

static void ca_file_is_loaded(void **state)
{
	const struct file_case *c = *state;
	struct tls_client_options options = { .ca_file = in_dir(file_names[c->cert]) };
	struct tls_context *context = NULL;
	struct err err = {};
	int r = tls_context_client(&options, &context, &err);

	if (r != c->want || (r < 0 && !strstr(err.text, c->want_text)))
		fail_msg("%d: %s", r, err.text);
	tls_context_free(context);
}

static int make_files(void **state)
{
	struct certificate c = certificate_make(&(struct certificate_wish){}, NULL);
	struct certificate other = certificate_make(&(struct certificate_wish){}, NULL);
	FILE *locked = fopen(in_dir("locked-key.pem"), "we");
	FILE *junk = fopen(in_dir("junk.pem"), "we");

	(void)state;
	certificate_append(&c, in_dir("cert.pem"));
	certificate_write_key(&c, in_dir("key.pem"));
	certificate_write_key(&other, in_dir("other-key.pem"));
	PEM_write_PrivateKey(locked, c.key, EVP_aes_128_cbc(), (unsigned char *)"secret", 6, NULL,
	                     NULL);
	fputs("neither certificate nor key\n", junk);
	fclose(junk);
	fclose(locked);
	certificate_free(&c);
	certificate_free(&other);
	return 0;
}

/* --- the system's store ----------------------------------------------------------------------- */

static struct store_case {
	const char *name;
	bool by_hash; /* SSL_CERT_DIR, else SSL_CERT_FILE */
	bool holds_root;
	int want;
} store_cases[] = {
	{ "directory of hashes with the root", true, true, TLS_OK },
	{ "directory of hashes without it", true, false, -EACCES },
	{ "bundle with the root", false, true, TLS_OK },
	{ "bundle without it", false, false, -EACCES },
};

static void fill_store(const struct store_case *c, const struct certificate *held)
{
	char name[64];

	snprintf(name, sizeof(name), "store/%08lx.0", X509_subject_name_hash(held->x509));
	mkdir(in_dir("store"), 0700);
	certificate_append(held, in_dir(name));
	if (c->by_hash)
		setenv("SSL_CERT_DIR", in_dir("store"), 1);
	else
		setenv("SSL_CERT_FILE", in_dir(name), 1);
}

static void empty_store(const struct certificate *held)
{
	char name[64];

	snprintf(name, sizeof(name), "store/%08lx.0", X509_subject_name_hash(held->x509));
	unlink(in_dir(name));
	rmdir(in_dir("store"));
	unsetenv("SSL_CERT_DIR");
	unsetenv("SSL_CERT_FILE");
}

static void store_is_searched(void **state)
{
	const struct store_case *c = *state;
	struct tls_context *context = NULL;
	const struct certificate *held;
	struct chain ch;
	struct tls_peer p;
	struct tls *t = NULL;
	struct err err = {};
	int r;

	make_chain(&ch, &(struct chain_case){});
	held = c->holds_root ? &ch.root : &ch.other;
	fill_store(c, held);
	assert_int_equal(tls_context_client(&(struct tls_client_options){}, &context, &err), 0);
	assert_int_equal(tls_open_client(context, HOST, &t, &err), 0);
	tls_peer_server(&p, &ch.leaf, NULL, 0);
	tls_peer_start(&p);
	r = tls_peer_handshake(&p, t, &err);
	empty_store(held);
	if (r != c->want)
		fail_msg("%d: %s", r, err.text);
	tls_free(t);
	tls_peer_end(&p);
	tls_context_free(context);
	free_chain(&ch);
}

/* A bundle would be 140 certificates in memory, for one chain of three. */
static void system_store_is_not_read_at_once(void **state)
{
	struct tls_context *context = NULL;
	X509_STORE *store;
	glob_t found;

	(void)state;
	if (glob("/etc/ssl/certs/????????.0", 0, NULL, &found) != 0)
		skip(); /* a system with bundles only */
	globfree(&found);
	assert_int_equal(tls_context_client(&(struct tls_client_options){}, &context, NULL), 0);
	store = SSL_CTX_get_cert_store(context->ssl);
	assert_int_equal(sk_X509_OBJECT_num(X509_STORE_get0_objects(store)), 0);
	tls_context_free(context);
}

static int remove_dir(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(file_names) / sizeof(*file_names); i++)
		if (file_names[i])
			unlink(in_dir(file_names[i]));
	return rmdir(dir);
}

static void nothing_frees_nothing(void **state)
{
	(void)state;
	assert_null(tls_context_free(NULL));
	assert_null(tls_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(system_store_is_not_read_at_once),
		cmocka_unit_test(nothing_frees_nothing),
	};
	int failed;

	/* of whoever runs the tests */
	unsetenv("SSL_CERT_DIR");
	unsetenv("SSL_CERT_FILE");
	if (!mkdtemp(dir) || make_files(NULL) < 0)
		return 1;
	failed = CASES_RUN(is_refused, refused_cases) + CASES_RUN(is_trusted, trusted_cases);
	failed += CASES_RUN(is_taken_when_told_to, refused_cases);
	failed += CASES_RUN(client_says, hello_cases) + CASES_RUN(host_is_refused, bad_host_cases);
	failed += CASES_RUN(server_is_refused, bad_offer_cases);
	failed += CASES_RUN(noise_is_no_tls, noise_cases) + CASES_RUN(suite_is, suite_cases);
	failed += CASES_RUN(server_answers, client_cases);
	failed += CASES_RUN(self_signed_stands_for, own_host_cases);
	failed += CASES_RUN(files_are_loaded, file_cases);
	failed += CASES_RUN(ca_file_is_loaded, ca_file_cases);
	failed += CASES_RUN(store_is_searched, store_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	if (remove_dir(NULL) < 0)
		return 1;
	return failed != 0;
}
