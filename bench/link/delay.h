/* When a packet that has left the line is due at the far end: propagation, jitter, and now and
 * then a packet held back while others pass.
 *
 * The order is kept (jitter_reorders false) by letting nobody be due before one that left earlier,
 * so a fall of the delay takes effect as far as the packets under way allow. A packet held back
 * (reorder_p) breaks the order in either case. Each packet draws once for being held back and,
 * with jitter, for that, from streams of their own; copies have one for themselves.
 */
#pragma once

#include <stdint.h>

#include "bench/link/scenario.h"

struct delay {
	const struct scenario_direction *s;
	uint64_t propagation_ns; /* may be changed at any time */
	uint64_t latest_ns;      /* due of those so far, by propagation and jitter */
	uint64_t jitter_random, reorder_random, copy_random;
};

/* `s` must stay. */
struct delay delay_of(const struct scenario_direction *s, uint64_t jitter_seed,
                      uint64_t reorder_seed, uint64_t copy_seed);

/* A packet has left the line at left_ns, which does not go back. */
uint64_t delay_due_ns(struct delay *d, uint64_t left_ns);

/* A copy of the packet that left last. */
uint64_t delay_copy_due_ns(struct delay *d, uint64_t left_ns);
