#include "bench/link/histogram.h"

/* Below HISTOGRAM_PARTS a bucket is one value; above, the six bits behind the leading one pick it. */
#define PART_BITS 6

unsigned int histogram_bucket(uint64_t value)
{
	unsigned int shift;

	if (value < HISTOGRAM_PARTS)
		return (unsigned int)value;
	shift = 63 - PART_BITS - (unsigned int)__builtin_clzll(value);
	return shift * HISTOGRAM_PARTS + (unsigned int)(value >> shift);
}

uint64_t histogram_lower(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < 2 * HISTOGRAM_PARTS)
		return bucket;
	shift = bucket / HISTOGRAM_PARTS - 1;
	return (uint64_t)(HISTOGRAM_PARTS + bucket % HISTOGRAM_PARTS) << shift;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	if (h->count == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
	h->sum += value;
	h->bucket[histogram_bucket(value)]++;
}

static uint64_t bucket_middle(unsigned int bucket)
{
	uint64_t lower = histogram_lower(bucket);
	uint64_t upper =
		bucket + 1 < HISTOGRAM_BUCKETS ? histogram_lower(bucket + 1) - 1 : UINT64_MAX;

	return lower + (upper - lower) / 2;
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
	return value < low ? low : value > high ? high : value;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	double wanted = share * (double)h->count;
	uint64_t below = 0;

	if (h->count == 0 || share <= 0)
		return h->min;
	if (share >= 1)
		return h->max;
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += h->bucket[i];
		if ((double)below >= wanted && below > 0)
			return clamp(bucket_middle(i), h->min, h->max);
	}
	return h->max;
}
