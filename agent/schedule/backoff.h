/* How long to wait before something is tried again: doubling, bounded, and never in step with the ten thousand
 * others that lost the same service in the same minute. Pure.
 *
 *   struct backoff b = { .first_ns = NS_PER_S / 2, .most_ns = 15 * NS_PER_S, .jitter = 0.1 };
 *   wait_ns = backoff_next(&b, &random);        0.5 s, 1 s, 2 s, … 15 s, each by up to a tenth off
 *   backoff_reset(&b);                          it has worked
 *   wait_ns = backoff_scatter(&b, &random);     what had worked for long has ended for everybody at once
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

/* The first wait of one of many who have lost the same thing in the same second: uniform from first_ns to most_ns,
 * so that they come back evenly. The waits after it are most_ns, the jitter apart: doubling from the beginning would
 * bring them together again. */
uint64_t backoff_scatter(struct backoff *b, uint64_t *random);

/* Likewise for what many were told to do in the same second: uniform from 0 to `within_ns`. */
uint64_t backoff_spread(uint64_t within_ns, uint64_t *random);
