#include "measure/warnings.h"

#include <errno.h>
#include <string.h>

#include "measure/result.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/ws.h"

/* Ten seconds as they should be: nothing to warn of. */
static struct direction_result good(enum ndt7_test test)
{
	return (struct direction_result){
		.test = test,
		.state = DIRECTION_COMPLETE,
		.source = test == NDT7_DOWNLOAD ? GOODPUT_CLIENT_RECEIVED : GOODPUT_SERVER_TCP_INFO,
		.bytes = 1000000,
		.elapsed_ns = 10 * NS_PER_S,
		.report = { .started_ns = NS_PER_S,
		            .ended_ns = 11 * NS_PER_S,
		            .count_ended_ns = 11 * NS_PER_S,
		            .measured_ns = 10 * NS_PER_S,
		            .num_bytes = 1000000,
		            .ending = NDT7_ENDING_CLOSE,
		            .peer_code = WS_CLOSE_NORMAL },
	};
}

static void nothing(struct test_result *r)
{
	(void)r;
}

static void a_code(struct test_result *r)
{
	r->download.report.peer_code = 1011;
}

static void no_code(struct test_result *r)
{
	r->download.report.peer_code = WS_CLOSE_NONE;
}

static void ended_soon(struct test_result *r)
{
	r->download.report.measured_ns = r->download.elapsed_ns = 8940 * NS_PER_MS;
}

static void ended_at_once(struct test_result *r)
{
	r->download.report.measured_ns = r->download.elapsed_ns = 2 * NS_PER_MS;
}

static void ended_as_asked(struct test_result *r)
{
	ended_soon(r);
	r->download.early_exit = true;
}

static void no_close(struct test_result *r)
{
	r->download.report.ending = NDT7_ENDING_END;
}

static void broke(struct test_result *r)
{
	r->upload.report.ending = NDT7_ENDING_ERROR;
	ERR_SET(&r->upload.broke, -ECONNRESET, ERR_SYS, 0, "receive");
}

static void stalled(struct test_result *r)
{
	r->download.report.ending = NDT7_ENDING_STALL;
}

static void not_ended(struct test_result *r)
{
	r->download.report.ending = NDT7_ENDING_CAP;
}

static void violated(struct test_result *r)
{
	r->download.report.ending = NDT7_ENDING_VIOLATION;
	strcpy(r->download.violation, "a frame with a reserved bit");
}

static void interrupted(struct test_result *r)
{
	r->upload.report.ending = NDT7_ENDING_STOP;
	r->interrupted = true;
}

static void out_of_time(struct test_result *r)
{
	r->upload.report.ending = NDT7_ENDING_STOP;
}

static void falls_short(struct test_result *r)
{
	r->upload.elapsed_ns = 4 * NS_PER_S;
}

static void falls_very_short(struct test_result *r)
{
	r->upload.elapsed_ns = 1500;
}

static void paused(struct test_result *r)
{
	r->download.unseen_ns = 1200 * NS_PER_MS;
}

static void paused_a_little(struct test_result *r)
{
	r->download.unseen_ns = 500 * NS_PER_MS;
}

static void busy(struct test_result *r)
{
	r->download.cpu_ns = 9100 * NS_PER_MS;
}

static void as_busy_as_may_be(struct test_result *r)
{
	r->download.cpu_ns = 9000 * NS_PER_MS;
}

/* `cpu_ms` of a second were the CPU's. */
static void limited(struct limits *l, uint64_t cpu_ms)
{
	struct limits_look look = {};

	limits_add(l, &look);
	for (uint64_t ms = 10; ms <= 1000; ms += 10) {
		look.at_us = look.busy_us = 1000 * ms;
		look.cpu_us += ms <= cpu_ms ? 10000 : 0;
		limits_add(l, &look);
	}
}

static void limited_by_cpu(struct test_result *r)
{
	limited(&r->upload.limits, 120);
}

static void limited_by_cpu_just(struct test_result *r)
{
	limited(&r->upload.limits, 110);
}

static void limited_by_cpu_a_little(struct test_result *r)
{
	limited(&r->upload.limits, 100);
	limited(&r->upload.ours, 500); /* who sends knows better */
}

static void limited_by_cpu_untold(struct test_result *r)
{
	limited(&r->download.ours, 120);
}

static void by_acks(struct test_result *r)
{
	r->upload.source = GOODPUT_CLIENT_ACKED;
}

static void unreadable(struct test_result *r)
{
	r->download.unreadable_texts = 1;
}

static void unbelieved(struct test_result *r)
{
	r->upload.unbelieved_texts = 2;
}

static void unexpected(struct test_result *r)
{
	r->upload.report.unexpected_bytes = 1;
}

static void flooded(struct test_result *r)
{
	r->download.report.pongs_dropped = 7;
}

static void polled(struct test_result *r)
{
	r->download.polled = true;
}

static void unbound(struct test_result *r)
{
	r->download.connection.bind =
		(struct tcp_bind_proof){ .how = TCP_BIND_SOURCE, .interface = "wlan0" };
}

static void insecure(struct test_result *r)
{
	r->download.insecure = r->upload.insecure = true;
}

static void failed(struct test_result *r)
{
	r->upload.state = DIRECTION_FAILED;
	r->upload.unreadable_texts = 3; /* nothing was measured: the failure says it all */
}

static const struct warning_case {
	const char *name;
	void (*happens)(struct test_result *r);
	const char *want; /* the one warning there is; NULL: none */
} warning_cases[] = {
	{ "a good test", nothing, NULL },
	{ "a Close with another code", a_code,
	  "download: the server closed with code 1011 after 10.0 s" },
	{ "a Close without a code", no_code, NULL },
	{ "a Close too soon", ended_soon, "download: the server ended it after 8.9 s of some ten" },
	{ "a Close at once", ended_at_once,
	  "download: the server ended it after 0.0020 s of some ten" },
	{ "a Close too soon, as it was asked", ended_as_asked, NULL },
	{ "no Close", no_close,
	  "download: the server closed the connection without a Close after 10.0 s" },
	{ "it broke", broke,
	  "upload: the connection broke after 10.0 s: could not receive: Connection reset by "
	  "peer" },
	{ "it stalled", stalled, "download: nothing came for 7 s, ended after 10.0 s" },
	{ "it went on", not_ended,
	  "download: the server did not end the test, ended after 10.0 s" },
	{ "a broken frame", violated,
	  "download: the server broke the protocol: a frame with a reserved bit" },
	{ "Ctrl-C", interrupted, "upload: interrupted after 10.0 s" },
	{ "the run's ceiling", out_of_time, "upload: out of time after 10.0 s" },
	{ "the last word was early", falls_short,
	  "upload: goodput is of its first 4.0 s: the server told no more" },
	{ "the last word was at once", falls_very_short,
	  "upload: goodput is of its first 0.000002 s: the server told no more" },
	{ "this machine slept", paused,
	  "download: this machine kept us from running for 1.2 s of it" },
	{ "half a second is no sleep", paused_a_little, NULL },
	{ "the CPU was the limit", busy, "download: cpu was at 91 %: a lower bound" },
	{ "90 % is not above", as_busy_as_may_be, NULL },
	{ "the CPU was, by stretches", limited_by_cpu,
	  "upload: limited by this machine's cpu 12 % of the time: a lower bound" },
	{ "the CPU was, and the server does not tell", limited_by_cpu_untold,
	  "download: limited by this machine's cpu 12 % of the time: a lower bound" },
	{ "11 % is above", limited_by_cpu_just,
	  "upload: limited by this machine's cpu 11 % of the time: a lower bound" },
	{ "10 % is not above", limited_by_cpu_a_little, NULL },
	{ "an upload by ACKs", by_acks,
	  "upload: the server reported no last count of bytes received; goodput is from client "
	  "tcp_info" },
	{ "texts that are none", unreadable,
	  "download: 1 message of the server could not be read as a measurement: not used" },
	{ "texts that cannot be", unbelieved,
	  "upload: 2 messages of the server told of more than was sent, or of a time to come: not "
	  "used" },
	{ "data where none belongs", unexpected,
	  "upload: the server sent 1 byte of data that should not have come" },
	{ "a flood of pings", flooded, "download: 7 pings of a flood went unanswered" },
	{ "no room for the kernel's record", polled,
	  "download: the kernel had no room for its statistics by BPF; TCP_INFO was polled" },
	{ "a bind that may not hold", unbound,
	  "download: the bind to wlan0 could not be confirmed" },
	{ "not verified, said once", insecure,
	  "the server's certificate was not verified (--insecure)" },
	{ "a direction that failed", failed, NULL },
};

static void reader_is_warned(void **state)
{
	const struct warning_case *c = *state;
	static struct test_result r;

	r = (struct test_result){ .download = good(NDT7_DOWNLOAD), .upload = good(NDT7_UPLOAD) };
	c->happens(&r);
	warnings_add(&r);
	if (c->want)
		assert_string_equal(r.warnings[0], c->want);
	assert_int_equal(r.warnings_count, c->want != NULL);
}

/* A hostile server's, on a machine in need: none is lost for the others. */
static void all_are_told_at_once(void **state)
{
	static struct test_result r;
	struct direction_result *const both[] = { &r.download, &r.upload };

	(void)state;
	r = (struct test_result){ .download = good(NDT7_DOWNLOAD), .upload = good(NDT7_UPLOAD) };
	stalled(&r);
	broke(&r);
	by_acks(&r);
	for (int i = 0; i < 2; i++) {
		both[i]->elapsed_ns = NS_PER_S;
		both[i]->unseen_ns = NS_PER_S;
		both[i]->cpu_ns = 10 * NS_PER_S;
		both[i]->unreadable_texts = both[i]->unbelieved_texts = 1;
		both[i]->report.unexpected_bytes = both[i]->report.pongs_dropped = 1;
		both[i]->polled = both[i]->insecure = true;
		both[i]->connection.bind = (struct tcp_bind_proof){ .how = TCP_BIND_SOURCE };
	}
	warnings_add(&r);
	assert_int_equal(r.warnings_count, 2 * 10 + 2);
	assert_non_null(strstr(r.warnings[r.warnings_count - 1], "--insecure"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_are_told_at_once) };
	int failed = CASES_RUN(reader_is_warned, warning_cases);

	return failed + cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
