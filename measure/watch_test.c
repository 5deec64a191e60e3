/* A socket that is polled, by the script's clock: when it is looked at, and who gets the samples. That of the
 * programs' records is in tests/bpf and tests/e2e/test_stats.py, where there is a kernel for it. */
#include "measure/watch.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "measure/feed.h"
#include "measure/sockstat.h"
#include "measure/tcpinfo.h"
#include "tests/tcp_pair.h"
#include "transport/base/clock.h"
#include "transport/loop/loop_script.h"

#define MS(n) ((n)*NS_PER_MS)

struct log {
	size_t samples, flows;
	uint64_t first_ns, last_ns, shortest_ns; /* between two samples */
	struct tcp_flow flow;                    /* the last that was met */
	struct tcp_sample sample;
};

struct rig {
	struct loop *loop;
	struct feed feed;
	struct watch watch;
	struct log figures, traced;
	struct sample_sink trace;
	size_t looked;
	int fd[2];
};

static void take(void *self, const struct tcp_sample *s)
{
	struct log *l = self;

	if (l->samples == 0)
		l->first_ns = s->at_ns;
	else if (s->at_ns - l->last_ns < l->shortest_ns)
		l->shortest_ns = s->at_ns - l->last_ns;
	l->last_ns = s->at_ns;
	l->samples++;
	l->sample = *s;
}

static void meet(void *self, const struct tcp_flow *flow)
{
	struct log *l = self;

	l->flows++;
	l->flow = *flow;
}

static void looked(void *owner)
{
	((struct rig *)owner)->looked++;
}

static void start(struct rig *r, bool traced, uint64_t interval_ns)
{
	*r = (struct rig){ .figures.shortest_ns = UINT64_MAX, .traced.shortest_ns = UINT64_MAX };
	r->trace = (struct sample_sink){ .take = take, .meet = meet, .self = &r->traced };
	assert_int_equal(loop_script_open(&r->loop, NULL), 0);
	feed_open(&r->feed, traced ? &r->trace : NULL, interval_ns);
	watch_open(&r->watch,
	           &(struct watch_options){ .loop = r->loop,
	                                    .feed = &r->feed,
	                                    .figures = { .take = take, .self = &r->figures },
	                                    .test = "upload",
	                                    .looked = looked,
	                                    .owner = r });
	tcp_pair(r->fd);
	watch_socket(&r->watch, r->fd[0]);
}

static void pass(struct rig *r, uint64_t ns)
{
	assert_int_equal(loop_run(r->loop, loop_now_ns(r->loop) + ns, NULL), LOOP_DEADLINE);
}

static void end(struct rig *r)
{
	loop_close(r->loop);
	close(r->fd[0]);
	close(r->fd[1]);
}

/* --- when ------------------------------------------------------------------------------------------ */

/* 20 ms of handshakes, then 100 ms of the test. */
static const struct period_case {
	const char *name;
	bool traced;
	uint64_t interval_ns;
	uint64_t shortest_ns; /* between two samples of the trace */
	size_t most, least;   /* of them */
} period_cases[] = {
	{ "no trace", false, 0, 0, 0, 0 },
	{ "each sample there is: one in a millisecond", true, 0, MS(1), 123, 119 },
	{ "one in a microsecond is not to be had", true, 1000, MS(1), 123, 119 },
	{ "one in a millisecond", true, MS(1), MS(1), 123, 119 },
	{ "one in 30 ms", true, MS(30), MS(30), 7, 5 },
	{ "one in an hour", true, 3600 * NS_PER_S, 0, 2, 2 },
};

static void samples_come_in_time(void **state)
{
	const struct period_case *c = *state;
	struct rig r;

	start(&r, c->traced, c->interval_ns);
	watch_begin(&r.watch, r.fd[0]);
	pass(&r, MS(20));
	assert_int_equal(r.figures.samples, 0); /* they begin at t = 0 */
	watch_start(&r.watch, loop_now_ns(r.loop));
	assert_int_equal(r.figures.samples, 1);
	pass(&r, MS(100) - 1);
	assert_int_equal(r.looked, 9); /* every 10 ms */
	assert_int_equal(r.figures.samples, 10);
	assert_int_equal(r.figures.shortest_ns, WATCH_POLL_NS);
	assert_true(r.traced.samples < 2 || r.traced.shortest_ns >= c->shortest_ns);
	watch_end(&r.watch, "close");
	assert_int_equal(r.figures.samples, 11);
	assert_in_range(r.traced.samples, c->least, c->most);
	assert_int_equal(r.watch.unseen_ns, WATCH_POLL_NS);
	pass(&r, MS(100));
	assert_int_equal(r.figures.samples, 11); /* no timer is left */
	end(&r);
}

static void a_pause_of_ours_is_noted(void **state)
{
	struct rig r;

	(void)state;
	start(&r, false, 0);
	watch_begin(&r.watch, r.fd[0]);
	watch_start(&r.watch, loop_now_ns(r.loop));
	loop_script_advance(r.loop, MS(700));
	pass(&r, MS(10));
	assert_int_equal(r.watch.unseen_ns, MS(700));
	watch_end(&r.watch, "close");
	end(&r);
}

/* --- what ------------------------------------------------------------------------------------------ */

static void a_sample_is_the_sockets(void **state)
{
	struct tcpinfo_raw raw;
	struct tcp_sample info;
	struct rig r;

	(void)state;
	start(&r, true, 0);
	watch_begin(&r.watch, r.fd[0]);
	watch_start(&r.watch, loop_now_ns(r.loop));
	assert_int_equal(write(r.fd[1], "hello", 5), 5);
	assert_int_equal(recv(r.fd[0], (char[5]){}, 5, MSG_WAITALL), 5);
	watch_end(&r.watch, "close");
	assert_int_equal(tcpinfo_read(r.fd[0], &raw, NULL), 0);
	tcpinfo_to_sample(&raw, loop_now_ns(r.loop), tcpinfo_cookie(r.fd[0]), &info);
	assert_int_equal(r.figures.sample.bytes_received, 5);
	assert_int_equal(r.figures.sample.bytes_acked, info.bytes_acked);
	assert_true(r.figures.sample.cookie == info.cookie);
	assert_true(r.traced.sample.cookie == info.cookie);
	assert_int_equal(r.traced.sample.bytes_received, 5);
	assert_int_equal(r.figures.sample.event, TCP_SAMPLE_INFO);
	end(&r);
}

static void a_trace_meets_the_flow_and_its_ending(void **state)
{
	struct rig r;

	(void)state;
	start(&r, true, 0);
	watch_begin(&r.watch, r.fd[0]);
	assert_int_equal(r.traced.flows, 1);
	assert_string_equal(r.traced.flow.ending, "");
	assert_string_equal(r.traced.flow.test, "upload");
	watch_end(&r.watch, "stall");
	assert_int_equal(r.traced.flows, 2);
	assert_string_equal(r.traced.flow.ending, "stall");
	watch_end(&r.watch, "close"); /* it has ended */
	assert_int_equal(r.traced.flows, 2);
	assert_int_equal(r.figures.samples, 0); /* t = 0 never came */
	end(&r);
}

static void no_socket_stands(void **state)
{
	struct rig r;

	(void)state;
	start(&r, true, 0);
	watch_end(&r.watch, "close");
	assert_int_equal(r.traced.flows + r.traced.samples + r.figures.samples, 0);
	end(&r);
}

static void a_socket_that_is_gone_ends_the_samples(void **state)
{
	struct rig r;

	(void)state;
	start(&r, true, 0);
	watch_begin(&r.watch, r.fd[0]);
	watch_start(&r.watch, loop_now_ns(r.loop));
	close(r.fd[0]);
	r.fd[0] = open("/dev/null", O_RDWR | O_CLOEXEC); /* the number may be somebody else's */
	pass(&r, MS(30));
	watch_end(&r.watch, "error");
	assert_int_equal(r.figures.samples, 1);
	assert_int_equal(r.traced.samples, 1);
	end(&r);
}

static void programs_are_not_there(void **state)
{
	struct tcpstat_flow flow;
	struct rig r;

	(void)state;
	start(&r, false, 0);
	watch_begin(&r.watch, r.fd[0]);
	assert_false(watch_fell_back(&r.watch)); /* there were none to fall back from */
	assert_false(watch_aggregates(&r.watch, &flow));
	assert_int_equal(watch_patience_ns(&r.watch), 0);
	assert_int_equal(watch_last_segment_ns(&r.watch), 0);
	watch_end(&r.watch, "close");
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_of_ours_is_noted),
		cmocka_unit_test(a_sample_is_the_sockets),
		cmocka_unit_test(a_trace_meets_the_flow_and_its_ending),
		cmocka_unit_test(no_socket_stands),
		cmocka_unit_test(a_socket_that_is_gone_ends_the_samples),
		cmocka_unit_test(programs_are_not_there),
	};
	int failed = CASES_RUN(samples_come_in_time, period_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
