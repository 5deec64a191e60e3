/* Any bytes as a store's file and its log: what is salvaged is whole by its digest, nothing is read beyond an end,
 * every walk ends, and a row that was packed is got back. Input: two bytes of the file's length in units of 64,
 * then file and log. The corpus has stores with results. */
#include <stdlib.h>
#include <string.h>

#include "agent/store/store_salvage.h"
#include "transport/base/err.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define FILE_MAX (64 * 1024)

struct memory {
	const uint8_t *at;
	size_t bytes;
};

static size_t read_memory(void *self, uint64_t at, void *into, size_t bytes)
{
	const struct memory *m = self;
	size_t n = at < m->bytes ? m->bytes - (size_t)at : 0;

	n = n < bytes ? n : bytes;
	if (n > 0)
		memcpy(into, m->at + at, n);
	return n;
}

static int visit(void *self, int64_t rowid, const struct store_row *row, bool doubtful,
                 struct err *err)
{
	struct store_result *r = NULL;
	int e = store_row_unpack(row, true, &r, err);

	(void)rowid;
	(void)doubtful;
	CHECK(store_row_is_whole(row));
	CHECK(strlen(row->told.id) == STORE_ID_BYTES - 1);
	CHECK(e < 0 || (r->object[r->object_bytes] == '\0'));
	free(r);
	++*(unsigned int *)self;
	return 0;
}

static void salvage(struct memory file, struct memory log)
{
	struct store_bytes file_bytes = { read_memory, &file, file.bytes };
	struct store_bytes log_bytes = { read_memory, &log, log.bytes };
	unsigned int found = 0;
	uint64_t damaged;
	struct err err = {};

	CHECK(store_salvage(&file_bytes, &log_bytes, visit, &found, &damaged, &err) == 0);
	CHECK(found <= file.bytes + log.bytes);
}

static void check_pack(const uint8_t *data, size_t n)
{
	const struct store_result told = { .object = (const char *)data, .object_bytes = n };
	struct store_result *r = NULL;
	struct store_row row;

	CHECK(store_row_pack(&told, &row, NULL) == 0);
	CHECK(store_row_unpack(&row, true, &r, NULL) == 0);
	CHECK(r->object_bytes == n && memcmp(r->object, data, n) == 0);
	free(r);
	row.object_bytes++;
	CHECK(store_row_unpack(&row, true, &r, NULL) < 0); /* its digest is another */
	store_row_end(&row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t file_bytes;

	if (n < 2 || n > FILE_MAX)
		return 0;
	file_bytes = (size_t)(data[0] | data[1] << 8) * 64;
	data += 2;
	n -= 2;
	if (file_bytes > n)
		file_bytes = n;
	salvage((struct memory){ data, file_bytes },
	        (struct memory){ data + file_bytes, n - file_bytes });
	if (n > 0 && n < 4096)
		check_pack(data, n);
	return 0;
}
