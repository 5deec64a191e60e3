#include "transport/ws.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "tests/ws_log.h"

/* Bytes as they are written in the rows: hexadecimal pairs, 'text', and XX*N for a byte N times. */
static size_t bytes_of(const char *notation, uint8_t *out, size_t out_bytes)
{
	size_t n = 0;

	for (const char *p = notation; *p;) {
		if (*p == ' ') {
			p++;
		} else if (*p == '\'') {
			for (p++; *p != '\''; p++)
				out[n++] = (uint8_t)*p;
			p++;
		} else {
			char pair[] = { p[0], p[1], '\0' };
			size_t times = 1;

			p += 2;
			if (*p == '*')
				times = strtoul(p + 1, (char **)&p, 10);
			assert_true(n + times < out_bytes);
			memset(out + n, (int)strtoul(pair, NULL, 16), times);
			n += times;
		}
	}
	return n;
}

#define DOTS_25 "........................."

static struct decode_case {
	const char *name;
	enum ws_role role; /* ours */
	const char *in;
	const char *want; /* see tests/ws_log.h */
	enum ws_binary binary;
	size_t text_bytes;          /* 0: 64 */
	uint64_t message_bytes_max; /* 0: 1000 */
	bool any_text;
} decode_cases[] = {
	{ "nothing", WS_CLIENT, "", .want = "" },
	{ "text", WS_CLIENT, "81 05 'hello'", .want = "text 5 \"hello\"" },
	{ "empty text", WS_CLIENT, "81 00", .want = "text 0 \"\"" },
	{ "binary", WS_CLIENT, "82 03 010203", .want = "binary 3 (3 whole)" },
	{ "binary, 1 byte (N19)", WS_CLIENT, "82 01 00", .want = "binary 1 (1 whole)" },
	{ "empty binary", WS_CLIENT, "82 00", .want = "binary 0 (0 whole)" },
	{ "16-bit length", WS_CLIENT, "82 7e 0100 00*256", .want = "binary 256 (256 whole)" },
	{ "64-bit length", WS_CLIENT, "82 7f 00*5 010000 00*65536",
	  .want = "binary 65536 (65536 whole)", .message_bytes_max = 1 << 16 },
	{ "payload cut short", WS_CLIENT, "82 05 0102", .want = "binary 2 (2 so far)" },
	{ "text cut short", WS_CLIENT, "81 05 'he'", .want = "" },
	{ "header cut short", WS_CLIENT, "82 00 81", .want = "binary 0 (0 whole)" },

	{ "masked text", WS_SERVER, "81 85 37fa213d 7f9f4d5158", .want = "text 5 \"Hello\"" },
	{ "masked text, buffer full at 3", WS_SERVER, "81 85 37fa213d 7f9f4d5158",
	  .want = "text 5 \"Hel\"", .text_bytes = 3 },
	{ "masked ping", WS_SERVER, "89 82 01020304 6967", .want = "ping \"he\"" },
	{ "masked binary is not looked at", WS_SERVER, "82 83 01020304 000000",
	  .want = "binary 3 (3 whole)" },

	{ "delivered", WS_CLIENT, "82 03 'abc'", .want = "binary 3 \"abc\" (3 whole)",
	  .binary = WS_BINARY_DELIVER },
	{ "delivered, masked", WS_SERVER, "82 85 37fa213d 7f9f4d5158",
	  .want = "binary 5 \"Hello\" (5 whole)", .binary = WS_BINARY_DELIVER },
	{ "delivered in pieces of 2, masked", WS_SERVER, "82 85 37fa213d 7f9f4d5158",
	  .want = "binary 5 \"Hello\" (5 whole)", .binary = WS_BINARY_DELIVER, .text_bytes = 2 },
	{ "delivered, fragments", WS_CLIENT, "02 03 'abc' 80 01 'd'",
	  .want = "binary 4 \"abcd\" (4 whole)", .binary = WS_BINARY_DELIVER },
	{ "delivered, empty", WS_CLIENT, "82 00", .want = "binary 0 \"\" (0 whole)",
	  .binary = WS_BINARY_DELIVER },

	{ "text in two fragments", WS_CLIENT, "01 03 'hel' 80 02 'lo'",
	  .want = "text 5 \"hello\"" },
	{ "text in three, masked apart", WS_SERVER,
	  "01 81 01010101 69 00 81 02020202 67 80 81 03030303 6f", .want = "text 3 \"hel\"" },
	{ "text of empty fragments", WS_CLIENT, "01 00 00 00 80 00", .want = "text 0 \"\"" },
	{ "binary in fragments, the last empty (N21)", WS_CLIENT, "02 03 010203 80 00",
	  .want = "binary 3 (3 whole)" },
	{ "binary, empty fragments around one byte", WS_CLIENT, "02 00 00 01 ff 00 00 80 00",
	  .want = "binary 1 (1 whole)" },
	{ "ping between two fragments (N17)", WS_CLIENT, "02 02 0102 89 01 'p' 80 01 03",
	  .want = "binary 2 (2 so far); ping \"p\"; binary 1 (3 whole)" },
	{ "ping and pong inside a text", WS_CLIENT, "01 01 'a' 89 00 8a 01 'q' 80 01 'b'",
	  .want = "ping \"\"; pong \"q\"; text 2 \"ab\"" },
	{ "ping inside a character", WS_CLIENT, "01 01 c3 89 00 80 01 a4",
	  .want = "ping \"\"; text 2 \"<c3><a4>\"" },
	{ "fragments of 4096 with pings between (N65)", WS_SERVER,
	  "02 fe 1000 01020304 aa*4096 89 80 01020304 00 fe 1000 01020304 aa*4096 89 80 00000000 "
	  "80 fe 1000 01020304 aa*4096",
	  .want = "binary 4096 (4096 so far); ping \"\"; binary 4096 (8192 so far); ping \"\"; "
	          "binary 4096 (12288 whole)",
	  .message_bytes_max = 12288 },
	{ "two messages", WS_CLIENT, "82 01 00 81 01 'a'",
	  .want = "binary 1 (1 whole); text 1 \"a\"" },

	{ "ping, empty", WS_CLIENT, "89 00", .want = "ping \"\"" },
	{ "pong", WS_CLIENT, "8a 02 '42'", .want = "pong \"42\"" },
	{ "ping of 125 bytes", WS_CLIENT, "89 7d '....' 2e*121",
	  .want = "ping \"" DOTS_25 DOTS_25 DOTS_25 DOTS_25 DOTS_25 "\"" },
	{ "ping of 126 bytes (N14)", WS_CLIENT, "89 7e 007e", .want = "refused 1002" },
	{ "ping, fragmented (N14)", WS_CLIENT, "09 00", .want = "refused 1002" },

	{ "continuation of nothing", WS_CLIENT, "80 01 00", .want = "refused 1002" },
	{ "continuation of nothing, not the last", WS_CLIENT, "00 00", .want = "refused 1002" },
	{ "continuation behind a whole message", WS_CLIENT, "82 01 00 80 01 00",
	  .want = "binary 1 (1 whole); refused 1002" },
	{ "continuation behind a ping", WS_CLIENT, "89 00 80 00",
	  .want = "ping \"\"; refused 1002" },
	{ "text inside a binary message", WS_CLIENT, "02 01 00 81 00",
	  .want = "binary 1 (1 so far); refused 1002" },
	{ "binary inside a text", WS_CLIENT, "01 01 'a' 82 00", .want = "refused 1002" },
	{ "text inside a text", WS_CLIENT, "01 01 'a' 01 00", .want = "refused 1002" },
	{ "masked to a client (N14)", WS_CLIENT, "82 81 01020304 00", .want = "refused 1002" },
	{ "unmasked to a server (N63)", WS_SERVER, "82 01 00", .want = "refused 1002" },
	{ "unmasked ping to a server", WS_SERVER, "89 00", .want = "refused 1002" },
	{ "RSV1 (N14)", WS_CLIENT, "c2 01 00", .want = "refused 1002" },
	{ "RSV1 to a server (N63)", WS_SERVER, "c2 81 01020304 00", .want = "refused 1002" },
	{ "RSV3 on a continuation", WS_CLIENT, "02 01 00 90 00",
	  .want = "binary 1 (1 so far); refused 1002" },
	{ "opcode 3 (N14)", WS_CLIENT, "83 00", .want = "refused 1002" },
	{ "opcode 0xB (N14)", WS_CLIENT, "8b 00", .want = "refused 1002" },
	{ "length not in its shortest form", WS_CLIENT, "82 7e 0005", .want = "refused 1002" },
	{ "length with the top bit", WS_CLIENT, "82 7f 80 00*7", .want = "refused 1002" },
	{ "what came before stays valid", WS_CLIENT, "81 01 'a' 82 05 0102030405 ff",
	  .want = "text 1 \"a\"; binary 5 (5 whole); refused 1002" },

	{ "message of the greatest size", WS_CLIENT, "82 7e 03e8 00*1000",
	  .want = "binary 1000 (1000 whole)" },
	{ "one more, known from the header (N20)", WS_CLIENT, "82 7e 03e9",
	  .want = "refused 1009" },
	{ "of 8 exabytes", WS_CLIENT, "82 7f 7f ff*7", .want = "refused 1009" },
	{ "greatest size in fragments", WS_CLIENT, "02 05 00*5 80 05 00*5",
	  .want = "binary 10 (10 whole)", .message_bytes_max = 10 },
	{ "one more in fragments (N20)", WS_CLIENT, "02 05 00*5 80 06 00*6",
	  .want = "binary 5 (5 so far); refused 1009", .message_bytes_max = 10 },
	{ "fragments that would overflow", WS_CLIENT, "02 05 00*5 80 7f 7f ff*7",
	  .want = "binary 5 (5 so far); refused 1009", .message_bytes_max = UINT64_MAX >> 2 },
	{ "text above the ceiling (N20)", WS_CLIENT, "81 0b", .want = "refused 1009",
	  .message_bytes_max = 10 },
	{ "a ping does not count", WS_CLIENT, "02 0a 00*10 89 01 'p' 80 00",
	  .want = "binary 10 (10 so far); ping \"p\"; binary 0 (10 whole)",
	  .message_bytes_max = 10 },

	{ "text that fills the buffer", WS_CLIENT, "81 04 'abcd'", .want = "text 4 \"abcd\"",
	  .text_bytes = 4 },
	{ "text longer than the buffer", WS_CLIENT, "81 05 'abcde'", .want = "text 5 \"abcd\"",
	  .text_bytes = 4 },
	{ "cut on a character", WS_CLIENT, "81 05 'ab' e282ac", .want = "text 5 \"ab\"",
	  .text_bytes = 4 },
	{ "no buffer at all", WS_CLIENT, "81 03 'abc'", .want = "text 3 \"\"",
	  .text_bytes = SIZE_MAX },
	{ "much longer, in fragments", WS_CLIENT, "01 7e 012c 61*300 80 7e 012c 62*300",
	  .want = "text 600 \"aaaa\"", .text_bytes = 4 },
	{ "broken behind the buffer", WS_CLIENT, "81 06 'abcde' ff", .want = "refused 1007",
	  .text_bytes = 4 },
	{ "a next text begins anew", WS_CLIENT, "81 05 'abcde' 81 01 'f'",
	  .want = "text 5 \"abcd\"; text 1 \"f\"", .text_bytes = 4 },

	{ "text of two-byte characters", WS_CLIENT, "81 04 c3a4c3b6",
	  .want = "text 4 \"<c3><a4><c3><b6>\"" },
	{ "a character across fragments", WS_CLIENT, "01 02 e282 80 01 ac",
	  .want = "text 3 \"<e2><82><ac>\"" },
	{ "invalid byte", WS_CLIENT, "81 03 'a' ff 'b'", .want = "refused 1007" },
	{ "invalid byte, the rest not awaited", WS_CLIENT, "81 7e 03e8 'a' ff",
	  .want = "refused 1007" },
	{ "surrogate, known from its second byte", WS_CLIENT, "81 03 eda0",
	  .want = "refused 1007" },
	{ "ends inside a character", WS_CLIENT, "81 01 c3", .want = "refused 1007" },
	{ "last fragment ends inside one", WS_CLIENT, "01 02 'a' c3 80 00",
	  .want = "refused 1007" },
	{ "invalid across fragments", WS_CLIENT, "01 01 f4 00 01 90", .want = "refused 1007" },
	{ "invalid, masked", WS_SERVER, "81 81 01010101 fe", .want = "refused 1007" },
	{ "binary is not checked", WS_CLIENT, "82 02 ffff", .want = "binary 2 (2 whole)" },
	{ "nor is any text, where its reader judges (N25)", WS_CLIENT,
	  "81 03 'a' ff 'b' 01 01 f4 00 01 90 80 00", .any_text = true,
	  .want = "text 3 \"a<ff>b\"; text 2 \"<f4><90>\"" },
	{ "any text, longer than the buffer (N25)", WS_CLIENT, "81 05 'abc' e282", .any_text = true,
	  .want = "text 5 \"abc<e2>\"", .text_bytes = 4 },
	{ "a reason is checked all the same", WS_CLIENT, "88 03 03e8 ff", .any_text = true,
	  .want = "refused 1007" },

	{ "close, empty", WS_CLIENT, "88 00", .want = "close 1005 \"\"" },
	{ "close 1000", WS_CLIENT, "88 02 03e8", .want = "close 1000 \"\"" },
	{ "close with a reason", WS_CLIENT, "88 05 03e9 'bye'", .want = "close 1001 \"bye\"" },
	{ "close, masked", WS_SERVER, "88 82 01020304 02ea", .want = "close 1000 \"\"" },
	{ "what follows a close is dropped", WS_CLIENT, "88 00 ffff 81 01 'a'",
	  .want = "close 1005 \"\"" },
	{ "close inside a message", WS_CLIENT, "02 01 00 88 00",
	  .want = "binary 1 (1 so far); close 1005 \"\"" },
	{ "close of 1 byte", WS_CLIENT, "88 01 03", .want = "refused 1002" },
	{ "close with broken UTF-8", WS_CLIENT, "88 03 03e8 ff", .want = "refused 1007" },
	{ "close with half a character", WS_CLIENT, "88 04 03e8 'a' c3", .want = "refused 1007" },
};

static uint8_t in[1 << 17];
static struct ws_log whole, cut;

static const char *log_of(const struct decode_case *c, size_t n, struct ws_log *log,
                          struct ws_log_feed feed)
{
	struct ws_decoder_options options = {
		.role = c->role,
		.message_bytes_max = c->message_bytes_max ? c->message_bytes_max : 1000,
		.text_bytes = c->text_bytes == SIZE_MAX ? 0
		              : c->text_bytes           ? c->text_bytes
		                                        : 64,
		.binary = c->binary,
		.any_text = c->any_text,
	};

	return ws_log_run(log, &options, in, n, feed);
}

/* Whole, byte by byte, in two pieces cut everywhere, and with the payload skipped. */
static void decoder_answers(void **state)
{
	const struct decode_case *c = *state;
	size_t n = bytes_of(c->in, in, sizeof(in));
	size_t step = n > 1000 ? 251 : 1;

	for (int skip = 0; skip < 2; skip++) {
		assert_string_equal(
			log_of(c, n, &whole, (struct ws_log_feed){ n, n, .skip = skip }), c->want);
		assert_string_equal(log_of(c, n, &cut, (struct ws_log_feed){ 1, 1, .skip = skip }),
		                    c->want);
		for (size_t at = 1; at < n; at += at < 1000 ? 1 : step)
			assert_string_equal(
				log_of(c, n, &cut, (struct ws_log_feed){ at, n, .skip = skip }),
				c->want);
	}
}

static struct code_case {
	const char *name;
	uint16_t first, last;
	bool taken;
} code_cases[] = {
	{ "below 1000", 0, 999, false },
	{ "1000 to 1003", 1000, 1003, true },
	{ "1004, 1005 and 1006 are not sent", 1004, 1006, false },
	{ "1007 to 1014", 1007, 1014, true },
	{ "1015 is not sent", 1015, 1015, false },
	{ "1016 to 2999 are nobody's", 1016, 2999, false },
	{ "3000 to 4999 are applications'", 3000, 4999, true },
	{ "5000 and above", 5000, 65535, false },
};

static void close_code_is_judged(void **state)
{
	const struct code_case *c = *state;

	for (uint32_t code = c->first; code <= c->last; code++) {
		const uint8_t frame[] = { 0x88, 2, (uint8_t)(code >> 8), (uint8_t)code };
		struct ws_decoder_options options = { .role = WS_CLIENT };
		const uint8_t *at = frame;
		size_t n = sizeof(frame);
		struct ws_event event = {};
		struct ws_decoder d;

		ws_decoder_init(&d, &options);
		assert_int_equal(ws_decoder_next(&d, &at, &n, &event, NULL),
		                 c->taken ? WS_OK : -EPROTO);
		assert_int_equal(event.code, c->taken ? code : 0);
		assert_int_equal(d.close_code, c->taken ? 0 : WS_CLOSE_PROTOCOL);
	}
}

static struct size_case {
	const char *name;
	uint64_t bytes;
	bool taken;
} size_cases[] = {
	{ "2^20 (N19)", 1 << 20, true },
	{ "2^20 + 1 (N19)", (1 << 20) + 1, true },
	{ "2^24 (N19, N64)", 1 << 24, true },
	{ "2^24 + 1 (N20, N64)", (1 << 24) + 1, false },
};

/* Messages of the sizes ndt7 knows, in frames of 4096 bytes and in one, under its ceiling. */
static void ndt7_sizes(void **state)
{
	static const uint8_t zeros[4096];
	const struct size_case *c = *state;

	for (int fragmented = 0; fragmented < 2; fragmented++) {
		struct ws_decoder_options options = { .message_bytes_max = 1 << 24 };
		struct ws_decoder d;
		struct ws_event event = {};
		uint64_t left = c->bytes, counted = 0;
		int r = WS_NEED_MORE;

		ws_decoder_init(&d, &options);
		for (bool begun = false; left > 0 && r >= 0; begun = true) {
			struct ws_header h = {
				.payload_bytes = fragmented && left > 4096 ? 4096 : left,
				.opcode = begun ? WS_CONTINUATION : WS_BINARY,
			};
			uint8_t header[WS_HEADER_MAX];
			const uint8_t *at = header;
			size_t n;

			h.fin = h.payload_bytes == left;
			n = ws_frame_encode(&h, header);
			r = ws_decoder_next(&d, &at, &n, &event, NULL);
			for (uint64_t passed = 0; passed < h.payload_bytes && r >= 0;
			     passed += event.n) {
				at = zeros;
				n = sizeof(zeros);
				if (n > h.payload_bytes - passed)
					n = (size_t)(h.payload_bytes - passed);
				r = ws_decoder_next(&d, &at, &n, &event, NULL);
				counted += event.n;
			}
			left -= h.payload_bytes;
		}
		assert_int_equal(r, c->taken ? WS_OK : -EPROTO);
		assert_int_equal(d.close_code, c->taken ? 0 : WS_CLOSE_TOO_BIG);
		assert_int_equal(event.last, c->taken);
		if (c->taken)
			assert_int_equal(counted, c->bytes);
	}
}

static void skip_is_for_binary_payload_only(void **state)
{
	struct ws_decoder_options options = { .role = WS_CLIENT, .message_bytes_max = 100 };
	const uint8_t frames[] = { 0x82, 5, 1, 2, 0x81, 2, 'a' };
	const uint8_t *at = frames;
	struct ws_event event;
	struct ws_decoder d;
	size_t n = 4;

	(void)state;
	ws_decoder_init(&d, &options);
	assert_int_equal(ws_decoder_skippable(&d), 0);
	assert_int_equal(ws_decoder_skip(&d, 0, &event, NULL), WS_NEED_MORE);
	assert_int_equal(ws_decoder_next(&d, &at, &n, &event, NULL), WS_OK);
	assert_int_equal(ws_decoder_skippable(&d), 3);
	assert_int_equal(ws_decoder_skip(&d, 4, &event, NULL), -EINVAL);
	assert_int_equal(ws_decoder_skip(&d, 2, &event, NULL), WS_OK);
	assert_false(event.last);
	assert_int_equal(ws_decoder_skip(&d, 1, &event, NULL), WS_OK);
	assert_true(event.last && event.n == 1 && event.message_bytes == 5);
	n = 3;
	assert_int_equal(ws_decoder_next(&d, &at, &n, &event, NULL), WS_NEED_MORE);
	assert_int_equal(ws_decoder_skippable(&d), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(skip_is_for_binary_payload_only),
	};
	int failed = CASES_RUN(decoder_answers, decode_cases);

	failed += CASES_RUN(close_code_is_judged, code_cases);
	failed += CASES_RUN(ndt7_sizes, size_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
