/* What people and scripts are shown of a trace, from its bytes. */
#include "agent/cli/trace_table.h"

#include <stdlib.h>
#include <string.h>

#include "measure/trace_reader.h"
#include "measure/trace_summary.h"
#include "tests/cases.h"
#include "tests/trace_samples.h"
#include "tests/trace_text.h"
#include "transport/base/clock.h"

static struct trace_text file;

struct shown {
	struct trace_reader *reader;
	struct trace_summary summary;
	char *text;
	size_t bytes;
};

static void begin_file(void)
{
	struct trace_record r = { .kind = TRACE_HEADER, .header = trace_header_example() };

	file.bytes = file.at = 0;
	trace_text_put(&file, &r);
}

static void put_flow(uint32_t number, const struct tcp_flow *flow)
{
	struct trace_record r = { .kind = TRACE_FLOW, .flow = number, .met = *flow };

	trace_text_put(&file, &r);
}

static void put_sample(uint32_t flow, struct tcp_sample s)
{
	struct trace_record r = { .kind = TRACE_SAMPLE, .flow = flow, .sample = s };

	trace_text_put(&file, &r);
}

static void put_end(struct trace_end end)
{
	struct trace_record r = { .kind = TRACE_END, .end = end };

	trace_text_put(&file, &r);
}

typedef void (*people)(const struct trace_told *t, const struct terminal *terminal, FILE *to);
typedef void (*scripts)(const struct trace_told *t, FILE *to);

/* Reads the file and shows it by one of the two. */
static void show(struct shown *s, people for_people, scripts for_scripts, int columns)
{
	const struct terminal terminal = { .columns = columns };
	struct trace_told told = { "t.jsonl", NULL, &s->summary };
	struct trace_record r;
	FILE *to = open_memstream(&s->text, &s->bytes);

	assert_int_equal(
		trace_reader_open((struct trace_input){ trace_text_read, &file }, &s->reader, NULL),
		0);
	told.reader = s->reader;
	trace_summary_start(&s->summary);
	while (trace_reader_next(s->reader, &r, NULL) == TRACE_READ_RECORD)
		assert_int_equal(trace_summary_take(&s->summary, &r, NULL), 0);
	if (for_people)
		for_people(&told, &terminal, to);
	else
		for_scripts(&told, to);
	fclose(to);
}

static void forget(struct shown *s)
{
	trace_summary_free(&s->summary);
	trace_reader_close(s->reader);
	free(s->text);
}

static void assert_says(const struct shown *s, const char *words)
{
	if (!strstr(s->text, words))
		print_error("no \"%s\" in:\n%s", words, s->text);
	assert_non_null(strstr(s->text, words));
}

static void assert_no_wider(const char *text, size_t columns)
{
	for (const char *at = text; *at; at += strcspn(at, "\n") + 1)
		assert_in_range(strcspn(at, "\n"), 0, columns);
}

/* --- how a flow ended, in nine letters --------------------------------------------------------------- */

static const struct ending_case {
	const char *name;
	const char *ending;
	const char *want; /* what the line of the flow ends with */
} ending_cases[] = {
	{ "short", "closed", " closed\n" },
	{ "two words that fit", "timed out", " timed out\n" },
	{ "two words of which one fits", "reset received", " reset\n" },
	{ "one word that does not fit", "interrupted by all", " interrupt\n" },
	{ "none", "", " \n" },
	{ "letters that steer a terminal", "\x1b[2J\n", " ?[2J?\n" },
};

static void ending_is_cut_at_a_word(void **state)
{
	const struct ending_case *c = *state;
	struct tcp_flow flow = trace_flow_example(1);
	struct shown s;

	snprintf(flow.ending, sizeof(flow.ending), "%s", c->ending);
	begin_file();
	put_flow(1, &flow);
	put_end((struct trace_end){ .flows = 1 });
	show(&s, trace_summary_human, NULL, 80);
	assert_true(s.bytes > strlen(c->want));
	assert_string_equal(s.text + s.bytes - strlen(c->want), c->want);
	forget(&s);
}

/* --- how wide ---------------------------------------------------------------------------------------- */

static const struct width_case {
	const char *name;
	int columns;
	const char *connection; /* as it is shown */
} width_cases[] = {
	{ "80 columns: the far end", 80, "2001:db8::5]:443 " },
	{ "as wide as it takes", 120, "192.0.2.17:51234>[2001:db8::5]:443 " },
	{ "in between: our port", 84, ":51234>[2001:db8::5]:443 " },
	{ "fewer than 80 are 80", 40, "2001:db8::5]:443 " },
};

static void table_fits(void **state)
{
	const struct width_case *c = *state;
	struct tcp_flow flow = trace_flow_example(1);
	struct shown s;

	begin_file();
	put_flow(1, &flow);
	put_sample(1, (struct tcp_sample){ .at_ns = 1,
	                                   .present = TRACE_SAMPLE_GROUPS,
	                                   .bytes_acked = UINT64_MAX,
	                                   .srtt_us = UINT32_MAX,
	                                   .min_rtt_us = UINT32_MAX,
	                                   .snd_cwnd_segments = UINT32_MAX });
	put_end((struct trace_end){ .flows = 1, .samples = 1 });
	show(&s, trace_summary_human, NULL, c->columns);
	assert_says(&s, c->connection);
	assert_no_wider(s.text, c->columns > 80 ? (size_t)c->columns : 80);
	forget(&s);
}

/* --- what is said ------------------------------------------------------------------------------------ */

static struct tcp_sample at(uint64_t ms, uint64_t received)
{
	return (struct tcp_sample){ .at_ns = ms * NS_PER_MS,
		                    .event = TCP_SAMPLE_ACK,
		                    .present = TCP_SAMPLE_BYTES | TCP_SAMPLE_RTT | TCP_SAMPLE_CWND,
		                    .srtt_us = 14200,
		                    .snd_cwnd_segments = 1000,
		                    .bytes_received = received };
}

static void two_flows(void)
{
	struct tcp_flow first = trace_flow_example(0xff), second = { .cookie = 0xabc };

	begin_file();
	put_flow(1, &first);
	put_flow(5, &second); /* numbers may have gaps */
	put_sample(1, at(1000, 0));
	put_sample(1, at(2000, 1250000));
	put_end((struct trace_end){ .flows = 2,
	                            .samples = 2,
	                            .events = { [TCP_SAMPLE_ACK] = 2 },
	                            .lost = 1,
	                            .left_out = 3,
	                            .missed = { 41, true } });
}

static void a_line_of_each_flow(void **state)
{
	struct shown s;

	(void)state;
	two_flows();
	show(&s, trace_summary_human, NULL, 120);
	assert_says(&s, "  1 192.0.2.17:51234>[2001:db8::5]:443");
	assert_says(&s, " 1.25M 10.0M    - 14.2 14.2    - 1.00k close\n");
	assert_says(&s, "  5 0000000000000abc ");
	assert_says(&s,
	            "    -     -     -    -    -    -    -     - \n"); /* nothing is known of it */
	forget(&s);
}

static void info_says_what_there_is(void **state)
{
	struct shown s;

	(void)state;
	two_flows();
	show(&s, trace_info_human, NULL, 200);
	assert_says(&s, "t.jsonl (JSON lines)");
	assert_says(&s, "by radar-pod 0.1.0");
	assert_says(&s, "tcp_info, at most one sample of a flow in 1.00 ms");
	assert_says(&s, "2: 2 ack");
	assert_says(&s, "1.000 s");
	assert_says(&s, "1 sample\n");
	assert_says(&s, "curl -o \"x y\"\n");
	assert_says(&s, "3 samples, as was asked for");
	assert_says(&s, "up to 41 segments: so many, of all connections of the machine, came");
	assert_says(&s, "192.0.2.17:51234 > [2001:db8::5]:443, download, bbr, "
	                "a \"b\", #c?\\[4711], cookie 00000000000000ff, 2 samples; close");
	assert_says(&s, "cookie 0000000000000abc, 0 samples");
	forget(&s);
}

static void a_cut_trace_knows_no_losses(void **state)
{
	struct shown s;

	(void)state;
	begin_file();
	show(&s, trace_info_human, NULL, 80);
	assert_says(&s, "not known: the trace is cut off");
	forget(&s);
	file.at = 0;
	show(&s, NULL, trace_info_json, 80);
	assert_says(&s, "\"complete\":false,\"samples_lost\":null");
	assert_says(&s, "\"missed_at_most\":null");
	forget(&s);
}

static void nothing_missed_is_said_where_it_is_known(void **state)
{
	struct shown s;

	(void)state;
	for (int known = 0; known < 2; known++) {
		begin_file();
		put_end((struct trace_end){ .missed.known = known });
		show(&s, trace_info_human, NULL, 80);
		assert_int_equal(strstr(s.text, "0 segments\n") != NULL, known);
		forget(&s);
	}
}

static void scripts_get_the_same(void **state)
{
	struct shown s;

	(void)state;
	two_flows();
	show(&s, NULL, trace_summary_json, 80);
	assert_says(
		&s,
		"{\"schema\":\"radar-pod/trace-summary/1\",\"file\":\"t.jsonl\",\"complete\":true");
	assert_says(&s, "\"flow\":1,\"cookie\":\"00000000000000ff\",\"local_ip\":\"192.0.2.17\"");
	assert_says(&s, "\"bytes\":1250000,\"bytes_of\":\"bytes_received\",\"goodput_mbps\":10,");
	assert_says(&s, "\"rtt_ms\":{\"p50\":14.2");
	assert_says(&s, "\"flow\":5,\"cookie\":\"0000000000000abc\",\"local_ip\":null");
	assert_says(&s, "\"bytes\":null,\"bytes_of\":null");
	forget(&s);
	file.at = 0;
	show(&s, NULL, trace_info_json, 80);
	assert_says(&s, "\"samples\":2,\"events\":{\"info\":0,\"ack\":2,");
	assert_says(&s, "\"samples_lost\":1,\"left_out\":3,\"missed_at_most\":41");
	forget(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_of_each_flow),
		cmocka_unit_test(info_says_what_there_is),
		cmocka_unit_test(a_cut_trace_knows_no_losses),
		cmocka_unit_test(nothing_missed_is_said_where_it_is_known),
		cmocka_unit_test(scripts_get_the_same),
	};
	int failed = CASES_RUN(ending_is_cut_at_a_word, ending_cases);

	failed += CASES_RUN(table_fits, width_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
