/* How long to wait before something is tried again: doubling, bounded, and never in step with the ten thousand
 * others that lost the same service in the same minute. Pure.
 *
 *   struct backoff b = { .first_ns = NS_PER_S / 2, .most_ns = 15 * NS_PER_S, .jitter = 0.1 };
 *   wait_ns = backoff_next(&b, &random);        0.5 s, 1 s, 2 s, … 15 s, each by up to a tenth off
 *   backoff_reset(&b);                          it has worked
 */
#pragma once

#include <stdint.h>

struct backoff {
	uint64_t first_ns, most_ns; /* 0 < first_ns <= most_ns */
	double jitter;    /* each wait is uniform in 1 - jitter to 1 + jitter times its value */
	uint64_t next_ns; /* the module's; 0 at first */
};

/* `random` is a state of draw_u64(). */
uint64_t backoff_next(struct backoff *b, uint64_t *random);

void backoff_reset(struct backoff *b);
