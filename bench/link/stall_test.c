#include "bench/link/stall.h"

#include <sched.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/clock.h"

#define US 1000ULL

/* What went by, in microseconds. */
static struct judge_case {
	const char *name;
	uint64_t passed, ran, waited, stall, slept;
	enum stall_cause want;
} judge_cases[] = {
	{ "it ran all the time", 1000, 1000, 0, 900, 0, STALL_BUSY },
	{ "its CPU time stood still", 1000, 100, 0, 900, 0, STALL_STOLEN },
	{ "another had the CPU", 1000, 100, 900, 900, 0, STALL_WAITED },
	{ "the greater half ran", 1000, 600, 0, 900, 0, STALL_BUSY },
	{ "the greater half was stolen", 1000, 400, 100, 900, 0, STALL_STOLEN },
	{ "woken late", 1030, 10, 3, 900, 30, STALL_OVERSLEPT },
	{ "woken in time, then another had the CPU", 1030, 10, 880, 900, 30, STALL_WAITED },
	{ "a sleep is no stall of its own", 1030, 995, 0, 900, 30, STALL_BUSY },
	{ "clocks that are not quite in step", 1000, 1001, 0, 900, 0, STALL_BUSY },
};

static void cause_is_found(void **state)
{
	const struct judge_case *c = *state;
	struct stall_clocks before = { 5 * US, 7 * US, 9 * US };
	struct stall_clocks after = { before.at_ns + c->passed * US, before.ran_ns + c->ran * US,
		                      before.waited_ns + c->waited * US };

	assert_int_equal(stall_judge(&before, &after, c->stall * US, c->slept * US), c->want);
}

/* Running until `ns` have gone by of our own CPU time, so that nobody else's is taken for it. */
static void work_for(uint64_t ns)
{
	uint64_t until_ns = clock_now_ns() + ns;

	while (clock_now_ns() < until_ns)
		;
}

static void turns_that_are_short_are_none(void **state)
{
	struct stall s;
	uint64_t now_ns = clock_now_ns();

	(void)state;
	stall_begin(&s, now_ns);
	for (int i = 0; i < 1000; i++)
		stall_there(&s, now_ns += STALL_NS);
	for (int i = 0; i < STALL_CAUSES; i++)
		assert_int_equal(s.of[i].times, 0);
	stall_end(&s);
}

static uint64_t times(const struct stall *s)
{
	uint64_t n = 0;

	for (int i = 0; i < STALL_CAUSES; i++)
		n += s->of[i].times;
	return n;
}

static void each_late_packet_has_one_cause(void **state)
{
	struct stall s;
	uint64_t from_ns = clock_now_ns(), late = 0, now_ns;

	(void)state;
	stall_begin(&s, from_ns);
	work_for(5 * NS_PER_MS);
	now_ns = clock_now_ns();
	stall_late_packet(&s, from_ns + NS_PER_MS, now_ns);     /* due in the stall */
	stall_late_packet(&s, from_ns + 2 * NS_PER_MS, now_ns); /* also, and in the same turn */
	stall_late_packet(&s, from_ns - NS_PER_MS, now_ns);     /* before: late already */
	assert_int_equal(times(&s), 1);
	assert_true(s.of[s.cause].max_ns >= 5 * NS_PER_MS);
	assert_true(s.of[s.cause].late_packets >= 2);
	for (int i = 0; i < STALL_CAUSES; i++)
		late += s.of[i].late_packets;
	assert_int_equal(late, 3);
	stall_end(&s);
}

static void what_a_stall_left_to_do_is_its_own(void **state)
{
	struct stall s;
	const uint64_t from_ns = NS_PER_S, woken_ns = from_ns + 5 * NS_PER_MS;

	(void)state;
	stall_begin(&s, from_ns);
	s.seen = (struct stall_clocks){ .at_ns = woken_ns }; /* it has run ever since */
	s.from_ns = from_ns;
	s.to_ns = woken_ns;
	s.cause = STALL_STOLEN;
	s.there_ns = woken_ns;
	stall_late_packet(&s, from_ns + NS_PER_MS, woken_ns + NS_PER_MS);
	assert_int_equal(s.of[STALL_STOLEN].late_packets, 1);
	assert_int_equal(times(&s), 1); /* the work */
	stall_end(&s);
}

static void a_long_nap_is_one(void **state)
{
	struct stall s;
	uint64_t now_ns = clock_now_ns();

	(void)state;
	stall_begin(&s, now_ns);
	usleep(20000);
	stall_woken(&s, now_ns + 20 * NS_PER_MS + STALL_NS, 20 * NS_PER_MS);
	assert_int_equal(times(&s), 0);
	usleep(20000);
	stall_woken(&s, clock_now_ns() + 20 * NS_PER_MS, 10 * NS_PER_US);
	assert_int_equal(times(&s), 1);
	assert_int_equal(s.of[STALL_BUSY].times + s.of[STALL_STOLEN].times, 0);
	stall_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_that_are_short_are_none),
		cmocka_unit_test(each_late_packet_has_one_cause),
		cmocka_unit_test(what_a_stall_left_to_do_is_its_own),
		cmocka_unit_test(a_long_nap_is_one),
	};
	int failed = CASES_RUN(cause_is_found, judge_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
