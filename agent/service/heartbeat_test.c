#include "agent/service/heartbeat.h"

#include "tests/cases.h"
#include "transport/base/clock.h"

#define EVERY_NS (15 * NS_PER_S)
#define HOUR_NS  (3600 * NS_PER_S)

struct world {
	struct heartbeat h;
	uint64_t now_ns, answer_ns; /* how long the service takes */
	enum heartbeat_answer answer;
	uint64_t sent_ns[4096];
	size_t sent;
};

static struct world begun(void)
{
	struct world w = { .now_ns = NS_PER_S };

	heartbeat_start(&w.h, EVERY_NS, w.now_ns, 3);
	return w;
}

static void run_until(struct world *w, uint64_t end_ns)
{
	uint64_t wake_ns = 0;

	while (w->now_ns < end_ns) {
		if (heartbeat_turn(&w->h, w->now_ns, &wake_ns)) {
			w->sent_ns[w->sent++] = w->now_ns;
			w->now_ns += w->answer_ns;
			heartbeat_answered(&w->h, w->answer, 0, w->now_ns);
			continue;
		}
		assert_true(wake_ns > w->now_ns);
		if (wake_ns > end_ns)
			break;
		w->now_ns = wake_ns;
	}
	w->now_ns = end_ns;
}

static void expect_gaps(const struct world *w, size_t from, uint64_t least_ns, uint64_t most_ns)
{
	assert_true(w->sent > from + 2);
	for (size_t i = from; i + 1 < w->sent; i++)
		assert_in_range(w->sent_ns[i + 1] - w->sent_ns[i], least_ns, most_ns);
}

static void r10_every_15_s_whatever_the_answer(void **state)
{
	static const enum heartbeat_answer answers[] = { HEARTBEAT_TAKEN, HEARTBEAT_FAILED };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world w = begun();

		w.answer = answers[i];
		w.answer_ns = 2 * NS_PER_S;
		run_until(&w, 3600 * NS_PER_S);
		assert_true(w.sent_ns[0] == NS_PER_S + HEARTBEAT_GRACE_NS);
		expect_gaps(&w, 0, EVERY_NS * 9 / 10, EVERY_NS * 11 / 10);
		assert_in_range(w.sent, 235, 245);
	}
}

/* One that takes longer than the gap is waited for, and the gap begins anew. */
static void one_at_a_time(void **state)
{
	struct world w = begun();

	(void)state;
	w.answer_ns = 30 * NS_PER_S;
	run_until(&w, 3600 * NS_PER_S);
	expect_gaps(&w, 0, 43500 * NS_PER_MS, 46500 * NS_PER_MS);
}

static void r10_none_while_the_socket_is_confirmed(void **state)
{
	struct world w = begun();
	uint64_t lost_ns;

	(void)state;
	heartbeat_socket_confirmed(&w.h, true, w.now_ns);
	run_until(&w, 3600 * NS_PER_S);
	assert_int_equal(w.sent, 0);
	lost_ns = w.now_ns;
	heartbeat_socket_confirmed(&w.h, false, w.now_ns);
	heartbeat_socket_failed(&w.h, w.now_ns); /* no reason to hurry any more */
	run_until(&w, 7200 * NS_PER_S);
	assert_in_range(w.sent_ns[0] - lost_ns, 0, EVERY_NS);
	expect_gaps(&w, 0, EVERY_NS * 9 / 10, EVERY_NS * 11 / 10);
}

static void a_fleet_that_loses_its_socket_is_spread_over_one_gap(void **state)
{
	unsigned int tenths[10] = {};

	(void)state;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		struct heartbeat h;
		uint64_t wake_ns;

		heartbeat_start(&h, EVERY_NS, 0, seed);
		heartbeat_socket_confirmed(&h, true, NS_PER_S);
		heartbeat_socket_confirmed(&h, false, HOUR_NS);
		assert_false(heartbeat_turn(&h, HOUR_NS, &wake_ns));
		assert_in_range(wake_ns - HOUR_NS, 0, EVERY_NS - 1);
		tenths[(wake_ns - HOUR_NS) * 10 / EVERY_NS]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(tenths[i], 70, 130);
}

static void the_first_does_not_wait_for_a_socket_that_failed(void **state)
{
	struct world w = begun();

	(void)state;
	heartbeat_socket_failed(&w.h, w.now_ns);
	run_until(&w, 2 * NS_PER_S);
	assert_true(w.sent_ns[0] == NS_PER_S);
	heartbeat_socket_failed(&w.h, w.now_ns);
	run_until(&w, 60 * NS_PER_S);
	expect_gaps(&w, 0, EVERY_NS * 9 / 10, EVERY_NS * 11 / 10);
}

static void r14_denied_is_slower_each_time(void **state)
{
	struct world w = begun();
	size_t denied;

	(void)state;
	w.answer = HEARTBEAT_DENIED;
	run_until(&w, 24 * 3600 * NS_PER_S);
	expect_gaps(&w, 0, 60 * NS_PER_S, 990 * NS_PER_S);
	assert_in_range(w.sent_ns[1] - w.sent_ns[0], 60 * NS_PER_S, 74 * NS_PER_S);
	expect_gaps(&w, 5, 810 * NS_PER_S, 990 * NS_PER_S);
	denied = w.sent;
	w.answer = HEARTBEAT_TAKEN; /* and as ever again */
	run_until(&w, 26 * 3600 * NS_PER_S);
	expect_gaps(&w, denied, EVERY_NS * 9 / 10, EVERY_NS * 11 / 10);
}

static void r14_other_credentials_do_not_wait_for_what_the_old_ones_earned(void **state)
{
	struct world w = begun();
	size_t denied;

	(void)state;
	w.answer = HEARTBEAT_DENIED;
	run_until(&w, 2 * 3600 * NS_PER_S);
	denied = w.sent;
	w.answer = HEARTBEAT_TAKEN;
	heartbeat_other_pod(&w.h);
	heartbeat_set_every(&w.h, EVERY_NS, w.now_ns);
	run_until(&w, w.now_ns + 60 * NS_PER_S);
	assert_true(w.sent > denied);
	assert_true(w.sent_ns[denied] <= 2 * 3600 * NS_PER_S + EVERY_NS * 11 / 10);
	expect_gaps(&w, denied, EVERY_NS * 9 / 10, EVERY_NS * 11 / 10);
}

static void what_was_asked_of_another_is_given_up(void **state)
{
	struct world w = begun();
	uint64_t wake_ns;

	(void)state;
	assert_true(heartbeat_turn(&w.h, w.now_ns + 2 * NS_PER_S, &wake_ns));
	heartbeat_other_pod(&w.h);
	heartbeat_set_every(&w.h, EVERY_NS, w.now_ns);
	run_until(&w, w.now_ns + 60 * NS_PER_S);
	expect_gaps(&w, 0, EVERY_NS * 9 / 10, EVERY_NS * 11 / 10);
}

static void retry_after_is_heeded_up_to_15_minutes(void **state)
{
	struct world w = begun();
	uint64_t wake_ns;

	(void)state;
	w.now_ns = 2 * NS_PER_S;
	assert_true(heartbeat_turn(&w.h, w.now_ns, &wake_ns));
	heartbeat_answered(&w.h, HEARTBEAT_FAILED, 120 * NS_PER_S, w.now_ns);
	assert_false(heartbeat_turn(&w.h, w.now_ns, &wake_ns));
	assert_true(wake_ns == w.now_ns + 120 * NS_PER_S);
	w.now_ns = wake_ns;
	assert_true(heartbeat_turn(&w.h, w.now_ns, &wake_ns));
	heartbeat_answered(&w.h, HEARTBEAT_FAILED, CLOCK_NEVER_NS, w.now_ns);
	assert_false(heartbeat_turn(&w.h, w.now_ns, &wake_ns));
	assert_true(wake_ns == w.now_ns + 900 * NS_PER_S);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(r10_every_15_s_whatever_the_answer),
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(r10_none_while_the_socket_is_confirmed),
		cmocka_unit_test(a_fleet_that_loses_its_socket_is_spread_over_one_gap),
		cmocka_unit_test(the_first_does_not_wait_for_a_socket_that_failed),
		cmocka_unit_test(r14_denied_is_slower_each_time),
		cmocka_unit_test(r14_other_credentials_do_not_wait_for_what_the_old_ones_earned),
		cmocka_unit_test(what_was_asked_of_another_is_given_up),
		cmocka_unit_test(retry_after_is_heeded_up_to_15_minutes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
