#include "transport/fast_gcm.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/base/late_library.h"
#include "transport/cpu.h"

#define LENGTHS   2 /* of keys */
#define TAG_BYTES 16

CLEANUP_DEFINE(cipher_ctx_freep, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

/* Exported by name and not in its header, which has what chooses among them: that touches 4 MB of it for its self-tests. */
#define CALLS(at, bits)                                                                            \
	{ "aes_gcm_pre_" #bits "_vaes_avx512", offsetof(struct table, of[at].set_key) },           \
		{ "aes_gcm_init_" #bits "_vaes_avx512", offsetof(struct table, of[at].begin) },    \
		{ "aes_gcm_enc_" #bits "_update_vaes_avx512",                                      \
		  offsetof(struct table, of[at].seal) },                                           \
		{ "aes_gcm_dec_" #bits "_update_vaes_avx512",                                      \
		  offsetof(struct table, of[at].open) },                                           \
		{ "aes_gcm_enc_" #bits "_finalize_vaes_avx512",                                    \
		  offsetof(struct table, of[at].seal_end) },                                       \
	{                                                                                          \
		"aes_gcm_dec_" #bits "_finalize_vaes_avx512",                                      \
			offsetof(struct table, of[at].open_end)                                    \
	}

struct table {
	struct fast_gcm of[LENGTHS];
};

static const size_t key_bytes_of[LENGTHS] = { 16, 32 };
static const struct late_symbol symbols[] = { CALLS(0, 128), CALLS(1, 256) };

static struct table the_library;
static struct err why_not;
static bool loaded;

/* --- what it does is what OpenSSL does ---------------------------------------------------------- */

struct sample {
	uint8_t key[32], nonce[12], aad[5];
	uint8_t text[1000];
};

struct sealed {
	uint8_t text[sizeof(((struct sample *)NULL)->text)];
	uint8_t tag[TAG_BYTES];
};

static struct sample make_sample(void)
{
	struct sample s;
	uint8_t *byte = (uint8_t *)&s;

	for (size_t i = 0; i < sizeof(s); i++)
		byte[i] = (uint8_t)(i * 167 + (i >> 8));
	return s;
}

static bool seal_by_openssl(size_t key_bytes, const struct sample *s, struct sealed *ret)
{
	CLEANUP(cipher_ctx_freep) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *cipher = key_bytes == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
	int made;

	return c && EVP_EncryptInit_ex(c, cipher, NULL, s->key, s->nonce) == 1 &&
	       EVP_EncryptUpdate(c, NULL, &made, s->aad, sizeof(s->aad)) == 1 &&
	       EVP_EncryptUpdate(c, ret->text, &made, s->text, sizeof(s->text)) == 1 &&
	       EVP_EncryptFinal_ex(c, ret->tag, &made) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, ret->tag) == 1;
}

/* In two pieces, as a record is; opened in place. */
static bool agrees(const struct fast_gcm *g, size_t key_bytes)
{
	const struct sample s = make_sample();
	const size_t first = sizeof(s.text) - 1;
	struct sealed want = {}, got = {};
	struct fast_gcm_key k;
	uint8_t tag[TAG_BYTES];

	if (!seal_by_openssl(key_bytes, &s, &want))
		return false;
	g->set_key(s.key, k.schedule);
	g->begin(k.schedule, k.state, s.nonce, s.aad, sizeof(s.aad));
	g->seal(k.schedule, k.state, got.text, s.text, first);
	g->seal(k.schedule, k.state, got.text + first, s.text + first, 1);
	g->seal_end(k.schedule, k.state, got.tag, sizeof(got.tag));
	if (memcmp(&got, &want, sizeof(got)) != 0)
		return false;
	g->begin(k.schedule, k.state, s.nonce, s.aad, sizeof(s.aad));
	g->open(k.schedule, k.state, got.text, got.text, first);
	g->open(k.schedule, k.state, got.text + first, got.text + first, 1);
	g->open_end(k.schedule, k.state, tag, sizeof(tag));
	return memcmp(got.text, s.text, sizeof(s.text)) == 0 &&
	       memcmp(tag, want.tag, TAG_BYTES) == 0;
}

/* --- loading ---------------------------------------------------------------------------------- */

static bool is_seen(void)
{
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
	return false;
#endif
#endif
	return true;
}

static void load_once(void)
{
	if (!cpu_has_vaes() || !is_seen()) {
		ERR_SET(&why_not, -ENOTSUP, ERR_SYS, 0, "use VAES, which this CPU has not");
		return;
	}
	if (late_library_load(FAST_GCM_SONAME, "libipsec-mb1", symbols,
	                      sizeof(symbols) / sizeof(*symbols), &the_library, &why_not) < 0)
		return;
	for (size_t i = 0; i < LENGTHS; i++) {
		if (!agrees(&the_library.of[i], key_bytes_of[i])) {
			ERR_SET(&why_not, -EBADMSG, ERR_SYS, 0,
			        "use " FAST_GCM_SONAME ", which does not do what OpenSSL does");
			return;
		}
	}
	loaded = true;
}

int fast_gcm_load(struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	return late_library_once(&once, load_once, &why_not, err);
}

const struct fast_gcm *fast_gcm(size_t key_bytes)
{
	for (size_t i = 0; loaded && i < LENGTHS; i++)
		if (key_bytes_of[i] == key_bytes)
			return &the_library.of[i];
	return NULL;
}
