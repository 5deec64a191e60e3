/* The largest few of many flows, offered one after the other; of equal ones the first. Pure.
 *
 *   struct largest largest = {};
 *   largest_offer(&largest, flow, bytes);   for each, in the order of their numbers
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LARGEST_MAX 8

struct largest {
	uint32_t count;
	uint32_t flows[LARGEST_MAX]; /* by size */
	uint64_t bytes[LARGEST_MAX];
};

static inline void largest_offer(struct largest *l, uint32_t flow, uint64_t bytes)
{
	uint32_t at = l->count;

	for (; at > 0 && bytes > l->bytes[at - 1]; at--) {
		if (at == LARGEST_MAX)
			continue;
		l->flows[at] = l->flows[at - 1];
		l->bytes[at] = l->bytes[at - 1];
	}
	if (at == LARGEST_MAX)
		return;
	l->flows[at] = flow;
	l->bytes[at] = bytes;
	l->count += l->count < LARGEST_MAX;
}

static inline bool largest_has(const struct largest *l, uint32_t flow)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (l->flows[i] == flow)
			return true;
	return false;
}
