#include "measure/live.h"

#include "tests/cases.h"
#include "transport/base/clock.h"

/* A direction of a steady 8 Mbit/s for 2 s, then of twice that, looked at every 100 ms. */
static const struct look_case {
	const char *name;
	enum ndt7_test test;
	unsigned int looks;
	double mean_mbps, current_mbps; /* of the last look; 0: not known */
} look_cases[] = {
	{ "download, at once", NDT7_DOWNLOAD, 0, 0, 0 },
	{ "download, the second look", NDT7_DOWNLOAD, 1, 8, 8 },
	{ "download, before the slots are full", NDT7_DOWNLOAD, 9, 8, 8 },
	{ "download, as they become so", NDT7_DOWNLOAD, 10, 8, 8 },
	{ "download, half a second of the double rate", NDT7_DOWNLOAD, 25, 9.6, 12 },
	{ "download, a second of it and more", NDT7_DOWNLOAD, 40, 12, 16 },
	{ "upload, what was acknowledged", NDT7_UPLOAD, 40, 12, 16 },
};

static uint64_t bytes_at(uint64_t ms)
{
	return 1000 * (ms <= 2000 ? ms : 2 * ms - 2000);
}

static void assert_near(struct figure f, double want)
{
	assert_int_equal(f.known, want > 0);
	if (f.known)
		assert_true(f.value > want - 1e-6 && f.value < want + 1e-6);
}

static void rates_are_shown(void **state)
{
	const struct look_case *c = *state;
	static struct direction_result d;
	struct ndt7_report report = { .started_ns = 5 * NS_PER_S };
	struct live_figures f = {};
	struct live l;

	d = (struct direction_result){ .test = c->test };
	d.local.first.bytes_acked = 517; /* TLS and the upgrade */
	live_start(&l);
	for (unsigned int i = 0; i <= c->looks; i++) {
		uint64_t ms = 100ULL * i;

		if (c->test == NDT7_DOWNLOAD)
			report.num_bytes = bytes_at(ms);
		d.local.last.bytes_acked = 517 + bytes_at(ms);
		f = live_look(&l, &d, &report, report.started_ns + ms * NS_PER_MS);
	}
	assert_int_equal(f.elapsed_ns, c->looks * LIVE_PERIOD_NS);
	assert_near(f.mean_mbps, c->mean_mbps);
	assert_near(f.current_mbps, c->current_mbps);
	assert_false(f.rtt_ms.known);
}

static void a_count_that_falls_is_no_rate(void **state)
{
	static struct direction_result d;
	struct ndt7_report report = { .num_bytes = 1000 };
	struct live l;

	(void)state;
	d = (struct direction_result){ .test = NDT7_DOWNLOAD };
	live_start(&l);
	live_look(&l, &d, &report, LIVE_PERIOD_NS);
	report.num_bytes = 10;
	assert_false(live_look(&l, &d, &report, 2 * LIVE_PERIOD_NS).current_mbps.known);
}

static const struct rtt_case {
	const char *name;
	enum ndt7_test test;
	uint32_t ours_us;
	int64_t servers_us;
	bool told; /* by the server */
	double want_ms;
} rtt_cases[] = {
	{ "upload: our kernel's", NDT7_UPLOAD, 20500, 9000, true, 20.5 },
	{ "upload: none yet", NDT7_UPLOAD, 0, 9000, true, 0 },
	{ "download: the server's", NDT7_DOWNLOAD, 20500, 9000, true, 9 },
	{ "download: the server tells none", NDT7_DOWNLOAD, 20500, 9000, false, 0 },
	{ "download: the server tells nonsense", NDT7_DOWNLOAD, 20500, -1, true, 0 },
};

static void rtt_is_the_senders(void **state)
{
	const struct rtt_case *c = *state;
	static struct direction_result d;
	const struct ndt7_report report = {};
	struct live l;

	d = (struct direction_result){ .test = c->test };
	d.local.last_rtt_us = c->ours_us;
	d.server.has_tcp_info = c->told;
	d.server.tcp_info.rtt_us = c->servers_us;
	live_start(&l);
	assert_near(live_look(&l, &d, &report, LIVE_PERIOD_NS).rtt_ms, c->want_ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_count_that_falls_is_no_rate) };
	int failed = CASES_RUN(rates_are_shown, look_cases);

	failed += CASES_RUN(rtt_is_the_senders, rtt_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
