/* What sources gave comes back in the order of time, within ceilings, and what was lost is counted. */
#include "measure/trace_recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/cases.h"
#include "tests/trace_samples.h"
#include "transport/base/err.h"

#define SAMPLES_MAX 60000

struct play {
	struct trace_recorder *recorder;
	struct sample_sink sink;
	struct tcp_sample *given; /* those that were taken, as they came */
	size_t given_count;
	struct trace_record *told;
	size_t told_count;
	int fail_at; /* the emitter refuses this one; -1: none */
};

static void start(struct play *p, uint64_t memory_bytes, uint64_t spill_bytes, int fd)
{
	struct trace_recorder_options o = { memory_bytes, spill_bytes, fd };

	*p = (struct play){ .fail_at = -1 };
	assert_int_equal(trace_recorder_open(&o, &p->recorder, NULL), 0);
	p->sink = trace_recorder_sink(p->recorder);
	p->given = calloc(SAMPLES_MAX, sizeof(*p->given));
	p->told = calloc(2 * SAMPLES_MAX, sizeof(*p->told));
}

static void end(struct play *p)
{
	trace_recorder_close(p->recorder);
	free(p->given);
	free(p->told);
}

static void give(struct play *p, const struct tcp_sample *s)
{
	uint64_t before = trace_recorder_counts(p->recorder)->samples;

	p->sink.take(p->sink.self, s);
	if (trace_recorder_counts(p->recorder)->samples > before)
		p->given[p->given_count++] = *s;
}

static int tell(void *self, const struct trace_record *record, struct err *err)
{
	struct play *p = self;

	if ((int)p->told_count == p->fail_at)
		return ERR_SET(err, -ENOSPC, ERR_SYS, 0, "write");
	p->told[p->told_count++] = *record;
	return 0;
}

static int replay(struct play *p, struct err *err)
{
	struct trace_header header = trace_header_example();

	p->told_count = 0;
	return trace_recorder_replay(p->recorder, &header, (struct trace_emitter){ tell, p }, err);
}

static int by_time(const void *a, const void *b)
{
	const struct tcp_sample *x = a, *y = b;

	return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

/* Times must differ for that. */
static void assert_told_in_order(struct play *p)
{
	size_t samples = 0;

	qsort(p->given, p->given_count, sizeof(*p->given), by_time);
	assert_int_equal(p->told[0].kind, TRACE_HEADER);
	for (size_t i = 1; i + 1 < p->told_count; i++)
		if (p->told[i].kind == TRACE_SAMPLE)
			trace_assert_sample(&p->told[i].sample, &p->given[samples++]);
	assert_int_equal(samples, p->given_count);
	assert_int_equal(p->told[p->told_count - 1].kind, TRACE_END);
	assert_int_equal(p->told[p->told_count - 1].end.samples, samples);
}

static struct order_case {
	const char *name;
	int samples, flows;
	uint64_t
		late_ns; /* at most so much behind the newest; each sample is 1000 ns after the last */
	uint64_t memory_bytes, spill_bytes;
	bool file;
} order_cases[] = {
	{ "one sample", 1, 1, 0, TRACE_MEMORY_BYTES, 0, false },
	{ "one flow", 5000, 1, 0, TRACE_MEMORY_BYTES, 0, false },
	{ "a hundred flows", 5000, 100, 0, TRACE_MEMORY_BYTES, 0, false },
	{ "two sources, 2 ms apart", 5000, 3, 2000000, TRACE_MEMORY_BYTES, 0, false },
	{ "into the file", 20000, 3, 0, 2 * TRACE_CHUNK_BYTES, TRACE_SPILL_BYTES, true },
	{ "into the file, out of order", 20000, 3, 300000, 2 * TRACE_CHUNK_BYTES, TRACE_SPILL_BYTES,
	  true },
	{ "more than memory holds, no file", 20000, 3, 0, 3 * TRACE_CHUNK_BYTES, 0, false },
	{ "more than the file may hold", 20000, 3, 0, 3 * TRACE_CHUNK_BYTES, 4 * TRACE_CHUNK_BYTES,
	  true },
	{ "no samples at all", 0, 1, 0, TRACE_MEMORY_BYTES, 0, false },
};

static void comes_back_in_order(void **state)
{
	const struct order_case *c = *state;
	int fd = c->file ? memfd_create("spill", MFD_CLOEXEC) : -1;
	const struct trace_end *counts;
	uint64_t seed = 99;
	struct play p;

	start(&p, c->memory_bytes, c->spill_bytes, fd);
	for (int i = 0; i < c->samples; i++) {
		uint64_t at_ns = 1000000000 + 1000ULL * i;
		struct tcp_sample s;

		if (c->late_ns && i % 2)
			at_ns -= draw_u64(&seed) % c->late_ns / 1000 * 1000 + 500;
		s = trace_draw_sample(&seed, 77 + i % c->flows, at_ns);
		give(&p, &s);
	}
	counts = trace_recorder_counts(p.recorder);
	assert_int_equal(counts->samples + counts->lost, c->samples);
	assert_int_equal(counts->lost_for_space, counts->lost);
	if (strstr(c->name, "more than"))
		assert_true(counts->lost > 0 && counts->samples > 1000);
	else
		assert_int_equal(counts->lost, 0);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(replay(&p, NULL), 0);
		if (!c->late_ns)
			assert_told_in_order(&p);
	}
	for (size_t i = 2; i < p.told_count; i++)
		if (p.told[i].kind == TRACE_SAMPLE && p.told[i - 1].kind == TRACE_SAMPLE)
			assert_true(p.told[i].sample.at_ns >= p.told[i - 1].sample.at_ns);
	assert_int_equal(p.told[0].header.memory_bytes, c->memory_bytes);
	assert_int_equal(p.told[0].header.spill_bytes, c->file ? c->spill_bytes : 0);
	end(&p);
	if (fd >= 0)
		close(fd);
}

/* The file never has more than its ceiling, and exactly what memory could not hold. */
static void the_file_is_bounded(void **state)
{
	int fd = memfd_create("spill", MFD_CLOEXEC);
	uint64_t seed = 1;
	struct play p;

	(void)state;
	start(&p, 2 * TRACE_CHUNK_BYTES, 3 * TRACE_CHUNK_BYTES, fd);
	for (int i = 0; i < 20000; i++) {
		struct tcp_sample s = trace_draw_sample(&seed, 1, 1000ULL * i);

		give(&p, &s);
	}
	assert_int_equal(lseek(fd, 0, SEEK_END), 3 * TRACE_CHUNK_BYTES);
	end(&p);
	close(fd);
}

static void a_file_that_takes_nothing(void **state)
{
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	uint64_t seed = 1;
	struct play p;

	(void)state;
	start(&p, 2 * TRACE_CHUNK_BYTES, TRACE_SPILL_BYTES, fd);
	for (int i = 0; i < 5000; i++) {
		struct tcp_sample s = trace_draw_sample(&seed, 1, 1000ULL * i);

		give(&p, &s);
	}
	assert_true(trace_recorder_counts(p.recorder)->lost_for_space > 0);
	assert_int_equal(replay(&p, NULL), 0);
	assert_told_in_order(&p);
	end(&p);
	close(fd);
}

static void what_may_be_missed_is_told_at_the_end(void **state)
{
	struct play p;

	(void)state;
	start(&p, TRACE_MEMORY_BYTES, 0, -1);
	assert_false(trace_recorder_counts(p.recorder)->missed.known);
	trace_recorder_missed(p.recorder, (struct tcp_missed){ 41, true });
	assert_int_equal(replay(&p, NULL), 0);
	assert_true(p.told[p.told_count - 1].end.missed.known);
	assert_int_equal(p.told[p.told_count - 1].end.missed.segments_at_most, 41);
	end(&p);
}

static void flows_come_before_their_samples(void **state)
{
	struct tcp_flow early = trace_flow_example(1), late = trace_flow_example(2);
	struct tcp_flow silent = trace_flow_example(3);
	struct tcp_sample s = { .at_ns = 5 };
	struct play p;

	(void)state;
	start(&p, TRACE_MEMORY_BYTES, 0, -1);
	strcpy(early.ending, "");
	p.sink.meet(p.sink.self, &early);
	p.sink.meet(p.sink.self, &silent);
	for (s.cookie = 1; s.cookie <= 2; s.cookie++)
		give(&p, &s);
	p.sink.meet(p.sink.self, &late);
	strcpy(early.ending, "reset");
	p.sink.meet(p.sink.self, &early);
	assert_int_equal(replay(&p, NULL), 0);
	assert_int_equal(p.told_count, 7);
	assert_int_equal(p.told[1].kind, TRACE_FLOW);
	assert_string_equal(p.told[1].met.ending, "reset"); /* what was known at the end */
	assert_int_equal(p.told[2].flow, p.told[1].flow);
	assert_int_equal(p.told[3].kind, TRACE_FLOW);
	assert_string_equal(p.told[3].met.congestion, "bbr");
	assert_int_equal(p.told[5].kind, TRACE_FLOW); /* the one without samples */
	assert_int_equal(p.told[5].met.cookie, 3);
	assert_int_equal(p.told[6].end.flows, 3);
	end(&p);
}

/* What a source tells of a connection's close and of its end is one look at it. */
static const struct same_case {
	const char *name;
	struct tcp_sample first, second;
	uint64_t samples;
} same_cases[] = {
	{ "the close and the end",
	  { .at_ns = 9, .event = TCP_SAMPLE_STATE, .state = 7, .bytes_acked = 5 },
	  { .at_ns = 9, .event = TCP_SAMPLE_STATE, .state = 7, .bytes_acked = 5 },
	  1 },
	{ "as it was, at another time",
	  { .at_ns = 9, .event = TCP_SAMPLE_ACK },
	  { .at_ns = 10, .event = TCP_SAMPLE_ACK },
	  2 },
	{ "a byte more at the same time",
	  { .at_ns = 9, .event = TCP_SAMPLE_ACK, .bytes_acked = 5 },
	  { .at_ns = 9, .event = TCP_SAMPLE_ACK, .bytes_acked = 6 },
	  2 },
	{ "another event at the same time",
	  { .at_ns = 9, .event = TCP_SAMPLE_ACK },
	  { .at_ns = 9, .event = TCP_SAMPLE_RETRANSMIT },
	  2 },
	{ "the application's limit at the same time",
	  { .at_ns = 9, .event = TCP_SAMPLE_ACK },
	  { .at_ns = 9, .event = TCP_SAMPLE_ACK, .app_limited = true },
	  2 },
	{ "of another flow",
	  { .at_ns = 9, .event = TCP_SAMPLE_STATE },
	  { .at_ns = 9, .event = TCP_SAMPLE_STATE, .cookie = 1 },
	  2 },
	{ "the first ones, without a figure", { .at_ns = 0 }, { .at_ns = 0 }, 1 },
};

static void a_look_is_one_sample(void **state)
{
	const struct same_case *c = *state;
	struct play p;

	start(&p, TRACE_MEMORY_BYTES, 0, -1);
	give(&p, &c->first);
	give(&p, &c->second);
	assert_int_equal(trace_recorder_counts(p.recorder)->samples, c->samples);
	assert_int_equal(trace_recorder_counts(p.recorder)->lost, 0);
	assert_int_equal(replay(&p, NULL), 0);
	assert_int_equal(p.told[p.told_count - 1].end.samples, c->samples);
	end(&p);
}

static void losses_are_counted_by_flow(void **state)
{
	struct tcp_sample s = { .cookie = 8 };
	struct play p;

	(void)state;
	start(&p, TRACE_MEMORY_BYTES, 0, -1);
	p.sink.lose(p.sink.self, 0, 5);
	give(&p, &s);
	p.sink.lose(p.sink.self, 8, 2);
	p.sink.lose(p.sink.self, 9, 1); /* never seen */
	assert_int_equal(trace_recorder_counts(p.recorder)->lost, 8);
	assert_int_equal(trace_recorder_counts(p.recorder)->lost_for_space, 0);
	assert_int_equal(trace_recorder_lost(p.recorder, 8), 2);
	assert_int_equal(trace_recorder_lost(p.recorder, 9), 0);
	end(&p);
}

static void the_largest_flows_by_number(void **state)
{
	static const uint64_t bytes[] = { 5, 900, 5, 30, 900, 1 };
	uint32_t largest[8];
	struct play p;

	(void)state;
	start(&p, 2 * TRACE_CHUNK_BYTES, 0, -1);
	assert_int_equal(trace_recorder_largest(p.recorder, largest, 3), 0);
	for (size_t i = 0; i < 6; i++)
		give(&p, &(struct tcp_sample){ .at_ns = i + 1,
		                               .cookie = i + 1,
		                               .present = TCP_SAMPLE_BYTES,
		                               .bytes_received = bytes[i] });
	assert_int_equal(trace_recorder_largest(p.recorder, largest, 3), 3);
	assert_int_equal(largest[0], 2); /* of two alike the first */
	assert_int_equal(largest[1], 5);
	assert_int_equal(largest[2], 4);
	assert_int_equal(trace_recorder_largest(p.recorder, largest, 8), 6);
	assert_int_equal(largest[5], 6);
	end(&p);
}

static void a_flow_is_open_until_its_ending_is_told(void **state)
{
	struct tcp_flow flow = { .cookie = 7 };
	struct play p;

	(void)state;
	start(&p, 2 * TRACE_CHUNK_BYTES, 0, -1);
	assert_int_equal(trace_recorder_open_flows(p.recorder), 0);
	give(&p, &(struct tcp_sample){ .at_ns = 1, .cookie = 7 });
	give(&p, &(struct tcp_sample){ .at_ns = 1, .cookie = 8 });
	p.sink.meet(p.sink.self, &flow);
	assert_int_equal(trace_recorder_open_flows(p.recorder), 2);
	strcpy(flow.ending, "closed");
	p.sink.meet(p.sink.self, &flow);
	p.sink.meet(p.sink.self, &flow);
	assert_int_equal(trace_recorder_open_flows(p.recorder), 1);
	end(&p);
}

/* The process is gone by then, and nobody can say its name any more. */
static void an_ending_without_a_name_keeps_it(void **state)
{
	struct tcp_flow flow = { .cookie = 7, .comm = "iperf3" };
	struct trace_header header = {};
	struct play p;

	(void)state;
	start(&p, 2 * TRACE_CHUNK_BYTES, 0, -1);
	p.sink.meet(p.sink.self, &flow);
	flow = (struct tcp_flow){ .cookie = 7, .ending = "closed" };
	p.sink.meet(p.sink.self, &flow);
	assert_int_equal(trace_recorder_replay(p.recorder, &header,
	                                       (struct trace_emitter){ tell, &p }, NULL),
	                 0);
	assert_string_equal(p.told[1].met.comm, "iperf3");
	assert_string_equal(p.told[1].met.ending, "closed");
	end(&p);
}

static void too_many_flows(void **state)
{
	struct tcp_sample s = {};
	struct play p;

	(void)state;
	start(&p, TRACE_MEMORY_BYTES, 0, -1);
	for (s.cookie = 1; s.cookie <= TRACE_FLOWS_MAX + 10; s.cookie++)
		give(&p, &s);
	assert_int_equal(trace_recorder_counts(p.recorder)->flows, TRACE_FLOWS_MAX);
	assert_int_equal(trace_recorder_counts(p.recorder)->lost_for_space, 10);
	assert_int_equal(replay(&p, NULL), 0);
	end(&p);
}

static void a_writer_that_fails_ends_the_replay(void **state)
{
	struct tcp_sample s = { .cookie = 1 };
	struct err err = {};
	struct play p;

	(void)state;
	start(&p, TRACE_MEMORY_BYTES, 0, -1);
	give(&p, &s);
	for (p.fail_at = 0; p.fail_at < 4; p.fail_at++)
		assert_int_equal(replay(&p, &err), -ENOSPC);
	assert_int_equal(replay(&p, &err), 0);
	end(&p);
}

/* Ten seconds of a busy flow cost a tenth of what the samples would as they are. */
static void a_busy_flow_is_compact(void **state)
{
	struct tcp_sample s = { .cookie = 1, .present = TRACE_SAMPLE_GROUPS, .srtt_us = 20000 };
	uint64_t seed = 3, samples = 0;
	struct play p;

	(void)state;
	start(&p, 16 * TRACE_CHUNK_BYTES, 0, -1);
	while (trace_recorder_counts(p.recorder)->lost == 0) {
		s.at_ns += 30000 + draw_u64(&seed) % 1000;
		s.bytes_received += 1448 * (1 + draw_u64(&seed) % 4);
		s.srtt_us += (uint32_t)(draw_u64(&seed) % 64) - 32;
		s.rttvar_us = (uint32_t)(draw_u64(&seed) % 900);
		s.rcv_wnd_bytes = 3000000 + (uint32_t)(draw_u64(&seed) % 4096);
		p.sink.take(p.sink.self, &s);
		samples++;
	}
	print_message("%.1f bytes a sample\n", 16.0 * TRACE_CHUNK_BYTES / (double)samples);
	assert_true(samples > 16 * TRACE_CHUNK_BYTES / (sizeof(s) / 8));
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_is_bounded),
		cmocka_unit_test(a_file_that_takes_nothing),
		cmocka_unit_test(what_may_be_missed_is_told_at_the_end),
		cmocka_unit_test(flows_come_before_their_samples),
		cmocka_unit_test(losses_are_counted_by_flow),
		cmocka_unit_test(the_largest_flows_by_number),
		cmocka_unit_test(a_flow_is_open_until_its_ending_is_told),
		cmocka_unit_test(an_ending_without_a_name_keeps_it),
		cmocka_unit_test(too_many_flows),
		cmocka_unit_test(a_writer_that_fails_ends_the_replay),
		cmocka_unit_test(a_busy_flow_is_compact),
	};
	int failed = CASES_RUN(comes_back_in_order, order_cases);

	failed += CASES_RUN(a_look_is_one_sample, same_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
