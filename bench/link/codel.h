/* CoDel (RFC 8289): drops at the head of a queue whose packets have waited longer than a target
 * for longer than an interval, the more often the longer that lasts.
 *
 * The pseudocode of RFC 8289 5, with marking in place of dropping where asked for (as Linux's
 * sch_codel does it: a mark counts as a drop, and the packet is delivered). Not pure state alone:
 * it takes packets from the queue, as several may go before one is found to send.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/link/packet.h"
#include "bench/link/queue.h"

/* Called for each packet dropped, which is the callee's from then on. */
typedef void (*codel_dropped)(void *owner, struct packet *p, uint64_t now_ns);

struct codel {
	/* Set by the owner; all below begins as 0. */
	uint64_t target_ns, interval_ns;
	bool ecn;
	codel_dropped dropped;
	void *owner;

	uint64_t ce_marked; /* packets */

	uint64_t packet_max_bytes; /* the largest so far: no drop while no more than that waits */
	uint64_t first_above_ns;   /* dropping may begin then; 0: below the target */
	uint64_t drop_next_ns;
	uint64_t count;      /* drops since dropping began, or was taken up again */
	uint64_t last_count; /* `count` as dropping began the last time */
	bool dropping;
};

/* The next packet to send at now_ns, its sojourn being now_ns - arrived_ns. NULL: the queue is
 * empty. */
struct packet *codel_dequeue(struct codel *c, struct queue *q, uint64_t now_ns);

/* interval / sqrt(count), in whole ns (rounded down); count is at least 1. */
uint64_t codel_spacing_ns(uint64_t interval_ns, uint64_t count);
