#include "bench/link/flight.h"

#include "bench/link/packet.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"

static void push(struct flight *f, uint64_t due_ns, uint64_t order, bool duplicate)
{
	struct packet *p = packet_new(1);

	assert_non_null(p);
	p->due_ns = due_ns;
	p->order = order;
	p->duplicate = duplicate;
	assert_true(flight_push(f, p));
}

/* Answers the order of what was popped, negative for a copy. */
static int64_t pop(struct flight *f)
{
	struct packet *p = flight_pop(f);
	int64_t order;

	assert_non_null(p);
	order = p->duplicate ? -(int64_t)p->order : (int64_t)p->order;
	packet_free(p);
	return order;
}

static void those_due_at_once_come_in_order(void **state)
{
	struct flight f = {};

	(void)state;
	push(&f, 7, 2, true);
	push(&f, 7, 3, false);
	push(&f, 7, 2, false);
	push(&f, 6, 4, false);
	push(&f, 7, 1, false);
	assert_int_equal(flight_next_ns(&f), 6);
	assert_int_equal(pop(&f), 4);
	assert_int_equal(flight_next_ns(&f), 7);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(pop(&f), 2);
	assert_int_equal(pop(&f), -2);
	assert_int_equal(pop(&f), 3);
	assert_null(flight_pop(&f));
	assert_int_equal(flight_next_ns(&f), CLOCK_NEVER_NS);
	flight_clear(&f);
}

struct random_case {
	const char *name;
	uint64_t seed, spread_ns; /* of the instants */
};

static const struct random_case random_cases[] = {
	{ "all at once", 1, 1 },
	{ "many at once", 2, 100 },
	{ "far apart", 3, UINT64_MAX },
};

/* Pushes and pops by chance, three to two; what comes out is never before what came out since the
 * last push. */
static void comes_out_sorted(void **state)
{
	const struct random_case *c = *state;
	uint64_t random = c->seed, due_ns = 0, order = 0;
	struct flight f = {};

	for (uint64_t i = 1; i <= 20000; i++) {
		struct packet *p;

		if (draw_u64(&random) % 5 < 3) {
			push(&f, draw_u64(&random) % c->spread_ns, i, false);
			due_ns = order = 0;
			continue;
		}
		p = flight_pop(&f);
		if (!p)
			continue;
		assert_true(p->due_ns > due_ns || (p->due_ns == due_ns && p->order > order));
		due_ns = p->due_ns;
		order = p->order;
		packet_free(p);
	}
	assert_true(f.count > 3000);
	flight_clear(&f);
	assert_int_equal(f.count, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_due_at_once_come_in_order),
	};
	int failed = CASES_RUN(comes_out_sorted, random_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
