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

int main(void)
{
	return CASES_RUN(end_is_the_kernels, download_cases) != 0;
}
