/* Certificates for tests, good ones and every kind of bad one, made when the test runs: none that
 * lies in the tree can expire.
 *
 *   struct certificate root = certificate_make(&(struct certificate_wish){ .basic = "CA:TRUE" },
 * NULL); struct certificate leaf = certificate_make(&(struct certificate_wish){ .days_until = -1 },
 * &root);
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

struct certificate {
	X509 *x509;
	EVP_PKEY *key;
};

/* Extensions are written as x509v3_config(5) has them. Zero and NULL are the defaults named. */
struct certificate_wish {
	const char *common_name;      /* "leaf" */
	const char *alt_names;        /* "DNS:ndt.test" */
	const char *usage;            /* extendedKeyUsage: "serverAuth" */
	const char *basic;            /* basicConstraints: "critical,CA:FALSE" */
	const char *name_constraints; /* none */
	const char *private_critical; /* the value of an extension nobody knows: none */
	int days_since;               /* valid since so many days ago: 1 */
	int days_until;               /* and for so many more: 1 */
	int rsa_bits;                 /* 0: an ECDSA key on P-256 */
	bool no_alt_names;
	bool sha1;    /* signed over SHA-1, not SHA-256 */
	bool spoiled; /* the signature is not the issuer's */
};

/* Signed by `issuer`, or by itself where that is NULL. A failure is a failed test. */
struct certificate certificate_make(const struct certificate_wish *wish,
                                    const struct certificate *issuer);
void certificate_free(struct certificate *c);

/* Appends the certificate to a PEM file; the key into one of its own. */
void certificate_append(const struct certificate *c, const char *path);
void certificate_write_key(const struct certificate *c, const char *path);
