#include "bench/link/loss.h"

#include "transport/base/draw.h"

struct loss loss_of(const struct scenario_direction *s, uint64_t bernoulli_seed,
                    uint64_t chain_seed)
{
	return (struct loss){
		.model = s->loss,
		.p = s->loss_p,
		.enter_bad_p = s->enter_bad_p,
		.leave_bad_p = s->leave_bad_p,
		.good_p = s->loss_good_p,
		.bad_p = s->loss_bad_p,
		.bernoulli_random = bernoulli_seed,
		.chain_random = chain_seed,
	};
}

void loss_set_bernoulli(struct loss *l, double p)
{
	l->model = LOSS_BERNOULLI;
	l->p = p;
}

static bool chain_hits(struct loss *l)
{
	bool hit = draw_uniform(&l->chain_random) < (l->bad ? l->bad_p : l->good_p);

	if (draw_uniform(&l->chain_random) < (l->bad ? l->leave_bad_p : l->enter_bad_p))
		l->bad = !l->bad;
	return hit;
}

bool loss_hits(struct loss *l)
{
	bool bernoulli = draw_uniform(&l->bernoulli_random) < l->p, chain = chain_hits(l);

	switch (l->model) {
	case LOSS_BERNOULLI:
		return bernoulli;
	case LOSS_GILBERT_ELLIOTT:
		return chain;
	case LOSS_NONE:
	default:
		return false;
	}
}
