#include "agent/service/cable_state.h"

#include "agent/service/cable_frames.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/draw.h"

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (60 * MINUTE_NS)

/* --- a service in virtual time ------------------------------------------------------------------------- */

enum manner {
	SERVES,
	NO_ANSWER, /* to the dial */
	NO_HANDSHAKE,
	NO_WELCOME, /* pings all the same */
	NO_CONFIRM, /* pings all the same */
	REJECTS,
	UNAUTHORIZED,
	RESTARTS,      /* as soon as it has confirmed */
	CUTS,          /* as soon as it has accepted */
	SILENT,        /* once it has confirmed */
	TAKES_NOTHING, /* likewise; pings all the same */
	CHATTERS,      /* no pings, but broadcasts */
};

#define LOG_MAX 4096

/* What the state asked for, and when. */
struct entry {
	enum cable_what what;
	uint64_t at_ns;
};

struct world {
	struct cable_state s;
	enum manner manner;
	uint64_t now_ns, ping_ns;
	bool closes; /* the service answers a Close */
	bool connected;
	struct entry log[LOG_MAX];
	size_t count;
};

static struct world begun(enum manner manner)
{
	struct world w = { .manner = manner, .now_ns = HOUR_NS, .closes = true };

	cable_state_start(&w.s, 0, w.now_ns, 7);
	return w;
}

static void say(struct world *w, struct cable_frame f)
{
	cable_state_heard(&w->s, w->now_ns);
	cable_state_took(&w->s, &f, w->now_ns);
}

static void say_kind(struct world *w, enum cable_kind kind)
{
	say(w, (struct cable_frame){ .kind = kind });
}

static void accept_dial(struct world *w)
{
	if (w->manner == NO_ANSWER)
		return;
	cable_state_connected(&w->s, w->now_ns);
	if (w->manner == NO_HANDSHAKE)
		return;
	cable_state_opened(&w->s, w->now_ns);
	w->connected = true;
	w->ping_ns = w->now_ns + 3 * NS_PER_S;
	if (w->manner == CUTS) {
		w->connected = false;
		cable_state_ended(&w->s, w->now_ns);
	} else if (w->manner == UNAUTHORIZED) {
		say(w, (struct cable_frame){ .kind = CABLE_DISCONNECT, .stay_away = true });
	} else if (w->manner != NO_WELCOME) {
		say_kind(w, CABLE_WELCOME);
	}
}

static void answer_subscription(struct world *w)
{
	if (w->manner == REJECTS)
		say_kind(w, CABLE_REJECT);
	else if (w->manner != NO_CONFIRM)
		say_kind(w, CABLE_CONFIRM);
	if (w->manner == RESTARTS)
		say_kind(w, CABLE_DISCONNECT);
}

static void do_step(struct world *w, enum cable_what what)
{
	assert_true(w->count < LOG_MAX);
	w->log[w->count++] = (struct entry){ what, w->now_ns };
	if (what == CABLE_DIAL)
		accept_dial(w);
	if (what == CABLE_SUBSCRIBE)
		answer_subscription(w);
	if (what == CABLE_CLOSE && w->closes) {
		w->connected = false;
		cable_state_ended(&w->s, w->now_ns);
	}
	if (what == CABLE_DROP)
		w->connected = false;
}

static bool is_writable(const struct world *w)
{
	return w->manner != TAKES_NOTHING || w->s.phase != CABLE_CONFIRMED;
}

static void ping(struct world *w)
{
	w->ping_ns = w->now_ns + 3 * NS_PER_S;
	if (w->manner == SILENT && w->s.phase == CABLE_CONFIRMED)
		return;
	say_kind(w, w->manner == CHATTERS ? CABLE_UNKNOWN : CABLE_PING);
}

/* Until the end of that instant. */
static void run_until(struct world *w, uint64_t end_ns)
{
	for (;;) {
		struct cable_step step = cable_state_turn(&w->s, w->now_ns, is_writable(w));
		uint64_t next_ns = step.wake_ns;

		if (step.what != CABLE_WAIT) {
			do_step(w, step.what);
			continue;
		}
		assert_true(step.wake_ns > w->now_ns); /* or it would spin */
		if (w->connected && w->ping_ns < next_ns)
			next_ns = w->ping_ns;
		if (next_ns > end_ns)
			break;
		w->now_ns = next_ns;
		if (w->connected && w->now_ns == w->ping_ns)
			ping(w);
	}
	w->now_ns = end_ns;
}

static void run_for(struct world *w, uint64_t ns)
{
	run_until(w, w->now_ns + ns);
}

static size_t count_of(const struct world *w, enum cable_what what)
{
	size_t n = 0;

	for (size_t i = 0; i < w->count; i++)
		n += w->log[i].what == what;
	return n;
}

/* When it was asked for the n-th time, from 0. */
static uint64_t at_ns(const struct world *w, enum cable_what what, size_t n)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->log[i].what == what && n-- == 0)
			return w->log[i].at_ns;
	fail_msg("%d was never asked for that often", what);
	return 0;
}

static uint64_t gap_ns(const struct world *w, enum cable_what what, size_t n)
{
	return at_ns(w, what, n + 1) - at_ns(w, what, n);
}

/* --- a service that serves ------------------------------------------------------------------------------ */

static void r17_r18_subscribe_then_sync(void **state)
{
	struct world w = begun(SERVES);

	(void)state;
	run_for(&w, 0);
	assert_int_equal(w.s.phase, CABLE_CONFIRMED);
	assert_int_equal(w.count, 3);
	assert_int_equal(w.log[0].what, CABLE_DIAL);
	assert_int_equal(w.log[1].what, CABLE_SUBSCRIBE);
	assert_int_equal(w.log[2].what, CABLE_SYNC);
	assert_true(at_ns(&w, CABLE_SYNC, 0) == HOUR_NS);
}

static void r17_nothing_before_this_confirmation(void **state)
{
	struct world w = begun(NO_CONFIRM);

	(void)state;
	w.s.again.first_ns = w.s.again.most_ns = NS_PER_S;
	run_for(&w, 2 * MINUTE_NS);
	assert_true(count_of(&w, CABLE_SUBSCRIBE) > 5);
	assert_int_equal(count_of(&w, CABLE_SYNC) + count_of(&w, CABLE_PONG), 0);

	/* A confirmation that nobody has asked for yet is none. */
	w = begun(NO_WELCOME);
	run_for(&w, NS_PER_S);
	say_kind(&w, CABLE_CONFIRM);
	assert_int_equal(w.s.phase, CABLE_GREETING);
}

static void expect_pongs(enum manner manner)
{
	struct world w = begun(manner);
	size_t n;

	run_for(&w, HOUR_NS);
	assert_int_equal(count_of(&w, CABLE_DIAL), 1);
	n = count_of(&w, CABLE_PONG);
	assert_in_range(at_ns(&w, CABLE_PONG, 0) - HOUR_NS, 0, 30 * NS_PER_S);
	for (size_t i = 0; i + 1 < n; i++)
		assert_in_range(gap_ns(&w, CABLE_PONG, i), CABLE_PONG_LEAST_NS, 30 * NS_PER_S);
	assert_in_range(2 * HOUR_NS - at_ns(&w, CABLE_PONG, n - 1), 0, 30 * NS_PER_S);
}

static void r19_a_pong_every_30_s(void **state)
{
	(void)state;
	expect_pongs(SERVES);
	expect_pongs(CHATTERS);
}

static void r27_all_again_every_ten_minutes(void **state)
{
	struct world w = begun(SERVES);
	uint64_t least_ns = CLOCK_NEVER_NS, most_ns = 0;

	(void)state;
	run_for(&w, 10 * HOUR_NS);
	assert_in_range(count_of(&w, CABLE_SYNC), 55, 67);
	for (size_t i = 0; i + 1 < count_of(&w, CABLE_SYNC); i++) {
		uint64_t gap = gap_ns(&w, CABLE_SYNC, i);

		least_ns = gap < least_ns ? gap : least_ns;
		most_ns = gap > most_ns ? gap : most_ns;
	}
	assert_in_range(least_ns, 540 * NS_PER_S, 570 * NS_PER_S);
	assert_in_range(most_ns, 630 * NS_PER_S, 660 * NS_PER_S);
}

/* --- one that does not ----------------------------------------------------------------------------------- */

static struct failure_case {
	const char *name;
	enum manner manner;
	enum cable_what ends_by;
	uint64_t within_ns; /* of the dial */
	enum cable_why why;
} failure_cases[] = {
	{ "no address answers", NO_ANSWER, CABLE_DROP, 15 * NS_PER_S,
	  CABLE_WHY_NO_ADDRESS_ANSWERS },
	{ "no handshake", NO_HANDSHAKE, CABLE_DROP, 15 * NS_PER_S, CABLE_WHY_NO_HANDSHAKE },
	{ "R20: no welcome", NO_WELCOME, CABLE_CLOSE, 10 * NS_PER_S, CABLE_WHY_NO_WELCOME },
	{ "R20: no confirmation", NO_CONFIRM, CABLE_CLOSE, 10 * NS_PER_S,
	  CABLE_WHY_NO_CONFIRMATION },
	{ "R20: rejected", REJECTS, CABLE_CLOSE, 0, CABLE_WHY_REJECTED },
	{ "R21: silence", SILENT, CABLE_CLOSE, 20 * NS_PER_S, CABLE_WHY_SILENCE },
	{ "R19: it takes nothing", TAKES_NOTHING, CABLE_DROP, 45 * NS_PER_S,
	  CABLE_WHY_TAKES_NOTHING },
	{ "server_restart", RESTARTS, CABLE_CLOSE, 0, CABLE_WHY_SENT_AWAY },
	{ "R22: unauthorized", UNAUTHORIZED, CABLE_CLOSE, 0, CABLE_WHY_SENT_AWAY },
};

/* Each of them ends in time, for its reason, and is tried again later every time. */
static void failure_ends(void **state)
{
	const struct failure_case *c = *state;
	struct world w = begun(c->manner);
	size_t dials;

	run_for(&w, c->within_ns);
	assert_int_equal(count_of(&w, CABLE_DIAL), 1);
	assert_int_equal(w.log[w.count - 1].what, c->ends_by);
	assert_int_equal(w.s.why, c->why);
	run_for(&w, 2 * HOUR_NS);
	dials = count_of(&w, CABLE_DIAL);
	assert_true(dials > 6);
	/* One that lives for 45 s each time is no loop. */
	for (size_t i = 0; i + 1 < 5 && c->manner != TAKES_NOTHING; i++)
		assert_true(gap_ns(&w, CABLE_DIAL, i + 1) >= gap_ns(&w, CABLE_DIAL, i));
	assert_int_equal(count_of(&w, CABLE_SUBSCRIBE) == 0,
	                 c->manner == NO_ANSWER || c->manner == NO_HANDSHAKE ||
	                         c->manner == NO_WELCOME || c->manner == UNAUTHORIZED);
}

static void a_close_is_waited_for_2_s(void **state)
{
	struct world w = begun(SILENT);

	(void)state;
	w.closes = false;
	run_for(&w, MINUTE_NS);
	assert_true(at_ns(&w, CABLE_DROP, 0) == at_ns(&w, CABLE_CLOSE, 0) + CABLE_CLOSE_NS);
	assert_true(at_ns(&w, CABLE_DIAL, 1) > at_ns(&w, CABLE_DROP, 0));
}

static void r22_unauthorized(void **state)
{
	struct world w = begun(UNAUTHORIZED);

	(void)state;
	run_for(&w, MINUTE_NS);
	assert_int_equal(count_of(&w, CABLE_DIAL), 1);
	run_for(&w, 24 * HOUR_NS);
	assert_in_range(gap_ns(&w, CABLE_DIAL, 0), 60 * NS_PER_S, 74 * NS_PER_S);
	assert_in_range(gap_ns(&w, CABLE_DIAL, 1), 120 * NS_PER_S, 148 * NS_PER_S);
	for (size_t i = 5; i + 1 < count_of(&w, CABLE_DIAL); i++)
		assert_in_range(gap_ns(&w, CABLE_DIAL, i), 810 * NS_PER_S, 990 * NS_PER_S);
}

static void r23_accepted_and_cut_50_times(void **state)
{
	struct world w = begun(CUTS);

	(void)state;
	while (count_of(&w, CABLE_DIAL) < 50)
		run_for(&w, NS_PER_S);
	assert_in_range(gap_ns(&w, CABLE_DIAL, 0), 450 * NS_PER_MS, 550 * NS_PER_MS);
	assert_in_range(gap_ns(&w, CABLE_DIAL, 1), 900 * NS_PER_MS, 1100 * NS_PER_MS);
	for (size_t i = 5; i < 49; i++)
		assert_in_range(gap_ns(&w, CABLE_DIAL, i), 10 * NS_PER_S, 16500 * NS_PER_MS);
}

static void only_30_s_of_life_begin_the_waits_anew(void **state)
{
	struct world w = begun(CUTS);
	uint64_t long_ns;

	(void)state;
	run_for(&w, 5 * MINUTE_NS);
	w.manner = SERVES; /* for 29 s */
	while (w.s.phase != CABLE_CONFIRMED)
		run_for(&w, NS_PER_S / 10);
	run_until(&w, w.s.joined_ns + 29 * NS_PER_S);
	cable_state_ended(&w.s, w.now_ns);
	long_ns = w.s.until_ns - w.now_ns;
	assert_true(long_ns > 13 * NS_PER_S);
	while (w.s.phase != CABLE_CONFIRMED) /* for 34 s */
		run_for(&w, NS_PER_S / 10);
	run_until(&w, w.s.joined_ns + 34 * NS_PER_S);
	cable_state_ended(&w.s, w.now_ns);
	assert_in_range(w.s.until_ns - w.now_ns, 450 * NS_PER_MS, 550 * NS_PER_MS);
}

/* --- one of many ------------------------------------------------------------------------------------------ */

#define SPREAD_NS (120 * NS_PER_S)

static struct world one_of_many(uint64_t seed)
{
	struct world w = { .manner = SERVES, .now_ns = HOUR_NS, .closes = true };

	cable_state_start(&w.s, SPREAD_NS, w.now_ns, seed);
	return w;
}

/* In how many of a thousand pods the wait is in which tenth of the spread. */
static void expect_even(const unsigned int tenths[10])
{
	for (int i = 0; i < 10; i++)
		assert_in_range(tenths[i], 70, 130);
}

static void whoever_lost_a_life_comes_back_within_the_spread(void **state)
{
	unsigned int ended[10] = {}, sent_away[10] = {};

	(void)state;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		struct world w = one_of_many(seed);

		run_for(&w, MINUTE_NS);
		cable_state_ended(&w.s, w.now_ns);
		assert_in_range(w.s.until_ns - w.now_ns, NS_PER_S / 2, SPREAD_NS);
		ended[(w.s.until_ns - w.now_ns) * 10 / (SPREAD_NS + 1)]++;

		w = one_of_many(seed);
		run_for(&w, MINUTE_NS);
		say(&w, (struct cable_frame){ .kind = CABLE_DISCONNECT });
		run_for(&w, 0);
		assert_int_equal(w.s.phase, CABLE_RESTING);
		sent_away[(w.s.until_ns - w.now_ns) * 10 / (SPREAD_NS + 1)]++;
	}
	expect_even(ended);
	expect_even(sent_away);
}

/* As doubling waits from the beginning would bring them together. */
static void and_waits_as_long_again_where_it_fails(void **state)
{
	struct world w = one_of_many(1);

	(void)state;
	run_for(&w, MINUTE_NS);
	w.manner = CUTS;
	cable_state_ended(&w.s, w.now_ns);
	run_for(&w, HOUR_NS);
	for (size_t i = 1; i + 1 < count_of(&w, CABLE_DIAL); i++)
		assert_in_range(gap_ns(&w, CABLE_DIAL, i), SPREAD_NS * 9 / 10, SPREAD_NS * 11 / 10);
	assert_true(count_of(&w, CABLE_DIAL) > 25);
}

static void without_a_life_the_waits_begin_short(void **state)
{
	struct world w = one_of_many(1);

	(void)state;
	w.manner = CUTS;
	run_for(&w, HOUR_NS);
	assert_in_range(gap_ns(&w, CABLE_DIAL, 0), 450 * NS_PER_MS, 550 * NS_PER_MS);
	assert_in_range(gap_ns(&w, CABLE_DIAL, 5), 14 * NS_PER_S, 18 * NS_PER_S);
	assert_in_range(gap_ns(&w, CABLE_DIAL, 9), SPREAD_NS * 9 / 10, SPREAD_NS * 11 / 10);
}

static void the_spread_has_a_ceiling(void **state)
{
	struct cable_state s;

	(void)state;
	cable_state_start(&s, CLOCK_NEVER_NS, HOUR_NS, 1);
	assert_true(s.again.most_ns == CABLE_SPREAD_MOST_NS);
	cable_state_start(&s, 1, HOUR_NS, 1);
	assert_true(s.again.most_ns == CABLE_AGAIN_NS);
}

/* What the service says while nobody listens to it changes nothing. */
static void what_comes_too_late_is_nothing(void **state)
{
	struct world w = begun(SERVES);

	(void)state;
	run_for(&w, NS_PER_S);
	cable_state_leave(&w.s, CABLE_WHY_PEER_WRONG, 1002, w.now_ns);
	say_kind(&w, CABLE_WELCOME);
	say_kind(&w, CABLE_CONFIRM);
	say_kind(&w, CABLE_REJECT);
	say(&w, (struct cable_frame){ .kind = CABLE_DISCONNECT, .stay_away = true });
	assert_int_equal(w.s.phase, CABLE_CLOSING);
	assert_int_equal(cable_state_turn(&w.s, w.now_ns, true).close_code, 1002);
	cable_state_ended(&w.s, w.now_ns);
	assert_in_range(w.s.until_ns - w.now_ns, 450 * NS_PER_MS, 550 * NS_PER_MS);
	assert_int_equal(w.s.why, CABLE_WHY_PEER_WRONG);
}

static void r63_stopped_in_every_phase(void **state)
{
	static const struct {
		enum manner manner;
		uint64_t after_ns;
		enum cable_phase in;
		enum cable_what by;
	} rows[] = {
		{ SERVES, NS_PER_S, CABLE_CONFIRMED, CABLE_CLOSE },
		{ NO_CONFIRM, NS_PER_S, CABLE_JOINING, CABLE_CLOSE },
		{ NO_WELCOME, NS_PER_S, CABLE_GREETING, CABLE_CLOSE },
		{ NO_HANDSHAKE, NS_PER_S, CABLE_SHAKING_HANDS, CABLE_DROP },
		{ NO_ANSWER, NS_PER_S, CABLE_DIALING, CABLE_DROP },
		{ UNAUTHORIZED, NS_PER_S, CABLE_RESTING, CABLE_WAIT },
		{ SILENT, 21 * NS_PER_S, CABLE_CLOSING, CABLE_DROP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world w = begun(rows[i].manner);
		uint64_t at;
		size_t before;

		w.closes = rows[i].in == CABLE_RESTING;
		run_for(&w, rows[i].after_ns);
		assert_int_equal(w.s.phase, rows[i].in);
		before = w.count;
		at = w.now_ns;
		cable_state_stop(&w.s, w.now_ns);
		run_for(&w, CABLE_CLOSE_NS);
		assert_int_equal(w.s.phase, CABLE_STOPPED);
		if (rows[i].by != CABLE_WAIT)
			assert_int_equal(w.log[before].what, rows[i].by);
		run_until(&w, at + HOUR_NS);
		assert_true(w.count <= before + 2);
	}
}

/* Any events in any order: no assert of ours, no spin, nothing said out of place. */
static void any_order_of_events(void **state)
{
	uint64_t random = 20260101;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)random);
	for (int life = 0; life < 2000; life++) {
		struct cable_state s;
		uint64_t now_ns = HOUR_NS;

		cable_state_start(&s, life % 2 ? 120 * NS_PER_S : 0, now_ns, draw_u64(&random));
		for (int i = 0; i < 200; i++) {
			struct cable_frame f = { .kind = draw_u64(&random) % 7,
				                 .stay_away = draw_u64(&random) % 2 };
			struct cable_step step;
			int turns = 0;

			now_ns += draw_u64(&random) % 8 ? draw_u64(&random) % (4 * NS_PER_S) : 0;
			switch (draw_u64(&random) % 12) {
			case 0:
				cable_state_connected(&s, now_ns);
				break;
			case 1:
				cable_state_opened(&s, now_ns);
				break;
			case 2:
				cable_state_ended(&s, now_ns);
				break;
			case 3:
				cable_state_leave(&s, CABLE_WHY_PEER_CLOSED, 1000, now_ns);
				break;
			case 4:
				if (i > 150)
					cable_state_stop(&s, now_ns);
				break;
			default:
				cable_state_heard(&s, now_ns);
				cable_state_took(&s, &f, now_ns);
			}
			while ((step = cable_state_turn(&s, now_ns, draw_u64(&random) % 4 != 0))
			               .what != CABLE_WAIT) {
				assert_true(++turns < 8);
				if (step.what == CABLE_SYNC || step.what == CABLE_PONG)
					assert_int_equal(s.phase, CABLE_CONFIRMED);
				if (step.what == CABLE_SUBSCRIBE)
					assert_int_equal(s.phase, CABLE_JOINING);
			}
			assert_true(step.wake_ns > now_ns);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(r17_r18_subscribe_then_sync),
		cmocka_unit_test(r17_nothing_before_this_confirmation),
		cmocka_unit_test(r19_a_pong_every_30_s),
		cmocka_unit_test(r27_all_again_every_ten_minutes),
		cmocka_unit_test(a_close_is_waited_for_2_s),
		cmocka_unit_test(r22_unauthorized),
		cmocka_unit_test(r23_accepted_and_cut_50_times),
		cmocka_unit_test(only_30_s_of_life_begin_the_waits_anew),
		cmocka_unit_test(whoever_lost_a_life_comes_back_within_the_spread),
		cmocka_unit_test(and_waits_as_long_again_where_it_fails),
		cmocka_unit_test(without_a_life_the_waits_begin_short),
		cmocka_unit_test(the_spread_has_a_ceiling),
		cmocka_unit_test(what_comes_too_late_is_nothing),
		cmocka_unit_test(r63_stopped_in_every_phase),
		cmocka_unit_test(any_order_of_events),
	};
	int failed = CASES_RUN(failure_ends, failure_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
