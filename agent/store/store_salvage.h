/* The results in a store's file that SQLite will not read any more: every page is looked at by itself, and a row
 * counts if its digest says that it is whole. Pure over the bytes; fuzzed.
 *
 * https://www.sqlite.org/fileformat2.html has the format; pages of a store are 4096 bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/store/store_row.h"

struct err;

#define STORE_PAGE_BYTES 4096

/* Where bytes come from: `at` of the file or of its write-ahead log. Answers how many there were. */
struct store_bytes {
	size_t (*read)(void *self, uint64_t at, void *into, size_t bytes);
	void *self;
	uint64_t bytes;
};

/* visit() gets each row that is whole, perhaps more than once, with its rowid and with the word of its delivery as
 * far as it is one (else STORE_WAITING and *doubtful); below 0 it ends the walk.
 * *ret_damaged counts what looked like a row and was not whole.  -ENOMEM, or what visit() answered */
int store_salvage(const struct store_bytes *file, const struct store_bytes *log,
                  int (*visit)(void *self, int64_t rowid, const struct store_row *row,
                               bool doubtful, struct err *err),
                  void *self, uint64_t *ret_damaged, struct err *err);
