/* What the writer wrote is read back, through all forms; what somebody else wrote, or tore off, is read as
 * far as it goes or refused with its line. */
#include "measure/trace_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure/trace_line.h"
#include "measure/trace_writer.h"
#include "tests/cases.h"
#include "tests/trace_samples.h"
#include "transport/base/err.h"

struct memory {
	char *at;
	size_t bytes, room, read;
	size_t step; /* a read gives at most so much */
	bool fails;
};

static int remember(void *self, const void *data, size_t bytes, struct err *err)
{
	struct memory *m = self;

	if (m->fails)
		return ERR_SET(err, -ENOSPC, ERR_SYS, 0, "write");
	if (m->bytes + bytes > m->room) {
		m->room = 2 * (m->bytes + bytes);
		m->at = realloc(m->at, m->room);
		assert_non_null(m->at);
	}
	memcpy(m->at + m->bytes, data, bytes);
	m->bytes += bytes;
	return 0;
}

static ssize_t recall(void *self, void *into, size_t bytes)
{
	struct memory *m = self;
	size_t n = m->bytes - m->read;

	if (m->fails)
		return -EIO;
	if (n > bytes)
		n = bytes;
	if (m->step && n > m->step)
		n = m->step;
	memcpy(into, m->at + m->read, n);
	m->read += n;
	return (ssize_t)n;
}

static struct trace_reader *reader_of(struct memory *m)
{
	struct trace_reader *t = NULL;
	struct err err = {};

	m->read = 0;
	if (trace_reader_open((struct trace_input){ recall, m }, &t, &err) != 0)
		fail_msg("%s", err.text);
	return t;
}

#define FLOWS 3

static struct tcp_sample sample_at(uint64_t *seed, int i)
{
	return trace_draw_sample(seed, 100 + i % FLOWS, 1000ULL * i);
}

static void write_trace(struct memory *m, struct trace_form form, int samples)
{
	struct trace_record r = { .kind = TRACE_HEADER, .header = trace_header_example() };
	struct trace_writer *w = NULL;
	uint64_t seed = 5;

	assert_int_equal(trace_writer_open(form, (struct trace_output){ remember, m }, &w, NULL),
	                 0);
	assert_int_equal(trace_writer_put(w, &r, NULL), 0);
	for (r.flow = 1; r.flow <= FLOWS; r.flow++) {
		r.kind = TRACE_FLOW;
		r.met = trace_flow_example(99 + r.flow);
		assert_int_equal(trace_writer_put(w, &r, NULL), 0);
	}
	for (int i = 0; i < samples; i++) {
		r.kind = TRACE_SAMPLE;
		r.flow = 1 + i % FLOWS;
		r.sample = sample_at(&seed, i);
		assert_int_equal(trace_writer_put(w, &r, NULL), 0);
	}
	r = (struct trace_record){ .kind = TRACE_END, .end.samples = (uint64_t)samples };
	assert_int_equal(trace_writer_put(w, &r, NULL), 0);
	assert_int_equal(trace_writer_finish(w, NULL), 0);
	trace_writer_close(w);
}

static struct round_case {
	const char *name;
	struct trace_form form;
	int samples;
	size_t step;
} round_cases[] = {
	{ "jsonl", { TRACE_JSONL, false }, 5000, 0 },
	{ "csv", { TRACE_CSV, false }, 5000, 0 },
	{ "jsonl.zst", { TRACE_JSONL, true }, 5000, 0 },
	{ "csv.zst", { TRACE_CSV, true }, 5000, 0 },
	{ "jsonl, byte by byte", { TRACE_JSONL, false }, 50, 1 },
	{ "csv, byte by byte", { TRACE_CSV, false }, 50, 1 },
	{ "csv.zst, seven bytes at a time", { TRACE_CSV, true }, 500, 7 },
	{ "no samples", { TRACE_CSV, false }, 0, 0 },
};

static void comes_back(void **state)
{
	const struct round_case *c = *state;
	struct memory m = { .step = c->step };
	struct trace_header want = trace_header_example();
	struct trace_record r;
	struct trace_reader *t;
	uint64_t seed = 5;

	write_trace(&m, c->form, c->samples);
	t = reader_of(&m);
	assert_int_equal(trace_reader_form(t).syntax, c->form.syntax);
	assert_int_equal(trace_reader_form(t).zstd, c->form.zstd);
	assert_memory_equal(trace_reader_header(t), &want, sizeof(want));
	for (uint32_t i = 1; i <= FLOWS; i++) {
		assert_int_equal(trace_reader_next(t, &r, NULL), 0);
		assert_int_equal(r.kind, TRACE_FLOW);
		assert_int_equal(r.met.cookie, 99 + i);
	}
	for (int i = 0; i < c->samples; i++) {
		struct tcp_sample s = sample_at(&seed, i);

		assert_int_equal(trace_reader_next(t, &r, NULL), 0);
		assert_int_equal(r.kind, TRACE_SAMPLE);
		trace_assert_sample(&r.sample, &s);
	}
	assert_int_equal(trace_reader_next(t, &r, NULL), 0);
	assert_int_equal(r.kind, TRACE_END);
	assert_int_equal(trace_reader_next(t, &r, NULL), TRACE_READ_OVER);
	assert_int_equal(trace_reader_next(t, &r, NULL), TRACE_READ_OVER);
	trace_reader_close(t);
	free(m.at);
}

/* Wherever it was torn off: all that is told was in it, the outcome is CUT, and nothing is refused. */
static void torn_anywhere(void **state)
{
	const struct round_case *c = *state;
	struct memory m = {};
	size_t whole;
	int samples_before = 0;

	write_trace(&m, c->form, 20);
	whole = m.bytes;
	for (m.bytes = 0; m.bytes < whole; m.bytes++) {
		struct trace_reader *t = NULL;
		struct trace_record r;
		struct err err = {};
		int samples = 0, outcome;

		m.read = 0;
		outcome = trace_reader_open((struct trace_input){ recall, &m }, &t, &err);
		if (outcome < 0) {
			assert_int_equal(outcome, -EBADMSG);
			assert_int_equal(samples_before, 0);
			continue;
		}
		while ((outcome = trace_reader_next(t, &r, &err)) == TRACE_READ_RECORD &&
		       r.kind != TRACE_END)
			samples += r.kind == TRACE_SAMPLE;
		if (outcome < 0)
			fail_msg("%zu bytes: %s", m.bytes, err.text);
		if (outcome == TRACE_READ_RECORD) /* only what comes behind is missing */
			assert_true(m.bytes + (c->form.zstd ? 8 : 1) >= whole && samples == 20);
		else
			assert_int_equal(outcome, TRACE_READ_CUT);
		assert_true(samples >= samples_before && samples <= 20);
		samples_before = samples;
		trace_reader_close(t);
	}
	free(m.at);
}

#define HEADER "{\"schema\":\"radar-pod/trace/1\",\"record\":\"header\"}\n"
#define FLOW   "{\"record\":\"flow\",\"flow\":1}\n"
#define SAMPLE "{\"at_ns\":1,\"flow\":1,\"event\":\"ack\"}\n"
#define END(n) "{\"record\":\"end\",\"samples\":" #n "}"

static struct text_case {
	const char *name;
	const char *text;
	int want; /* of the opening, or else of the last record */
	const char *says;
} text_cases[] = {
	{ "whole", HEADER FLOW SAMPLE END(1) "\n", TRACE_READ_OVER },
	{ "with carriage returns",
	  "{\"schema\":\"radar-pod/trace/1\",\"record\":\"header\"}\r\n" END(0) "\r\n",
	  TRACE_READ_OVER },
	{ "no newline at the end", HEADER END(0), TRACE_READ_OVER },
	{ "no end record", HEADER FLOW SAMPLE, TRACE_READ_CUT },
	{ "half a line", HEADER FLOW "{\"at_ns\":1,\"flo", TRACE_READ_CUT },
	{ "a row whose last number is cut",
	  "# " HEADER "# " FLOW "at_ns,flow,event,srtt_us\n1,1,ack,12", TRACE_READ_CUT },
	{ "empty", "", -EBADMSG, "it is empty" },
	{ "no header", SAMPLE, -EBADMSG, "line 1: not the header" },
	{ "another file", "<html>\n", -EBADMSG,
	  "line 1: not the header of a trace: read JSON at byte 0" },
	{ "a remark for a header", "# hello\n", -EBADMSG, "line 1: not the header" },
	{ "half a header", "{\"schema\":\"radar-pod/tra", -EBADMSG,
	  "line 1: not the header of a trace: read JSON" },
	{ "version 2", "{\"schema\":\"radar-pod/trace/2\",\"record\":\"header\"}\n",
	  -EPROTONOSUPPORT, "version 2" },
	{ "a second header", HEADER HEADER, -EBADMSG, "line 2: a second header" },
	{ "a flow nobody named", HEADER FLOW "{\"at_ns\":1,\"flow\":2,\"event\":\"ack\"}\n",
	  -EBADMSG, "line 3: flow" },
	{ "flow 4294967295", HEADER "{\"record\":\"flow\",\"flow\":4294967295}\n", -EBADMSG,
	  "line 2: flow: there are too many" },
	{ "a wrong count", HEADER FLOW SAMPLE END(2) "\n", -EBADMSG, "line 4: samples" },
	{ "something behind the end", HEADER END(0) "\nx", -EBADMSG, "line 3: something follows" },
	{ "a wrong type", HEADER FLOW "{\"at_ns\":true,\"flow\":1,\"event\":\"ack\"}\n", -EBADMSG,
	  "line 3: at_ns" },
	{ "no zstd behind its magic", "\x28\xb5\x2f\xfd\x08\x01\x01\x01\x01\x01\x01\x01\x01",
	  -EBADMSG, "decompress" },
};

static int read_all(struct memory *m, struct err *err)
{
	struct trace_reader *t = NULL;
	struct trace_record r;
	int outcome = trace_reader_open((struct trace_input){ recall, m }, &t, err);

	if (outcome < 0)
		return outcome;
	while ((outcome = trace_reader_next(t, &r, err)) == TRACE_READ_RECORD)
		;
	trace_reader_close(t);
	return outcome;
}

static void text_is_read(void **state)
{
	const struct text_case *c = *state;
	struct memory m = { .at = (char *)c->text, .bytes = strlen(c->text) };
	struct err err = {};

	assert_int_equal(read_all(&m, &err), c->want);
	if (c->says && !strstr(err.text, c->says))
		fail_msg("%s", err.text);
}

static void a_huge_line_is_refused(void **state)
{
	struct memory m = {};
	struct err err = {};

	(void)state;
	remember(&m, HEADER, strlen(HEADER), NULL);
	for (int i = 0; i < TRACE_LINE_BYTES; i++)
		remember(&m, "x", 1, NULL);
	assert_int_equal(read_all(&m, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "line 2: it is too long"));
	free(m.at);
}

static void a_broken_disk_is_told(void **state)
{
	struct memory m = { .fails = true };
	struct trace_record r = { .kind = TRACE_HEADER };
	struct trace_writer *w = NULL;
	struct err err = {};
	int bad = 0;

	(void)state;
	assert_int_equal(read_all(&m, &err), -EIO);
	assert_int_equal(trace_writer_open((struct trace_form){},
	                                   (struct trace_output){ remember, &m }, &w, &err),
	                 0);
	for (int i = 0; bad == 0 && i < 10000; i++)
		bad = trace_writer_put(w, &r, &err);
	assert_int_equal(bad, -ENOSPC);
	trace_writer_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_huge_line_is_refused),
		cmocka_unit_test(a_broken_disk_is_told),
	};
	struct round_case torn_cases[4];
	int failed = CASES_RUN(comes_back, round_cases);

	memcpy(torn_cases, round_cases, sizeof(torn_cases));
	failed += CASES_RUN(torn_anywhere, torn_cases);
	failed += CASES_RUN(text_is_read, text_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
