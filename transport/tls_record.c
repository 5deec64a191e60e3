#include "transport/tls_record.h"

#include "transport/base/cleanup.h"
#include "transport/fast_gcm.h"
#include "transport/tls.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#define NONCE_BYTES   12
#define KEY_BYTES_MAX 32

/* RFC 8446 B.4: what we offer. */
struct suite {
	uint32_t id;
	const char *cipher;
	const char *digest;
	size_t key_bytes;
	size_t secret_bytes;
	bool gcm;
};

static const struct suite suites[] = {
	{ TLS1_3_CK_AES_128_GCM_SHA256, "AES-128-GCM", "SHA256", 16, 32, true },
	{ TLS1_3_CK_AES_256_GCM_SHA384, "AES-256-GCM", "SHA384", 32, 48, true },
	{ TLS1_3_CK_CHACHA20_POLY1305_SHA256, "ChaCha20-Poly1305", "SHA256", 32, 32, false },
};

struct tls_record_keys {
	const struct suite *suite;
	const struct fast_gcm *gcm; /* in place of `cipher`; NULL: none was loaded, or not GCM */
	struct fast_gcm_key *gcm_key;
	EVP_CIPHER_CTX *cipher;
	bool sealing;
	bool usable; /* not where a change of keys was left half done: a number would be used again */
	uint64_t sequence;
	uint8_t iv[NONCE_BYTES];
	uint8_t secret[TLS_SECRET_BYTES_MAX];
};

CLEANUP_DEFINE(keys_freep, struct tls_record_keys *, tls_record_keys_free)
CLEANUP_DEFINE(cipher_freep, EVP_CIPHER *, EVP_CIPHER_free)
CLEANUP_DEFINE(kdf_freep, EVP_KDF *, EVP_KDF_free)
CLEANUP_DEFINE(kdf_ctx_freep, EVP_KDF_CTX *, EVP_KDF_CTX_free)

/* --- the key schedule ------------------------------------------------------------------------- */

static OSSL_PARAM text(const char *name, const char *value)
{
	return OSSL_PARAM_construct_utf8_string(name, (char *)value, 0);
}

static OSSL_PARAM octets(const char *name, const void *value, size_t n)
{
	return OSSL_PARAM_construct_octet_string(name, (void *)value, n);
}

/* HKDF-Expand-Label(secret, label, "", n), RFC 8446 7.1. */
static bool expand(const struct tls_record_keys *k, const char *label, uint8_t *out, size_t n)
{
	CLEANUP(kdf_freep) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
	CLEANUP(kdf_ctx_freep) EVP_KDF_CTX *c = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		text(OSSL_KDF_PARAM_MODE, "EXPAND_ONLY"),
		text(OSSL_KDF_PARAM_DIGEST, k->suite->digest),
		octets(OSSL_KDF_PARAM_KEY, k->secret, k->suite->secret_bytes),
		octets(OSSL_KDF_PARAM_PREFIX, "tls13 ", 6),
		octets(OSSL_KDF_PARAM_LABEL, label, strlen(label)),
		OSSL_PARAM_construct_end(),
	};

	return c && EVP_KDF_derive(c, out, n, params) == 1;
}

/* RFC 8446 7.3 */
static bool use_secret(struct tls_record_keys *k)
{
	uint8_t key[KEY_BYTES_MAX];
	bool ok = expand(k, "key", key, k->suite->key_bytes) &&
	          expand(k, "iv", k->iv, sizeof(k->iv)) &&
	          (k->gcm || EVP_CipherInit_ex(k->cipher, NULL, NULL, key, NULL, k->sealing) == 1);

	if (ok && k->gcm)
		k->gcm->set_key(key, k->gcm_key->schedule);
	OPENSSL_cleanse(key, sizeof(key));
	k->sequence = 0;
	k->usable = ok;
	return ok;
}

bool tls_record_keys_next(struct tls_record_keys *k)
{
	uint8_t next[TLS_SECRET_BYTES_MAX];
	bool ok = k->usable && expand(k, "traffic upd", next, k->suite->secret_bytes);

	k->usable = false;
	if (ok)
		memcpy(k->secret, next, k->suite->secret_bytes);
	OPENSSL_cleanse(next, sizeof(next));
	return ok && use_secret(k);
}

static const struct suite *find_suite(const SSL_CIPHER *cipher)
{
	for (size_t i = 0; cipher && i < sizeof(suites) / sizeof(*suites); i++)
		if (suites[i].id == SSL_CIPHER_get_id(cipher))
			return &suites[i];
	return NULL;
}

static bool make_cipher(struct tls_record_keys *k)
{
	CLEANUP(cipher_freep) EVP_CIPHER *cipher = NULL;

	k->gcm = k->suite->gcm ? fast_gcm(k->suite->key_bytes) : NULL;
	if (k->gcm) {
		k->gcm_key = aligned_alloc(_Alignof(struct fast_gcm_key), sizeof(*k->gcm_key));
		return k->gcm_key != NULL;
	}
	cipher = EVP_CIPHER_fetch(NULL, k->suite->cipher, NULL);
	k->cipher = EVP_CIPHER_CTX_new();
	return cipher && k->cipher &&
	       EVP_CipherInit_ex2(k->cipher, cipher, NULL, NULL, k->sealing, NULL) == 1;
}

int tls_record_keys_new(const SSL_CIPHER *suite, bool sealing, const uint8_t *secret,
                        size_t secret_bytes, struct tls_record_keys **ret)
{
	CLEANUP(keys_freep) struct tls_record_keys *k = NULL;
	const struct suite *s = find_suite(suite);

	if (!s || s->secret_bytes != secret_bytes)
		return -ENOTSUP;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->suite = s;
	k->sealing = sealing;
	memcpy(k->secret, secret, secret_bytes);
	if (!make_cipher(k) || !use_secret(k))
		return -ENOMEM;
	*ret = TAKE(k, NULL);
	return 0;
}

struct tls_record_keys *tls_record_keys_free(struct tls_record_keys *k)
{
	if (!k)
		return NULL;
	EVP_CIPHER_CTX_free(k->cipher);
	if (k->gcm_key)
		OPENSSL_cleanse(k->gcm_key, sizeof(*k->gcm_key));
	free(k->gcm_key);
	OPENSSL_cleanse(k, sizeof(*k));
	free(k);
	return NULL;
}

uint64_t tls_record_keys_used(const struct tls_record_keys *k)
{
	return k->sequence;
}

/* --- records ---------------------------------------------------------------------------------- */

/* The next record's: its number over the end of the iv, RFC 8446 5.3. Then the header is fed, which is the
 * additional data. */
static bool begin_record(struct tls_record_keys *k, const uint8_t *header)
{
	uint8_t nonce[NONCE_BYTES];
	int fed;

	if (!k->usable)
		return false;
	memcpy(nonce, k->iv, sizeof(nonce));
	for (unsigned int i = 0; i < 8; i++)
		nonce[NONCE_BYTES - 1 - i] ^= (uint8_t)(k->sequence >> (8 * i));
	k->sequence++;
	if (k->gcm) {
		k->gcm->begin(k->gcm_key->schedule, k->gcm_key->state, nonce, header,
		              TLS_RECORD_HEADER_BYTES);
		return true;
	}
	return EVP_CipherInit_ex(k->cipher, NULL, NULL, NULL, nonce, -1) == 1 &&
	       EVP_CipherUpdate(k->cipher, NULL, &fed, header, TLS_RECORD_HEADER_BYTES) == 1;
}

/* These are stream ciphers to their caller: as much comes out as goes in. */
static bool cipher(struct tls_record_keys *k, const uint8_t *in, size_t n, uint8_t *out)
{
	int made;

	if (n == 0)
		return true;
	if (!k->gcm)
		return EVP_CipherUpdate(k->cipher, out, &made, in, (int)n) == 1;
	if (k->sealing)
		k->gcm->seal(k->gcm_key->schedule, k->gcm_key->state, out, in, n);
	else
		k->gcm->open(k->gcm_key->schedule, k->gcm_key->state, out, in, n);
	return true;
}

static bool finish(struct tls_record_keys *k)
{
	uint8_t nothing[EVP_MAX_BLOCK_LENGTH];
	int made;

	return EVP_CipherFinal_ex(k->cipher, nothing, &made) == 1;
}

static bool write_tag(struct tls_record_keys *k, uint8_t *tag)
{
	if (!k->gcm)
		return finish(k) && EVP_CIPHER_CTX_ctrl(k->cipher, EVP_CTRL_AEAD_GET_TAG,
		                                        TLS_RECORD_TAG_BYTES, tag) == 1;
	k->gcm->seal_end(k->gcm_key->schedule, k->gcm_key->state, tag, TLS_RECORD_TAG_BYTES);
	return true;
}

static bool is_tag(struct tls_record_keys *k, const uint8_t *tag)
{
	uint8_t want[TLS_RECORD_TAG_BYTES];

	if (!k->gcm)
		return EVP_CIPHER_CTX_ctrl(k->cipher, EVP_CTRL_AEAD_SET_TAG, TLS_RECORD_TAG_BYTES,
		                           (void *)tag) == 1 &&
		       finish(k);
	k->gcm->open_end(k->gcm_key->schedule, k->gcm_key->state, want, sizeof(want));
	return CRYPTO_memcmp(want, tag, sizeof(want)) == 0;
}

bool tls_record_seal(struct tls_record_keys *k, enum tls_content_type type, const uint8_t *content,
                     size_t n, uint8_t *out)
{
	size_t length = n + TLS_RECORD_TYPE_BYTES + TLS_RECORD_TAG_BYTES;
	uint8_t *body = out + TLS_RECORD_HEADER_BYTES;
	uint8_t inner_type = (uint8_t)type;

	out[0] = TLS_APPLICATION_DATA;
	out[1] = out[2] = 3; /* TLS 1.2 to whoever looks, RFC 8446 5.2 */
	out[3] = (uint8_t)(length >> 8);
	out[4] = (uint8_t)length;
	return begin_record(k, out) && cipher(k, content, n, body) &&
	       cipher(k, &inner_type, 1, body + n) && write_tag(k, body + n + 1);
}

/* The type is the last byte that is no padding. */
static enum tls_record_outcome take_type(const uint8_t *out, size_t n, uint8_t last, size_t *ret_n,
                                         uint8_t *ret_type)
{
	for (; last == 0 && n > 0; n--)
		last = out[n - 1];
	*ret_n = n;
	*ret_type = last;
	return last ? TLS_RECORD_OK : TLS_RECORD_NO_CONTENT;
}

enum tls_record_outcome tls_record_open(struct tls_record_keys *k, const uint8_t *record, size_t n,
                                        uint8_t *out, size_t *ret_n, uint8_t *ret_type)
{
	const uint8_t *body = record + TLS_RECORD_HEADER_BYTES;
	size_t inner = n - TLS_RECORD_HEADER_BYTES - TLS_RECORD_TAG_BYTES;
	size_t before = inner - 1; /* the last byte apart: `out` takes no more than content */
	uint8_t last;

	if (before > TLS_RECORD_BYTES)
		return TLS_RECORD_TOO_LONG;
	if (!begin_record(k, record) || !cipher(k, body, before, out) ||
	    !cipher(k, body + before, 1, &last) || !is_tag(k, body + inner))
		return TLS_RECORD_BAD;
	return take_type(out, before, last, ret_n, ret_type);
}
