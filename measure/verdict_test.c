#include "measure/verdict.h"

#include "tests/cases.h"
#include "transport/base/clock.h"

/* A download of 9 s by our clock; what the kernel says of its end, since t = 0. */
struct download_case {
	const char *name;
	enum ndt7_ending ending;
	uint64_t last_segment_ms; /* 0: not known */
	uint64_t want_ms;
	enum direction_state state;
};

static const struct download_case download_cases[] = {
	{ "the Close came when the kernel says", NDT7_ENDING_CLOSE, 8990, 8990,
	  DIRECTION_COMPLETE },
	{ "a FIN likewise", NDT7_ENDING_END, 8990, 8990, DIRECTION_PARTIAL },
	{ "the kernel does not say", NDT7_ENDING_CLOSE, 0, 9000, DIRECTION_COMPLETE },
	{ "a segment behind the end", NDT7_ENDING_CLOSE, 9100, 9000, DIRECTION_COMPLETE },
	{ "we slept for four seconds", NDT7_ENDING_CLOSE, 4000, 4000, DIRECTION_COMPLETE },
	{ "silence: the last byte is our clock's", NDT7_ENDING_STALL, 8990, 9000,
	  DIRECTION_PARTIAL },
};

static void end_is_the_kernels(void **state)
{
	const struct download_case *c = *state;
	static struct direction_result d;
	struct verdict_counts ours = { .last_segment_ns = 0 };

	d = (struct direction_result){ .test = NDT7_DOWNLOAD };
	d.report = (struct ndt7_report){ .started_ns = NS_PER_S,
		                         .num_bytes = 1000000,
		                         .measured_ns = 9 * NS_PER_S,
		                         .count_ended_ns = 10 * NS_PER_S,
		                         .ended_ns = 10 * NS_PER_S,
		                         .ending = c->ending };
	if (c->last_segment_ms)
		ours.last_segment_ns = NS_PER_S + c->last_segment_ms * NS_PER_MS;
	verdict_pass(&d, &ours, "server:80");
	assert_int_equal(d.source, GOODPUT_CLIENT_RECEIVED);
	assert_int_equal(d.elapsed_ns, c->want_ms * NS_PER_MS);
	assert_int_equal(d.state, c->state);
}

/* An upload whose bulk ended at ten seconds, with what our kernel knows and the server has told of it. */
struct upload_case {
	const char *name;
	enum ndt7_ending ending;
	uint64_t acked_bytes, acked_ms;
	int64_t unsent_bytes;
	int64_t told_bytes, told_ms; /* 0: nothing was */
	enum goodput_source source;
	uint64_t want_bytes, want_ms;
};

static const struct upload_case upload_cases[] = {
	{ "the server's", NDT7_ENDING_TIME, 800, 9990, 100, 750, 9900, GOODPUT_SERVER_TCP_INFO, 750,
	  9900 },
	{ "acknowledged until it last grew", NDT7_ENDING_TIME, 800, 11500, 100, 0, 0,
	  GOODPUT_CLIENT_ACKED, 800, 11500 },
	{ "our ceiling, long after the server's last word", NDT7_ENDING_MAX_BYTES, 800, 9990, 100,
	  20, 100, GOODPUT_CLIENT_ACKED, 800, 9990 },
	{ "our ceiling, soon after it", NDT7_ENDING_MAX_BYTES, 800, 9990, 100, 750, 9900,
	  GOODPUT_SERVER_TCP_INFO, 750, 9900 },
	{ "no ceiling: what the server knew last", NDT7_ENDING_TIME, 800, 9990, 100, 20, 100,
	  GOODPUT_SERVER_TCP_INFO, 20, 100 },
	{ "written, less what waits", NDT7_ENDING_TIME, 0, 0, 100, 0, 0, GOODPUT_CLIENT_WRITTEN,
	  900, 10000 },
	{ "all of it waits", NDT7_ENDING_TIME, 0, 0, 1000, 0, 0, GOODPUT_NONE, 0, 0 },
};

static void an_uploads_count_is_the_nearest(void **state)
{
	const struct upload_case *c = *state;
	static struct direction_result d;
	struct verdict_counts ours = { .acked_bytes = c->acked_bytes,
		                       .acked_at_ns = NS_PER_S + c->acked_ms * NS_PER_MS,
		                       .unsent_bytes = c->unsent_bytes };

	d = (struct direction_result){ .test = NDT7_UPLOAD };
	d.report = (struct ndt7_report){ .started_ns = NS_PER_S,
		                         .num_bytes = 1000,
		                         .measured_ns = 10 * NS_PER_S,
		                         .count_ended_ns = 11 * NS_PER_S,
		                         .ended_ns = 12 * NS_PER_S,
		                         .ending = c->ending };
	d.server.has_tcp_info = c->told_bytes > 0;
	d.server.tcp_info.bytes_received = c->told_bytes;
	d.server.tcp_info.elapsed_us = 1000 * c->told_ms;
	verdict_pass(&d, &ours, "server:80");
	assert_int_equal(d.source, c->source);
	assert_int_equal(d.bytes, c->want_bytes);
	assert_int_equal(d.elapsed_ns, c->want_ms * NS_PER_MS);
}

int main(void)
{
	int failed = CASES_RUN(end_is_the_kernels, download_cases);

	failed += CASES_RUN(an_uploads_count_is_the_nearest, upload_cases);
	return failed != 0;
}
