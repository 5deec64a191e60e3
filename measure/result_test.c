/* What is derived from a result: figures that may be unknown, exit codes, names. */
#include "measure/result.h"

#include <math.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"

struct exit_case {
	const char *name;
	enum direction_state download, upload;
	bool interrupted;
	int want;
};

static struct exit_case exit_cases[] = {
	{ "both complete", DIRECTION_COMPLETE, DIRECTION_COMPLETE, false, 0 },
	{ "only one asked for", DIRECTION_COMPLETE, DIRECTION_NOT_ASKED, false, 0 },
	{ "N88 one of two failed", DIRECTION_COMPLETE, DIRECTION_FAILED, false, 3 },
	{ "N88 one broke off", DIRECTION_COMPLETE, DIRECTION_PARTIAL, false, 3 },
	{ "N88 the only one broke off", DIRECTION_NOT_ASKED, DIRECTION_PARTIAL, false, 3 },
	{ "N87 both failed", DIRECTION_FAILED, DIRECTION_FAILED, false, 1 },
	{ "interrupted, with a part", DIRECTION_COMPLETE, DIRECTION_PARTIAL, true, 1 },
	{ "interrupted at once", DIRECTION_NOT_ASKED, DIRECTION_NOT_ASKED, true, 1 },
};

static void exits_with(void **state)
{
	const struct exit_case *c = *state;
	static struct test_result r;

	r.download.state = c->download;
	r.upload.state = c->upload;
	r.interrupted = c->interrupted;
	assert_int_equal(result_exit_code(&r), c->want);
}

struct short_case {
	const char *name;
	enum goodput_source source;
	uint64_t elapsed_ms, ended_ms;
	bool want;
};

static struct short_case short_cases[] = {
	{ "the server's last word", GOODPUT_SERVER_TCP_INFO, 10000, 10000, false },
	{ "N37 one text late", GOODPUT_SERVER_TCP_INFO, 9300, 10000, false },
	{ "1.5 s before the end", GOODPUT_SERVER_TCP_INFO, 8500, 10000, false },
	{ "silent for the last 1.501 s", GOODPUT_SERVER_TCP_INFO, 8499, 10000, true },
	{ "silent in a short test", GOODPUT_SERVER_APP_INFO, 400, 2000, true },
	{ "one text in a short test", GOODPUT_SERVER_TCP_INFO, 80, 500, true },
	{ "a text late in a short test", GOODPUT_SERVER_TCP_INFO, 300, 500, false },
	{ "N31 a download that fell silent", GOODPUT_CLIENT_RECEIVED, 1, 7001, true },
	{ "a download cut soon", GOODPUT_CLIENT_RECEIVED, 1, 500, true },
	{ "a download to its end", GOODPUT_CLIENT_RECEIVED, 500, 500, false },
	{ "a download that nobody ended", GOODPUT_CLIENT_RECEIVED, 10000, 13000, false },
	{ "bulk that outlasted the 10 s", GOODPUT_SERVER_TCP_INFO, 10000, 12300, false },
	{ "the server's clock runs fast", GOODPUT_SERVER_TCP_INFO, 12000, 10000, false },
	{ "N33 nothing more acknowledged", GOODPUT_CLIENT_ACKED, 500, 10000, true },
	{ "what was written", GOODPUT_CLIENT_WRITTEN, 10000, 10000, false },
	{ "nothing at all", GOODPUT_NONE, 0, 10000, false },
};

static void figure_falls_short(void **state)
{
	const struct short_case *c = *state;
	static struct direction_result d;

	d.test = NDT7_UPLOAD;
	d.source = c->source;
	d.elapsed_ns = c->elapsed_ms * NS_PER_MS;
	d.report.started_ns = NS_PER_S;
	d.report.count_ended_ns = NS_PER_S + c->ended_ms * NS_PER_MS;
	assert_int_equal(direction_falls_short(&d), c->want);
}

struct retransmit_case {
	const char *name;
	int64_t bytes_sent, bytes_retrans;
	bool known;
	double want;
};

static struct retransmit_case retransmit_cases[] = {
	{ "N41 10 of 1000", 1000, 10, true, 1.0 },
	{ "N41 nothing sent", 0, 0, false, 0 },
	{ "N43 negative", -5, 10, false, 0 },
	{ "N42 beyond 2^53", INT64_MAX - 1, (INT64_MAX - 1) / 2, true, 50 },
};

static void server_retransmits(void **state)
{
	const struct retransmit_case *c = *state;
	static struct direction_result d;
	struct figure f;

	d.test = NDT7_DOWNLOAD;
	d.has_server = true;
	d.server.tcp_info.present =
		1ULL << MEASUREMENT_TCP_BytesSent | 1ULL << MEASUREMENT_TCP_BytesRetrans;
	d.server.tcp_info.bytes_sent = c->bytes_sent;
	d.server.tcp_info.bytes_retrans = c->bytes_retrans;
	f = direction_retransmit_percent(&d);
	assert_int_equal(f.known, c->known);
	if (f.known)
		assert_true(fabs(f.value - c->want) < 1e-9);
}

static void min_rtt_is_the_servers(void **state)
{
	static struct direction_result d;

	(void)state;
	d.test = NDT7_DOWNLOAD;
	assert_false(direction_min_rtt_ms(&d).known);
	d.has_server = true;
	d.server.tcp_info.present = 1ULL << MEASUREMENT_TCP_MinRTT;
	d.server.tcp_info.min_rtt_us = 12345; /* N40 */
	assert_true(fabs(direction_min_rtt_ms(&d).value - 12.345) < 1e-9);
	d.report.ended_ns = d.report.started_ns + 10 * NS_PER_S;
	d.server.tcp_info.min_rtt_us = UINT32_MAX; /* longer than the test */
	assert_false(direction_min_rtt_ms(&d).known);
}

/* Our kernel's, which sent; the server's where ours has none. */
static void an_uploads_figures_are_our_own(void **state)
{
	static struct direction_result d;

	(void)state;
	d = (struct direction_result){ .test = NDT7_UPLOAD,
		                       .has_server = true,
		                       .report = { .ended_ns = 10 * NS_PER_S } };
	d.server.tcp_info.present = 1ULL << MEASUREMENT_TCP_MinRTT;
	d.server.tcp_info.min_rtt_us = 12345;
	assert_true(fabs(direction_min_rtt_ms(&d).value - 12.345) < 1e-9);
	assert_false(direction_retransmit_percent(&d).known);
	d.local.min_rtt_us = 11800;
	d.local.last = (struct tcp_sample){ .present = TCP_SAMPLE_BYTES_SENT,
		                            .bytes_sent = 1000,
		                            .bytes_retrans = 10 };
	assert_true(fabs(direction_min_rtt_ms(&d).value - 11.8) < 1e-9);
	assert_true(fabs(direction_server_min_rtt_ms(&d).value - 12.345) < 1e-9);
	assert_true(fabs(direction_retransmit_percent(&d).value - 1) < 1e-9);
}

struct rtt_case {
	const char *name;
	enum ndt7_test test;
	uint32_t server_us, local_us; /* 0: none */
	bool samples;
	enum rtt_source want;
	double want_ms;
};

static struct rtt_case rtt_cases[] = {
	{ "a download's are the server's", NDT7_DOWNLOAD, 9000, 7000, false, RTT_SERVER, 9 },
	{ "it does not tell: the receiver's estimate", NDT7_DOWNLOAD, 0, 7000, false, RTT_RECEIVER,
	  7 },
	{ "an upload's are our samples", NDT7_UPLOAD, 9000, 7000, true, RTT_SAMPLES, 7 },
	{ "polled, our estimate", NDT7_UPLOAD, 9000, 7000, false, RTT_SMOOTHED, 7 },
	{ "nobody has any", NDT7_UPLOAD, 9000, 0, false, RTT_NONE, 0 },
};

static void round_trips_are_of_who_sends(void **state)
{
	const struct rtt_case *c = *state;
	static struct direction_result d;

	d = (struct direction_result){ .test = c->test, .rtt_samples = c->samples };
	if (c->server_us)
		summary_rtt_add(&d.server_rtt, c->server_us);
	if (c->local_us)
		summary_rtt_add(&d.local.rtt, c->local_us);
	assert_int_equal(direction_rtt_source(&d), c->want);
	assert_int_equal(direction_rtt_ms(&d, 0.9).known, c->want != RTT_NONE);
	assert_true(fabs(direction_rtt_ms(&d, 0.9).value - c->want_ms) < 1e-9);
}

static void goodput_needs_a_source_and_a_time(void **state)
{
	static struct direction_result d;

	(void)state;
	assert_false(direction_goodput_mbps(&d).known);
	d.source = GOODPUT_CLIENT_RECEIVED;
	d.bytes = 5ULL << 32;
	assert_false(direction_goodput_mbps(&d).known);
	d.elapsed_ns = 10 * NS_PER_S;
	assert_true(fabs(direction_goodput_mbps(&d).value - 8.0 * (5ULL << 32) / 1e7) < 1e-3);
}

static void ids_are_uuids_in_the_order_of_time(void **state)
{
	static struct test_result a = { .utc_ns = 1767225600 * NS_PER_S }, b;

	(void)state;
	b.utc_ns = a.utc_ns + NS_PER_S;
	result_new_id(&a);
	result_new_id(&b);
	assert_int_equal(strlen(a.id), 36);
	assert_int_equal(a.id[14], '7');
	assert_non_null(strchr("89ab", a.id[19]));
	assert_true(strcmp(a.id, b.id) < 0);
	assert_memory_equal(a.id, "019b76da-a800-", 14);
}

static void warnings_have_a_ceiling(void **state)
{
	static struct test_result r;

	(void)state;
	for (int i = 0; i < 3 * RESULT_WARNINGS_MAX; i++)
		result_warn(&r, "warning %d", i);
	assert_int_equal(r.warnings_count, RESULT_WARNINGS_MAX);
	assert_string_equal(r.warnings[0], "warning 0");
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(min_rtt_is_the_servers),
		cmocka_unit_test(an_uploads_figures_are_our_own),
		cmocka_unit_test(goodput_needs_a_source_and_a_time),
		cmocka_unit_test(ids_are_uuids_in_the_order_of_time),
		cmocka_unit_test(warnings_have_a_ceiling),
	};
	int failed = CASES_RUN(exits_with, exit_cases);
	failed += CASES_RUN(figure_falls_short, short_cases);
	failed += CASES_RUN(round_trips_are_of_who_sends, rtt_cases);

	failed += CASES_RUN(server_retransmits, retransmit_cases);
	failed += cmocka_run_group_tests(others, NULL, NULL);
	return failed != 0;
}
