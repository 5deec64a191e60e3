#include "agent/store/store_row.h"

#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "measure/libzstd.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define LEVEL      3
#define WINDOW_LOG 17 /* 128 KiB: a result is hardly larger, and the daemon is small */

/* --- the digest ----------------------------------------------------------------------------------- */

CLEANUP_DEFINE(md_freep, EVP_MD_CTX *, EVP_MD_CTX_free)

static void add_number(EVP_MD_CTX *md, uint64_t number)
{
	uint64_t wire = htobe64(number);

	EVP_DigestUpdate(md, &wire, sizeof(wire));
}

/* With its length, so that no two rows make the same stream. */
static void add(EVP_MD_CTX *md, const void *data, size_t bytes)
{
	add_number(md, data ? bytes : UINT64_MAX);
	if (data)
		EVP_DigestUpdate(md, data, bytes);
}

static void add_text(EVP_MD_CTX *md, const char *text)
{
	add(md, text, text ? strlen(text) : 0);
}

static void add_row(EVP_MD_CTX *md, const struct store_row *row)
{
	const struct store_result *r = &row->told;

	add_text(md, r->id);
	add_text(md, r->test);
	add_text(md, r->interface);
	add_text(md, store_cause_name(r->cause));
	add_number(md, r->started_utc_ns);
	add_number(md, r->stored_utc_ns);
	add_number(md, r->bytes_used);
	add_number(md, r->wireless);
	add_text(md, r->connection_info);
	add_number(md, row->coding);
	add_number(md, row->object_bytes);
	add_number(md, row->raw_bytes);
	add(md, row->object.data, row->object.bytes);
	add(md, row->raw.data, row->raw.bytes);
}

/* False: OpenSSL is out of memory. */
static bool digest_row(const struct store_row *row, uint8_t ret[STORE_DIGEST_BYTES])
{
	CLEANUP(md_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t whole[EVP_MAX_MD_SIZE];

	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		return false;
	add_row(md, row);
	if (EVP_DigestFinal_ex(md, whole, NULL) != 1)
		return false;
	memcpy(ret, whole, STORE_DIGEST_BYTES);
	return true;
}

bool store_row_is_whole(const struct store_row *row)
{
	uint8_t digest[STORE_DIGEST_BYTES];

	return digest_row(row, digest) && memcmp(digest, row->digest, sizeof(digest)) == 0;
}

void store_digest(const void *data, size_t bytes, uint8_t ret[STORE_DIGEST_BYTES])
{
	uint8_t whole[EVP_MAX_MD_SIZE] = {};

	EVP_Digest(data, bytes, whole, NULL, EVP_sha256(), NULL);
	memcpy(ret, whole, STORE_DIGEST_BYTES);
}

/* --- packing -------------------------------------------------------------------------------------- */

/* One frame, whole, into `room` bytes at `out`; 0: it did not fit, or failed. */
static size_t compress(const struct libzstd *zstd, const void *in, size_t bytes, void *out,
                       size_t room)
{
	ZSTD_CCtx *c = zstd->createCCtx();
	ZSTD_inBuffer from = { in, bytes, 0 };
	ZSTD_outBuffer to = { out, room, 0 };
	size_t left = 1;

	if (!c)
		return 0;
	zstd->CCtx_setParameter(c, ZSTD_c_compressionLevel, LEVEL);
	zstd->CCtx_setParameter(c, ZSTD_c_windowLog, WINDOW_LOG);
	left = zstd->compressStream2(c, &to, &from, ZSTD_e_end);
	zstd->freeCCtx(c);
	return left == 0 ? to.pos : 0;
}

/* Both or neither, as `coding` speaks of both. */
static bool pack(struct store_row *row, const struct store_result *r)
{
	const struct libzstd *zstd;
	size_t object_bytes, raw_bytes = 0;
	char *at = row->memory;

	if (libzstd_get(&zstd, NULL) < 0)
		return false;
	object_bytes = compress(zstd, r->object, r->object_bytes, at, r->object_bytes);
	if (r->raw)
		raw_bytes = compress(zstd, r->raw, r->raw_bytes, at + object_bytes, r->raw_bytes);
	if (object_bytes == 0 || (r->raw && raw_bytes == 0))
		return false;
	row->coding = STORE_CODING_ZSTD;
	row->object.data = at;
	row->object.bytes = object_bytes;
	row->raw.data = r->raw ? at + object_bytes : NULL;
	row->raw.bytes = raw_bytes;
	return true;
}

int store_row_pack(const struct store_result *result, struct store_row *ret, struct err *err)
{
	*ret = (struct store_row){
		.told = *result,
		.object_bytes = result->object_bytes,
		.raw_bytes = result->raw ? result->raw_bytes : 0,
		.object = { result->object, result->object_bytes },
		.raw = { result->raw, result->raw_bytes },
		.memory = malloc(result->object_bytes + result->raw_bytes + 1),
	};
	if (!ret->memory)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a result");
	pack(ret, result);
	if (!digest_row(ret, ret->digest)) {
		store_row_end(ret);
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "digest a result");
	}
	return 0;
}

void store_row_end(struct store_row *row)
{
	free(row->memory);
	row->memory = NULL;
}

/* --- unpacking ------------------------------------------------------------------------------------ */

static int decompress(const void *in, size_t bytes, char *out, size_t out_bytes, struct err *err)
{
	const struct libzstd *zstd;
	int r = libzstd_get(&zstd, err);
	ZSTD_DCtx *d = r == 0 ? zstd->createDCtx() : NULL;
	ZSTD_inBuffer from = { in, bytes, 0 };
	ZSTD_outBuffer to = { out, out_bytes, 0 };
	size_t left;

	if (r < 0)
		return r;
	if (!d)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "decompress a result");
	zstd->DCtx_setParameter(d, ZSTD_d_windowLogMax, WINDOW_LOG);
	left = zstd->decompressStream(d, &to, &from);
	zstd->freeDCtx(d);
	return left == 0 && to.pos == out_bytes && from.pos == bytes
	               ? 0
	               : ERR_SET(err, -EBADMSG, ERR_SYS, 0, "decompress a result");
}

static int decode(const struct store_row *row, const void *in, size_t bytes, char *out,
                  size_t out_bytes, struct err *err)
{
	if (row->coding == STORE_CODING_ZSTD)
		return decompress(in, bytes, out, out_bytes, err);
	if (bytes != out_bytes)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "read a result: its length is another");
	memcpy(out, in, bytes);
	return 0;
}

int store_row_unpack(const struct store_row *row, bool with_raw, struct store_result **ret,
                     struct err *err)
{
	const char *info = row->told.connection_info;
	size_t info_bytes = info ? strlen(info) + 1 : 0;
	CLEANUP(freep) struct store_result *r = NULL;
	char *at;
	int e;

	with_raw = with_raw && row->raw.data;
	if (row->object_bytes > STORE_OBJECT_BYTES_MAX || row->raw_bytes > STORE_RAW_BYTES_MAX ||
	    !store_row_is_whole(row))
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
		               "read a result: it is not what was stored");
	r = malloc(sizeof(*r) + info_bytes + row->object_bytes + 1 +
	           (with_raw ? row->raw_bytes + 1 : 0));
	if (!r)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate a result");
	*r = row->told;
	at = (char *)(r + 1);
	r->connection_info = info ? memcpy(at, info, info_bytes) : NULL;
	at += info_bytes;
	r->object = at;
	r->object_bytes = row->object_bytes;
	e = decode(row, row->object.data, row->object.bytes, at, row->object_bytes, err);
	at[row->object_bytes] = '\0';
	at += row->object_bytes + 1;
	r->raw = with_raw ? at : NULL;
	r->raw_bytes = row->raw_bytes;
	if (with_raw && e == 0) {
		e = decode(row, row->raw.data, row->raw.bytes, at, row->raw_bytes, err);
		at[row->raw_bytes] = '\0';
	}
	if (e == 0)
		*ret = TAKE(r, NULL);
	return e;
}
