#include "measure/limits.h"

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
	{ "nothing outstanding: the application",
	  2,
	  { { .at_us = 0 }, { .at_us = 10000, .busy_us = 4000 } },
	  { [LIMIT_NETWORK] = 4000, [LIMIT_APPLICATION] = 6000 },
	  LIMIT_APPLICATION },
	{ "outstanding, but no more to send",
	  2,
	  { { .at_us = 0 }, { .at_us = 10000, .busy_us = 10000, .app_limited = true } },
	  { [LIMIT_APPLICATION] = 10000 },
	  LIMIT_APPLICATION },
	{ "the CPU overrules the window",
	  2,
	  { { .at_us = 0 },
	    { .at_us = 10000, .busy_us = 10000, .rwnd_limited_us = 9000, .cpu_us = 9000 } },
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
	struct limits l;

	limits_start(&l);
	for (size_t i = 0; i < c->count; i++)
		limits_add(&l, &c->looks[i]);
	assert_int_equal(limits_percent(&l, percent), !c->unknown);
	if (c->unknown)
		return;
	for (int i = 0; i < LIMITS; i++) {
		assert_int_equal(l.us[i], c->want_us[i]);
		sum += percent[i];
	}
	assert_true(sum > 99.999 && sum < 100.001);
	assert_int_equal(limits_most(&l), c->most);
}

int main(void)
{
	return CASES_RUN(time_is_shared_out, limits_cases) != 0;
}
