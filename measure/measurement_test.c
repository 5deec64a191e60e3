#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/measurement.h"
#include "tests/cases.h"
#include "transport/base/err.h"

/* --- one member, many values --------------------------------------------------------------------- */

struct value_case {
	const char *name;
	const char *json; /* of TCPInfo.BytesSent */
	bool present;
	int64_t want;
};

static const struct value_case value_cases[] = {
	{ "integer", "1000", true, 1000 },
	{ "zero", "0", true, 0 },
	{ "negative", "-5", true, -5 },
	{ "N42: above 2^32", "4294967297", true, 4294967297 },
	{ "N42: above 2^53", "9007199254740993", true, 9007199254740993 },
	{ "the largest", "9223372036854775807", true, INT64_MAX },
	{ "the smallest", "-9223372036854775808", true, INT64_MIN },
	{ "above int64", "9223372036854775808", false, 0 },
	{ "2^64 - 1", "18446744073709551615", false, 0 },
	{ "no end of digits", "100000000000000000000000000000000000000000", false, 0 },
	{ "fraction", "1.5", false, 0 },
	{ "fraction that is whole", "1000.0", false, 0 },
	{ "exponent", "1e6", false, 0 },
	{ "string", "\"1000\"", false, 0 },
	{ "null", "null", false, 0 },
	{ "true", "true", false, 0 },
	{ "array", "[1000]", false, 0 },
	{ "object", "{\"BytesSent\":1000}", false, 0 },
	{ "nested garbage", "[{\"a\":[[],{}]},[[[\"]}\"]]]]", false, 0 },
};

static int parse(const char *json, struct measurement *ret)
{
	struct err err = {};
	int r = measurement_parse(json, strlen(json), ret, &err);

	assert_int_equal(err.code, r);
	return r;
}

/* The members before and behind it are read whatever it is. */
static void value_is_read(void **state)
{
	const struct value_case *c = *state;
	struct measurement m;
	char json[256];

	snprintf(json, sizeof(json), "{\"TCPInfo\":{\"RTT\":1,\"BytesSent\":%s,\"MinRTT\":2}}",
	         c->json);
	assert_int_equal(parse(json, &m), 0);
	assert_true(m.has_tcp_info);
	assert_int_equal(measurement_has(&m.tcp_info, MEASUREMENT_TCP_BytesSent), c->present);
	assert_true(m.tcp_info.bytes_sent == c->want);
	assert_int_equal(m.tcp_info.rtt_us, 1);
	assert_int_equal(m.tcp_info.min_rtt_us, 2);
	assert_true(measurement_has(&m.tcp_info, MEASUREMENT_TCP_MinRTT));
}

/* --- whole messages ------------------------------------------------------------------------------- */

#define HAS_CONNECTION 1
#define HAS_APP        2
#define HAS_BBR        4
#define HAS_TCP        8

struct message_case {
	const char *name;
	const char *json;
	int want; /* 0 or -EINVAL */
	int has;
};

static const struct message_case message_cases[] = {
	{ "N24: empty object", "{}", 0, 0 },
	{ "N24: trailing newline", "{\"TCPInfo\":{\"RTT\":1}}\n", 0, HAS_TCP },
	{ "white space everywhere", " \t\r\n{ \"TCPInfo\" : { \"RTT\" : 1 } } \r\n\t ", 0,
	  HAS_TCP },
	{ "N24: unknown keys", "{\"Zzz\":1,\"TCPInfo\":{\"Zzz\":[{}],\"RTT\":1},\"Y\":null}", 0,
	  HAS_TCP },
	{ "N24: null objects",
	  "{\"TCPInfo\":null,\"AppInfo\":null,\"BBRInfo\":null,\"ConnectionInfo\":null}", 0, 0 },
	{ "N24: no TCPInfo", "{\"AppInfo\":{\"NumBytes\":1,\"ElapsedTime\":2}}", 0, HAS_APP },
	{ "objects that are none", "{\"TCPInfo\":5,\"AppInfo\":[1],\"BBRInfo\":\"x\"}", 0, 0 },
	{ "empty objects", "{\"TCPInfo\":{},\"AppInfo\":{},\"BBRInfo\":{},\"ConnectionInfo\":{}}",
	  0, HAS_TCP | HAS_CONNECTION },
	{ "half of AppInfo", "{\"AppInfo\":{\"ElapsedTime\":2}}", 0, 0 },
	{ "AppInfo in strings", "{\"AppInfo\":{\"NumBytes\":\"1\",\"ElapsedTime\":2}}", 0, 0 },
	{ "most of BBRInfo",
	  "{\"BBRInfo\":{\"BW\":1,\"MinRTT\":2,\"PacingGain\":3,\"CwndGain\":4}}", 0, 0 },
	{ "names in other case", "{\"tcpinfo\":{\"RTT\":1}}", 0, 0 },
	{ "an escaped name", "{\"TCP\\u0049nfo\":{\"RTT\":1}}", 0, HAS_TCP },
	{ "N25: nothing", "", -EINVAL, 0 },
	{ "N25: white space only", " \n", -EINVAL, 0 },
	{ "N25: array", "[{\"TCPInfo\":{}}]", -EINVAL, 0 },
	{ "N25: string", "\"TCPInfo\"", -EINVAL, 0 },
	{ "N25: null", "null", -EINVAL, 0 },
	{ "N25: cut short", "{\"TCPInfo\":{\"RTT\":1}", -EINVAL, 0 },
	{ "N25: cut in a number's place", "{\"TCPInfo\":{\"RTT\":", -EINVAL, 0 },
	{ "N25: cut in an unknown value", "{\"Zzz\":[1,2", -EINVAL, 0 },
	{ "N25: cut in a null object's place", "{\"TCPInfo\":[", -EINVAL, 0 },
	{ "N25: two objects", "{}{}", -EINVAL, 0 },
	{ "N25: bytes behind it", "{} x", -EINVAL, 0 },
	{ "N25: byte order mark", "\xef\xbb\xbf{}", -EINVAL, 0 },
	{ "N25: single quotes", "{'TCPInfo':{}}", -EINVAL, 0 },
	{ "N25: trailing comma", "{\"TCPInfo\":{\"RTT\":1,}}", -EINVAL, 0 },
	{ "N25: no number", "{\"TCPInfo\":{\"RTT\":NaN}}", -EINVAL, 0 },
};

static void message_is_read(void **state)
{
	const struct message_case *c = *state;
	struct measurement m, before;

	memset(&m, 0x5a, sizeof(m));
	before = m;
	assert_int_equal(parse(c->json, &m), c->want);
	if (c->want < 0) {
		assert_memory_equal(&m, &before, sizeof(m)); /* untouched */
		return;
	}
	assert_int_equal(m.has_connection_info, !!(c->has & HAS_CONNECTION));
	assert_int_equal(m.has_app_info, !!(c->has & HAS_APP));
	assert_int_equal(m.has_bbr_info, !!(c->has & HAS_BBR));
	assert_int_equal(m.has_tcp_info, !!(c->has & HAS_TCP));
	if (c->has & HAS_TCP && strstr(c->json, "RTT"))
		assert_int_equal(m.tcp_info.rtt_us, 1);
}

static const char reference[] =
	"{\"ConnectionInfo\":{\"Client\":\"198.51.100.7:40122\",\"Server\":\"[2001:db8::5]:443\","
	"\"UUID\":\"host9_1700000000_00000000000A51C3\","
	"\"StartTime\":\"2026-03-01T10:20:30.123456789Z\"},"
	"\"AppInfo\":{\"NumBytes\":52428800,\"ElapsedTime\":2250013},"
	"\"BBRInfo\":{\"BW\":23300000,\"MinRTT\":18250,\"PacingGain\":320,\"CwndGain\":512,"
	"\"ElapsedTime\":2250040},"
	"\"TCPInfo\":{\"State\":1,\"RTT\":21034,\"MaxPacingRate\":-1,\"BytesAcked\":52100224,"
	"\"MinRTT\":18250,\"ElapsedTime\":2250040},"
	"\"Origin\":\"server\",\"Test\":\"download\"}";

static void every_kind_of_member_is_read(void **state)
{
	struct measurement m;

	(void)state;
	assert_int_equal(parse(reference, &m), 0);
	assert_string_equal(m.connection_info.client, "198.51.100.7:40122");
	assert_string_equal(m.connection_info.server, "[2001:db8::5]:443");
	assert_string_equal(m.connection_info.uuid, "host9_1700000000_00000000000A51C3");
	assert_string_equal(m.connection_info.start_time, "2026-03-01T10:20:30.123456789Z");
	assert_int_equal(m.app_info.num_bytes, 52428800);
	assert_int_equal(m.app_info.elapsed_us, 2250013);
	assert_int_equal(m.bbr_info.bw_bytes_per_s, 23300000);
	assert_int_equal(m.bbr_info.min_rtt_us, 18250);
	assert_int_equal(m.bbr_info.pacing_gain, 320);
	assert_int_equal(m.bbr_info.cwnd_gain, 512);
	assert_int_equal(m.bbr_info.elapsed_us, 2250040);
	assert_int_equal(m.tcp_info.bytes_acked, 52100224);
	assert_true(m.tcp_info.max_pacing_rate == -1);
	assert_string_equal(m.origin, "server");
	assert_string_equal(m.test, "download");
}

static void what_was_read_is_written(void **state)
{
	char out[MEASUREMENT_JSON_MAX];
	struct measurement m;

	(void)state;
	assert_int_equal(parse(reference, &m), 0);
	assert_int_equal(measurement_write(&m, out, sizeof(out)), sizeof(reference) - 1);
	assert_string_equal(out, reference);
}

struct text_case {
	const char *name;
	const char *json; /* of Origin, which holds 7 bytes */
	const char *want;
};

static const struct text_case text_cases[] = {
	{ "fits exactly", "\"1234567\"", "1234567" },
	{ "too long is as missing", "\"12345678\"", "" },
	{ "escapes", "\"a\\u0062\\n\"", "ab\n" },
	{ "an escaped NUL", "\"a\\u0000b\"", "" },
	{ "half a surrogate pair", "\"a\\ud800\"", "" },
	{ "number", "5", "" },
	{ "object", "{\"a\":[]}", "" },
};

static void text_is_read(void **state)
{
	const struct text_case *c = *state;
	struct measurement m;
	char json[128];

	snprintf(json, sizeof(json), "{\"Origin\":%s,\"Test\":\"upload\"}", c->json);
	assert_int_equal(parse(json, &m), 0);
	assert_string_equal(m.origin, c->want);
	assert_string_equal(m.test, "upload");
}

struct twice_case {
	const char *name;
	const char *json;
	int64_t want_rtt_us;
	const char *want_origin;
};

static const struct twice_case twice_cases[] = {
	{ "the last stands", "{\"TCPInfo\":{\"RTT\":1,\"RTT\":2}}", 2, "" },
	{ "the last usable one", "{\"TCPInfo\":{\"RTT\":1,\"RTT\":null}}", 1, "" },
	{ "objects join", "{\"TCPInfo\":{\"RTT\":1},\"TCPInfo\":{\"MinRTT\":2}}", 1, "" },
	{ "texts", "{\"Origin\":\"server\",\"Origin\":\"client\"}", 0, "client" },
	{ "texts, the last too long", "{\"Origin\":\"server\",\"Origin\":\"123456789\"}", 0,
	  "server" },
};

static void last_usable_value_stands(void **state)
{
	const struct twice_case *c = *state;
	struct measurement m;

	assert_int_equal(parse(c->json, &m), 0);
	assert_int_equal(m.tcp_info.rtt_us, c->want_rtt_us);
	assert_string_equal(m.origin, c->want_origin);
}

static void large_message_is_read(void **state) /* N24 */
{
	const size_t room = 110000;
	char *json = malloc(room);
	struct measurement m;
	size_t n;

	(void)state;
	assert_non_null(json);
	n = (size_t)snprintf(json, room, "{");
	for (int i = 0; n < 100000; i++)
		n += (size_t)snprintf(json + n, room - n, "\"key%d\":[%d,{\"RTT\":9}],", i, i);
	snprintf(json + n, room - n, "\"TCPInfo\":{\"RTT\":1}}");
	assert_int_equal(parse(json, &m), 0);
	assert_int_equal(m.tcp_info.rtt_us, 1);
	free(json);
}

static int parse_nested(unsigned int depth)
{
	char json[512] = "{\"Zzz\":";
	struct measurement m;
	size_t n = strlen(json);

	for (unsigned int i = 1; i < depth; i++)
		json[n++] = '[';
	for (unsigned int i = 1; i < depth; i++)
		json[n++] = ']';
	json[n++] = '}';
	return measurement_parse(json, n, &m, NULL);
}

static void depth_has_a_ceiling(void **state)
{
	(void)state;
	assert_int_equal(parse_nested(2), 0);
	assert_int_equal(parse_nested(MEASUREMENT_DEPTH_MAX), 0);
	assert_int_equal(parse_nested(MEASUREMENT_DEPTH_MAX + 1), -EINVAL);
	assert_int_equal(parse_nested(200), -EINVAL);
}

/* --- writing --------------------------------------------------------------------------------------- */

static void client_text_is_exact(void **state) /* N39 */
{
	struct measurement m = { .has_app_info = true,
		                 .app_info = { .num_bytes = 13107200, .elapsed_us = 1000432 } };
	char out[MEASUREMENT_JSON_MAX];

	(void)state;
	assert_true(measurement_write(&m, out, sizeof(out)) > 0);
	assert_string_equal(out, "{\"AppInfo\":{\"NumBytes\":13107200,\"ElapsedTime\":1000432}}");
}

struct range_case {
	const char *name;
	enum measurement_tcp_field field;
	int64_t value;
	const char *want; /* inside TCPInfo's braces */
};

static const struct range_case range_cases[] = {
	{ "N39: u8, its largest", MEASUREMENT_TCP_State, 255, "\"State\":255" },
	{ "N39: u8, above", MEASUREMENT_TCP_State, 300, "" },
	{ "N39: u8, negative", MEASUREMENT_TCP_Options, -1, "" },
	{ "N39: u32, its largest", MEASUREMENT_TCP_RTT, 4294967295, "\"RTT\":4294967295" },
	{ "N39: u32, above", MEASUREMENT_TCP_RTT, 4294967296, "" },
	{ "N39: u32, negative", MEASUREMENT_TCP_RTT, -1, "" },
	{ "N39: i32, wrapped", MEASUREMENT_TCP_SegsOut, -2147483648, "\"SegsOut\":-2147483648" },
	{ "N39: i32, above", MEASUREMENT_TCP_SegsOut, 2147483648, "" },
	{ "N39: i64, above 2^53", MEASUREMENT_TCP_BytesAcked, 9007199254740993,
	  "\"BytesAcked\":9007199254740993" },
	{ "N39: i64, unlimited", MEASUREMENT_TCP_MaxPacingRate, -1, "\"MaxPacingRate\":-1" },
};

static void tcp_values_stay_in_their_width(void **state)
{
	const struct range_case *c = *state;
	struct measurement m = { .has_tcp_info = true };
	char out[MEASUREMENT_JSON_MAX], want[128];

	measurement_tcp_set(&m.tcp_info, c->field, c->value);
	snprintf(want, sizeof(want), "{\"TCPInfo\":{%s}}", c->want);
	assert_int_equal(measurement_write(&m, out, sizeof(out)), strlen(want));
	assert_string_equal(out, want);
}

/* All objects, every TCP field at the largest value of 64 bits or of its width. */
static struct measurement full(void)
{
	struct measurement m = { .has_app_info = true,
		                 .has_bbr_info = true,
		                 .has_connection_info = true,
		                 .has_tcp_info = true,
		                 .origin = "server",
		                 .test = "download" };

	for (enum measurement_tcp_field f = 0; f < MEASUREMENT_TCP_FIELD_COUNT; f++)
		measurement_tcp_set(&m.tcp_info, f, 255);
#define X(json, member, T) WIDEST_##T(json)
#define WIDEST_U8(json)
#define WIDEST_U32(json) measurement_tcp_set(&m.tcp_info, MEASUREMENT_TCP_##json, UINT32_MAX);
#define WIDEST_I32(json) measurement_tcp_set(&m.tcp_info, MEASUREMENT_TCP_##json, INT32_MIN);
#define WIDEST_I64(json) measurement_tcp_set(&m.tcp_info, MEASUREMENT_TCP_##json, INT64_MIN);
	MEASUREMENT_TCP_FIELDS(X)
#undef X
	memset(m.connection_info.client, 'c', sizeof(m.connection_info.client) - 1);
	memset(m.connection_info.server, 's', sizeof(m.connection_info.server) - 1);
	memset(m.connection_info.uuid, 'u', sizeof(m.connection_info.uuid) - 1);
	memset(m.connection_info.start_time, 't', sizeof(m.connection_info.start_time) - 1);
	m.app_info = (struct measurement_app_info){ INT64_MIN, INT64_MIN };
	m.bbr_info = (struct measurement_bbr_info){ INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN,
		                                    INT64_MIN };
	return m;
}

static void largest_message_fits_and_returns(void **state)
{
	struct measurement m = full(), back;
	char out[MEASUREMENT_JSON_MAX];
	int n = measurement_write(&m, out, sizeof(out));

	(void)state;
	assert_true(n > 1500 && n < (int)sizeof(out));
	assert_int_equal(parse(out, &back), 0);
	assert_memory_equal(&back, &m, sizeof(m));
}

static void every_smaller_buffer_is_refused(void **state)
{
	struct measurement m = full();
	char whole[MEASUREMENT_JSON_MAX];
	int n = measurement_write(&m, whole, sizeof(whole));

	(void)state;
	for (size_t room = 0; room <= (size_t)n; room++) {
		char *out =
			malloc(room ? room : 1); /* so that the sanitizer sees a byte too many */

		assert_non_null(out);
		assert_int_equal(measurement_write(&m, out, room), -ENOSPC);
		free(out);
	}
	assert_int_equal(measurement_write(&m, whole, (size_t)n + 1), n);
}

static void texts_are_quoted(void **state)
{
	struct measurement m = { .has_connection_info = true,
		                 .connection_info.uuid = "a\"b\\c\n",
		                 .test = "upload" };
	struct measurement back;
	char out[MEASUREMENT_JSON_MAX];

	(void)state;
	assert_true(measurement_write(&m, out, sizeof(out)) > 0);
	assert_null(strchr(out, '\n'));
	assert_int_equal(parse(out, &back), 0);
	assert_string_equal(back.connection_info.uuid, m.connection_info.uuid);
	assert_string_equal(back.test, "upload");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_kind_of_member_is_read),
	cmocka_unit_test(what_was_read_is_written),
	cmocka_unit_test(large_message_is_read),
	cmocka_unit_test(depth_has_a_ceiling),
	cmocka_unit_test(client_text_is_exact),
	cmocka_unit_test(largest_message_fits_and_returns),
	cmocka_unit_test(every_smaller_buffer_is_refused),
	cmocka_unit_test(texts_are_quoted),
};

int main(void)
{
	int failed = CASES_RUN(value_is_read, value_cases);

	failed += CASES_RUN(message_is_read, message_cases);
	failed += CASES_RUN(text_is_read, text_cases);
	failed += CASES_RUN(last_usable_value_stands, twice_cases);
	failed += CASES_RUN(tcp_values_stay_in_their_width, range_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
