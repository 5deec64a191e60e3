#include "bench/link/policer.h"

#define TOKENS_PER_BYTE (8 * 1000000000ULL)

struct policer policer_of(uint64_t rate_bps, uint64_t bucket_bytes, uint64_t start_ns)
{
	uint64_t bytes =
		bucket_bytes < POLICER_BUCKET_MAX_BYTES ? bucket_bytes : POLICER_BUCKET_MAX_BYTES;

	return (struct policer){
		.rate_bps = rate_bps,
		.full = bytes * TOKENS_PER_BYTE,
		.tokens = bytes * TOKENS_PER_BYTE,
		.at_ns = start_ns,
	};
}

static void fill(struct policer *p, uint64_t now_ns)
{
	uint64_t elapsed_ns = now_ns > p->at_ns ? now_ns - p->at_ns : 0;
	uint64_t missing = p->full - p->tokens;

	/* The division first: the product may be more than a uint64_t holds. */
	if (elapsed_ns > missing / p->rate_bps)
		p->tokens = p->full;
	else
		p->tokens += elapsed_ns * p->rate_bps;
	p->at_ns += elapsed_ns;
}

bool policer_passes(struct policer *p, uint64_t bytes, uint64_t now_ns)
{
	if (p->rate_bps == 0)
		return true;
	fill(p, now_ns);
	if (bytes > p->tokens / TOKENS_PER_BYTE)
		return false;
	p->tokens -= bytes * TOKENS_PER_BYTE;
	return true;
}
