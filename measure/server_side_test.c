#include "measure/server_side.h"

#include <math.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"

static const struct server_side_bounds plenty = { .bytes = 1000000000, .us = 60000000 };

static enum server_side_outcome say(struct server_side *s, const char *text,
                                    const struct server_side_bounds *most)
{
	struct measurement m;

	return server_side_take(s, text, strlen(text), most, 0, &m);
}

#define TCP_INFO(...) "{\"TCPInfo\":{" __VA_ARGS__ "}}"

static const struct belief_case {
	const char *name;
	const char *text;
	enum server_side_outcome want;
} belief_cases[] = {
	{ "all that was sent", TCP_INFO("\"BytesReceived\":1000,\"ElapsedTime\":500"),
	  SERVER_SIDE_TAKEN },
	{ "more than was sent", TCP_INFO("\"BytesReceived\":1001,\"ElapsedTime\":500"),
	  SERVER_SIDE_UNBELIEVED },
	{ "a time to come", TCP_INFO("\"BytesReceived\":10,\"ElapsedTime\":501"),
	  SERVER_SIDE_UNBELIEVED },
	{ "the same by AppInfo", "{\"AppInfo\":{\"NumBytes\":1001,\"ElapsedTime\":5}}",
	  SERVER_SIDE_UNBELIEVED },
	{ "its time by AppInfo", "{\"AppInfo\":{\"NumBytes\":1,\"ElapsedTime\":501}}",
	  SERVER_SIDE_UNBELIEVED },
	{ "a negative figure is none", TCP_INFO("\"BytesReceived\":-1,\"ElapsedTime\":-1"),
	  SERVER_SIDE_TAKEN },
	{ "nothing at all", "{}", SERVER_SIDE_TAKEN },
	{ "no JSON", "hello", SERVER_SIDE_UNREADABLE },
	{ "no object", "[1]", SERVER_SIDE_UNREADABLE },
};

static void what_can_be_is_believed(void **state)
{
	static const struct server_side_bounds most = { .bytes = 1000, .us = 500 };
	const struct belief_case *c = *state;
	static struct direction_result d;
	struct server_side s;

	d = (struct direction_result){ .test = NDT7_UPLOAD };
	server_side_start(&s, &d);
	assert_int_equal(say(&s, c->text, &most), c->want);
	assert_int_equal(d.has_server, c->want == SERVER_SIDE_TAKEN);
	assert_int_equal(d.unreadable_texts, c->want == SERVER_SIDE_UNREADABLE);
	assert_int_equal(d.unbelieved_texts, c->want == SERVER_SIDE_UNBELIEVED);
}

/* A server may be broken, and its last words need not be its best. */
static const struct merge_case {
	const char *name;
	const char *first, *second;
	int64_t elapsed_us, bytes; /* what is known then */
} merge_cases[] = {
	{ "the later one holds", TCP_INFO("\"ElapsedTime\":1,\"BytesReceived\":10"),
	  TCP_INFO("\"ElapsedTime\":2,\"BytesReceived\":20"), 2, 20 },
	{ "a clock that runs backwards", TCP_INFO("\"ElapsedTime\":5,\"BytesReceived\":10"),
	  TCP_INFO("\"ElapsedTime\":2,\"BytesReceived\":20"), 5, 10 },
	{ "a counter that runs backwards", TCP_INFO("\"ElapsedTime\":5,\"BytesReceived\":10"),
	  TCP_INFO("\"ElapsedTime\":6,\"BytesReceived\":9"), 5, 10 },
	{ "one that turns negative", TCP_INFO("\"ElapsedTime\":5,\"BytesReceived\":10"),
	  TCP_INFO("\"ElapsedTime\":6,\"BytesReceived\":-9"), 5, 10 },
	{ "a text without it", TCP_INFO("\"ElapsedTime\":5,\"BytesReceived\":10"), "{}", 5, 10 },
};

static void the_best_known_is_kept(void **state)
{
	const struct merge_case *c = *state;
	static struct direction_result d;
	struct server_side s;

	d = (struct direction_result){ .test = NDT7_UPLOAD };
	server_side_start(&s, &d);
	assert_int_equal(say(&s, c->first, &plenty), SERVER_SIDE_TAKEN);
	assert_int_equal(say(&s, c->second, &plenty), SERVER_SIDE_TAKEN);
	assert_true(d.server.has_tcp_info);
	assert_int_equal(d.server.tcp_info.elapsed_us, c->elapsed_us);
	assert_int_equal(d.server.tcp_info.bytes_received, c->bytes);
}

static void parts_come_one_by_one(void **state)
{
	static struct direction_result d;
	struct server_side s;

	(void)state;
	d = (struct direction_result){ .test = NDT7_DOWNLOAD };
	server_side_start(&s, &d);
	say(&s, "{\"ConnectionInfo\":{\"UUID\":\"first\"}}", &plenty);
	say(&s, "{\"AppInfo\":{\"NumBytes\":7,\"ElapsedTime\":9}}", &plenty);
	say(&s,
	    "{\"BBRInfo\":{\"BW\":1,\"MinRTT\":11,\"PacingGain\":2,\"CwndGain\":3,\"ElapsedTime\":"
	    "4}}",
	    &plenty);
	say(&s, TCP_INFO("\"ElapsedTime\":3"), &plenty);
	assert_string_equal(d.server.connection_info.uuid, "first");
	assert_int_equal(d.server.app_info.num_bytes, 7);
	assert_int_equal(d.server.bbr_info.min_rtt_us, 11);
	assert_true(d.server.has_tcp_info);
}

/* --- round trips ----------------------------------------------------------------------------------- */

static const struct rtt_case {
	const char *name;
	const char *text;
	uint64_t want; /* how many are counted */
} rtt_cases[] = {
	{ "a round trip", TCP_INFO("\"RTT\":20000,\"ElapsedTime\":1"), 1 },
	{ "none", TCP_INFO("\"ElapsedTime\":1"), 0 },
	{ "0 is none", TCP_INFO("\"RTT\":0,\"ElapsedTime\":1"), 0 },
	{ "a negative one", TCP_INFO("\"RTT\":-1,\"ElapsedTime\":1"), 0 },
	{ "longer than the test", TCP_INFO("\"RTT\":60000001,\"ElapsedTime\":1"), 0 },
};

static void round_trips_are_counted(void **state)
{
	const struct rtt_case *c = *state;
	static struct direction_result d;
	struct server_side s;

	d = (struct direction_result){ .test = NDT7_DOWNLOAD };
	server_side_start(&s, &d);
	assert_int_equal(say(&s, c->text, &plenty), SERVER_SIDE_TAKEN);
	assert_int_equal(d.server_rtt.count, c->want);
}

/* --- limits ---------------------------------------------------------------------------------------- */

/* One second, of which 600 ms were busy, 300 of those for the receiver's window. */
#define LIMITS_TEXT(at, busy, rwnd, more)                                                          \
	TCP_INFO("\"ElapsedTime\":" at ",\"BusyTime\":" busy ",\"RWndLimited\":" rwnd              \
	         ",\"SndBufLimited\":0" more)

static const struct limits_case {
	const char *name;
	enum ndt7_test test;
	const char *first, *second;
	double network, receiver, application; /* all 0: not known */
} limits_cases[] = {
	{ "a download's are the server's kernel's", NDT7_DOWNLOAD, LIMITS_TEXT("0", "0", "0", ""),
	  LIMITS_TEXT("1000000", "600000", "300000", ""), 30, 30, 40 },
	{ "an upload's are not", NDT7_UPLOAD, LIMITS_TEXT("0", "0", "0", ""),
	  LIMITS_TEXT("1000000", "600000", "300000", ""), 0, 0, 0 },
	{ "it had nothing to send", NDT7_DOWNLOAD, LIMITS_TEXT("0", "0", "0", ""),
	  LIMITS_TEXT("1000000", "1000000", "0", ",\"AppLimited\":1"), 0, 0, 100 },
	{ "a server that does not tell", NDT7_DOWNLOAD, TCP_INFO("\"ElapsedTime\":0"),
	  TCP_INFO("\"ElapsedTime\":1000000,\"BusyTime\":600000"), 0, 0, 0 },
	{ "negative clocks", NDT7_DOWNLOAD, LIMITS_TEXT("0", "0", "0", ""),
	  LIMITS_TEXT("1000000", "-1", "0", ""), 0, 0, 0 },
};

static void limits_are_the_senders(void **state)
{
	const struct limits_case *c = *state;
	static struct direction_result d;
	double percent[LIMITS] = {};
	struct server_side s;

	d = (struct direction_result){ .test = c->test };
	server_side_start(&s, &d);
	say(&s, c->first, &plenty);
	say(&s, c->second, &plenty);
	assert_int_equal(limits_percent(&d.limits, percent),
	                 c->network + c->receiver + c->application > 0);
	assert_true(fabs(percent[LIMIT_NETWORK] - c->network) < 1e-6);
	assert_true(fabs(percent[LIMIT_RECEIVER] - c->receiver) < 1e-6);
	assert_true(fabs(percent[LIMIT_APPLICATION] - c->application) < 1e-6);
}

/* A queue that builds up, or runs empty, brings its texts to us at other distances than they have; we were on a CPU 45 %
 * of the time. */
static void cpu_is_by_both_clocks(void **state)
{
	static const struct {
		const char *text;
		uint64_t our_ms, cpu_ms;
	} texts[] = {
		{ LIMITS_TEXT("600000", "600000", "0", ""), 600, 270 },
		{ LIMITS_TEXT("850000", "850000", "0", ""), 1150, 518 },
		{ LIMITS_TEXT("1350000", "1350000", "0", ""), 1400, 630 },
	};
	static struct direction_result d;
	struct server_side_bounds most = plenty;
	double percent[LIMITS];
	struct measurement m;
	struct server_side s;

	(void)state;
	d = (struct direction_result){ .test = NDT7_DOWNLOAD };
	server_side_start(&s, &d);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		most.us = RESULT_SERVER_AHEAD_NS / NS_PER_US + 1000 * texts[i].our_ms;
		server_side_take(&s, texts[i].text, strlen(texts[i].text), &most,
		                 1000 * texts[i].cpu_ms, &m);
	}
	assert_true(limits_percent(&d.limits, percent) && percent[LIMIT_NETWORK] == 100);
	assert_false(limits_percent_along(&d.limits, 0, percent)); /* before it first told */
	assert_true(limits_percent_along(&d.limits, 2, percent));
}

/* One second of three. */
static void an_application_that_had_nothing_to_send(void **state)
{
	static struct direction_result d;
	double percent[LIMITS];
	struct server_side s;

	(void)state;
	d = (struct direction_result){ .test = NDT7_DOWNLOAD };
	server_side_start(&s, &d);
	say(&s, LIMITS_TEXT("1000000", "1000000", "0", ""), &plenty);
	say(&s, LIMITS_TEXT("2000000", "2000000", "0", ",\"AppLimited\":1"), &plenty);
	say(&s, LIMITS_TEXT("4000000", "4000000", "0", ""), &plenty);
	assert_true(limits_percent(&d.limits, percent));
	assert_true(fabs(percent[LIMIT_APPLICATION] - 100 / 3.0) < 1e-6);
	assert_true(fabs(percent[LIMIT_NETWORK] - 200 / 3.0) < 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(parts_come_one_by_one),
		                            cmocka_unit_test(
						    an_application_that_had_nothing_to_send),
		                            cmocka_unit_test(cpu_is_by_both_clocks) };
	int failed = CASES_RUN(what_can_be_is_believed, belief_cases);

	failed += CASES_RUN(the_best_known_is_kept, merge_cases);
	failed += CASES_RUN(round_trips_are_counted, rtt_cases);
	failed += CASES_RUN(limits_are_the_senders, limits_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
