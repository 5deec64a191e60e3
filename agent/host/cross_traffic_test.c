/* A minute before a test, played in no time. */
#include "agent/host/cross_traffic.h"

#include <errno.h>

#include "tests/cases.h"
#include "transport/base/clock.h"

#define LATER 86400

struct look {
	uint64_t at_ms;
	int64_t received, sent; /* counters; -1: they cannot be read */
};

struct traffic_case {
	const char *name;
	struct look looks[6];
	enum cross_traffic_verdict want; /* of the last one; before it, CROSS_TRAFFIC_LOOK_AGAIN */
	uint64_t busy_bps;
};

/* 250 kbit/s for a second are 31,250 bytes; the patience here is 3 s. */
static struct traffic_case traffic_cases[] = {
	{ "the first look decides nothing", { { 1, 5, 5 } }, CROSS_TRAFFIC_LOOK_AGAIN, 0 },
	{ "silence", { { 1, 5, 5 }, { 1001, 5, 5 } }, CROSS_TRAFFIC_QUIET, 0 },
	{ "what a second may have",
	  { { 1, 0, 0 }, { 1001, 31250, 31250 } },
	  CROSS_TRAFFIC_QUIET,
	  250000 },
	{ "a byte more received",
	  { { 1, 0, 0 }, { 1001, 31251, 0 } },
	  CROSS_TRAFFIC_LOOK_AGAIN,
	  250008 },
	{ "a byte more sent",
	  { { 1, 0, 0 }, { 1001, 0, 31251 } },
	  CROSS_TRAFFIC_LOOK_AGAIN,
	  250008 },
	{ "the second second is quiet",
	  { { 1, 0, 0 }, { 1001, 1000000, 0 }, { 2001, 1000100, 0 } },
	  CROSS_TRAFFIC_QUIET,
	  800 },
	{ "busy to the end of patience",
	  { { 1, 0, 0 }, { 1001, 1000000, 0 }, { 2001, 2000000, 0 }, { 3001, 4000000, 0 } },
	  CROSS_TRAFFIC_BUSY,
	  16000000 },
	{ "quiet in the last second of patience",
	  { { 1, 0, 0 }, { 1001, 1000000, 0 }, { 2001, 2000000, 0 }, { 3001, 2000000, 0 } },
	  CROSS_TRAFFIC_QUIET,
	  0 },
	{ "too early is no look",
	  { { 1, 0, 0 }, { 900, 9000000, 0 } },
	  CROSS_TRAFFIC_LOOK_AGAIN,
	  0 },
	{ "too late is a longer one",
	  { { 1, 0, 0 }, { 2001, 62500, 0 } },
	  CROSS_TRAFFIC_QUIET,
	  250000 },
	{ "the counters begin again",
	  { { 1, 900, 900 }, { 1001, 5, 5 }, { 2001, 10, 10 } },
	  CROSS_TRAFFIC_QUIET,
	  40 },
	{ "the counters never count upwards",
	  { { 1, 900, 0 }, { 1001, 800, 0 }, { 2001, 700, 0 }, { 3001, 600, 0 } },
	  CROSS_TRAFFIC_UNKNOWN,
	  0 },
	{ "no counters", { { 1, -1, -1 } }, CROSS_TRAFFIC_UNKNOWN, 0 },
	{ "no counters any more", { { 1, 5, 5 }, { 1001, -1, -1 } }, CROSS_TRAFFIC_UNKNOWN, 0 },
	{ "asleep meanwhile",
	  { { 1, 0, 0 }, { 1000 * LATER, 1000000, 0 } },
	  CROSS_TRAFFIC_QUIET,
	  92 },
	{ "counters beyond 2^53",
	  { { 1, INT64_MAX - 40000, 0 }, { 1001, INT64_MAX, 0 } },
	  CROSS_TRAFFIC_LOOK_AGAIN,
	  320000 },
};

static void verdict_is(void **state)
{
	const struct traffic_case *c = *state;
	struct cross_traffic t = { .limits = CROSS_TRAFFIC_LIMITS };
	size_t last = 0;

	t.limits.patience_ns = 3 * NS_PER_S;
	while (last + 1 < 6 && c->looks[last + 1].at_ms)
		last++;
	for (size_t i = 0; i <= last; i++) {
		const struct look *l = &c->looks[i];
		struct interface_counters now = { (uint64_t)l->received, (uint64_t)l->sent };
		enum cross_traffic_verdict got =
			cross_traffic_take(&t, l->received < 0 ? NULL : &now, l->at_ms * NS_PER_MS);

		assert_int_equal(got, i < last ? CROSS_TRAFFIC_LOOK_AGAIN : c->want);
		if (got == CROSS_TRAFFIC_LOOK_AGAIN && l->at_ms != 900)
			assert_int_equal(t.again_ns, (l->at_ms + 1000) * NS_PER_MS);
	}
	assert_int_equal(t.busy_bps, c->busy_bps);
}

static void this_machine_counts(void **state)
{
	struct interface_counters c, later;

	(void)state;
	assert_int_equal(interface_counters_read("lo", &c, NULL), 0);
	assert_int_equal(interface_counters_read("lo", &later, NULL), 0);
	assert_true(later.received_bytes >= c.received_bytes && later.sent_bytes >= c.sent_bytes);
	assert_int_equal(interface_counters_read("no-such-device", &c, NULL), -ENODEV);
	assert_int_equal(interface_counters_read("a-name-that-is-too-long", &c, NULL), -ENODEV);
	assert_int_equal(interface_counters_read("", &c, NULL), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(this_machine_counts) };
	int failed = CASES_RUN(verdict_is, traffic_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
