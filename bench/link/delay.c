#include "bench/link/delay.h"

#include "transport/base/draw.h"

/* scenario.h: a normal is cut at so many deviations. */
#define NORMAL_MAX 4.0

struct delay delay_of(const struct scenario_direction *s, uint64_t jitter_seed,
                      uint64_t reorder_seed, uint64_t copy_seed)
{
	return (struct delay){
		.s = s,
		.propagation_ns = s->delay_ns,
		.jitter_random = jitter_seed,
		.reorder_random = reorder_seed,
		.copy_random = copy_seed,
	};
}

static double draw_cut_normal(uint64_t *random)
{
	double x;

	do
		x = draw_normal(random);
	while (x < -NORMAL_MAX || x > NORMAL_MAX);
	return x;
}

/* In units of the scenario's jitter. */
static double draw_jitter(enum jitter_distribution distribution, uint64_t *random)
{
	switch (distribution) {
	case JITTER_UNIFORM:
		return 2 * draw_uniform(random) - 1;
	case JITTER_NORMAL:
		return draw_cut_normal(random);
	case JITTER_EXPONENTIAL:
		return draw_exponential(random);
	case JITTER_NONE:
	default:
		return 0;
	}
}

/* Never before it has left. */
static uint64_t jittered_ns(const struct delay *d, uint64_t left_ns, uint64_t *random)
{
	double jitter_ns = draw_jitter(d->s->jitter, random) * (double)d->s->jitter_ns;

	if (jitter_ns >= 0)
		return left_ns + d->propagation_ns + (uint64_t)jitter_ns;
	if ((uint64_t)-jitter_ns >= d->propagation_ns)
		return left_ns;
	return left_ns + d->propagation_ns - (uint64_t)-jitter_ns;
}

static uint64_t ordered_ns(struct delay *d, uint64_t due_ns)
{
	if (due_ns > d->latest_ns)
		d->latest_ns = due_ns;
	return d->s->jitter_reorders ? due_ns : d->latest_ns;
}

uint64_t delay_due_ns(struct delay *d, uint64_t left_ns)
{
	bool held_back = draw_uniform(&d->reorder_random) < d->s->reorder_p;
	uint64_t due_ns = ordered_ns(d, jittered_ns(d, left_ns, &d->jitter_random));

	return held_back ? due_ns + d->s->reorder_ns : due_ns;
}

uint64_t delay_copy_due_ns(struct delay *d, uint64_t left_ns)
{
	return ordered_ns(d, jittered_ns(d, left_ns, &d->copy_random));
}
