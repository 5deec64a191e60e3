/* A line of a trace: what is written is read back, what is not written here is read as JSON or refused. */
#include "measure/trace_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "tests/trace_samples.h"
#include "transport/base/err.h"

#define HEADER "{\"schema\":\"radar-pod/trace/1\",\"record\":\"header\""
#define LEAD   "{\"at_ns\":1,\"flow\":1,\"event\":\"ack\""
#define CUT    -EBADMSG

static struct line_case {
	const char *name;
	const char *line;
	int want;
	const char *says; /* of what is refused */
	uint32_t present; /* of a sample */
} line_cases[] = {
	{ "a header", HEADER "}", 0 },
	{ "a header of tomorrow's minor", HEADER ",\"colour\":{\"a\":[1,{}]}}", 0 },
	{ "version 2", "{\"schema\":\"radar-pod/trace/2\",\"record\":\"header\"}", -EPROTONOSUPPORT,
	  "version 2" },
	{ "a result is no trace", "{\"schema\":\"radar-pod/result/1\"}", CUT, "not a trace" },
	{ "version x", "{\"schema\":\"radar-pod/trace/x\",\"record\":\"header\"}", CUT,
	  "no version" },
	{ "a header without its schema", "{\"record\":\"header\"}", CUT, "schema" },
	{ "a schema on a flow", "{\"schema\":\"radar-pod/trace/1\",\"record\":\"flow\",\"flow\":1}",
	  CUT, "header" },
	{ "a flow", "{\"record\":\"flow\",\"flow\":1,\"cookie\":\"00000000000000ff\"}", 0 },
	{ "a flow 0", "{\"record\":\"flow\",\"flow\":0}", CUT, "from 1" },
	{ "a flow without a number", "{\"record\":\"flow\"}", CUT, "from 1" },
	{ "an address that is none", "{\"record\":\"flow\",\"flow\":1,\"local_ip\":\"1.2.3\"}", CUT,
	  "local_ip" },
	{ "a port of 17 bits", "{\"record\":\"flow\",\"flow\":1,\"local_port\":65536}", CUT,
	  "local_port" },
	{ "a cookie of 17 digits",
	  "{\"record\":\"flow\",\"flow\":1,\"cookie\":\"00000000000000fff\"}", CUT, "cookie" },
	{ "a cookie that is a number", "{\"record\":\"flow\",\"flow\":1,\"cookie\":12}", CUT,
	  "cookie" },
	{ "a text that does not fit",
	  "{\"record\":\"flow\",\"flow\":1,\"comm\":\"0123456789abcdef\"}", CUT, "comm" },
	{ "an unknown role", "{\"record\":\"flow\",\"flow\":1,\"role\":\"referee\"}", 0 },
	{ "a null is not known", "{\"record\":\"flow\",\"flow\":1,\"comm\":null}", 0 },
	{ "a record of another kind", "{\"record\":\"weather\",\"sun\":1}", TRACE_LINE_NOTHING },
	{ "a sample with nothing", LEAD "}", 0 },
	{ "with spaces", "{ \"flow\" : 1 , \"event\":\"ack\", \"at_ns\" :1, \"min_rtt_us\":3 } ", 0,
	  NULL, TCP_SAMPLE_MIN_RTT },
	{ "with a space behind each comma and colon",
	  "{\"at_ns\": 1, \"flow\": 1, \"event\": \"ack\", \"min_rtt_us\": 3}", 0, NULL,
	  TCP_SAMPLE_MIN_RTT },
	{ "a space in a number", "{\"at_ns\": 1 2, \"flow\": 1, \"event\": \"ack\"}", CUT, "JSON" },
	{ "its lead at the end", "{\"min_rtt_us\":3,\"event\":\"ack\",\"flow\":1,\"at_ns\":1}", 0,
	  NULL, TCP_SAMPLE_MIN_RTT },
	{ "a member twice: the last holds", LEAD ",\"min_rtt_us\":3,\"min_rtt_us\":4294967296}",
	  CUT, "min_rtt_us" },
	{ "a comma and nothing", LEAD ",\"min_rtt_us\":3,}", CUT, "JSON" },
	{ "a member without a comma", LEAD ",\"min_rtt_us\":3\"srtt_us\":3}", CUT, "JSON" },
	{ "a name that is cut", LEAD ",\"min_rtt_us", CUT, "JSON" },
	{ "a name without a value", LEAD ",\"min_rtt_us\":}", CUT, "JSON" },
	{ "in another order", LEAD ",\"rttvar_us\":2,\"srtt_us\":1}", 0, NULL,
	  TCP_SAMPLE_RTT | TCP_SAMPLE_RTTVAR },
	{ "a member nobody knows", LEAD ",\"mood\":[1,2],\"min_rtt_us\":3}", 0, NULL,
	  TCP_SAMPLE_MIN_RTT },
	{ "half a group is none", LEAD ",\"bytes_sent\":1,\"min_rtt_us\":3}", 0, NULL,
	  TCP_SAMPLE_MIN_RTT },
	{ "null is absent", LEAD ",\"min_rtt_us\":null}", 0 },
	{ "2^32 in 32 bits", LEAD ",\"min_rtt_us\":4294967296}", CUT, "min_rtt_us" },
	{ "2^64", LEAD ",\"busy_us\":18446744073709551616}", CUT, "busy_us" },
	{ "a minus", LEAD ",\"min_rtt_us\":-1}", CUT, "min_rtt_us" },
	{ "a fraction", LEAD ",\"min_rtt_us\":1.5}", CUT, "min_rtt_us" },
	{ "a number in quotes", LEAD ",\"min_rtt_us\":\"3\"}", CUT, "min_rtt_us" },
	{ "a number with a leading zero", LEAD ",\"min_rtt_us\":03}", CUT, "JSON" },
	{ "an object for a number", LEAD ",\"min_rtt_us\":{}}", CUT, "min_rtt_us" },
	{ "a flag that is a word", LEAD ",\"app_limited\":\"true\"}", CUT, "app_limited" },
	{ "a flag that is 2", LEAD ",\"app_limited\":2}", CUT, "app_limited" },
	{ "a state by its number", LEAD ",\"state\":200}", 0, NULL, TCP_SAMPLE_TCP_STATE },
	{ "a state by its word", LEAD ",\"state\":\"close-wait\"}", 0, NULL, TCP_SAMPLE_TCP_STATE },
	{ "a state of no word", LEAD ",\"state\":\"bored\"}", CUT, "state" },
	{ "an event of no word", "{\"at_ns\":1,\"flow\":1,\"event\":\"lunch\"}", CUT, "event" },
	{ "no time", "{\"flow\":1,\"event\":\"ack\"}", CUT, "without at_ns" },
	{ "flow 0", "{\"at_ns\":1,\"flow\":0,\"event\":\"ack\"}", CUT, "from 1" },
	{ "something behind", LEAD "}}", CUT, "JSON" },
	{ "cut short", LEAD ",\"min_rtt_us\":3", CUT, "JSON" },
	{ "an array", "[1]", CUT, "object" },
	{ "nothing", "", CUT, "JSON" },
	{ "deep", LEAD ",\"x\":[[[[[[[[[[1]]]]]]]]]]}", CUT, "deep" },
};

static void line_is_read(void **state)
{
	const struct line_case *c = *state;
	struct trace_lines lines = { .syntax = TRACE_JSONL };
	struct trace_record r;
	struct err err = {};

	assert_int_equal(trace_line_parse(&lines, c->line, strlen(c->line), &r, &err), c->want);
	if (c->says)
		assert_non_null(strstr(err.text, c->says));
	if (c->want == 0 && r.kind == TRACE_SAMPLE)
		assert_int_equal(r.sample.present, c->present);
}

#define COLUMNS "event,flow,at_ns,min_rtt_us,mood,app_limited"

static struct row_case {
	const char *name;
	const char *row;
	int want;
	const char *says;
} row_cases[] = {
	{ "a row", "ack,1,7,3,fair,1", 0 },
	{ "absent", "ack,1,7,,,", 0 },
	{ "too few", "ack,1,7,3", CUT, "less than 6" },
	{ "too many", "ack,1,7,3,,,", CUT, "more than 6" },
	{ "no time", "ack,1,,3,,", CUT, "without at_ns" },
	{ "no number", "ack,1,7,x,,", CUT, "min_rtt_us" },
	{ "a quote", "\"ack\",1,7,3,,", CUT, "event" },
	{ "a remark", "# it rained", TRACE_LINE_NOTHING },
	{ "an empty remark", "#", TRACE_LINE_NOTHING },
	{ "a flow", "# {\"record\":\"flow\",\"flow\":1}", 0 },
	{ "a broken object", "# {\"record\":", CUT, "JSON" },
	{ "an empty line", "", CUT, "less than 6" },
};

static void row_is_read(void **state)
{
	const struct row_case *c = *state;
	struct trace_lines lines = { .syntax = TRACE_CSV };
	struct trace_record r;
	struct err err = {};

	assert_int_equal(trace_line_parse(&lines, COLUMNS, strlen(COLUMNS), &r, &err),
	                 TRACE_LINE_NOTHING);
	assert_int_equal(trace_line_parse(&lines, c->row, strlen(c->row), &r, &err), c->want);
	if (c->says)
		assert_non_null(strstr(err.text, c->says));
}

static struct row_case columns_cases[] = {
	{ "enough", "at_ns,flow,event", TRACE_LINE_NOTHING },
	{ "without the flow", "at_ns,event", CUT, "missing" },
	{ "one twice", "at_ns,flow,event,srtt_us,srtt_us", CUT, "srtt_us is there twice" },
	{ "nothing", "", CUT, "missing" },
};

static void columns_are_read(void **state)
{
	const struct row_case *c = *state;
	struct trace_lines lines = { .syntax = TRACE_CSV };
	struct trace_record r;
	struct err err = {};

	assert_int_equal(trace_line_parse(&lines, c->row, strlen(c->row), &r, &err), c->want);
	if (c->says)
		assert_non_null(strstr(err.text, c->says));
}

static void too_many_columns(void **state)
{
	struct trace_lines lines = { .syntax = TRACE_CSV };
	char columns[4096] = "at_ns,flow,event";
	struct trace_record r;
	struct err err = {};

	(void)state;
	for (int i = 0; i < TRACE_COLUMNS_MAX; i++)
		strcat(columns, ",x");
	assert_int_equal(trace_line_parse(&lines, columns, strlen(columns), &r, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "more than 128"));
}

/* --- round trips ------------------------------------------------------------------------------------ */

static struct trace_record again(enum trace_syntax syntax, const struct trace_record *r)
{
	struct trace_lines lines = { .syntax = syntax };
	char line[TRACE_LINE_BYTES];
	struct trace_record back;
	struct err err = {};
	size_t n;

	if (syntax == TRACE_CSV) {
		n = trace_line_columns(line);
		assert_int_equal(trace_line_parse(&lines, line, n - 1, &back, &err),
		                 TRACE_LINE_NOTHING);
	}
	n = trace_line_write(syntax, r, line);
	assert_true(n < TRACE_LINE_BYTES && line[n - 1] == '\n');
	assert_null(memchr(line, '\n', n - 1));
	if (trace_line_parse(&lines, line, n - 1, &back, &err) != 0)
		fail_msg("%.*s: %s", (int)n - 1, line, err.text);
	assert_int_equal(back.kind, r->kind);
	return back;
}

static void samples_come_back(void **state)
{
	uint64_t seed = 20261122;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct trace_record r = { .kind = TRACE_SAMPLE, .flow = 1 + i % 7 };
		struct trace_record back;

		r.sample = trace_draw_sample(&seed, 0, trace_draw_count(&seed, true));
		back = again(i % 2 ? TRACE_CSV : TRACE_JSONL, &r);
		assert_int_equal(back.flow, r.flow);
		trace_assert_sample(&back.sample, &r.sample);
	}
}

/* As json.dumps of Python writes it. Answers its length. */
static size_t space_out(const char *line, size_t n, char *out)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		out[bytes++] = line[i];
		if (line[i] == ',' || line[i] == ':')
			out[bytes++] = ' ';
	}
	return bytes;
}

/* The quick path and the careful one read the same: a space in front sends a line down the other. */
static void both_paths_read_the_same(void **state)
{
	struct trace_lines lines = { .syntax = TRACE_JSONL };
	static char spaced[2 * TRACE_LINE_BYTES];
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct trace_record r = { .kind = TRACE_SAMPLE, .flow = 3 }, back;
		char line[TRACE_LINE_BYTES + 1] = " ";
		size_t n;

		r.sample = trace_draw_sample(&seed, 0, i);
		n = trace_line_write(TRACE_JSONL, &r, line + 1);
		assert_int_equal(trace_line_parse(&lines, line, n, &back, NULL), 0);
		trace_assert_sample(&back.sample, &r.sample);
		n = space_out(line + 1, n - 1, spaced);
		assert_int_equal(trace_line_parse(&lines, spaced, n, &back, NULL), 0);
		trace_assert_sample(&back.sample, &r.sample);
	}
}

static void header_flow_and_end_come_back(void **state)
{
	(void)state;
	for (enum trace_syntax syntax = TRACE_JSONL; syntax <= TRACE_CSV; syntax++) {
		struct trace_record r = { .kind = TRACE_HEADER, .header = trace_header_example() };
		struct trace_record back = again(syntax, &r);

		assert_memory_equal(&back.header, &r.header, sizeof(r.header));
		r = (struct trace_record){ .kind = TRACE_FLOW, .flow = 9 };
		r.met = trace_flow_example(UINT64_MAX);
		back = again(syntax, &r);
		assert_int_equal(back.flow, 9);
		trace_assert_flow(&back.met, &r.met);
		r = (struct trace_record){ .kind = TRACE_END };
		r.end.samples = 1ULL << 63;
		r.end.lost = 3;
		r.end.left_out = 9;
		r.end.missed.segments_at_most = UINT64_MAX - 1;
		r.end.missed.known = true;
		r.end.events[TCP_SAMPLE_CONGESTION] = UINT64_MAX;
		back = again(syntax, &r);
		assert_memory_equal(&back.end, &r.end, sizeof(r.end));
	}
}

static void what_is_not_known_is_not_written(void **state)
{
	struct trace_record r = { .kind = TRACE_FLOW, .flow = 1 };
	char line[TRACE_LINE_BYTES];

	(void)state;
	line[trace_line_write(TRACE_JSONL, &r, line)] = '\0';
	assert_string_equal(line, "{\"record\":\"flow\",\"flow\":1,\"at_ns\":0}\n");
	r = (struct trace_record){ .kind = TRACE_SAMPLE, .flow = 1 };
	r.sample.min_rtt_us = 5; /* and not present */
	line[trace_line_write(TRACE_JSONL, &r, line)] = '\0';
	assert_string_equal(line, "{\"at_ns\":0,\"flow\":1,\"event\":\"info\"}\n");
}

static const struct missed_case {
	const char *name;
	const char *member; /* of the end record */
	struct tcp_missed want;
} missed_cases[] = {
	{ "some segments", ",\"missed_at_most\":41", { 41, true } },
	{ "none, and that is known", ",\"missed_at_most\":0", { 0, true } },
	{ "an older trace, another source", "", { 0, false } },
};

static void zero_is_told_from_not_known(void **state)
{
	const struct missed_case *c = *state;
	struct trace_record r = { .kind = TRACE_END, .end = { .missed = c->want } };
	struct trace_lines lines = { .syntax = TRACE_JSONL };
	char line[TRACE_LINE_BYTES], want[32];
	size_t n = trace_line_write(TRACE_JSONL, &r, line);

	snprintf(want, sizeof(want), "%s}\n", *c->member ? c->member : ",\"lost_for_space\":0");
	assert_true(n > strlen(want));
	assert_memory_equal(line + n - strlen(want), want, strlen(want));
	assert_int_equal(trace_line_parse(&lines, line, n - 1, &r, NULL), TRACE_LINE_RECORD);
	assert_int_equal(r.end.missed.known, c->want.known);
	assert_int_equal(r.end.missed.segments_at_most, c->want.segments_at_most);
}

static void the_anchor_is_of_both_clocks(void **state)
{
	struct trace_anchor a = trace_anchor_now();

	(void)state;
	assert_true(a.monotonic_ns > 0 && a.utc_ns > 1700000000000000000);
	assert_true(a.error_ns < 1000000000);
}

static struct form_case {
	const char *name; /* the path */
	bool known;
	struct trace_form want;
} form_cases[] = {
	{ "a.jsonl", true, { TRACE_JSONL, false } },
	{ "a.csv", true, { TRACE_CSV, false } },
	{ "dir.csv/a.jsonl.zst", true, { TRACE_JSONL, true } },
	{ "a.csv.zst", true, { TRACE_CSV, true } },
	{ "a.json", false },
	{ "a.zst", false },
	{ ".csv", false },
	{ "csv", false },
	{ "", false },
};

static void form_is_the_suffix(void **state)
{
	const struct form_case *c = *state;
	struct trace_form form = {};

	assert_int_equal(trace_form_of(c->name, &form), c->known);
	assert_int_equal(form.syntax, c->want.syntax);
	assert_int_equal(form.zstd, c->want.zstd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_many_columns),
		cmocka_unit_test(samples_come_back),
		cmocka_unit_test(both_paths_read_the_same),
		cmocka_unit_test(header_flow_and_end_come_back),
		cmocka_unit_test(what_is_not_known_is_not_written),
		cmocka_unit_test(the_anchor_is_of_both_clocks),
	};
	int failed = CASES_RUN(line_is_read, line_cases);

	failed += CASES_RUN(row_is_read, row_cases);
	failed += CASES_RUN(columns_are_read, columns_cases);
	failed += CASES_RUN(form_is_the_suffix, form_cases);
	failed += CASES_RUN(zero_is_told_from_not_known, missed_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
