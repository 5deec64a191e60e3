/* Durations in log-linear buckets, 1/64 wide: every value is known to 1.6 % and nothing is dropped.
 *
 * Bucket i < 64 holds the value i ns; above, each power of two is cut into 64 equal parts
 * (as HdrHistogram does).
 */
#pragma once

#include <stdint.h>

#define HISTOGRAM_PARTS   64
#define HISTOGRAM_BUCKETS (HISTOGRAM_PARTS * (64 - 6 + 1))

struct histogram {
	uint64_t count, sum, min, max;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

unsigned int histogram_bucket(uint64_t value);
uint64_t histogram_lower(unsigned int bucket); /* the smallest value in it */

void histogram_add(struct histogram *h, uint64_t value);

/* The value below which `share` of [0, 1] lies: the middle of its bucket, within [min, max]. 0 where
 * nothing was counted. */
uint64_t histogram_quantile(const struct histogram *h, double share);
