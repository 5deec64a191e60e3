/* Loss against its theory, by seed, within four deviations of the sampling error. */
#include "bench/link/loss.h"

#include <math.h>

#include "tests/cases.h"

#define PACKETS    1000000
#define DEVIATIONS 4

struct loss_case {
	const char *name;
	struct scenario_direction s;
};

static const struct loss_case loss_cases[] = {
	{ "Bernoulli, 1 %", { .loss = LOSS_BERNOULLI, .loss_p = 0.01 } },
	{ "Bernoulli, 30 %", { .loss = LOSS_BERNOULLI, .loss_p = 0.3 } },
	{ "Bernoulli, never", { .loss = LOSS_BERNOULLI, .loss_p = 0 } },
	{ "Bernoulli, always", { .loss = LOSS_BERNOULLI, .loss_p = 1 } },
	{ "Gilbert: bursts of 4",
	  { .loss = LOSS_GILBERT_ELLIOTT,
	    .enter_bad_p = 0.01,
	    .leave_bad_p = 0.25,
	    .loss_bad_p = 1 } },
	{ "Gilbert: bursts of 50",
	  { .loss = LOSS_GILBERT_ELLIOTT,
	    .enter_bad_p = 0.001,
	    .leave_bad_p = 0.02,
	    .loss_bad_p = 1 } },
	{ "Elliott: both states lose",
	  { .loss = LOSS_GILBERT_ELLIOTT,
	    .enter_bad_p = 0.005,
	    .leave_bad_p = 0.1,
	    .loss_good_p = 0.002,
	    .loss_bad_p = 0.4 } },
	{ "none, whatever else is said", { .loss = LOSS_NONE, .loss_p = 1, .loss_good_p = 1 } },
};

static const struct loss_case burst_cases[] = {
	{ "Gilbert: bursts of 4",
	  { .loss = LOSS_GILBERT_ELLIOTT,
	    .enter_bad_p = 0.01,
	    .leave_bad_p = 0.25,
	    .loss_bad_p = 1 } },
	{ "Gilbert: bursts of 50",
	  { .loss = LOSS_GILBERT_ELLIOTT,
	    .enter_bad_p = 0.001,
	    .leave_bad_p = 0.02,
	    .loss_bad_p = 1 } },
};

/* The share that is lost in the long run. */
static double stationary(const struct scenario_direction *s)
{
	double bad;

	if (s->loss != LOSS_GILBERT_ELLIOTT)
		return s->loss == LOSS_BERNOULLI ? s->loss_p : 0;
	bad = s->enter_bad_p / (s->enter_bad_p + s->leave_bad_p);
	return bad * s->loss_bad_p + (1 - bad) * s->loss_good_p;
}

/* Of the lost share of PACKETS. A chain's packets are alike for a while, which makes fewer of
 * them: by (1 + r) / (1 - r), its correlation from one to the next being r = 1 - enter - leave at
 * most. */
static double deviation(const struct scenario_direction *s, double p)
{
	double r = s->loss == LOSS_GILBERT_ELLIOTT ? 1 - s->enter_bad_p - s->leave_bad_p : 0;

	return sqrt(p * (1 - p) / PACKETS * (1 + r) / (1 - r));
}

static void loses_its_share(void **state)
{
	const struct loss_case *c = *state;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct loss l = loss_of(&c->s, seed, ~seed);
		double want = stationary(&c->s), lost = 0;

		for (int i = 0; i < PACKETS; i++)
			lost += loss_hits(&l);
		lost /= PACKETS;
		assert_true(fabs(lost - want) <= DEVIATIONS * deviation(&c->s, want));
	}
}

/* With a good state that loses nothing and a bad one that loses all, a burst is a stay in the bad
 * state: geometric, of mean 1 / leave and deviation sqrt(1 - leave) / leave. */
static void loses_in_bursts(void **state)
{
	const struct loss_case *c = *state;
	struct loss l = loss_of(&c->s, 1, 2);
	double lost = 0, bursts = 0, leave = c->s.leave_bad_p, mean;
	bool before = false;

	for (int i = 0; i < PACKETS; i++) {
		bool hit = loss_hits(&l);

		lost += hit;
		bursts += hit && !before;
		before = hit;
	}
	mean = lost / bursts;
	assert_true(fabs(mean - 1 / leave) <= DEVIATIONS * sqrt(1 - leave) / leave / sqrt(bursts));
}

/* Fates by Bernoulli are those of its own stream, whatever was in force before. */
static void a_change_does_not_shift_the_draws(void **state)
{
	struct loss always = loss_of(&loss_cases[0].s, 1, 2);
	struct loss later = loss_of(&loss_cases[6].s, 1, 2);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		loss_hits(&always);
		loss_hits(&later);
	}
	loss_set_bernoulli(&always, 0.2);
	loss_set_bernoulli(&later, 0.2);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(loss_hits(&always), loss_hits(&later));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_does_not_shift_the_draws),
	};
	int failed = CASES_RUN(loses_its_share, loss_cases);

	failed += CASES_RUN(loses_in_bursts, burst_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
