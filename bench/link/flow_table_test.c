#include "bench/link/flow_table.h"

#include "bench/link/segment.h"
#include "tests/cases.h"
#include "transport/base/err.h"

static int open_table(void **state)
{
	struct err err = {};

	return flow_table_open((struct flow_table **)state, &err);
}

static int close_table(void **state)
{
	*state = flow_table_close(*state);
	return 0;
}

static struct flow *offer(struct flow_table *t, struct segment s)
{
	struct packet p = segment_packet(s);

	return flow_table_offered(t, LINK_UP, &p);
}

static uint32_t deliver(struct flow_table *t, struct segment s)
{
	struct packet p = segment_packet(s);
	struct flow *f = flow_table_find(t, LINK_UP, &p);

	assert_non_null(f);
	return flow_delivered(t, f, &p, s.arrived_ns);
}

/* --- one flow, segment by segment --------------------------------------------------------------- */

#define STEPS_MAX 8

enum fate { END, PASS, DROP, TWICE };

static const int times_delivered[] = { [PASS] = 1, [DROP] = 0, [TWICE] = 2 };

static struct story {
	const char *name;
	struct {
		enum fate fate;
		uint32_t seq;
		uint16_t payload_bytes;
		uint8_t flags;
	} steps[STEPS_MAX];
	uint64_t offered, delivered, unique, packets, retransmitted;
} stories[] = {
	{ "SYN, payload, FIN: neither flag is payload",
	  { { PASS, 99, 0, SEGMENT_SYN }, { PASS, 100, 50, 0 }, { PASS, 150, 0, SEGMENT_FIN } },
	  50,
	  50,
	  50,
	  3,
	  0 },
	{ "a FIN that carries payload, sent again",
	  { { PASS, 99, 0, SEGMENT_SYN },
	    { PASS, 100, 50, SEGMENT_FIN },
	    { PASS, 100, 50, SEGMENT_FIN } },
	  100,
	  100,
	  50,
	  3,
	  1 },
	{ "a FIN alone, sent again, is no retransmitted segment",
	  { { PASS, 99, 0, SEGMENT_SYN },
	    { PASS, 100, 0, SEGMENT_FIN },
	    { PASS, 100, 0, SEGMENT_FIN } },
	  0,
	  0,
	  0,
	  3,
	  0 },
	{ "payload in the SYN (RFC 7413) and behind it",
	  { { PASS, 99, 20, SEGMENT_SYN }, { PASS, 120, 50, 0 } },
	  70,
	  70,
	  70,
	  2,
	  0 },
	{ "payload of a SYN, sent again without it",
	  { { DROP, 99, 20, SEGMENT_SYN }, { PASS, 99, 0, SEGMENT_SYN }, { PASS, 100, 20, 0 } },
	  40,
	  20,
	  20,
	  2,
	  1 },
	{ "lost and sent again",
	  { { PASS, 99, 0, SEGMENT_SYN },
	    { DROP, 100, 50, 0 },
	    { PASS, 150, 50, 0 },
	    { PASS, 100, 50, 0 } },
	  150,
	  100,
	  100,
	  3,
	  1 },
	{ "sent again though it had arrived",
	  { { PASS, 99, 0, SEGMENT_SYN }, { PASS, 100, 50, 0 }, { PASS, 100, 50, 0 } },
	  100,
	  100,
	  50,
	  3,
	  1 },
	{ "half of it had arrived",
	  { { PASS, 99, 0, SEGMENT_SYN },
	    { PASS, 100, 50, 0 },
	    { DROP, 150, 50, 0 },
	    { PASS, 125, 75, 0 } },
	  175,
	  125,
	  100,
	  3,
	  1 },
	{ "a copy that the link made is no retransmission",
	  { { PASS, 99, 0, SEGMENT_SYN }, { TWICE, 100, 50, 0 } },
	  50,
	  100,
	  50,
	  3,
	  0 },
	{ "the numbers wrap",
	  { { PASS, 4294967290U, 0, SEGMENT_SYN },
	    { PASS, 4294967291U, 50, 0 },
	    { PASS, 45, 50, 0 } },
	  100,
	  100,
	  100,
	  3,
	  0 },
	{ "a keep-alive's byte before the first is no payload of the stream",
	  { { PASS, 99, 0, SEGMENT_SYN }, { PASS, 99, 1, 0 }, { PASS, 100, 10, 0 } },
	  11,
	  11,
	  10,
	  3,
	  1 },
	{ "the SYN was before our time",
	  { { PASS, 1000, 50, 0 }, { PASS, 950, 50, 0 }, { PASS, 1050, 50, 0 } },
	  150,
	  150,
	  150,
	  3,
	  0 },
};

static void story_is_told(void **state)
{
	const struct story *s = *state;
	struct flow_table *t = NULL;
	const struct truth_flow *told;

	assert_int_equal(flow_table_open(&t, NULL), 0);
	for (int i = 0; i < STEPS_MAX && s->steps[i].fate != END; i++) {
		struct segment g = { .port = 1,
			             .seq = s->steps[i].seq,
			             .payload_bytes = s->steps[i].payload_bytes,
			             .flags = s->steps[i].flags,
			             .arrived_ns = 10 + (uint64_t)i };

		assert_non_null(offer(t, g));
		for (int n = 0; n < times_delivered[s->steps[i].fate]; n++)
			deliver(t, g);
	}
	assert_int_equal(flow_table_count(t), 1);
	told = &flow_table_at(t, 0)->told;
	assert_int_equal(told->offered_payload_bytes, s->offered);
	assert_int_equal(told->delivered_payload_bytes, s->delivered);
	assert_int_equal(told->unique_payload_bytes, s->unique);
	assert_int_equal(told->packets, s->packets);
	assert_int_equal(told->retransmitted_segments, s->retransmitted);
	assert_true(told->exact);
	flow_table_close(t);
}

/* --- many flows --------------------------------------------------------------------------------- */

static struct segment connection(uint32_t i)
{
	return (struct segment){ .port = (uint16_t)i, .seq = i, .flags = SEGMENT_SYN };
}

/* Beyond 65536 ports the other direction has its own. */
static struct flow *offer_connection(struct flow_table *t, uint32_t i)
{
	struct packet p = segment_packet(connection(i));

	return flow_table_offered(t, i > UINT16_MAX ? LINK_DOWN : LINK_UP, &p);
}

static void ten_thousand_are_told_apart(void **state)
{
	struct flow_table *t = *state;

	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(offer_connection(t, i)->index, i);
	assert_int_equal(flow_table_count(t), 10000);
	for (uint32_t i = 0; i < 10000; i++) {
		struct packet p = segment_packet(connection(i));

		assert_int_equal(flow_table_find(t, LINK_UP, &p)->index, i);
		assert_null(flow_table_find(t, LINK_DOWN, &p));
	}
}

static void seventy_thousand_are_too_many(void **state)
{
	struct flow_table *t = *state;
	uint32_t refused = 0;

	for (uint32_t i = 0; i < 70000; i++)
		refused += !offer_connection(t, i);
	assert_int_equal(flow_table_count(t), TRUTH_FLOWS_MAX);
	assert_int_equal(refused, 70000 - TRUTH_FLOWS_MAX);
	assert_int_equal(offer_connection(t, 123)->index, 123);
}

/* --- one pair of ports, two connections --------------------------------------------------------- */

static void another_syn_is_another_flow(void **state)
{
	struct flow_table *t = *state;
	struct segment first = { .port = 7, .seq = 100, .flags = SEGMENT_SYN, .arrived_ns = 10 };
	struct segment last_of_first = {
		.port = 7, .seq = 101, .payload_bytes = 30, .arrived_ns = 20
	};
	struct segment second = { .port = 7, .seq = 90000, .flags = SEGMENT_SYN, .arrived_ns = 30 };
	struct segment of_second = {
		.port = 7, .seq = 90001, .payload_bytes = 50, .arrived_ns = 40
	};

	offer(t, first);
	offer(t, first); /* the same again is the same */
	offer(t, last_of_first);
	assert_int_equal(offer(t, second)->index, 1);
	offer(t, of_second);

	/* What was still under way belongs to the one it was sent by. */
	assert_int_equal(deliver(t, of_second), 50);
	assert_int_equal(deliver(t, last_of_first), 30);
	assert_int_equal(flow_table_count(t), 2);
	assert_int_equal(flow_table_at(t, 0)->told.unique_payload_bytes, 30);
	assert_int_equal(flow_table_at(t, 1)->told.unique_payload_bytes, 50);
}

static void a_full_table_says_that_ports_were_used_again(void **state)
{
	struct flow_table *t = *state;
	struct segment again = { .port = 5, .seq = 90000, .flags = SEGMENT_SYN };

	for (uint32_t i = 0; i < TRUTH_FLOWS_MAX; i++)
		offer_connection(t, i);
	assert_null(offer(t, again));
	assert_false(flow_table_at(t, 5)->told.exact);
	assert_true(flow_table_at(t, 6)->told.exact);
}

/* --- what is not whole -------------------------------------------------------------------------- */

static void fragments_make_it_inexact(void **state)
{
	struct flow_table *t = *state;
	struct packet p = segment_packet((struct segment){ .port = 3 });

	p.info.kind = PACKET_FRAGMENT;
	assert_non_null(flow_table_offered(t, LINK_UP, &p));
	assert_int_equal(flow_delivered(t, flow_table_find(t, LINK_UP, &p), &p, 0), 0);
	assert_int_equal(flow_table_at(t, 0)->told.packets, 1);
	assert_false(flow_table_at(t, 0)->told.exact);
}

static void what_has_no_ports_has_no_flow(void **state)
{
	struct flow_table *t = *state;
	struct packet p = segment_packet((struct segment){ .port = 3 });

	offer(t, (struct segment){ .port = 3 });
	p.info.kind = PACKET_OTHER;
	assert_null(flow_table_find(t, LINK_UP, &p));
}

static void the_ceiling_of_holes_is_told(void **state)
{
	struct flow_table *t = *state;

	offer(t, (struct segment){ .port = 1, .seq = 0, .flags = SEGMENT_SYN });
	for (uint32_t i = 0; i <= TRUTH_HOLES_MAX; i++) {
		assert_true(flow_table_at(t, 0)->told.exact);
		offer(t, (struct segment){ .port = 1, .seq = 2 * i + 2, .payload_bytes = 1 });
	}
	assert_false(flow_table_at(t, 0)->told.exact);
}

#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, open_table, close_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TABLE(ten_thousand_are_told_apart),
		WITH_TABLE(seventy_thousand_are_too_many),
		WITH_TABLE(another_syn_is_another_flow),
		WITH_TABLE(a_full_table_says_that_ports_were_used_again),
		WITH_TABLE(fragments_make_it_inexact),
		WITH_TABLE(what_has_no_ports_has_no_flow),
		WITH_TABLE(the_ceiling_of_holes_is_told),
	};
	int failed = CASES_RUN(story_is_told, stories);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
