#include "agent/schedule/backoff.h"

#include <assert.h>

#include "transport/base/draw.h"

uint64_t backoff_next(struct backoff *b, uint64_t *random)
{
	uint64_t now_ns = b->next_ns ? b->next_ns : b->first_ns;
	double factor = 1 + b->jitter * (2 * draw_uniform(random) - 1);

	assert(b->first_ns > 0 && b->first_ns <= b->most_ns && b->jitter >= 0 && b->jitter < 1);
	b->next_ns = now_ns < b->most_ns / 2 ? 2 * now_ns : b->most_ns;
	return (uint64_t)((double)now_ns * factor);
}

void backoff_reset(struct backoff *b)
{
	b->next_ns = 0;
}

uint64_t backoff_scatter(struct backoff *b, uint64_t *random)
{
	b->next_ns = b->most_ns;
	return b->first_ns + backoff_spread(b->most_ns - b->first_ns, random);
}

uint64_t backoff_spread(uint64_t within_ns, uint64_t *random)
{
	return within_ns ? (uint64_t)((double)within_ns * draw_uniform(random)) : 0;
}
