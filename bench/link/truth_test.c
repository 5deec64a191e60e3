/* Known packets through two real directions, in virtual time. */
#include "bench/link/truth.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/segment.h"
#include "tests/cases.h"
#include "transport/base/clock.h"

#define START_NS  (1000 * NS_PER_S)
#define HEADER    SEGMENT_HEADER_BYTES
#define BINS_MAX  512
#define NO_LIMIT  UINT64_MAX
#define LINE_BPS  (12 * 1000000ULL) /* 1500 bytes a millisecond */
#define BIN_BYTES 15000             /* of that line */

struct bench {
	struct scenario_direction s;
	struct direction *d[LINK_DIRECTIONS];
	struct truth *t;
	struct truth_bin bins[BINS_MAX];
	size_t bin_count;
};

static void count_drop(void *owner, const struct packet *p, enum drop_reason reason,
                       uint64_t now_ns)
{
	struct bench *b = owner;

	(void)now_ns;
	truth_dropped(b->t, LINK_DOWN, p, reason);
}

static int bench_open(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->s = (struct scenario_direction){ .rate_bps = LINE_BPS,
		                            .queue_bytes = 3000,
		                            .queue_packets = NO_LIMIT,
		                            .queue_ns = NO_LIMIT,
		                            .policer_bps = 0 };
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		assert_int_equal(
			direction_open(&b->s, d, 1, START_NS, count_drop, b, &b->d[d], NULL), 0);
	assert_int_equal(truth_open(START_NS, (const struct direction *const *)b->d, &b->t, NULL),
	                 0);
	*state = b;
	return 0;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	b->t = truth_close(b->t);
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		direction_close(b->d[d]);
	free(b);
	return 0;
}

static void take_bins(struct bench *b)
{
	while (b->bin_count < BINS_MAX && truth_take_bin(b->t, &b->bins[b->bin_count]))
		b->bin_count++;
}

static const struct truth_bin *bin_of(const struct bench *b, enum link_direction d, size_t i)
{
	const struct truth_bin *bin = &b->bins[2 * i + d];

	assert_true(2 * i + d < b->bin_count);
	assert_int_equal(bin->direction, d);
	return bin;
}

static struct truth_end finish(struct bench *b, uint64_t since_ns)
{
	struct truth_end end = {};

	truth_finish(b->t, START_NS + since_ns, &end);
	take_bins(b);
	return end;
}

/* Delivered at once: past the directions, for what does not need them. */
static void pass(struct bench *b, struct segment s, uint64_t delay_ns, uint64_t late_ns)
{
	struct packet p;

	s.arrived_ns += START_NS;
	p = segment_packet(s);
	p.due_ns = p.arrived_ns + delay_ns - late_ns;
	truth_offered(b->t, LINK_DOWN, &p);
	truth_delivered(b->t, LINK_DOWN, &p, p.arrived_ns + delay_ns);
}

/* --- through the line --------------------------------------------------------------------------- */

static void push(struct bench *b, struct segment s)
{
	struct packet like = segment_packet(s), *p = packet_new(like.bytes);

	assert_non_null(p);
	p->arrived_ns = START_NS + s.arrived_ns;
	p->info = like.info;
	truth_offered(b->t, LINK_DOWN, p);
	direction_push(b->d[LINK_DOWN], p);
}

static void step(struct bench *b, uint64_t now_ns)
{
	struct direction *down = b->d[LINK_DOWN];

	direction_advance(down, now_ns);
	for (struct packet *p; (p = direction_pop(down, now_ns)) != NULL; packet_free(p))
		truth_delivered(b->t, LINK_DOWN, p, now_ns);
	truth_tick(b->t, now_ns);
}

static void steps(struct bench *b, uint64_t from_ns, uint64_t to_ns, uint64_t step_ns)
{
	for (uint64_t since_ns = from_ns; since_ns < to_ns; since_ns += step_ns)
		step(b, START_NS + since_ns);
}

/* Ten packets at once into a line of one a millisecond that has a queue of two. */
static void line_and_queue_are_told(void **state)
{
	struct bench *b = *state;
	const struct truth_bin *bin;
	struct truth_end end;

	for (uint32_t i = 0; i < 10; i++)
		push(b, (struct segment){ .port = 1, .seq = 1460 * i, .payload_bytes = 1460 });
	steps(b, 0, 20 * NS_PER_MS, 100 * NS_PER_US);
	end = finish(b, 25 * NS_PER_MS);

	assert_int_equal(b->bin_count, 6);
	bin = bin_of(b, LINK_DOWN, 0);
	assert_int_equal(bin->offered.packets, 10);
	assert_int_equal(bin->offered.bytes, 15000);
	assert_int_equal(bin->delivered.packets + bin->dropped[DROP_QUEUE].packets, 10);
	assert_true(bin->dropped[DROP_QUEUE].packets >= 7);
	assert_int_equal(bin->tcp_payload_bytes, 1460 * bin->delivered.packets);
	assert_int_equal(bin->capacity_bytes, BIN_BYTES);
	assert_true(bin->queued_max_bytes >= 1500);
	assert_int_equal(bin->queued.bytes, 0);
	assert_int_equal(bin->delay_min_ns, NS_PER_MS);

	bin = bin_of(b, LINK_DOWN, 2);
	assert_int_equal(bin->at_ns, 20 * NS_PER_MS);
	assert_int_equal(bin->length_ns, 5 * NS_PER_MS);
	assert_int_equal(bin->capacity_bytes, BIN_BYTES / 2);

	truth_judge(&end);
	assert_string_equal(end.void_reason, "");
	assert_int_equal(end.duration_ns, 25 * NS_PER_MS);
	assert_int_equal(truth_flow(b->t, 0)->dropped_segments,
	                 end.counts[LINK_DOWN].dropped[DROP_QUEUE].packets);
}

static void bins_sum_to_the_accounts(void **state)
{
	struct bench *b = *state;
	struct direction_amount delivered = {}, offered = {}, dropped = {};
	struct truth_end end;
	uint64_t capacity_bytes = 0;

	for (uint32_t i = 0; i < 400; i++) {
		uint64_t at_ns = i * 600 * NS_PER_US;

		push(b, (struct segment){ .port = (uint16_t)(i % 3),
		                          .seq = 1000 * i,
		                          .payload_bytes = 1000,
		                          .arrived_ns = at_ns });
		steps(b, at_ns, at_ns + 600 * NS_PER_US, 77 * NS_PER_US);
	}
	steps(b, 240 * NS_PER_MS, 333 * NS_PER_MS, 77 * NS_PER_US);
	end = finish(b, 333 * NS_PER_MS);
	for (size_t i = 0; i < b->bin_count / 2; i++) {
		const struct truth_bin *bin = bin_of(b, LINK_DOWN, i);

		offered.bytes += bin->offered.bytes;
		delivered.bytes += bin->delivered.bytes;
		for (int r = 0; r < DROP_REASONS; r++)
			dropped.bytes += bin->dropped[r].bytes;
		capacity_bytes += bin->capacity_bytes;
	}
	assert_int_equal(offered.bytes, end.counts[LINK_DOWN].offered.bytes);
	assert_int_equal(delivered.bytes, end.delivered[LINK_DOWN].bytes);
	assert_int_equal(offered.bytes, delivered.bytes + dropped.bytes);
	assert_true(delivered.bytes > 0 && dropped.bytes > 0);
	assert_int_equal(capacity_bytes, 333 * 1500);
}

/* --- bins --------------------------------------------------------------------------------------- */

static void a_gap_without_ticks_has_its_bins(void **state)
{
	struct bench *b = *state;

	pass(b, (struct segment){ .port = 1, .seq = 1, .payload_bytes = 100 }, 1000, 0);
	pass(b,
	     (struct segment){
		     .port = 1, .seq = 101, .payload_bytes = 10, .arrived_ns = 55 * NS_PER_MS },
	     1000, 0);
	finish(b, 60 * NS_PER_MS);
	assert_int_equal(b->bin_count, 12); /* none for the instant at 60 ms itself */
	assert_int_equal(bin_of(b, LINK_DOWN, 0)->delivered.bytes, 100 + HEADER);
	for (size_t i = 1; i < 5; i++)
		assert_int_equal(bin_of(b, LINK_DOWN, i)->delivered.bytes, 0);
	assert_int_equal(bin_of(b, LINK_DOWN, 5)->delivered.bytes, 10 + HEADER);
	assert_int_equal(bin_of(b, LINK_UP, 5)->delivered.bytes, 0);
}

static void a_packet_belongs_to_the_bin_it_is_delivered_in(void **state)
{
	struct bench *b = *state;

	pass(b,
	     (struct segment){
		     .port = 1, .seq = 1, .payload_bytes = 100, .arrived_ns = 9 * NS_PER_MS },
	     NS_PER_MS, 0);
	finish(b, 20 * NS_PER_MS);
	assert_int_equal(bin_of(b, LINK_DOWN, 0)->offered.bytes, 100 + HEADER);
	assert_int_equal(bin_of(b, LINK_DOWN, 0)->delivered.bytes, 0);
	assert_int_equal(bin_of(b, LINK_DOWN, 1)->delivered.bytes, 100 + HEADER);
}

static void a_full_ring_loses_bins_and_says_so(void **state)
{
	struct bench *b = *state;
	uint64_t lost = 100;
	struct truth_bin bin;
	struct truth_end end = {};

	truth_finish(b->t, START_NS + (TRUTH_BINS_HELD + lost) / 2 * TRUTH_BIN_NS, &end);
	assert_int_equal(end.bins_lost, lost);
	for (uint64_t i = 0; i < TRUTH_BINS_HELD; i++) {
		assert_true(truth_take_bin(b->t, &bin));
		assert_int_equal(bin.at_ns, i / 2 * TRUTH_BIN_NS);
	}
	assert_false(truth_take_bin(b->t, &bin));
	truth_judge(&end);
	assert_non_null(strstr(end.void_reason, "100 bins were lost"));
}

#define BINS_OF_TWO_THREADS 20000 /* of both directions: no more than are held, so none is lost */

static void *tick_all(void *arg)
{
	struct bench *b = arg;

	for (uint64_t i = 1; i <= BINS_OF_TWO_THREADS / 2; i++)
		truth_tick(b->t, START_NS + i * TRUTH_BIN_NS);
	return NULL;
}

static void another_thread_takes_them_in_order(void **state)
{
	struct bench *b = *state;
	struct truth_bin bin;
	uint64_t taken = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, tick_all, b), 0);
	while (taken < BINS_OF_TWO_THREADS) {
		if (!truth_take_bin(b->t, &bin)) {
			sched_yield();
			continue;
		}
		assert_int_equal(bin.at_ns, taken / 2 * TRUTH_BIN_NS);
		assert_int_equal(bin.direction, taken % 2);
		assert_int_equal(bin.capacity_bytes, BIN_BYTES);
		taken++;
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(finish(b, BINS_OF_TWO_THREADS / 2 * TRUTH_BIN_NS).bins_lost, 0);
}

/* --- flows in a bin ----------------------------------------------------------------------------- */

static void the_busiest_are_told_apart(void **state)
{
	struct bench *b = *state;
	const struct truth_bin *bin;

	/* Flow 0 has least, and each has sent half of its bytes before. */
	for (uint16_t i = 0; i < 20; i++) {
		struct segment s = { .port = i, .seq = 1, .payload_bytes = (uint16_t)(100 + i) };

		pass(b, s, 1000, 0);
		pass(b, s, 1000, 0);
	}
	pass(b, (struct segment){ .port = 99, .seq = 1 }, 1000, 0); /* no payload, no record */
	finish(b, 5 * NS_PER_MS);
	bin = bin_of(b, LINK_DOWN, 0);
	assert_int_equal(bin->flow_bin_count, TRUTH_FLOW_BINS_MAX);
	for (uint32_t i = 0; i < TRUTH_FLOW_BINS_MAX; i++) {
		assert_int_equal(bin->flow_bin[i].flow, 19 - i);
		assert_int_equal(bin->flow_bin[i].payload_bytes, 2 * (119 - i));
		assert_int_equal(bin->flow_bin[i].unique_payload_bytes, 119 - i);
	}
	assert_int_equal(bin->other_flows, 4);
	assert_int_equal(bin->other.unique_payload_bytes, 100 + 101 + 102 + 103);
	assert_int_equal(bin->other.payload_bytes, 2 * (100 + 101 + 102 + 103));
}

static void flow_bins_sum_to_the_flow(void **state)
{
	struct bench *b = *state;
	uint64_t unique[2] = {}, all[2] = {};

	for (uint32_t i = 0; i < 200; i++)
		pass(b,
		     (struct segment){ .port = (uint16_t)(i % 2),
		                       .seq = i / 4 * 100,
		                       .payload_bytes = 100,
		                       .arrived_ns = i * NS_PER_MS },
		     1000, 0);
	finish(b, 300 * NS_PER_MS);
	for (size_t i = 0; i < b->bin_count / 2; i++) {
		const struct truth_bin *bin = bin_of(b, LINK_DOWN, i);

		for (uint32_t f = 0; f < bin->flow_bin_count; f++) {
			unique[bin->flow_bin[f].flow] += bin->flow_bin[f].unique_payload_bytes;
			all[bin->flow_bin[f].flow] += bin->flow_bin[f].payload_bytes;
		}
	}
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(unique[i], truth_flow(b->t, i)->unique_payload_bytes);
		assert_int_equal(unique[i], 5000);
		assert_int_equal(all[i], truth_flow(b->t, i)->delivered_payload_bytes);
		assert_int_equal(all[i], 10000);
		assert_int_equal(truth_flow(b->t, i)->retransmitted_segments, 50);
	}
}

static void flows_say_when_and_how_large(void **state)
{
	struct bench *b = *state;
	const struct truth_flow *f;

	pass(b, (struct segment){ .port = 1, .seq = 1, .payload_bytes = 100, .arrived_ns = 5000 },
	     1000, 0);
	pass(b,
	     (struct segment){ .port = 1, .seq = 101, .payload_bytes = 1400, .arrived_ns = 7000 },
	     2000, 0);
	finish(b, NS_PER_MS);
	assert_int_equal(truth_flow_count(b->t), 1);
	f = truth_flow(b->t, 0);
	assert_int_equal(f->first_ns, 6000);
	assert_int_equal(f->last_ns, 9000);
	assert_int_equal(f->largest_payload_bytes, 1400);
	assert_int_equal(f->largest_ip_bytes, 1400 + HEADER);
	assert_int_equal(f->delivered_ip_bytes, 1500 + 2 * HEADER);
}

static void too_many_flows_are_counted(void **state)
{
	struct bench *b = *state;
	struct truth_end end;

	for (uint32_t i = 0; i < TRUTH_FLOWS_MAX + 100; i++) {
		struct segment s = { .port = (uint16_t)i,
			             .seq = 1 + i / 65536,
			             .flags = SEGMENT_SYN };

		pass(b, s, 1000, 0);
	}
	end = finish(b, 5 * NS_PER_MS);
	assert_int_equal(truth_flow_count(b->t), TRUTH_FLOWS_MAX);
	assert_int_equal(end.flows_not_told_apart, 100);
	assert_int_equal(bin_of(b, LINK_DOWN, 0)->delivered.packets, TRUTH_FLOWS_MAX + 100);
}

static void what_is_no_ip_is_counted(void **state)
{
	struct bench *b = *state;
	struct packet p = segment_packet((struct segment){ .arrived_ns = START_NS });

	p.info = (struct packet_info){ .kind = PACKET_NOT_IP };
	truth_offered(b->t, LINK_UP, &p);
	truth_delivered(b->t, LINK_UP, &p, START_NS + 10);
	assert_int_equal(finish(b, NS_PER_MS).not_ip_packets, 1);
	assert_int_equal(truth_flow_count(b->t), 0);
	assert_int_equal(bin_of(b, LINK_UP, 0)->delivered.bytes, HEADER);
}

/* --- delays and promises ------------------------------------------------------------------------ */

static void delays_and_lateness_are_told(void **state)
{
	struct bench *b = *state;
	const struct truth_bin *bin;
	struct truth_end end;

	pass(b, (struct segment){ .port = 1, .seq = 1 }, 5 * NS_PER_MS, 0);
	pass(b, (struct segment){ .port = 1, .seq = 1 }, 7 * NS_PER_MS, TRUTH_LATE_NS);
	pass(b, (struct segment){ .port = 1, .seq = 1 }, 9 * NS_PER_MS, TRUTH_LATE_NS + 1);
	end = finish(b, 10 * NS_PER_MS);
	bin = bin_of(b, LINK_DOWN, 0);
	assert_int_equal(bin->delay_min_ns, 5 * NS_PER_MS);
	assert_int_equal(bin->delay_max_ns, 9 * NS_PER_MS);
	assert_int_equal(bin->delay_sum_ns, 21 * NS_PER_MS);
	assert_int_equal(bin->late_packets, 1);
	assert_int_equal(bin->overdue_bytes, 0);
	assert_int_equal(truth_delay(b->t, LINK_DOWN)->count, 3);
	assert_int_equal(truth_delay(b->t, LINK_DOWN)->max, 9 * NS_PER_MS);
	assert_int_equal(truth_lateness(b->t, LINK_DOWN)->max, TRUTH_LATE_NS + 1);
	assert_int_equal(truth_delay(b->t, LINK_UP)->count, 0);
	assert_int_equal(end.late_packets[LINK_DOWN], 1);
	assert_int_equal(end.rate_missed_bins[LINK_DOWN], 0);
}

static void a_rate_that_was_missed_has_a_where(void **state)
{
	struct bench *b = *state;
	struct truth_end end;

	/* Due at 38 ms, delivered at 41 ms. */
	pass(b, (struct segment){ .port = 1, .seq = 1, .arrived_ns = 31 * NS_PER_MS },
	     10 * NS_PER_MS, 3 * NS_PER_MS);
	end = finish(b, 60 * NS_PER_MS);
	assert_int_equal(bin_of(b, LINK_DOWN, 4)->overdue_bytes, HEADER);
	assert_int_equal(end.rate_missed_bins[LINK_DOWN], 1);
	assert_int_equal(end.rate_missed_first_ns[LINK_DOWN], 40 * NS_PER_MS);
}

static struct verdict_case {
	const char *name;
	struct truth_end end;
	const char *want; /* in the reason; "": it stands */
} verdict_cases[] = {
	{ "nothing happened", {}, "" },
	{ "all accounted",
	  { .counts = { { .offered = { 10, 100 },
	                  .copies = { 1, 10 },
	                  .queued = { 2, 20 },
	                  .in_flight = { 3, 30 },
	                  .dropped = { [DROP_LOSS] = { 1, 10 } } } },
	    .delivered = { { 5, 50 } } },
	  "" },
	{ "a byte is missing",
	  { .counts = { [LINK_UP] = { .offered = { 1, 100 } } },
	    .delivered = { [LINK_UP] = { 1, 99 } } },
	  "up: what was offered is not what was delivered" },
	{ "packets that nobody saw",
	  { .device_drops = 3 },
	  "3 packets were dropped by the kernel before the link saw them" },
	{ "packets that nobody received",
	  { .receiver_drops = 2 },
	  "2 packets were dropped by the kernel behind the link" },
	{ "more than can be held",
	  { .counts = { { .offered = { 1, 9 }, .dropped = { [DROP_CEILING] = { 1, 9 } } } } },
	  "down: 1 packets were more than the link can hold" },
	{ "one in a hundred late",
	  { .counts = { { .offered = { 1000, 9 } } },
	    .delivered = { { 1000, 9 } },
	    .late_packets = { 10 } },
	  "" },
	{ "two in a hundred late",
	  { .counts = { { .offered = { 1000, 9 } } },
	    .delivered = { { 1000, 9 } },
	    .late_packets = { 20 } },
	  "down: 20 of 1000 packets were late by more than 0.1 ms" },
	{ "one of five late: of one packet no share is told",
	  { .counts = { { .offered = { 5, 9 } } },
	    .delivered = { { 5, 9 } },
	    .late_packets = { 1 } },
	  "" },
	{ "a packet late by a bin", { .late_max_ns = { 0, 12 * NS_PER_MS } }, "late by 12.0 ms" },
	{ "a reason that stands there stays",
	  { .device_drops = 3, .void_reason = "the disk is full" },
	  "the disk is full" },
};

static void is_judged(void **state)
{
	const struct verdict_case *c = *state;
	struct truth_end end = c->end;

	truth_judge(&end);
	if (c->want[0])
		assert_non_null(strstr(end.void_reason, c->want));
	else
		assert_string_equal(end.void_reason, "");
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(line_and_queue_are_told),
		WITH_BENCH(bins_sum_to_the_accounts),
		WITH_BENCH(a_gap_without_ticks_has_its_bins),
		WITH_BENCH(a_packet_belongs_to_the_bin_it_is_delivered_in),
		WITH_BENCH(a_full_ring_loses_bins_and_says_so),
		WITH_BENCH(another_thread_takes_them_in_order),
		WITH_BENCH(the_busiest_are_told_apart),
		WITH_BENCH(flow_bins_sum_to_the_flow),
		WITH_BENCH(flows_say_when_and_how_large),
		WITH_BENCH(too_many_flows_are_counted),
		WITH_BENCH(what_is_no_ip_is_counted),
		WITH_BENCH(delays_and_lateness_are_told),
		WITH_BENCH(a_rate_that_was_missed_has_a_where),
	};
	int failed = CASES_RUN(is_judged, verdict_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
