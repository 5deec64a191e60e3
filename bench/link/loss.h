/* Which packets a line loses: each for itself (Bernoulli), or in bursts (Gilbert 1960, Elliott
 * 1963).
 *
 * The Gilbert-Elliott chain begins in its good state. A packet's fate is drawn from the state that
 * it meets; then the state moves. Both models draw for each packet from streams of their own, in
 * force or not, so that the fates by one do not depend on the other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/link/scenario.h"

struct loss {
	enum loss_model model;
	double p;                        /* Bernoulli */
	double enter_bad_p, leave_bad_p; /* Gilbert-Elliott: of moving */
	double good_p, bad_p;            /* of losing, by state */
	bool bad;
	uint64_t bernoulli_random, chain_random;
};

struct loss loss_of(const struct scenario_direction *s, uint64_t bernoulli_seed,
                    uint64_t chain_seed);

/* From now on Bernoulli of this p, whatever it was. */
void loss_set_bernoulli(struct loss *l, double p);

/* The next packet: whether it is lost. */
bool loss_hits(struct loss *l);
