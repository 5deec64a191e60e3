#include "agent/schedule/schedule.h"

#include <string.h>

#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (60 * MINUTE_NS)
#define DAY_NS    (24 * HOUR_NS)
#define SPACING   MINUTE_NS

static const struct schedule_day early = { .left_ns = DAY_NS };
static const struct schedule_interfaces by_default = { .count = 1 };
static const struct schedule_interfaces eth0 = { 1, { "eth0" } };
static const struct schedule_interfaces both = { 2, { "", "eth0" } };

static struct schedule started(struct schedule_options o)
{
	struct schedule s;

	schedule_start(&s, &o, 0, 1);
	return s;
}

/* --- stories: one call a line ------------------------------------------------------------------------ */

enum deed { END, ASK, ASK_ETH0, ASK_BOTH, TURN, MEASURED, FAILED, DELIVERING, DELIVERED };

struct step {
	enum deed deed;
	uint64_t at_s;
	int want;            /* enum schedule_answer or schedule_turn */
	uint64_t wake_s;     /* of TURN that waits, 0: never */
	size_t interfaces;   /* of TURN that begins */
	uint64_t used_bytes; /* of TURN: of a cap of 1000 */
};

static struct story {
	const char *name;
	struct step steps[24];
} stories[] = {
	{ "nobody asks", { { TURN, 0, SCHEDULE_WAIT } } },
	{ "asked, it begins",
	  { { ASK, 0, SCHEDULE_TAKEN },
	    { TURN, 0, SCHEDULE_BEGIN, 0, 1 },
	    { TURN, 1, SCHEDULE_WAIT } } },
	{ "R12, R25: asked ten times, one test",
	  { { ASK, 0, SCHEDULE_TAKEN },
	    { ASK, 0, SCHEDULE_UNDER_WAY },
	    { TURN, 0, SCHEDULE_BEGIN, 0, 1 },
	    { ASK, 5, SCHEDULE_UNDER_WAY },
	    { ASK, 10, SCHEDULE_UNDER_WAY },
	    { MEASURED, 20 },
	    { DELIVERING },
	    { ASK, 21, SCHEDULE_DELIVERING },
	    { ASK, 25, SCHEDULE_DELIVERING },
	    { TURN, 1000, SCHEDULE_WAIT },
	    { DELIVERED },
	    { TURN, 1001, SCHEDULE_WAIT } } },
	{ "R26: another interface while it runs is queued, once",
	  { { ASK, 0, SCHEDULE_TAKEN },
	    { TURN, 0, SCHEDULE_BEGIN, 0, 1 },
	    { ASK_ETH0, 1, SCHEDULE_TAKEN },
	    { ASK_BOTH, 2, SCHEDULE_TAKEN },
	    { ASK_ETH0, 3, SCHEDULE_UNDER_WAY },
	    { TURN, 4, SCHEDULE_WAIT },
	    { MEASURED, 20 },
	    { TURN, 20, SCHEDULE_WAIT, 80 },
	    { TURN, 80, SCHEDULE_BEGIN, 0, 2 },
	    { MEASURED, 100 },
	    { TURN, 1000, SCHEDULE_WAIT } } },
	{ "what was asked before the results arrive is kept",
	  { { ASK, 0, SCHEDULE_TAKEN },
	    { TURN, 0, SCHEDULE_BEGIN, 0, 1 },
	    { ASK_ETH0, 1, SCHEDULE_TAKEN },
	    { MEASURED, 20 },
	    { DELIVERING },
	    { TURN, 80, SCHEDULE_BEGIN, 0, 1 } } },
	{ "asked anew, the spacing is kept",
	  { { ASK, 0, SCHEDULE_TAKEN },
	    { TURN, 0, SCHEDULE_BEGIN, 0, 1 },
	    { MEASURED, 20 },
	    { ASK, 30, SCHEDULE_TAKEN },
	    { TURN, 30, SCHEDULE_WAIT, 80 },
	    { TURN, 79, SCHEDULE_WAIT, 80 },
	    { TURN, 80, SCHEDULE_BEGIN, 0, 1 } } },
	{ "a day that is used up",
	  { { ASK, 0, SCHEDULE_TAKEN },
	    { TURN, 0, SCHEDULE_WAIT, 86400, 0, 1000 },
	    { TURN, 10, SCHEDULE_WAIT, 86410, 0, 1001 },
	    { TURN, 20, SCHEDULE_BEGIN, 0, 1, 999 } } },
};

static const struct schedule_interfaces *asked(enum deed d)
{
	return d == ASK ? &by_default : d == ASK_ETH0 ? &eth0 : &both;
}

static void play_turn(struct schedule *s, const struct step *p)
{
	struct schedule_day day = { .used_bytes = p->used_bytes, .left_ns = DAY_NS };
	struct schedule_test test = {};
	uint64_t wake_ns;

	assert_int_equal(schedule_turn(s, p->at_s * NS_PER_S, &day, &test, &wake_ns), p->want);
	if (p->want == SCHEDULE_BEGIN)
		assert_int_equal(test.on.count, p->interfaces);
	else
		assert_int_equal(wake_ns, p->wake_s ? p->wake_s * NS_PER_S : CLOCK_NEVER_NS);
}

static void story_is_told(void **state)
{
	const struct story *c = *state;
	struct schedule s =
		started((struct schedule_options){ .spacing_ns = SPACING, .daily_bytes = 1000 });

	for (const struct step *p = c->steps; p->deed != END; p++) {
		switch (p->deed) {
		case END:
			break;
		case ASK:
		case ASK_ETH0:
		case ASK_BOTH:
			assert_int_equal(schedule_ask(&s, asked(p->deed)), p->want);
			break;
		case TURN:
			play_turn(&s, p);
			break;
		case MEASURED:
		case FAILED:
			schedule_ended(&s, p->at_s * NS_PER_S, p->deed == MEASURED);
			break;
		case DELIVERING:
		case DELIVERED:
			schedule_set_delivering(&s, p->deed == DELIVERING);
			break;
		}
	}
}

/* The service repeats its request every 5 s; the pod answers with a test ever more seldom. */
static void what_fails_is_tried_ever_more_seldom(void **state)
{
	struct schedule s = started((struct schedule_options){ .spacing_ns = SPACING });
	struct schedule_test test;
	uint64_t wake_ns, begun_ns[64] = {};
	unsigned int n = 0;

	(void)state;
	for (uint64_t now_ns = 0; now_ns < DAY_NS; now_ns += 5 * NS_PER_S) {
		schedule_ask(&s, &by_default);
		if (schedule_turn(&s, now_ns, &early, &test, &wake_ns) == SCHEDULE_BEGIN) {
			assert_true(n < 64);
			begun_ns[n++] = now_ns;
			schedule_ended(&s, now_ns, false);
		}
	}
	assert_in_range(n, 24 + 5, 24 + 10); /* one an hour, and the way there */
	assert_in_range(begun_ns[1] - begun_ns[0], 50 * NS_PER_S, 75 * NS_PER_S);
	assert_in_range(begun_ns[n - 1] - begun_ns[n - 2], 50 * MINUTE_NS, 70 * MINUTE_NS);
}

/* A fleet that is asked in one second begins evenly; what is asked again changes nothing, and one that waits longer
 * for another reason waits no longer for this one. */
static void asked_together_they_begin_spread(void **state)
{
	struct schedule_options o = { .spacing_ns = SPACING, .asked_within_ns = 40 * NS_PER_S };
	unsigned int tenths[10] = {};
	struct schedule_test test;
	uint64_t wake_ns, again_ns;

	(void)state;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		struct schedule s;

		schedule_start(&s, &o, 0, seed);
		schedule_ask(&s, &by_default);
		assert_int_equal(schedule_turn(&s, HOUR_NS, &early, &test, &wake_ns),
		                 SCHEDULE_WAIT);
		assert_in_range(wake_ns - HOUR_NS, 0, o.asked_within_ns - 1);
		tenths[(wake_ns - HOUR_NS) * 10 / o.asked_within_ns]++;
		schedule_ask(&s, &eth0);
		assert_int_equal(schedule_turn(&s, wake_ns - 1, &early, &test, &again_ns),
		                 SCHEDULE_WAIT);
		assert_true(again_ns == wake_ns);
		assert_int_equal(schedule_turn(&s, wake_ns, &early, &test, &again_ns),
		                 SCHEDULE_BEGIN);
		schedule_ask(&s, &(struct schedule_interfaces){ 1, { "wlan0" } });
		schedule_turn(&s, wake_ns + 1, &early, &test, &again_ns);
		schedule_ended(&s, wake_ns + MINUTE_NS, true);
		assert_int_equal(
			schedule_turn(&s, wake_ns + 2 * MINUTE_NS, &early, &test, &again_ns),
			SCHEDULE_BEGIN);
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(tenths[i], 70, 130);
}

/* --- our own ------------------------------------------------------------------------------------------ */

/* Wakes when it is told to, for so many days; every test takes half a minute. Answers how many began. */
static unsigned int live(struct schedule *s, uint64_t days, uint64_t *begun_ns, unsigned int most)
{
	struct schedule_test test;
	uint64_t now_ns = 0, wake_ns;
	unsigned int n = 0;

	while (now_ns < days * DAY_NS) {
		if (schedule_turn(s, now_ns, &early, &test, &wake_ns) == SCHEDULE_BEGIN) {
			assert_int_equal(test.cause, SCHEDULE_LOCAL);
			assert_true(n < most);
			begun_ns[n++] = now_ns;
			now_ns += 30 * NS_PER_S;
			schedule_ended(s, now_ns, true);
		} else {
			assert_true(wake_ns > now_ns);
			now_ns = wake_ns;
		}
	}
	return n;
}

/* N85 */
static void no_more_than_four_in_any_24_hours(void **state)
{
	struct schedule s = started((struct schedule_options){
		.local = memoryless_of(6 * HOUR_NS), .local_per_day = 4, .spacing_ns = SPACING });
	uint64_t begun_ns[2000];
	unsigned int n = live(&s, 365, begun_ns, 2000);

	(void)state;
	for (unsigned int i = 4; i < n; i++)
		assert_true(begun_ns[i] - begun_ns[i - 4] >= DAY_NS);
	assert_in_range(n, 365 * 3, 365 * 4);
}

static void without_a_ceiling_the_mean_is_the_schedules(void **state)
{
	struct schedule s = started((struct schedule_options){ .local = memoryless_of(HOUR_NS),
	                                                       .spacing_ns = SPACING });
	uint64_t begun_ns[12000];
	unsigned int n = live(&s, 365, begun_ns, 12000);

	(void)state;
	assert_in_range(n, 8760 * 1.05, 8760 * 1.12); /* the clamped mean is 0.923 of an hour */
	assert_true(begun_ns[0] >= HOUR_NS / 10);     /* the first wait is drawn, too */
}

/* N79 */
static void a_server_may_hold_our_own(void **state)
{
	struct schedule s = started((struct schedule_options){ .local = memoryless_of(HOUR_NS) });
	struct schedule_test test;
	uint64_t wake_ns;

	(void)state;
	schedule_hold_local(&s, 30 * HOUR_NS);
	assert_int_equal(schedule_turn(&s, 29 * HOUR_NS, &early, &test, &wake_ns), SCHEDULE_WAIT);
	assert_int_equal(wake_ns, 30 * HOUR_NS);
	schedule_hold_local(&s, 20 * HOUR_NS); /* never sooner */
	assert_int_equal(schedule_turn(&s, 29 * HOUR_NS, &early, &test, &wake_ns), SCHEDULE_WAIT);
	assert_int_equal(schedule_turn(&s, 30 * HOUR_NS, &early, &test, &wake_ns), SCHEDULE_BEGIN);
}

/* N85, and the spacing, through restarts; on a clock that began after them. */
static void what_earlier_processes_have_begun_counts(void **state)
{
	struct schedule s = started((struct schedule_options){
		.local = memoryless_of(HOUR_NS), .local_per_day = 4, .spacing_ns = SPACING });
	struct schedule_test test;
	uint64_t wake_ns;

	(void)state;
	for (uint64_t hours = 23; hours > 19; hours--)
		schedule_remember(&s, SCHEDULE_LOCAL, hours * HOUR_NS, NS_PER_S);
	schedule_remember(&s, SCHEDULE_ASKED, 20 * NS_PER_S, NS_PER_S);
	schedule_ask(&s, &by_default);
	assert_int_equal(schedule_turn(&s, NS_PER_S, &early, &test, &wake_ns), SCHEDULE_WAIT);
	assert_int_equal(wake_ns, 41 * NS_PER_S);
	assert_int_equal(schedule_turn(&s, wake_ns, &early, &test, &wake_ns), SCHEDULE_BEGIN);
	schedule_ended(&s, 42 * NS_PER_S, true);
	s.local_at_ns = HOUR_NS - 1;
	assert_int_equal(schedule_turn(&s, HOUR_NS - 1, &early, &test, &wake_ns), SCHEDULE_WAIT);
	s.local_at_ns = HOUR_NS + NS_PER_S;
	assert_int_equal(schedule_turn(&s, HOUR_NS + NS_PER_S, &early, &test, &wake_ns),
	                 SCHEDULE_BEGIN);
}

static void other_options_leave_what_is_queued(void **state)
{
	struct schedule_options o = { .local = memoryless_of(HOUR_NS), .spacing_ns = SPACING };
	struct schedule s = started(o);
	uint64_t before_ns = s.local_at_ns, wake_ns;
	struct schedule_test test;

	(void)state;
	schedule_ask(&s, &eth0);
	o.daily_bytes = 5;
	schedule_set_options(&s, &o, 7);
	assert_true(s.local_at_ns == before_ns);
	o.local = memoryless_of(2 * HOUR_NS);
	schedule_set_options(&s, &o, 7);
	assert_true(s.local_at_ns != before_ns && s.local_at_ns >= 7 + HOUR_NS / 5);
	o.local = (struct memoryless){};
	schedule_set_options(&s, &o, 7);
	assert_true(s.local_at_ns == CLOCK_NEVER_NS);
	assert_int_equal(schedule_turn(&s, 8, &early, &test, &wake_ns), SCHEDULE_BEGIN);
	assert_string_equal(test.on.names[0], "eth0");
}

static void a_tick_in_a_running_test_is_lost(void **state)
{
	struct schedule s = started((struct schedule_options){ .local = memoryless_of(HOUR_NS) });
	uint64_t tick_ns = s.local_at_ns, wake_ns;
	struct schedule_test test;

	(void)state;
	schedule_ask(&s, &by_default);
	assert_int_equal(schedule_turn(&s, tick_ns - 1, &early, &test, &wake_ns), SCHEDULE_BEGIN);
	assert_int_equal(test.cause, SCHEDULE_ASKED);
	assert_int_equal(schedule_turn(&s, tick_ns, &early, &test, &wake_ns), SCHEDULE_WAIT);
	assert_true(wake_ns >= tick_ns + HOUR_NS / 10);
	schedule_ended(&s, tick_ns + 1, true);
	assert_int_equal(schedule_turn(&s, tick_ns + 1, &early, &test, &wake_ns), SCHEDULE_WAIT);
}

/* --- whatever is called when ---------------------------------------------------------------------------- */

#define DEEDS 20000

/* The promises of the header, kept through deeds at random. */
static void promises_hold(void **state)
{
	struct schedule s =
		started((struct schedule_options){ .local = memoryless_of(20 * MINUTE_NS),
	                                           .local_per_day = 24,
	                                           .spacing_ns = SPACING });
	static const struct schedule_interfaces *const choices[] = { &by_default, &eth0, &both };
	uint64_t random = 3, now_ns = 0, ended_ns = 0, wake_ns;
	struct schedule_test test;
	bool running = false, ever = false;

	(void)state;
	for (int i = 0; i < DEEDS; i++) {
		now_ns += draw_u64(&random) % (40 * NS_PER_S);
		switch (draw_u64(&random) % 4) {
		case 0:
			schedule_ask(&s, choices[draw_u64(&random) % 3]);
			break;
		case 1:
			schedule_set_delivering(&s, draw_u64(&random) % 2);
			break;
		case 2:
			if (running) {
				schedule_ended(&s, now_ns, draw_u64(&random) % 2);
				ended_ns = now_ns;
				running = false;
				ever = true;
			}
			break;
		default:
			if (schedule_turn(&s, now_ns, &early, &test, &wake_ns) == SCHEDULE_WAIT)
				break;
			assert_false(running);
			assert_true(!ever || now_ns >= ended_ns + SPACING);
			assert_in_range(test.on.count, 1, 2);
			running = true;
		}
	}
	assert_true(ever);
}

static void interfaces_are_named_once(void **state)
{
	struct schedule_interfaces on = {};

	(void)state;
	assert_true(schedule_interfaces_add(&on, "wlan0"));
	assert_true(schedule_interfaces_add(&on, ""));
	assert_true(schedule_interfaces_add(&on, "wlan0"));
	assert_int_equal(on.count, 2);
	assert_false(schedule_interfaces_add(&on, "sixteen-letters-"));
	for (char name[] = "a"; on.count < SCHEDULE_INTERFACES_MAX; name[0]++)
		assert_true(schedule_interfaces_add(&on, name));
	assert_false(schedule_interfaces_add(&on, "one-more"));
	assert_true(schedule_interfaces_add(&on, "wlan0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fails_is_tried_ever_more_seldom),
		cmocka_unit_test(asked_together_they_begin_spread),
		cmocka_unit_test(no_more_than_four_in_any_24_hours),
		cmocka_unit_test(without_a_ceiling_the_mean_is_the_schedules),
		cmocka_unit_test(a_server_may_hold_our_own),
		cmocka_unit_test(what_earlier_processes_have_begun_counts),
		cmocka_unit_test(other_options_leave_what_is_queued),
		cmocka_unit_test(a_tick_in_a_running_test_is_lost),
		cmocka_unit_test(promises_hold),
		cmocka_unit_test(interfaces_are_named_once),
	};
	int failed = CASES_RUN(story_is_told, stories);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
