#include "measure/limits.h"

#include <math.h>

#include "tests/cases.h"

#define LOOKS_MAX 4

struct limits_case {
	const char *name;
	size_t count;
	struct limits_look looks[LOOKS_MAX];
	uint64_t want_us[LIMITS];
	enum limit most;
	bool unknown;
};

static const struct limits_case limits_cases[] = {
	{ "no look", 0, .unknown = true },
	{ "one look is no stretch", 1, { { .at_us = 5 } }, .unknown = true },
	{ "busy: the network",
	  2,
	  { { .at_us = 1000 }, { .at_us = 11000, .busy_us = 10000 } },
	  { [LIMIT_NETWORK] = 10000 },
	  LIMIT_NETWORK },
	{ "the receiver's window",
	  2,
	  { { .at_us = 0 }, { .at_us = 10000, .busy_us = 10000, .rwnd_limited_us = 7000 } },
	  { [LIMIT_NETWORK] = 3000, [LIMIT_RECEIVER] = 7000 },
	  LIMIT_RECEIVER },
	{ "the send buffer",
	  2,
	  { { .at_us = 0 },
	    { .at_us = 10000,
	      .busy_us = 10000,
	      .rwnd_limited_us = 1000,
	      .sndbuf_limited_us = 6000 } },
	  { [LIMIT_NETWORK] = 3000, [LIMIT_RECEIVER] = 1000, [LIMIT_SENDER] = 6000 },
	  LIMIT_SENDER },
	{ "counters as large as they can be",
	  2,
	  { { .at_us = 0 }, { .at_us = 10000, .busy_us = UINT64_MAX } },
	  { [LIMIT_NETWORK] = 10000 },
	  LIMIT_NETWORK },
	{ "nothing outstanding: the application",
	  2,
	  { { .at_us = 0 }, { .at_us = 10000, .busy_us = 4000 } },
	  { [LIMIT_NETWORK] = 4000, [LIMIT_APPLICATION] = 6000 },
	  LIMIT_APPLICATION },
	{ "outstanding, but no more to send",
	  2,
	  { { .at_us = 0 }, { .at_us = 10000, .busy_us = 10000, .app_limited_us = 10000 } },
	  { [LIMIT_APPLICATION] = 10000 },
	  LIMIT_APPLICATION },
	{ "the CPU overrules the window",
	  2,
	  { { .at_us = 0 },
	    { .at_us = 10000, .busy_us = 10000, .rwnd_limited_us = 9000, .cpu_us = 9000 } },
	  { [LIMIT_CPU] = 10000 },
	  LIMIT_CPU },
	{ "looks that came to us farther apart than they were made",
	  2,
	  { { .at_us = 0, .ours_us = 500 },
	    { .at_us = 10000, .busy_us = 10000, .cpu_us = 9000, .ours_us = 20500 } },
	  { [LIMIT_NETWORK] = 10000 },
	  LIMIT_NETWORK },
	{ "looks that came nearer together",
	  2,
	  { { .at_us = 0, .ours_us = 500 },
	    { .at_us = 10000, .busy_us = 10000, .cpu_us = 1000, .ours_us = 1500 } },
	  { [LIMIT_NETWORK] = 10000 },
	  LIMIT_NETWORK },
	{ "the CPU's by both clocks",
	  2,
	  { { .at_us = 0, .ours_us = 500 },
	    { .at_us = 10000, .busy_us = 10000, .cpu_us = 9900, .ours_us = 11500 } },
	  { [LIMIT_CPU] = 10000 },
	  LIMIT_CPU },
	{ "a CPU that is not full does not",
	  2,
	  { { .at_us = 0 },
	    { .at_us = 10000, .busy_us = 10000, .rwnd_limited_us = 9000, .cpu_us = 8999 } },
	  { [LIMIT_NETWORK] = 1000, [LIMIT_RECEIVER] = 9000 },
	  LIMIT_RECEIVER },
	{ "stretch by stretch",
	  3,
	  { { .at_us = 0 },
	    { .at_us = 10000, .cpu_us = 10000 },
	    { .at_us = 30000, .cpu_us = 10000, .busy_us = 20000 } },
	  { [LIMIT_NETWORK] = 20000, [LIMIT_CPU] = 10000 },
	  LIMIT_NETWORK },
	{ "counters of before do not count",
	  2,
	  { { .at_us = 900, .busy_us = 800, .rwnd_limited_us = 700, .cpu_us = 600 },
	    { .at_us = 1900, .busy_us = 1800, .rwnd_limited_us = 700, .cpu_us = 600 } },
	  { [LIMIT_NETWORK] = 1000 },
	  LIMIT_NETWORK },
	{ "parts are never more than the whole",
	  2,
	  { { .at_us = 0 },
	    { .at_us = 100, .busy_us = 150, .rwnd_limited_us = 120, .sndbuf_limited_us = 90 } },
	  { [LIMIT_RECEIVER] = 100 },
	  LIMIT_RECEIVER },
	{ "a jiffy's jump makes up for the stretch before it",
	  3,
	  { { .at_us = 0 },
	    { .at_us = 10000, .busy_us = 8000 },
	    { .at_us = 20000, .busy_us = 20000 } },
	  { [LIMIT_NETWORK] = 20000 },
	  LIMIT_NETWORK },
	{ "a part of the time no more to send",
	  2,
	  { { .at_us = 0 }, { .at_us = 10000, .busy_us = 9000, .app_limited_us = 4000 } },
	  { [LIMIT_NETWORK] = 5000, [LIMIT_APPLICATION] = 5000 },
	  LIMIT_NETWORK },
	{ "what runs backwards is not taken",
	  3,
	  { { .at_us = 0, .busy_us = 50 },
	    { .at_us = 100, .busy_us = 20 },
	    { .at_us = 200, .busy_us = 250 } },
	  { [LIMIT_NETWORK] = 200 },
	  LIMIT_NETWORK },
};

static void time_is_shared_out(void **state)
{
	const struct limits_case *c = *state;
	double percent[LIMITS], sum = 0;
	uint64_t all_us = 0;
	struct limits l;

	limits_start(&l);
	for (size_t i = 0; i < c->count; i++)
		limits_add(&l, &c->looks[i]);
	assert_int_equal(limits_percent(&l, percent), !c->unknown);
	if (c->unknown)
		return;
	for (int i = 0; i < LIMITS; i++) {
		all_us += c->want_us[i];
		sum += percent[i];
	}
	for (int i = 0; i < LIMITS; i++)
		assert_true(fabs(percent[i] - 100.0 * (double)c->want_us[i] / (double)all_us) <
		            1e-9);
	assert_true(fabs(sum - 100) < 1e-9);
	assert_int_equal(limits_most(&l), c->most);
}

/* The first half second the network's, the second the receiver's, the third and fourth, looked at
 * once, the CPU's. */
static void time_is_shared_out_along_it(void **state)
{
	static const struct limits_look looks[] = {
		{ .at_us = 1000000 },
		{ .at_us = 1500000, .busy_us = 500000 },
		{ .at_us = 2000000, .busy_us = 1000000, .rwnd_limited_us = 500000 },
		{ .at_us = 3000000,
		  .busy_us = 2000000,
		  .rwnd_limited_us = 500000,
		  .cpu_us = 1000000 },
	};
	static const enum limit want[] = { LIMIT_NETWORK, LIMIT_RECEIVER, LIMIT_CPU, LIMIT_CPU };
	double percent[LIMITS];
	struct limits l;

	(void)state;
	limits_start(&l);
	for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++)
		limits_add(&l, &looks[i]);
	assert_int_equal(l.bins, 4);
	for (uint32_t bin = 0; bin < 4; bin++) {
		assert_true(limits_percent_along(&l, bin, percent));
		assert_true(percent[want[bin]] == 100);
	}
	assert_false(limits_percent_along(&l, 4, percent));
	limits_add(&l, &(struct limits_look){ .at_us = 60000000,
	                                      .busy_us = 2000000,
	                                      .rwnd_limited_us = 500000,
	                                      .cpu_us = 1000000 });
	assert_int_equal(l.bins, LIMITS_BINS_MAX);
	assert_true(limits_percent(&l, percent) && percent[LIMIT_APPLICATION] > 90);
}

/* From 0.7 s on, half of the first bin that is known the network's; then the receiver's, over an edge. */
static void bins_begin_where_they_are_anchored(void **state)
{
	static const struct limits_look looks[] = {
		{ .at_us = 700000 },
		{ .at_us = 850000, .busy_us = 150000 },
		{ .at_us = 1150000, .busy_us = 450000, .rwnd_limited_us = 300000 },
	};
	double percent[LIMITS];
	struct limits l;

	(void)state;
	limits_start(&l);
	limits_anchor(&l, 0);
	for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++)
		limits_add(&l, &looks[i]);
	assert_int_equal(l.bins, 3);
	assert_false(limits_percent_along(&l, 0, percent));
	assert_true(limits_percent_along(&l, 1, percent));
	assert_true(fabs(percent[LIMIT_NETWORK] - 50) < 1e-3);
	assert_true(fabs(percent[LIMIT_RECEIVER] - 50) < 1e-3);
	assert_true(limits_percent_along(&l, 2, percent) && percent[LIMIT_RECEIVER] == 100);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_shared_out_along_it),
		cmocka_unit_test(bins_begin_where_they_are_anchored),
	};
	int failed = CASES_RUN(time_is_shared_out, limits_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
