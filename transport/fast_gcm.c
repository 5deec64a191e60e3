#include "transport/fast_gcm.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/base/late_library.h"
#include "transport/cpu.h"
#include "transport/tls.h"

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

/* Its loops take 768 bytes a turn and begin late: only a whole record goes through all of them. */
#define TEXT_BYTES (TLS_RECORD_BYTES + 1)
#define MARK       0xa5
#define MARKED_BYTES                                                                               \
	64 /* at the end of what it may write: a later one that wants more is not used */

struct comparison {
	uint8_t key[32], nonce[12], aad[5];
	uint8_t text[TEXT_BYTES];
	struct sealed {
		uint8_t text[TEXT_BYTES];
		uint8_t tag[TAG_BYTES];
	} want, got;
	struct fast_gcm_key k;
};

CLEANUP_DEFINE(comparison_freep, struct comparison *, free)

static bool seal_by_openssl(size_t key_bytes, struct comparison *c)
{
	CLEANUP(cipher_ctx_freep) EVP_CIPHER_CTX *e = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *cipher = key_bytes == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
	int made;

	return e && EVP_EncryptInit_ex(e, cipher, NULL, c->key, c->nonce) == 1 &&
	       EVP_EncryptUpdate(e, NULL, &made, c->aad, sizeof(c->aad)) == 1 &&
	       EVP_EncryptUpdate(e, c->want.text, &made, c->text, TEXT_BYTES) == 1 &&
	       EVP_EncryptFinal_ex(e, c->want.tag, &made) == 1 &&
	       EVP_CIPHER_CTX_ctrl(e, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, c->want.tag) == 1;
}

static bool is_marked(const uint8_t *end)
{
	for (int i = 1; i <= MARKED_BYTES; i++)
		if (end[-i] != MARK)
			return false;
	return true;
}

/* In two pieces, as a record is; opened in place. */
static bool agrees(const struct fast_gcm *g, struct comparison *c)
{
	struct fast_gcm_key *k = &c->k;
	const size_t first = TEXT_BYTES - 1;
	uint8_t tag[TAG_BYTES];

	memset(k, MARK, sizeof(*k));
	g->set_key(c->key, k->schedule);
	g->begin(k->schedule, k->state, c->nonce, c->aad, sizeof(c->aad));
	g->seal(k->schedule, k->state, c->got.text, c->text, first);
	g->seal(k->schedule, k->state, c->got.text + first, c->text + first, 1);
	g->seal_end(k->schedule, k->state, c->got.tag, TAG_BYTES);
	if (memcmp(&c->got, &c->want, sizeof(c->got)) != 0)
		return false;
	g->begin(k->schedule, k->state, c->nonce, c->aad, sizeof(c->aad));
	g->open(k->schedule, k->state, c->got.text, c->got.text, first);
	g->open(k->schedule, k->state, c->got.text + first, c->got.text + first, 1);
	g->open_end(k->schedule, k->state, tag, TAG_BYTES);
	return memcmp(c->got.text, c->text, TEXT_BYTES) == 0 &&
	       memcmp(tag, c->want.tag, TAG_BYTES) == 0 &&
	       is_marked(k->schedule + sizeof(k->schedule)) &&
	       is_marked(k->state + sizeof(k->state));
}

static int compare(struct err *err)
{
	CLEANUP(comparison_freep)
	struct comparison *c = aligned_alloc(_Alignof(struct comparison), sizeof(*c));

	for (size_t i = 0; c && i < offsetof(struct comparison, want); i++)
		((uint8_t *)c)[i] = (uint8_t)(i * 167 + (i >> 8));
	for (size_t i = 0; i < LENGTHS; i++) {
		if (!c || !seal_by_openssl(key_bytes_of[i], c))
			return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "compare it with OpenSSL");
		if (!agrees(&the_library.of[i], c))
			return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
			               "use " FAST_GCM_SONAME
			               ", which does not do what OpenSSL does");
	}
	return 0;
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

/* The first OpenSSL with code for these instructions. */
#define OPENSSL_HAS_IT 0x30100000UL

static int load(struct err *err)
{
	int r;

	if (OpenSSL_version_num() >= OPENSSL_HAS_IT)
		return ERR_SET(err, -ENOTSUP, ERR_SYS, 0,
		               "use anything but this OpenSSL, which has VAES itself");
	if (!cpu_has_vaes())
		return ERR_SET(err, -ENOTSUP, ERR_SYS, 0,
		               "use VAES with AVX-512, which this machine has not");
	if (!is_seen())
		return ERR_SET(err, -ENOTSUP, ERR_SYS, 0,
		               "see what it writes, with this sanitizer");
	r = late_library_load(FAST_GCM_SONAME, "libipsec-mb1", symbols,
	                      sizeof(symbols) / sizeof(*symbols), &the_library, err);
	return r < 0 ? r : compare(err);
}

static void load_once(void)
{
	loaded = load(&why_not) == 0;
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
