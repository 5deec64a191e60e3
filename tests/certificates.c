#include "tests/certificates.h"

#include "tests/cases.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define OR(value, otherwise) ((value) ? (value) : (otherwise))

static void add_extension(X509 *x, const X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, (X509 *)issuer, x, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(x, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* Under 1.3.6.1.4.1.99999, which IANA has given to nobody. */
static void add_private_critical(X509 *x, const char *value)
{
	ASN1_OBJECT *object = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	assert_int_equal(ASN1_OCTET_STRING_set(octets, (const unsigned char *)value, -1), 1);
	extension = X509_EXTENSION_create_by_OBJ(NULL, object, 1, octets);
	assert_int_equal(X509_add_ext(x, extension, -1), 1);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(octets);
	ASN1_OBJECT_free(object);
}

static void add_extensions(X509 *x, const struct certificate_wish *w, const X509 *issuer)
{
	add_extension(x, issuer, NID_basic_constraints, OR(w->basic, "critical,CA:FALSE"));
	add_extension(x, issuer, NID_ext_key_usage, OR(w->usage, "serverAuth"));
	if (!w->no_alt_names)
		add_extension(x, issuer, NID_subject_alt_name, OR(w->alt_names, "DNS:ndt.test"));
	if (w->name_constraints)
		add_extension(x, issuer, NID_name_constraints, w->name_constraints);
	if (w->private_critical)
		add_private_critical(x, w->private_critical);
}

static void set_names(X509 *x, const struct certificate_wish *w, const X509 *issuer)
{
	static int serial;
	X509_NAME *name = X509_get_subject_name(x);
	const char *common_name = OR(w->common_name, "leaf");

	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	                                            (const unsigned char *)common_name, -1, -1, 0),
	                 1);
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
}

/* One bit of the key that signs is enough; we take another key. */
static void sign(X509 *x, const struct certificate_wish *w, EVP_PKEY *key)
{
	EVP_PKEY *other = w->spoiled ? EVP_EC_gen("P-256") : NULL;

	assert_true(X509_sign(x, OR(other, key), w->sha1 ? EVP_sha1() : EVP_sha256()) > 0);
	EVP_PKEY_free(other);
}

struct certificate certificate_make(const struct certificate_wish *w,
                                    const struct certificate *issuer)
{
	struct certificate c = {
		.x509 = X509_new(),
		.key = w->rsa_bits ? EVP_RSA_gen(w->rsa_bits) : EVP_EC_gen("P-256"),
	};
	const X509 *issuer_x509 = issuer ? issuer->x509 : c.x509;

	assert_non_null(c.x509);
	assert_non_null(c.key);
	X509_set_version(c.x509, X509_VERSION_3);
	set_names(c.x509, w, issuer_x509);
	X509_time_adj_ex(X509_getm_notBefore(c.x509), -OR(w->days_since, 1), 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(c.x509), OR(w->days_until, 1), 0, NULL);
	X509_set_pubkey(c.x509, c.key);
	add_extensions(c.x509, w, issuer_x509);
	sign(c.x509, w, issuer ? issuer->key : c.key);
	return c;
}

void certificate_free(struct certificate *c)
{
	X509_free(c->x509);
	EVP_PKEY_free(c->key);
	*c = (struct certificate){};
}

void certificate_append(const struct certificate *c, const char *path)
{
	FILE *f = fopen(path, "ae");

	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, c->x509), 1);
	assert_int_equal(fclose(f), 0);
}

void certificate_write_key(const struct certificate *c, const char *path)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(f), 0);
}
