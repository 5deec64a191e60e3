/* Which bytes of a TCP stream have been seen, as ranges in order.
 *
 * Sequence numbers wrap at 2^32; positions here do not: coverage_position() takes a number for the
 * position nearest to the highest seen (RFC 9293 3.4, RFC 7323 5.3: never 2^31 away).
 *
 * A stream without losses is one range, extended. Every hole costs one more, up to a ceiling; then the
 * lowest hole, the longest missing, is taken for seen and `exact` says so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define COVERAGE_RANGES_INLINE 2

/* What all streams together may hold beyond those inline: 64 MiB. */
#define COVERAGE_RANGES_TOTAL_MAX (4U * 1024 * 1024)

struct coverage_range {
	uint64_t from, to; /* positions; `to` is the first behind it */
};

struct coverage_memory {
	uint32_t ranges; /* held beyond those inline, by all coverages that share it */
};

struct coverage {
	uint64_t floor; /* nothing below is part of the stream */
	uint32_t count; /* ranges; at least one */
	uint32_t capacity;
	struct coverage_range few[COVERAGE_RANGES_INLINE];
	struct coverage_range *many; /* in place of `few` where capacity says so */
	bool exact;
};

/* An empty one whose first byte is expected to be number `seq`. `known`: it is the stream's first
 * (a SYN was seen), so that what has a lower number, a keep-alive's byte, is none of its bytes. */
void coverage_begin(struct coverage *c, uint32_t seq, bool known);

uint64_t coverage_position(const struct coverage *c, uint32_t seq);

/* Adds `bytes` from a position on; answers how many of them had not been seen. */
uint32_t coverage_add(struct coverage *c, struct coverage_memory *memory, uint64_t from,
                      uint32_t bytes);

/* Frees what it holds; only coverage_begin() makes it one again. */
void coverage_end(struct coverage *c, struct coverage_memory *memory);
