/* A result as a row of the store: its texts compressed, and a digest over all that is not to change, because the
 * pages of the file carry none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/store.h"

struct err;

#define STORE_DIGEST_BYTES 16 /* the first of SHA-256 */

enum store_coding { STORE_CODING_PLAIN, STORE_CODING_ZSTD };

struct store_row {
	struct store_result
		told; /* object and raw are not of it, nor is what delivery says of the digest */
	enum store_coding coding;
	size_t object_bytes, raw_bytes; /* decoded */
	struct {
		const void *data; /* as it stands in the row; NULL: NULL */
		size_t bytes;
	} object, raw;
	uint8_t digest[STORE_DIGEST_BYTES];
	void *memory; /* of object and raw, where they were packed here */
};

/* Compresses, unless libzstd is not there or nothing is won; and makes the digest.  -ENOMEM */
int store_row_pack(const struct store_result *result, struct store_row *ret, struct err *err);
void store_row_end(struct store_row *row);

bool store_row_is_whole(const struct store_row *row);

/* The result again, one block for free(3); raw only where it is asked for.
 *   -EBADMSG  not whole;  -ENOPKG, -ENOMEM */
int store_row_unpack(const struct store_row *row, bool with_raw, struct store_result **ret,
                     struct err *err);

/* The first 16 bytes of SHA-256. */
void store_digest(const void *data, size_t bytes, uint8_t ret[STORE_DIGEST_BYTES]);
