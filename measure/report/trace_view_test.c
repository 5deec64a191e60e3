/* Which flows are drawn, of traces with more of them than can be held: foretold, read once, or twice. */
#include "measure/report/trace_view.h"

#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "tests/trace_text.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

static struct trace_text file;
static size_t again_at;
static unsigned int readings;
static bool refuses; /* to be read again */

static ssize_t read_again(void *self, void *into, size_t bytes)
{
	struct trace_text *t = self;
	size_t left = t->bytes - again_at, n = left < bytes ? left : bytes;

	memcpy(into, t->text + again_at, n);
	again_at += n;
	return (ssize_t)n;
}

static int again(void *self, struct trace_input *ret)
{
	if (refuses)
		return -ESPIPE;
	readings++;
	again_at = 0;
	*ret = (struct trace_input){ read_again, self };
	return 0;
}

static const struct trace_source pipe_source = { .input = { trace_text_read, &file } };
static const struct trace_source disk_source = { .input = { trace_text_read, &file },
	                                         .again = again };

static void begin_file(void)
{
	struct trace_record header = { .kind = TRACE_HEADER,
		                       .header = { .anchor = { .monotonic_ns = NS_PER_S } } };

	file.bytes = file.at = 0;
	readings = 1;
	refuses = false;
	trace_text_put(&file, &header);
}

static void put_flow(uint32_t flow)
{
	struct trace_record r = { .kind = TRACE_FLOW,
		                  .flow = flow,
		                  .met = { .cookie = 100 + flow, .at_ns = NS_PER_S } };

	trace_text_put(&file, &r);
}

static void put_sample(uint32_t flow, uint64_t at_ms, uint64_t received)
{
	struct trace_record r = { .kind = TRACE_SAMPLE,
		                  .flow = flow,
		                  .sample = { .at_ns = at_ms * NS_PER_MS,
		                              .present = TCP_SAMPLE_BYTES,
		                              .bytes_received = received } };

	trace_text_put(&file, &r);
}

static void put_end(uint64_t samples)
{
	struct trace_record r = { .kind = TRACE_END,
		                  .end = { .samples = samples,
		                           .events = { [TCP_SAMPLE_INFO] = samples } } };

	trace_text_put(&file, &r);
}

/* Flows 1 to n with three samples each; flow i has received 10 i kB. */
static void make_file(uint32_t flows)
{
	begin_file();
	for (uint32_t i = 1; i <= flows; i++)
		put_flow(i);
	for (uint64_t ms = 0; ms < 3; ms++)
		for (uint32_t i = 1; i <= flows; i++)
			put_sample(i, 2000 + 100 * ms, 5000 * i * ms);
	put_end(3 * flows);
}

static struct trace_view *read_it(struct trace_source from)
{
	struct trace_view *v = NULL;

	assert_int_equal(trace_view_read(from, &v, NULL), 0);
	return v;
}

static struct choice_case {
	const char *name;
	uint32_t flows;
	bool rewinds;
	unsigned int want_readings;      /* the second one is the foretelling */
	uint32_t want_first, want_count; /* the numbers drawn are consecutive */
	bool want_first_only;
} choice_cases[] = {
	{ "one", 1, true, 1, 1, 1, false },
	{ "as many as are drawn", 8, true, 1, 1, 8, false },
	{ "one more", 9, true, 1, 2, 8, false },
	{ "as many as are held", 32, true, 1, 25, 8, false },
	{ "one more than are held", 33, true, 2, 26, 8, false },
	{ "hundreds", 300, true, 2, 293, 8, false },
	{ "hundreds through a pipe", 300, false, 1, 25, 8, true },
	{ "as many as are held through a pipe", 32, false, 1, 25, 8, false },
};

static void the_largest_are_drawn(void **state)
{
	const struct choice_case *c = *state;
	struct trace_view *v;

	make_file(c->flows);
	v = read_it(c->rewinds ? disk_source : pipe_source);
	assert_int_equal(readings, c->want_readings);
	assert_int_equal(v->drawn_count, c->want_count);
	assert_int_equal(v->first_only, c->want_first_only);
	assert_int_equal(v->summary.flows_count, c->flows);
	assert_int_equal(v->summary.samples, 3 * c->flows);
	for (uint32_t i = 0; i < v->drawn_count; i++) {
		assert_int_equal(v->drawn[i].flow, c->want_first + i);
		assert_int_equal(v->drawn[i].curves->samples, 3);
		assert_int_equal(v->drawn[i].curves->grid.shift, v->drawn[0].curves->grid.shift);
	}
	assert_false(v->cut);
	trace_view_free(v);
}

static void of_equal_ones_the_first_are_drawn(void **state)
{
	struct trace_view *v;

	(void)state;
	begin_file();
	for (uint32_t i = 1; i <= 20; i++)
		put_flow(i);
	for (uint32_t i = 1; i <= 20; i++)
		put_sample(i, 2000, 7);
	put_end(20);
	v = read_it(disk_source);
	assert_int_equal(v->drawn_count, TRACE_VIEW_DRAWN);
	assert_int_equal(v->drawn[0].flow, 1);
	assert_int_equal(v->drawn[7].flow, 8);
	trace_view_free(v);
}

/* The counters of flow 50 fall back to nothing at its end: the foretelling takes that for its size. */
static void one_that_was_foretold_wrongly_is_drawn(void **state)
{
	struct trace_view *v;

	(void)state;
	begin_file();
	for (uint32_t i = 1; i <= 50; i++)
		put_flow(i);
	for (uint32_t i = 1; i <= 50; i++)
		put_sample(i, 2000, 1000 * i);
	put_sample(50, 2001, 1);
	put_end(51);
	v = read_it(disk_source);
	assert_int_equal(readings, 3);
	assert_int_equal(v->drawn_count, TRACE_VIEW_DRAWN);
	assert_int_equal(v->drawn[0].flow, 43);
	assert_int_equal(v->drawn[7].flow, 50);
	assert_int_equal(v->drawn[7].curves->samples, 2);
	assert_int_equal(v->summary.samples, 51);
	trace_view_free(v);
}

/* They come one after the other, so that of those that are drawn some are over before the others begin. */
static void early_and_late_ones_are_drawn(void **state)
{
	struct trace_view *v;

	(void)state;
	begin_file();
	for (uint32_t i = 1; i <= 200; i++) {
		bool large = i % 25 == 2; /* 2, 27, …, 177 */

		put_flow(i);
		put_sample(i, 2000 + 2 * i, 0);
		put_sample(i, 2001 + 2 * i, large ? 1000000 : 1000);
	}
	put_end(400);
	v = read_it(disk_source);
	assert_int_equal(readings, 2);
	assert_int_equal(v->drawn_count, TRACE_VIEW_DRAWN);
	for (uint32_t i = 0; i < v->drawn_count; i++) {
		assert_int_equal(v->drawn[i].flow, 2 + 25 * i);
		assert_int_equal(v->drawn[i].curves->samples, 2);
	}
	trace_view_free(v);
}

static void a_file_that_will_not_go_back_is_read_once(void **state)
{
	struct trace_view *v;

	(void)state;
	make_file(100);
	refuses = true;
	v = read_it(disk_source);
	assert_true(v->first_only && v->drawn_count == TRACE_VIEW_DRAWN);
	trace_view_free(v);
}

static void flows_without_samples_are_not_drawn(void **state)
{
	struct trace_view *v;

	(void)state;
	begin_file();
	put_flow(1);
	put_flow(2);
	put_sample(2, 2000, 5);
	put_end(1);
	v = read_it(disk_source);
	assert_int_equal(v->drawn_count, 1);
	assert_int_equal(v->drawn[0].flow, 2);
	assert_int_equal(v->origin_ns, 2000 * NS_PER_MS);
	trace_view_free(v);
}

static void no_samples_at_all(void **state)
{
	struct trace_view *v;

	(void)state;
	begin_file();
	put_end(0);
	v = read_it(disk_source);
	assert_int_equal(v->drawn_count, 0);
	assert_int_equal(v->summary.flows_count, 0);
	trace_view_free(v);
}

static void cut_off_it_is_used_as_far_as_it_goes(void **state)
{
	struct trace_view *v;

	(void)state;
	make_file(100);
	file.bytes -= 200; /* the end record, and a part of what is before */
	v = read_it(disk_source);
	assert_true(v->cut);
	assert_int_equal(v->drawn_count, TRACE_VIEW_DRAWN);
	trace_view_free(v);
}

static void samples_before_the_first_are_counted(void **state)
{
	struct trace_view *v;

	(void)state;
	begin_file();
	put_flow(1);
	put_sample(1, 3000, 1);
	put_sample(1, 2000, 2);
	put_end(2);
	v = read_it(disk_source);
	assert_int_equal(v->early, 1);
	assert_int_equal(v->drawn[0].curves->samples, 1);
	trace_view_free(v);
}

/* Eight flows from the first second to the last would weigh eight times what one does. */
static void many_long_flows_have_wider_bins(void **state)
{
	struct trace_view *v;
	uint64_t samples = 0;

	(void)state;
	begin_file();
	for (uint32_t i = 1; i <= 8; i++)
		put_flow(i);
	for (uint64_t ms = 0; ms < 3000; ms++)
		for (uint32_t i = 1; i <= 8; i++, samples++)
			put_sample(i, 2000 + ms, ms);
	put_end(samples);
	v = read_it(disk_source);
	assert_int_equal(v->drawn_count, 8);
	assert_true(thin_grid_bin(&v->drawn[0].curves->grid, 5000 * NS_PER_MS) <=
	            TRACE_VIEW_BINS / 8);
	assert_true(thin_grid_bin(&v->drawn[0].curves->grid, 5000 * NS_PER_MS) >
	            TRACE_VIEW_BINS / 32);
	trace_view_free(v);
}

static void no_trace_is_none(void **state)
{
	struct trace_view *v = NULL;
	struct err err = {};

	(void)state;
	begin_file();
	strcpy(file.text, "{\"schema\":\"radar-pod/trace/2\",\"record\":\"header\"}\n");
	file.bytes = strlen(file.text);
	assert_int_equal(trace_view_read(disk_source, &v, &err), -EPROTONOSUPPORT);
	begin_file();
	strcpy(file.text + file.bytes, "{\"at_ns\":1,\"flow\":7}\n");
	file.bytes = strlen(file.text);
	assert_int_equal(trace_view_read(disk_source, &v, &err), -EBADMSG);
	assert_null(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_equal_ones_the_first_are_drawn),
		cmocka_unit_test(one_that_was_foretold_wrongly_is_drawn),
		cmocka_unit_test(early_and_late_ones_are_drawn),
		cmocka_unit_test(a_file_that_will_not_go_back_is_read_once),
		cmocka_unit_test(flows_without_samples_are_not_drawn),
		cmocka_unit_test(no_samples_at_all),
		cmocka_unit_test(cut_off_it_is_used_as_far_as_it_goes),
		cmocka_unit_test(samples_before_the_first_are_counted),
		cmocka_unit_test(many_long_flows_have_wider_bins),
		cmocka_unit_test(no_trace_is_none),
	};
	int failed = CASES_RUN(the_largest_are_drawn, choice_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
