/* A token bucket at the entrance: what it has no tokens for is refused, not delayed.
 *
 * It begins full and fills at `rate_bps`. Tokens are kept in bits × 10^9, of which a nanosecond
 * brings `rate_bps`: integers, and exact.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A larger bucket is as large as this. */
#define POLICER_BUCKET_MAX_BYTES (2ULL * 1000 * 1000 * 1000)

struct policer {
	uint64_t rate_bps; /* 0: everything passes */
	uint64_t full, tokens;
	uint64_t at_ns; /* of `tokens` */
};

struct policer policer_of(uint64_t rate_bps, uint64_t bucket_bytes, uint64_t start_ns);

/* Whether a packet of `bytes` passes at now_ns, which does not go back; takes its tokens if it
 * does. */
bool policer_passes(struct policer *p, uint64_t bytes, uint64_t now_ns);
