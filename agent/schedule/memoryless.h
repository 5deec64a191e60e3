/* The gaps of a local schedule: exponential, so that tests of ten thousand pods never move in step and what they
 * see is what time averages are (Poisson arrivals see time averages; Wolff 1982). Clamped as M-Lab's acceptable use
 * has it: beyond a tenth and two and a half of the mean what is drawn is no longer close to Poisson. Pure.
 */
#pragma once

#include <stdint.h>

struct err;

struct memoryless {
	uint64_t mean_ns;
	uint64_t least_ns; /* no gap is shorter */
	uint64_t most_ns;  /* nor longer; 0: none is too long */
};

/* Those limits for a mean. */
struct memoryless memoryless_of(uint64_t mean_ns);

/*   -EINVAL  unless 0 <= least <= mean <= most (or most is 0), and mean > 0 */
int memoryless_check(const struct memoryless *m, struct err *err);

/* `random` is a state of draw_u64(), seeded by bytes_random(): pods that boot together differ. */
uint64_t memoryless_draw_ns(const struct memoryless *m, uint64_t *random);
