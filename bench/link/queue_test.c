#include "bench/link/queue.h"

#include "tests/cases.h"

struct room_case {
	const char *name;
	uint64_t packets; /* of 1000 bytes, in the queue */
	struct queue_limit limit;
	bool want; /* for one more of 1000 */
};

#define NONE UINT64_MAX

static const struct room_case room_cases[] = {
	{ "no limits", 1000, { NONE, NONE, NONE, 0 }, true },
	{ "packets, reached", 2, { 3, NONE, NONE, 0 }, true },
	{ "packets, exceeded", 3, { 3, NONE, NONE, 0 }, false },
	{ "no packet at all", 0, { 0, NONE, NONE, 0 }, false },
	{ "bytes, reached", 2, { NONE, 3000, NONE, 0 }, true },
	{ "bytes, exceeded by one", 2, { NONE, 2999, NONE, 0 }, false },
	{ "bytes of the line, reached", 2, { NONE, NONE, 3078, 26 }, true },
	{ "bytes of the line, exceeded by one", 2, { NONE, NONE, 3077, 26 }, false },
	{ "bytes of IP leave the overhead out", 2, { NONE, 3000, NONE, 26 }, true },
};

static void has_room(void **state)
{
	const struct room_case *c = *state;
	struct queue q = { .packets = c->packets, .bytes = c->packets * 1000 };

	assert_int_equal(queue_has_room(&q, &c->limit, 1000), c->want);
}

static void gives_in_order_what_it_took(void **state)
{
	struct queue q = {};
	uint64_t bytes = 0;

	(void)state;
	for (uint16_t i = 1; i <= 100; i++) {
		struct packet *p = packet_new(i);

		assert_non_null(p);
		p->order = i;
		queue_push(&q, p);
		bytes += i;
		assert_int_equal(q.packets, i);
		assert_int_equal(q.bytes, bytes);
	}
	for (uint16_t i = 1; i <= 100; i++) {
		struct packet *p = queue_pop(&q);

		assert_int_equal(p->order, i);
		assert_null(p->next);
		bytes -= i;
		assert_int_equal(q.bytes, bytes);
		packet_free(p);
	}
	assert_null(queue_pop(&q));
	assert_int_equal(q.packets, 0);
}

static void takes_again_after_it_was_empty(void **state)
{
	struct queue q = {};

	(void)state;
	for (int i = 0; i < 3; i++) {
		queue_push(&q, packet_new(1));
		packet_free(queue_pop(&q));
		assert_null(queue_pop(&q));
	}
	queue_push(&q, packet_new(1));
	queue_push(&q, packet_new(1));
	queue_clear(&q);
	assert_null(q.head);
	assert_int_equal(q.bytes, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_in_order_what_it_took),
		cmocka_unit_test(takes_again_after_it_was_empty),
	};
	int failed = CASES_RUN(has_room, room_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
