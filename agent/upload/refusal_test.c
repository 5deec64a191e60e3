/* A day of a service that takes nothing, in virtual time, over the real schedule, policy and outbox (bar D9): as many
 * tests are run as are scheduled and asked for, and none for delivery's sake. */
#include <stdio.h>
#include <string.h>

#include "agent/schedule/schedule.h"
#include "agent/store/store.h"
#include "agent/upload/upload_policy.h"
#include "tests/cases.h"
#include "tests/store_rig.h"
#include "transport/base/clock.h"

#define DAY_NS  (86400 * NS_PER_S)
#define STEP_NS (5 * NS_PER_S) /* as often as the service repeats what it asks */
#define TEST_NS (25 * NS_PER_S)
#define MEAN_NS (3600 * NS_PER_S)
#define SEED    11

struct day {
	struct store *store;
	struct schedule schedule;
	struct upload_policy policy;
	struct upload_answer answer;
	bool of_first; /* and of none but the first result: the others are taken */
	unsigned int days;
	bool takes_first; /* the answer is lost, the result is not: then nothing is asked for any more */
	uint64_t asks_anew_ns; /* so often; 0: once a day */
	uint64_t mean_ns;      /* of our own tests; 0: none */
	bool asks, quarantined;
	unsigned int local, asked, uploads;
	uint64_t ends_at_ns; /* the test under way; 0: none */
	enum schedule_cause cause;
	uint64_t least_gap_ns, last_upload_ns;
};

static struct store_clock clock_at(uint64_t now_ns)
{
	return (struct store_clock){ .utc_ns = now_ns, .boot_ns = now_ns, .boot_id = "virtual" };
}

static void tell_schedule(struct day *d)
{
	struct store_outbox_counts counts;
	bool on_its_way;

	assert_int_equal(store_outbox_count(d->store, &counts, NULL), 0);
	assert_int_equal(store_outbox_is_on_its_way(d->store, UPLOAD_FAILING_NS, &on_its_way, NULL),
	                 0);
	schedule_set_delivering(&d->schedule, on_its_way);
	d->quarantined = counts.quarantined > 0;
}

static bool is_alone(struct day *d, const struct store_clock *now, int64_t seq)
{
	struct store_entry other;
	uint64_t unused;

	return store_outbox_next_but(d->store, now, seq, &other, &unused, NULL) == STORE_NONE;
}

static void upload(struct day *d, uint64_t now_ns)
{
	static const struct upload_answer taken = { UPLOAD_TAKEN, true };
	const struct upload_answer *answer;
	struct store_wait wait = { .since = clock_at(now_ns) };
	struct upload_waits waits;
	struct store_entry e;
	uint64_t unused;

	if (!upload_policy_may(&d->policy, now_ns, &unused) ||
	    store_outbox_next(d->store, &wait.since, &e, &unused, NULL) != STORE_OK)
		return;
	assert_int_equal(store_outbox_sending(d->store, e.seq, NULL), 0);
	if (d->uploads++ > 0 && now_ns - d->last_upload_ns < d->least_gap_ns)
		d->least_gap_ns = now_ns - d->last_upload_ns;
	d->last_upload_ns = now_ns;
	d->asks = d->asks && !d->takes_first;
	answer = d->of_first && e.seq > 1 ? &taken : &d->answer;
	switch (upload_policy_judge(&d->policy, now_ns, answer, e.unanswered + 1, &waits)) {
	case UPLOAD_AGAIN:
		wait.wait_ns = is_alone(d, &wait.since, e.seq) ? waits.alone_ns : waits.behind_ns;
		assert_int_equal(store_outbox_again(d->store, e.seq, &wait, "", NULL), 0);
		if (upload_policy_is_server_error(answer))
			assert_int_equal(
				store_outbox_server_error(d->store, e.seq, &wait.since, NULL), 0);
		break;
	case UPLOAD_UNCERTAIN:
		wait.wait_ns = waits.alone_ns;
		assert_int_equal(store_outbox_unanswered(d->store, e.seq, &wait, "", NULL), 0);
		break;
	case UPLOAD_QUARANTINE:
		assert_int_equal(store_outbox_quarantine(d->store, e.seq, "", NULL), 0);
		break;
	case UPLOAD_REFUSE:
		assert_int_equal(store_outbox_refused(d->store, e.seq, "", NULL), 0);
		schedule_refused(&d->schedule, now_ns);
		break;
	case UPLOAD_ACCEPT:
		assert_int_equal(store_outbox_accepted(d->store, e.seq, NULL), 0);
		d->asks = false;
		break;
	}
	tell_schedule(d);
}

static void end_test(struct day *d, uint64_t now_ns)
{
	struct store_result r = store_rig_result(d->local + d->asked, 3000);

	d->ends_at_ns = 0;
	r.cause = d->cause == SCHEDULE_ASKED ? STORE_ASKED : STORE_SCHEDULED;
	assert_int_equal(store_put(d->store, &r, true, NULL), 0);
	schedule_ended(&d->schedule, now_ns, true);
	tell_schedule(d);
}

/* The service's side of a heartbeat, and ours. */
static void hear(struct day *d, uint64_t now_ns)
{
	struct schedule_interfaces on = { .count = 1 };

	if (d->asks_anew_ns && now_ns % d->asks_anew_ns == 0)
		d->asks = true;
	if (!d->asks) {
		schedule_answered(&d->schedule);
		return;
	}
	if (d->quarantined && schedule_is_repeated(&d->schedule) &&
	    store_outbox_release_asked(d->store, UPLOAD_UNANSWERED_MAX, NULL) == STORE_OK)
		tell_schedule(d);
	schedule_ask(&d->schedule, &on);
}

static void live(struct day *d, uint64_t now_ns)
{
	struct schedule_day day = { .left_ns = DAY_NS };
	struct schedule_test test;
	uint64_t wake_ns;

	if (d->ends_at_ns && now_ns >= d->ends_at_ns)
		end_test(d, now_ns);
	if (!d->ends_at_ns)
		upload(d, now_ns);
	hear(d, now_ns);
	if (d->ends_at_ns ||
	    schedule_turn(&d->schedule, now_ns, &day, &test, &wake_ns) != SCHEDULE_BEGIN)
		return;
	d->ends_at_ns = now_ns + TEST_NS;
	d->cause = test.cause;
	*(test.cause == SCHEDULE_LOCAL ? &d->local : &d->asked) += 1;
}

static void play(struct day *d)
{
	struct schedule_options options = { .local = { .mean_ns = d->mean_ns },
		                            .spacing_ns = 60 * NS_PER_S };
	struct store_limits limits = {};

	assert_int_equal(store_open(store_rig_make(), STORE_DAEMON, &limits, &d->store, NULL, NULL),
	                 0);
	schedule_start(&d->schedule, &options, 0, SEED);
	upload_policy_start(&d->policy, SEED);
	d->least_gap_ns = CLOCK_NEVER_NS;
	for (uint64_t now_ns = STEP_NS; now_ns < (d->days ? d->days : 1) * DAY_NS;
	     now_ns += STEP_NS)
		live(d, now_ns);
	store_close(d->store);
	store_rig_remove();
}

struct refusal_case {
	const char *name;
	struct upload_answer answer;
	bool takes_first;
};

static struct refusal_case refusal_cases[] = {
	{ "D9 500", { UPLOAD_LATER, true, .status = 500 } },
	{ "D9 401", { UPLOAD_LATER, true, .status = 401 } },
	{ "D9 429 with Retry-After", { UPLOAD_LATER, true, 60, .status = 429 } },
	{ "D9 404: the credentials", { UPLOAD_DENIED, true } },
	{ "D9 no connection", { UPLOAD_SILENCE, false } },
	{ "D9 taken, and the answer cut", { UPLOAD_SILENCE, true }, .takes_first = true },
	{ "D9 sent, and neither taken nor answered", { UPLOAD_SILENCE, true } },
};

/* How many the local schedule has by itself. */
static unsigned int scheduled(void)
{
	static unsigned int count;
	struct day d = { .answer = { UPLOAD_DENIED }, .mean_ns = MEAN_NS };

	if (count == 0) {
		play(&d);
		count = d.local;
	}
	return count;
}

static void tests_are_those_that_were_scheduled(void **state)
{
	const struct refusal_case *c = *state;
	struct day d = {
		.answer = c->answer, .takes_first = c->takes_first, .mean_ns = MEAN_NS, .asks = true
	};

	play(&d);
	assert_int_equal(d.asked, 1);
	assert_in_range(d.local, scheduled() - 1,
	                scheduled() + 1); /* one more or less moves the others */
	if (c->answer.verdict == UPLOAD_LATER)
		assert_in_range(d.uploads, 86400 / 1100, 86400 / 700);
	if (c->answer.verdict == UPLOAD_DENIED)
		assert_int_equal(d.uploads, 1);
	else
		assert_true(d.least_gap_ns >= UPLOAD_FIRST_NS * 9 / 10);
}

/* The service refuses what it asks for, and asks again: with as many tests as it takes to find out that it still does. */
static void R38_what_is_refused_is_measured_ever_more_seldom(void **state)
{
	struct day d = { .answer = { UPLOAD_REFUSED, true }, .asks = true };

	(void)state;
	play(&d);
	assert_in_range(d.asked, 24, 24 + 10); /* one an hour, and the way there */
}

/* Every answer is lost on its way, and what was sent is there: what is asked for next is another test, and no result
 * of an earlier one is sent in its place. */
static void D7_what_was_answered_unheard_is_not_sent_again(void **state)
{
	struct day d = { .answer = { UPLOAD_SILENCE, true },
		         .takes_first = true,
		         .asks_anew_ns = 2 * 3600 * NS_PER_S };

	(void)state;
	play(&d);
	assert_int_equal(d.asked, 11);
	assert_int_equal(d.uploads, 2 * d.asked);
}

struct days_case {
	const char *name;
	struct upload_answer answer;
	unsigned int asked;
};

static struct days_case days_cases[] = {
	{ "500: one test a day, as each result waits a day of its own",
	  { UPLOAD_LATER, true, .status = 500 },
	  3 },
	{ "401", { UPLOAD_LATER, true, .status = 401 }, 1 },
	{ "404: the credentials", { UPLOAD_DENIED, true, .status = 404 }, 1 },
	{ "no connection", { UPLOAD_SILENCE, false }, 1 },
};

static void three_days_of_a_service_that_takes_nothing(void **state)
{
	const struct days_case *c = *state;
	struct day d = { .answer = c->answer, .days = 3, .asks = true };

	play(&d);
	assert_int_equal(d.asked, c->asked);
}

/* One result is not to the service's liking, for ever; it asks for another every two hours, and takes that. */
static void R38_one_result_that_fails_for_ever_is_a_day_in_the_way(void **state)
{
	struct day d = { .answer = { UPLOAD_LATER, true, .status = 500 },
		         .of_first = true,
		         .days = 2,
		         .asks_anew_ns = 2 * 3600 * NS_PER_S,
		         .asks = true };

	(void)state;
	play(&d);
	assert_int_equal(d.asked, 1 + 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(R38_what_is_refused_is_measured_ever_more_seldom),
		cmocka_unit_test(R38_one_result_that_fails_for_ever_is_a_day_in_the_way),
		cmocka_unit_test(D7_what_was_answered_unheard_is_not_sent_again),
	};
	int failed = CASES_RUN(tests_are_those_that_were_scheduled, refusal_cases);

	failed += CASES_RUN(three_days_of_a_service_that_takes_nothing, days_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
