/* What is thinned keeps its peaks, its sums and its last values, however long it is. */
#include "measure/thin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"

struct series {
	struct thin_grid grid;
	struct thin_gauge gauge;
	struct thin_sum sum;
};

static struct series s;

static void begin(uint64_t origin_ns)
{
	memset(&s, 0, sizeof(s));
	thin_grid_start(&s.grid, origin_ns);
}

static void make_room(uint64_t at_ns)
{
	while (!thin_grid_holds(&s.grid, at_ns)) {
		thin_gauge_halve(&s.gauge);
		thin_sum_halve(&s.sum);
		thin_grid_halve(&s.grid);
	}
}

static void add(uint64_t at_ns, uint32_t value)
{
	make_room(at_ns);
	thin_gauge_add(&s.gauge, thin_grid_bin(&s.grid, at_ns), value);
}

static struct shape_case {
	const char *name;
	uint64_t samples, gap_ns;
} shape_cases[] = {
	{ "one", 1, 1 },
	{ "a bin's worth", THIN_BINS, THIN_WIDTH_NS },
	{ "one more than there are bins", THIN_BINS + 1, THIN_WIDTH_NS },
	{ "a million in 10 s", 1000000, 10000 },
	{ "ten in three hours", 10, 1080 * NS_PER_S },
	{ "a hundred thousand in a day", 100000, 864 * NS_PER_MS },
};

/* Against the series itself, bin by bin. */
static void no_peak_is_lost(void **state)
{
	const struct shape_case *c = *state;
	struct thin_bin *want = calloc(THIN_BINS, sizeof(*want));
	uint64_t seed = 4711, width_ns, last_ns = 1 + c->gap_ns * (c->samples - 1);

	begin(1);
	for (uint64_t i = 0; i < c->samples; i++)
		add(1 + i * c->gap_ns, (uint32_t)draw_u64(&seed));
	width_ns = thin_grid_width_ns(&s.grid);
	seed = 4711;
	for (uint64_t i = 0; i < c->samples; i++) {
		struct thin_bin *b = &want[i * c->gap_ns / width_ns];
		uint32_t value = (uint32_t)draw_u64(&seed);

		b->min = b->samples == 0 || value < b->min ? value : b->min;
		b->max = value > b->max ? value : b->max;
		b->last = value;
		b->samples++;
	}
	assert_memory_equal(s.gauge.bins, want, sizeof(s.gauge.bins));
	if (c->samples * c->gap_ns > 2 * THIN_BINS * THIN_WIDTH_NS)
		assert_true(thin_grid_bin(&s.grid, last_ns) >= THIN_BINS / 2);
	free(want);
}

static double all(const struct thin_sum *t)
{
	double sum = 0;

	for (uint32_t i = 0; i < THIN_BINS; i++)
		sum += t->bins[i];
	return sum;
}

/* Whatever the gaps between looks at a counter, what it counted is there once. */
static void no_amount_is_lost(void **state)
{
	const struct shape_case *c = *state;
	uint64_t seed = 1, last_ns = 7;
	double want = 0;

	begin(last_ns);
	for (uint64_t i = 0; i < c->samples; i++) {
		uint64_t at_ns = last_ns + draw_u64(&seed) % (2 * c->gap_ns);
		double amount = (double)(draw_u64(&seed) % 100000);

		make_room(at_ns);
		thin_sum_add(&s.sum, &s.grid, last_ns, at_ns, amount);
		want += amount;
		last_ns = at_ns;
	}
	assert_true(fabs(all(&s.sum) - want) <= 1e-9 * want);
}

static void an_amount_is_spread_by_time(void **state)
{
	uint64_t w = THIN_WIDTH_NS;

	(void)state;
	begin(0);
	thin_sum_add(&s.sum, &s.grid, w / 2, 3 * w, 250);
	assert_true(s.sum.bins[0] == 50 && s.sum.bins[1] == 100 && s.sum.bins[2] == 100);
	assert_true(s.sum.bins[3] == 0);
	thin_sum_add(&s.sum, &s.grid, 3 * w + 1, 3 * w + 1, 7);
	thin_sum_add(&s.sum, &s.grid, 3 * w + 2, 3 * w + 5, 8);
	assert_true(s.sum.bins[3] == 15);
	thin_sum_halve(&s.sum);
	assert_true(s.sum.bins[0] == 150 && s.sum.bins[1] == 115 && s.sum.bins[2] == 0);
}

static void the_end_of_time_has_a_bin(void **state)
{
	(void)state;
	begin(0);
	add(0, 1);
	add(UINT64_MAX, 9);
	assert_int_equal(s.gauge.bins[0].max, 1);
	assert_int_equal(s.gauge.bins[thin_grid_bin(&s.grid, UINT64_MAX)].max, 9);
	thin_sum_add(&s.sum, &s.grid, 0, UINT64_MAX, 1e6);
	assert_true(fabs(all(&s.sum) - 1e6) < 1e-3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_amount_is_spread_by_time),
		cmocka_unit_test(the_end_of_time_has_a_bin),
	};
	int failed = CASES_RUN(no_peak_is_lost, shape_cases);

	failed += CASES_RUN(no_amount_is_lost, shape_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
