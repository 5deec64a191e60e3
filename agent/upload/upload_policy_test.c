#include "agent/upload/upload_policy.h"

#include "tests/cases.h"
#include "transport/base/clock.h"

#define SEED 7

static struct upload_policy fresh(void)
{
	struct upload_policy p;

	upload_policy_start(&p, SEED);
	return p;
}

/* --- an answer ---------------------------------------------------------------------------------------- */

struct judge_case {
	const char *name;
	struct upload_answer answer;
	uint32_t unanswered;
	enum upload_action want;
	bool waits, denied;
};

static struct judge_case judge_cases[] = {
	{ "201", { UPLOAD_TAKEN }, 1, UPLOAD_ACCEPT },
	{ "R38 422", { UPLOAD_REFUSED }, 1, UPLOAD_REFUSE },
	{ "R38 404", { UPLOAD_DENIED }, 1, UPLOAD_AGAIN, .denied = true },
	{ "R38 500", { UPLOAD_LATER }, 1, UPLOAD_AGAIN, .waits = true },
	{ "500 after a lost answer", { UPLOAD_LATER }, 2, UPLOAD_AGAIN, .waits = true },
	{ "no connection", { UPLOAD_SILENCE }, 1, UPLOAD_AGAIN, .waits = true },
	{ "no connection after a lost answer", { UPLOAD_SILENCE }, 2, UPLOAD_AGAIN, .waits = true },
	{ "D7 an answer is lost",
	  { UPLOAD_SILENCE, .sent = true },
	  1,
	  UPLOAD_UNCERTAIN,
	  .waits = true },
	{ "D7 and a second one",
	  { UPLOAD_SILENCE, .sent = true },
	  2,
	  UPLOAD_QUARANTINE,
	  .waits = true },
};

static void an_answer_is_judged(void **state)
{
	const struct judge_case *c = *state;
	struct upload_policy p = fresh();
	struct upload_waits waits;
	uint64_t wake_ns;

	assert_int_equal(upload_policy_judge(&p, NS_PER_S, &c->answer, c->unanswered, &waits),
	                 c->want);
	assert_int_equal(upload_policy_may(&p, NS_PER_S, &wake_ns), !c->waits && !c->denied);
	if (c->denied)
		assert_true(wake_ns == CLOCK_NEVER_NS);
	if (c->waits) {
		assert_true(wake_ns >= NS_PER_S + UPLOAD_FIRST_NS * 9 / 10);
		assert_true(wake_ns <= NS_PER_S + UPLOAD_FIRST_NS * 11 / 10);
		assert_false(upload_policy_may(&p, wake_ns - 1, &wake_ns));
		assert_true(upload_policy_may(&p, wake_ns, &wake_ns));
		assert_true(waits.alone_ns == wake_ns - NS_PER_S);
		assert_true(waits.behind_ns >= UPLOAD_MOST_NS * 9 / 10);
	}
}

/* --- many ----------------------------------------------------------------------------------------------- */

static void R38_waits_grow_to_a_quarter_of_an_hour(void **state)
{
	struct upload_policy p = fresh();
	struct upload_answer later = { UPLOAD_LATER };
	struct upload_waits waits;
	double want = 15;

	(void)state;
	for (int i = 0; i < 20; i++) {
		upload_policy_judge(&p, 0, &later, 1, &waits);
		assert_true((double)waits.alone_ns >= want * 0.9e9);
		assert_true((double)waits.alone_ns <= want * 1.1e9);
		want = want * 2 < 900 ? want * 2 : 900;
	}
}

static void the_first_that_arrives_ends_the_waiting(void **state)
{
	struct upload_policy p = fresh();
	struct upload_answer later = { UPLOAD_LATER }, taken = { UPLOAD_TAKEN };
	struct upload_waits waits;
	uint64_t wake_ns;

	(void)state;
	for (int i = 0; i < 8; i++)
		upload_policy_judge(&p, 0, &later, 1, &waits);
	upload_policy_judge(&p, 0, &taken, 1, &waits);
	assert_true(upload_policy_may(&p, 0, &wake_ns));
	upload_policy_judge(&p, 0, &later, 1, &waits);
	assert_true(waits.alone_ns < 17 * NS_PER_S);
}

static void what_the_service_asks_for_is_the_least(void **state)
{
	struct upload_policy p = fresh();
	struct upload_answer busy = { UPLOAD_LATER, .retry_after_s = 120 };
	struct upload_answer absurd = { UPLOAD_LATER, .retry_after_s = UINT64_MAX };
	struct upload_waits waits;

	(void)state;
	upload_policy_judge(&p, 0, &busy, 1, &waits);
	assert_true(waits.alone_ns >= 120 * NS_PER_S && waits.alone_ns < 140 * NS_PER_S);
	upload_policy_judge(&p, 0, &absurd, 1, &waits);
	assert_true(waits.alone_ns >= 3600 * NS_PER_S && waits.alone_ns < 3640 * NS_PER_S);
}

static void other_credentials_are_tried(void **state)
{
	struct upload_policy p = fresh();
	struct upload_answer denied = { UPLOAD_DENIED };
	struct upload_waits waits;
	uint64_t wake_ns;

	(void)state;
	upload_policy_judge(&p, 0, &denied, 1, &waits);
	assert_false(upload_policy_may(&p, 365 * 86400 * NS_PER_S, &wake_ns));
	upload_policy_new_credentials(&p);
	assert_true(upload_policy_may(&p, 0, &wake_ns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(R38_waits_grow_to_a_quarter_of_an_hour),
		cmocka_unit_test(the_first_that_arrives_ends_the_waiting),
		cmocka_unit_test(what_the_service_asks_for_is_the_least),
		cmocka_unit_test(other_credentials_are_tried),
	};
	int failed = CASES_RUN(an_answer_is_judged, judge_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
