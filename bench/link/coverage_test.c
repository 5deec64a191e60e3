/* Ranges against a plain map of bytes, and the ceilings. */
#include "bench/link/coverage.h"

#include <stdlib.h>
#include <string.h>

#include "bench/link/truth.h"
#include "tests/cases.h"
#include "transport/base/draw.h"

#define SEGMENTS_MAX 6

/* Each segment by its sequence number, and how many of its bytes are new. */
static struct segment_case {
	const char *name;
	uint32_t first_seq;
	struct {
		uint32_t seq, bytes, added;
	} segments[SEGMENTS_MAX];
	uint32_t ranges;
} segment_cases[] = {
	{ "in order", 1000, { { 1000, 100, 100 }, { 1100, 50, 50 } }, 1 },
	{ "the same twice", 1000, { { 1000, 100, 100 }, { 1000, 100, 0 } }, 1 },
	{ "a hole, then filled", 0, { { 0, 10, 10 }, { 20, 10, 10 }, { 10, 10, 10 } }, 1 },
	{ "a hole stays", 0, { { 0, 10, 10 }, { 20, 10, 10 } }, 2 },
	{ "the first is missing", 0, { { 10, 10, 10 } }, 2 },
	{ "half delivered, sent again whole", 0, { { 0, 10, 10 }, { 5, 10, 5 } }, 1 },
	{ "over two ranges and the hole between",
	  0,
	  { { 0, 10, 10 }, { 20, 10, 10 }, { 5, 20, 10 } },
	  1 },
	{ "over three ranges and beyond",
	  0,
	  { { 0, 10, 10 }, { 20, 10, 10 }, { 40, 10, 10 }, { 0, 60, 30 } },
	  1 },
	{ "reversed", 0, { { 30, 10, 10 }, { 20, 10, 10 }, { 10, 10, 10 }, { 0, 10, 10 } }, 1 },
	{ "inside what is there", 0, { { 0, 100, 100 }, { 40, 10, 0 } }, 1 },
	{ "over the end of the numbers", 4294967290, { { 4294967290, 10, 10 }, { 4, 6, 6 } }, 1 },
	{ "a hole over the end of the numbers",
	  4294967290,
	  { { 4294967290, 3, 3 }, { 4, 6, 6 }, { 4294967293, 7, 7 } },
	  1 },
	{ "an old one after the numbers wrapped",
	  4294967290,
	  { { 4294967290, 10, 10 }, { 4294967290, 10, 0 } },
	  1 },
	{ "a keep-alive's byte before the first is none", 1000, { { 999, 1, 0 } }, 1 },
	{ "half before the first", 1000, { { 990, 20, 10 } }, 1 },
	{ "nothing at all", 1000, { { 1000, 0, 0 } }, 1 },
};

static void segment_adds(void **state)
{
	const struct segment_case *c = *state;
	struct coverage_memory memory = {};
	struct coverage cover;

	coverage_begin(&cover, c->first_seq, true);
	for (int i = 0; i < SEGMENTS_MAX; i++) {
		uint64_t at = coverage_position(&cover, c->segments[i].seq);

		if (c->segments[i].bytes == 0)
			break;
		assert_int_equal(coverage_add(&cover, &memory, at, c->segments[i].bytes),
		                 c->segments[i].added);
	}
	assert_int_equal(cover.count, c->ranges);
	assert_true(cover.exact);
	coverage_end(&cover, &memory);
	assert_int_equal(memory.ranges, 0);
}

static void without_a_syn_earlier_bytes_count(void **state)
{
	struct coverage_memory memory = {};
	struct coverage cover;

	(void)state;
	coverage_begin(&cover, 5, false);
	assert_int_equal(coverage_add(&cover, &memory, coverage_position(&cover, 5), 10), 10);
	assert_int_equal(coverage_add(&cover, &memory, coverage_position(&cover, 4294967290U), 11),
	                 11);
	assert_int_equal(cover.count, 1);
	coverage_end(&cover, &memory);
}

/* --- against a map of bytes --------------------------------------------------------------------- */

#define STREAM_BYTES 20000
#define STREAM_FIRST 4294960000U /* so that the numbers wrap within */

static uint32_t mark(uint8_t *map, uint32_t at, uint32_t bytes)
{
	uint32_t added = 0;

	for (uint32_t i = at; i < at + bytes; i++) {
		added += !map[i];
		map[i] = 1;
	}
	return added;
}

static struct random_case {
	const char *name;
	uint64_t seed;
	uint32_t bytes_max;
	unsigned int segments;
} random_cases[] = {
	{ "small segments, seed 1", 1, 8, 4000 },
	{ "small segments, seed 2", 2, 8, 4000 },
	{ "few small segments, many holes", 3, 4, 900 },
	{ "large segments", 4, 1500, 300 },
};

static void is_as_a_map_says(void **state)
{
	static uint8_t map[STREAM_BYTES];
	const struct random_case *c = *state;
	struct coverage_memory memory = {};
	struct coverage cover;
	uint64_t random = c->seed;

	memset(map, 0, sizeof(map));
	coverage_begin(&cover, STREAM_FIRST, true);
	for (unsigned int i = 0; i < c->segments; i++) {
		uint32_t bytes = 1 + (uint32_t)(draw_u64(&random) % c->bytes_max);
		uint32_t at = (uint32_t)(draw_u64(&random) % (STREAM_BYTES - bytes));
		uint64_t position = coverage_position(&cover, STREAM_FIRST + at);

		if (cover.count > TRUTH_HOLES_MAX)
			break; /* the next may be one too many: another test's matter */
		assert_int_equal(coverage_add(&cover, &memory, position, bytes),
		                 mark(map, at, bytes));
	}
	assert_true(cover.exact);
	coverage_end(&cover, &memory);
	assert_int_equal(memory.ranges, 0);
}

/* --- ceilings ----------------------------------------------------------------------------------- */

/* Every second byte from `first` on. */
static void make_holes(struct coverage *c, struct coverage_memory *memory, uint32_t first,
                       uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(
			coverage_add(c, memory, coverage_position(c, first + 2 * i + 1), 1), 1);
}

static void holes_have_a_ceiling(void **state)
{
	struct coverage_memory memory = {};
	struct coverage c;

	(void)state;
	coverage_begin(&c, 0, true);
	make_holes(&c, &memory, 0, TRUTH_HOLES_MAX);
	assert_true(c.exact);
	assert_int_equal(c.count, TRUTH_HOLES_MAX + 1);

	/* One more: the lowest, byte 0, is taken for seen; the others are still known. */
	make_holes(&c, &memory, 2 * TRUTH_HOLES_MAX, 1);
	assert_false(c.exact);
	assert_int_equal(c.count, TRUTH_HOLES_MAX + 1);
	assert_int_equal(coverage_add(&c, &memory, coverage_position(&c, 0), 1), 0);
	assert_int_equal(coverage_add(&c, &memory, coverage_position(&c, 2), 1), 1);
	coverage_end(&c, &memory);
	assert_int_equal(memory.ranges, 0);
}

static void memory_has_a_ceiling(void **state)
{
	struct coverage_memory memory = { .ranges = COVERAGE_RANGES_TOTAL_MAX };
	struct coverage c;

	(void)state;
	coverage_begin(&c, 0, true);
	make_holes(&c, &memory, 0, COVERAGE_RANGES_INLINE - 1);
	assert_true(c.exact);
	make_holes(&c, &memory, 100, 1);
	assert_false(c.exact);
	assert_int_equal(memory.ranges, COVERAGE_RANGES_TOTAL_MAX);
	coverage_end(&c, &memory);
}

/* What a burst of losses took is given back when the holes are filled. */
static void memory_returns(void **state)
{
	struct coverage_memory memory = {};
	struct coverage c;

	(void)state;
	coverage_begin(&c, 0, true);
	make_holes(&c, &memory, 0, 500);
	assert_true(memory.ranges >= 500);
	assert_int_equal(coverage_add(&c, &memory, coverage_position(&c, 0), 1000), 500);
	assert_int_equal(c.count, 1);
	assert_int_equal(memory.ranges, 0);
	coverage_end(&c, &memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_syn_earlier_bytes_count),
		cmocka_unit_test(holes_have_a_ceiling),
		cmocka_unit_test(memory_has_a_ceiling),
		cmocka_unit_test(memory_returns),
	};
	int failed = CASES_RUN(segment_adds, segment_cases);

	failed += CASES_RUN(is_as_a_map_says, random_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
