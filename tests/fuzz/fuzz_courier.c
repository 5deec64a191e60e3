/* Any bytes as a request's head and as what the courier says: what is taken lies inside the bytes, within its
 * ceilings, and means the same when it is written again. Input: the first byte chooses which of the two. */
#include <stdlib.h>
#include <string.h>

#include "agent/service/courier_frame.h"
#include "transport/base/err.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_head(const uint8_t *data, size_t n)
{
	static uint8_t again[COURIER_HEAD_BYTES_MAX];
	struct http_request q;
	struct err err = {};
	size_t bytes;

	if (courier_head_read(data, n, -1, &q, &err) < 0) {
		CHECK(err.text[0]);
		return;
	}
	CHECK(q.header_count <= HTTP_HEADERS_MAX && q.part_count <= HTTP_PARTS_MAX);
	CHECK(q.body.offset == n);
	for (size_t i = 0; i < q.part_count; i++)
		CHECK(q.parts[i].name && q.parts[i].content.offset >= n);
	CHECK(courier_head_write(&q, again, sizeof(again), &bytes, &err) == 0);
	CHECK(bytes == n && memcmp(again, data, n) == 0);
}

static void check_said(const uint8_t *data, size_t n)
{
	static uint8_t again[COURIER_SAID_BYTES_MAX];
	struct courier_said said, twice;
	size_t bytes;

	if (courier_said_read(data, n, &said, NULL) < 0)
		return;
	CHECK(said.answer.body_bytes <= COURIER_ANSWER_BYTES_MAX);
	CHECK(said.kind != COURIER_BODY || said.data + said.data_bytes == data + n);
	bytes = courier_said_write(&said, again);
	CHECK(bytes <= n && courier_said_read(again, bytes, &twice, NULL) == 0);
	CHECK(twice.kind == said.kind && twice.id == said.id && twice.code == said.code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0 || n > COURIER_SAID_BYTES_MAX)
		return 0;
	if (data[0] % 2)
		check_head(data + 1, n - 1);
	else
		check_said(data + 1, n - 1);
	return 0;
}
