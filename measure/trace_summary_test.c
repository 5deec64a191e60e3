/* A flow's figures from its samples, whatever is absent. */
#include "measure/trace_summary.h"

#include <string.h>

#include "tests/cases.h"
#include "tests/trace_samples.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

static struct tcp_sample at(uint64_t ms, uint32_t srtt_us, uint64_t received, uint64_t acked)
{
	return (struct tcp_sample){ .at_ns = ms * NS_PER_MS,
		                    .present = TRACE_SAMPLE_GROUPS,
		                    .srtt_us = srtt_us,
		                    .min_rtt_us = 11800,
		                    .snd_cwnd_segments = 10 + (uint32_t)ms,
		                    .bytes_received = received,
		                    .bytes_acked = acked,
		                    .bytes_sent = 2 * acked,
		                    .bytes_retrans = acked / 50,
		                    .state = 8 };
}

static void give(struct trace_summary *s, uint32_t flow, struct tcp_sample sample)
{
	struct trace_record r = { .kind = TRACE_SAMPLE, .flow = flow, .sample = sample };

	assert_int_equal(trace_summary_take(s, &r, NULL), 0);
}

static void meet(struct trace_summary *s, uint32_t flow, const char *ending)
{
	struct trace_record r = { .kind = TRACE_FLOW,
		                  .flow = flow,
		                  .met = trace_flow_example(flow) };

	snprintf(r.met.ending, sizeof(r.met.ending), "%s", ending);
	assert_int_equal(trace_summary_take(s, &r, NULL), 0);
}

static void assert_figure(struct figure f, double want)
{
	assert_true(f.known && f.value > want - 1e-9 && f.value < want + 1e-9);
}

static void figures_of_a_flow(void **state)
{
	struct trace_summary s;
	const struct trace_flow_summary *f;
	bool received;

	(void)state;
	trace_summary_start(&s);
	meet(&s, 7, "");
	give(&s, 7, at(1000, 14000, 1000, 500));
	give(&s, 7, at(1500, 20000, 500000, 700));
	give(&s, 7, at(2000, 14000, 1001000, 1000));
	f = &s.flows[6];
	assert_int_equal(s.flows_count, 1);
	assert_int_equal(s.samples, 3);
	assert_int_equal(s.last_ns - s.first_ns, NS_PER_S);
	assert_figure(trace_flow_bytes(f, &received), 1001000);
	assert_true(received);
	assert_figure(trace_flow_goodput_mbps(f), 8);
	assert_figure(trace_flow_duration_s(f), 1);
	assert_figure(trace_flow_min_rtt_ms(f), 11.8);
	assert_figure(trace_flow_retransmit_percent(f), 1);
	assert_figure(trace_flow_rtt_ms(f, 1), 20);
	assert_int_equal(f->max_cwnd_segments, 2010);
	assert_string_equal(trace_flow_ending(f), "fin"); /* close-wait */
	trace_summary_free(&s);
}

static void what_is_absent_is_not_known(void **state)
{
	const struct tcp_sample bare = { .at_ns = 5, .event = TCP_SAMPLE_ACK };
	struct trace_summary s;
	bool received;

	(void)state;
	trace_summary_start(&s);
	meet(&s, 1, "reset");
	meet(&s, 2, "");
	give(&s, 2, bare);
	for (int i = 0; i < 2; i++) {
		assert_false(trace_flow_bytes(&s.flows[i], &received).known);
		assert_false(trace_flow_goodput_mbps(&s.flows[i]).known);
		assert_false(trace_flow_min_rtt_ms(&s.flows[i]).known);
		assert_false(trace_flow_rtt_ms(&s.flows[i], 0.5).known);
		assert_false(trace_flow_retransmit_percent(&s.flows[i]).known);
	}
	assert_false(trace_flow_duration_s(&s.flows[0]).known);
	assert_string_equal(trace_flow_ending(&s.flows[0]), "reset");
	assert_string_equal(trace_flow_ending(&s.flows[1]), "");
	assert_int_equal(s.events[TCP_SAMPLE_ACK], 1);
	assert_false(s.ended);
	trace_summary_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_of_a_flow),
		cmocka_unit_test(what_is_absent_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
