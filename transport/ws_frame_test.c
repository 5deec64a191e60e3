#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/ws.h"

static struct header_case {
	const char *name;
	uint8_t in[WS_HEADER_MAX];
	size_t n;
	int want;
	struct ws_header want_header; /* without the mask, which is 1 2 3 4 where there is one */
} header_cases[] = {
	{ "nothing", {}, 0, WS_NEED_MORE, {} },
	{ "one byte", { 0x81 }, 1, WS_NEED_MORE, {} },
	{ "text, 5 bytes", { 0x81, 5 }, 2, WS_OK, { 5, WS_TEXT, true, false, {}, 2 } },
	{ "binary, empty, not the last",
	  { 0x02, 0 },
	  2,
	  WS_OK,
	  { 0, WS_BINARY, false, false, {}, 2 } },
	{ "7-bit length at its end",
	  { 0x82, 125 },
	  2,
	  WS_OK,
	  { 125, WS_BINARY, true, false, {}, 2 } },
	{ "16-bit length cut short", { 0x82, 126, 0x20 }, 3, WS_NEED_MORE, {} },
	{ "16-bit length at its begin",
	  { 0x82, 126, 0, 126 },
	  4,
	  WS_OK,
	  { 126, WS_BINARY, true, false, {}, 4 } },
	{ "16-bit length at its end",
	  { 0x82, 126, 0xFF, 0xFF },
	  4,
	  WS_OK,
	  { 65535, WS_BINARY, true, false, {}, 4 } },
	{ "16-bit length that 7 bits hold", { 0x82, 126, 0, 125 }, 4, -EPROTO, {} },
	{ "64-bit length cut short", { 0x82, 127, 0, 0, 0, 0, 0, 1, 0 }, 9, WS_NEED_MORE, {} },
	{ "64-bit length at its begin",
	  { 0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0 },
	  10,
	  WS_OK,
	  { 65536, WS_BINARY, true, false, {}, 10 } },
	{ "64-bit length at its end",
	  { 0x82, 127, 127, 255, 255, 255, 255, 255, 255, 255 },
	  10,
	  WS_OK,
	  { INT64_MAX, WS_BINARY, true, false, {}, 10 } },
	{ "64-bit length that 16 bits hold",
	  { 0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF },
	  10,
	  -EPROTO,
	  {} },
	{ "64-bit length of 0", { 0x82, 127 }, 10, -EPROTO, {} },
	{ "length with the top bit", { 0x82, 127, 0x80, 0, 0, 0, 0, 1 }, 10, -EPROTO, {} },
	{ "masked", { 0x89, 0x84, 1, 2, 3, 4 }, 6, WS_OK, { 4, WS_PING, true, true, {}, 6 } },
	{ "mask cut short", { 0x89, 0x84, 1, 2, 3 }, 5, WS_NEED_MORE, {} },
	{ "masked, 16-bit length",
	  { 0x82, 0xFE, 0x10, 0, 1, 2, 3, 4 },
	  8,
	  WS_OK,
	  { 4096, WS_BINARY, true, true, {}, 8 } },
	{ "masked, 64-bit length",
	  { 0x02, 0xFF, 0, 0, 0, 0, 0, 16, 0, 0, 1, 2, 3, 4 },
	  14,
	  WS_OK,
	  { 1 << 20, WS_BINARY, false, true, {}, 14 } },
	{ "RSV1, known from the first byte (N14)", { 0xC2 }, 1, -EPROTO, {} },
	{ "RSV2 (N14)", { 0xA2, 0 }, 2, -EPROTO, {} },
	{ "RSV3 (N14)", { 0x92, 0 }, 2, -EPROTO, {} },
	{ "RSV1 on a ping", { 0xC9, 0 }, 2, -EPROTO, {} },
	{ "opcode 3 (N14)", { 0x83, 0 }, 2, -EPROTO, {} },
	{ "opcode 7 (N14)", { 0x87, 0 }, 2, -EPROTO, {} },
	{ "opcode 0xB (N14)", { 0x8B, 0 }, 2, -EPROTO, {} },
	{ "opcode 0xF (N14)", { 0x8F, 0 }, 2, -EPROTO, {} },
	{ "close, fragmented (N14)", { 0x08, 0 }, 2, -EPROTO, {} },
	{ "ping, fragmented (N14)", { 0x09, 0 }, 2, -EPROTO, {} },
	{ "pong, fragmented (N14)", { 0x0A, 0 }, 2, -EPROTO, {} },
	{ "ping of 126 bytes (N14)", { 0x89, 126 }, 2, -EPROTO, {} },
	{ "close of 64-bit length (N14)", { 0x88, 127 }, 2, -EPROTO, {} },
};

static void header_parses(void **state)
{
	static const uint8_t mask[4] = { 1, 2, 3, 4 };
	const struct header_case *c = *state;
	struct ws_header h = { .payload_bytes = 77 };
	struct err err = {};

	assert_int_equal(ws_header_parse(c->in, c->n, &h, &err), c->want);
	if (c->want != WS_OK) {
		assert_int_equal(h.payload_bytes, 77);
		assert_int_equal(err.detail, c->want < 0 ? WS_CLOSE_PROTOCOL : 0);
		return;
	}
	assert_int_equal(h.payload_bytes, c->want_header.payload_bytes);
	assert_int_equal(h.opcode, c->want_header.opcode);
	assert_int_equal(h.fin, c->want_header.fin);
	assert_int_equal(h.masked, c->want_header.masked);
	assert_int_equal(h.header_bytes, c->want_header.header_bytes);
	assert_memory_equal(h.mask, h.masked ? mask : (uint8_t[4]){}, 4);
}

/* What was parsed is encoded to the bytes it came from. */
static void header_encodes(void **state)
{
	const struct header_case *c = *state;
	struct ws_header h;
	uint8_t out[WS_HEADER_MAX];

	if (c->want != WS_OK)
		return;
	assert_int_equal(ws_header_parse(c->in, c->n, &h, NULL), WS_OK);
	assert_int_equal(ws_frame_encode(&h, out), c->n);
	assert_memory_equal(out, c->in, c->n);
}

/* Every length up to two turns of the widest loop, at every alignment and offset into the key. */
static void mask_equals_byte_by_byte(void **state)
{
	static const uint8_t mask[4] = { 0x37, 0xFA, 0x21, 0x3D };
	uint8_t data[16 + 160];

	(void)state;
	for (size_t at = 0; at < 16; at++) {
		for (size_t n = 0; n <= 160 - 16; n++) {
			uint64_t offset = (at * 7 + n) + ((uint64_t)1 << 33);

			for (size_t i = 0; i < sizeof(data); i++)
				data[i] = (uint8_t)(i * 31);
			ws_mask(data + at, n, mask, offset);
			for (size_t i = 0; i < sizeof(data); i++) {
				bool inside = i >= at && i < at + n;
				uint8_t key = inside ? mask[(offset + i - at) % 4] : 0;

				assert_int_equal(data[i], (uint8_t)(i * 31) ^ key);
			}
		}
	}
}

static void small_frame_is_masked_with_a_fresh_key(void **state)
{
	uint8_t a[WS_HEADER_MAX + 2], b[WS_HEADER_MAX + 2];
	struct ws_header h;

	(void)state;
	assert_int_equal(ws_small_frame(WS_CLIENT, WS_PONG, "hi", 2, a, sizeof(a)), 8);
	assert_int_equal(ws_small_frame(WS_CLIENT, WS_PONG, "hi", 2, b, sizeof(b)), 8);
	assert_memory_not_equal(a + 2, b + 2, 4); /* once in 2^32 runs this fails */
	assert_int_equal(ws_header_parse(a, 8, &h, NULL), WS_OK);
	assert_true(h.masked && h.fin && h.opcode == WS_PONG);
	ws_mask(a + 6, 2, h.mask, 0);
	assert_memory_equal(a + 6, "hi", 2);
}

static void small_frame_of_a_server_is_plain(void **state)
{
	uint8_t out[WS_HEADER_MAX];

	(void)state;
	assert_int_equal(ws_small_frame(WS_SERVER, WS_CLOSE, NULL, 0, out, sizeof(out)), 2);
	assert_memory_equal(out, "\x88", 2);
	assert_int_equal(ws_small_frame(WS_SERVER, WS_PONG, "x", 1, out, sizeof(out)), 0);
	assert_int_equal(ws_small_frame(WS_SERVER, WS_PONG, NULL, 0, out, sizeof(out) - 1), 0);
}

#define A10  "aaaaaaaaaa"
#define A120 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10

static struct close_case {
	const char *name;
	uint16_t code;
	const char *reason;
	size_t want;
} close_cases[] = {
	{ "no code is an empty payload", WS_CLOSE_NONE, "not said", 0 },
	{ "a code alone", WS_CLOSE_NORMAL, NULL, 2 },
	{ "an empty reason", WS_CLOSE_NORMAL, "", 2 },
	{ "a reason", WS_CLOSE_GOING_AWAY, "bye", 5 },
	{ "a reason that just fits", WS_CLOSE_PROTOCOL, A120 "aaa", 125 },
	{ "a reason too long by one", WS_CLOSE_PROTOCOL, A120 "aaab", 125 },
	{ "a reason that ends in half a character", WS_CLOSE_PROTOCOL, A120 "aa\xC3\xA4", 124 },
	{ "a reason that ends in a whole one", WS_CLOSE_PROTOCOL, A120 "a\xC3\xA4z", 125 },
};

static void close_payload_fits(void **state)
{
	const struct close_case *c = *state;
	uint8_t out[WS_CONTROL_PAYLOAD_MAX];

	assert_int_equal(ws_close_payload(c->code, c->reason, out), c->want);
	if (c->want >= 2)
		assert_int_equal(bytes_load_be16(out), c->code);
	if (c->want > 2)
		assert_memory_equal(out + 2, c->reason, c->want - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mask_equals_byte_by_byte),
		cmocka_unit_test(small_frame_is_masked_with_a_fresh_key),
		cmocka_unit_test(small_frame_of_a_server_is_plain),
	};
	int failed = CASES_RUN(header_parses, header_cases);

	failed += CASES_RUN(header_encodes, header_cases);
	failed += CASES_RUN(close_payload_fits, close_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
