#include "measure/report/largest.h"

#include "tests/cases.h"

static struct offer_case {
	const char *name;
	uint32_t count;
	uint64_t bytes[12]; /* of flows 1, 2, … */
	uint32_t want_count;
	uint32_t want[LARGEST_MAX];
} offer_cases[] = {
	{ "none", 0, {}, 0, {} },
	{ "one", 1, { 5 }, 1, { 1 } },
	{ "by size", 3, { 5, 7, 6 }, 3, { 2, 3, 1 } },
	{ "of equal ones the first", 3, { 7, 7, 7 }, 3, { 1, 2, 3 } },
	{ "as many as there is room for",
	  8,
	  { 1, 2, 3, 4, 5, 6, 7, 8 },
	  8,
	  { 8, 7, 6, 5, 4, 3, 2, 1 } },
	{ "one more, the smallest",
	  9,
	  { 9, 2, 3, 4, 5, 6, 7, 8, 1 },
	  8,
	  { 1, 8, 7, 6, 5, 4, 3, 2 } },
	{ "one more, the largest",
	  9,
	  { 1, 2, 3, 4, 5, 6, 7, 8, 9 },
	  8,
	  { 9, 8, 7, 6, 5, 4, 3, 2 } },
	{ "one more, as small as the last",
	  9,
	  { 2, 2, 3, 4, 5, 6, 7, 8, 2 },
	  8,
	  { 8, 7, 6, 5, 4, 3, 1, 2 } },
	{ "of many equal ones the first", 12, {}, 8, { 1, 2, 3, 4, 5, 6, 7, 8 } },
};

static void the_largest_stay(void **state)
{
	const struct offer_case *c = *state;
	struct largest l = {};

	for (uint32_t i = 0; i < c->count; i++)
		largest_offer(&l, i + 1, c->bytes[i]);
	assert_int_equal(l.count, c->want_count);
	for (uint32_t i = 0; i < l.count; i++) {
		assert_int_equal(l.flows[i], c->want[i]);
		assert_int_equal(l.bytes[i], c->bytes[c->want[i] - 1]);
		assert_true(largest_has(&l, c->want[i]));
	}
	assert_false(largest_has(&l, 99));
}

int main(void)
{
	return CASES_RUN(the_largest_stay, offer_cases) != 0;
}
