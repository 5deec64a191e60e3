#include "agent/cli/trace_filter.h"

#include <errno.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

#define ALWAYS UINT64_MAX

static const struct wish_case {
	const char *name;
	const char *flow, *events;
	uint64_t from_ns, to_ns;
	const char *refused; /* words of why; NULL: it is not */
} wish_cases[] = {
	{ "nothing", NULL, NULL, 0, ALWAYS, NULL },
	{ "a number", "7", NULL, 0, ALWAYS, NULL },
	{ "the largest number", "16384", NULL, 0, ALWAYS, NULL },
	{ "a larger one", "16385", NULL, 0, ALWAYS, "--flow" },
	{ "they are counted from 1", "0", NULL, 0, ALWAYS, "--flow" },
	{ "a negative number", "-1", NULL, 0, ALWAYS, "--flow" },
	{ "a word", "all", NULL, 0, ALWAYS, "--flow" },
	{ "nothing at all", "", NULL, 0, ALWAYS, "--flow" },
	{ "a cookie", "00000000000000ff", NULL, 0, ALWAYS, NULL },
	{ "a cookie in capitals", "00000000000000FF", NULL, 0, ALWAYS, NULL },
	{ "16 digits that are none", "00000000000000fg", NULL, 0, ALWAYS, "--flow" },
	{ "a sign before 15 digits", "-0000000000000ff", NULL, 0, ALWAYS, "--flow" },
	{ "every event", NULL, "info,ack,retransmit,state,congestion", 0, ALWAYS, NULL },
	{ "one twice", NULL, "ack,ack", 0, ALWAYS, NULL },
	{ "an event of none", NULL, "ack,loss", 0, ALWAYS, "\"loss\"" },
	{ "the beginning of one", NULL, "ac", 0, ALWAYS, "\"ac\"" },
	{ "a comma too many", NULL, "ack,", 0, ALWAYS, "\"\"" },
	{ "an instant", NULL, NULL, 5, 5, NULL },
	{ "an end before the beginning", NULL, NULL, 6, 5, "--to is before --from" },
};

static void wish_is_understood(void **state)
{
	const struct wish_case *c = *state;
	struct trace_filter f;
	struct err err = {};
	int r = trace_filter_of(c->flow, c->events, c->from_ns, c->to_ns, &f, &err);

	assert_int_equal(r, c->refused ? -EINVAL : 0);
	if (c->refused)
		assert_non_null(strstr(err.text, c->refused));
}

#define COOKIE 0xabcdef0123456789ULL
#define BEGAN  (100 * NS_PER_S)

static const struct pass_case {
	const char *name;
	const char *flow, *events;
	uint64_t from_ns, to_ns;
	/* The record: a sample 2 s after the trace began, of flow 3 with that cookie, unless it is another. */
	enum trace_kind kind;
	bool passes;
} pass_cases[] = {
	{ "no restriction", NULL, NULL, 0, ALWAYS, TRACE_SAMPLE, true },
	{ "its flow", "3", NULL, 0, ALWAYS, TRACE_SAMPLE, true },
	{ "another flow", "4", NULL, 0, ALWAYS, TRACE_SAMPLE, false },
	{ "its cookie", "abcdef0123456789", NULL, 0, ALWAYS, TRACE_SAMPLE, true },
	{ "another cookie", "abcdef012345678a", NULL, 0, ALWAYS, TRACE_SAMPLE, false },
	{ "the flow's record", "3", NULL, 0, ALWAYS, TRACE_FLOW, true },
	{ "another flow's record", "4", NULL, 0, ALWAYS, TRACE_FLOW, false },
	{ "the flow's record by its cookie", "abcdef0123456789", NULL, 0, ALWAYS, TRACE_FLOW,
	  true },
	{ "a record that is no sample has no event", NULL, "state", 0, ALWAYS, TRACE_FLOW, true },
	{ "nor a time", NULL, NULL, NS_PER_S, 1, TRACE_FLOW, true },
	{ "its event", NULL, "state,ack", 0, ALWAYS, TRACE_SAMPLE, true },
	{ "another event", NULL, "state", 0, ALWAYS, TRACE_SAMPLE, false },
	{ "from that instant on", NULL, NULL, 2 * NS_PER_S, ALWAYS, TRACE_SAMPLE, true },
	{ "from the next one on", NULL, NULL, 2 * NS_PER_S + 1, ALWAYS, TRACE_SAMPLE, false },
	{ "up to that instant", NULL, NULL, 0, 2 * NS_PER_S, TRACE_SAMPLE, true },
	{ "up to the one before", NULL, NULL, 0, 2 * NS_PER_S - 1, TRACE_SAMPLE, false },
	{ "the end", "4", "state", 0, 1, TRACE_END, true },
};

static void wanted_passes(void **state)
{
	const struct pass_case *c = *state;
	struct trace_record r = { .kind = c->kind, .flow = 3 };
	struct trace_filter f;

	if (c->kind == TRACE_SAMPLE)
		r.sample = (struct tcp_sample){ .at_ns = BEGAN + 2 * NS_PER_S,
			                        .cookie = COOKIE,
			                        .event = TCP_SAMPLE_ACK };
	else if (c->kind == TRACE_FLOW)
		r.met = (struct tcp_flow){ .cookie = COOKIE };
	trace_filter_of(c->flow, c->events, 0, 0, &f, NULL);
	f.from_ns = c->from_ns;
	f.to_ns = c->to_ns;
	f.began_ns = BEGAN;
	assert_int_equal(trace_filter_passes(&f, &r), c->passes);
}

/* A watched socket's handshake may be older than the header's clock. */
static void before_the_beginning_is_at_it(void **state)
{
	const struct trace_record r = { .kind = TRACE_SAMPLE, .sample = { .at_ns = BEGAN - 5 } };
	struct trace_filter f;

	(void)state;
	assert_int_equal(trace_filter_of(NULL, NULL, 0, 0, &f, NULL), 0);
	f.began_ns = BEGAN;
	assert_true(trace_filter_passes(&f, &r));
	f.from_ns = f.to_ns = 1;
	assert_false(trace_filter_passes(&f, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(before_the_beginning_is_at_it) };
	int failed = CASES_RUN(wish_is_understood, wish_cases);

	failed += CASES_RUN(wanted_passes, pass_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
