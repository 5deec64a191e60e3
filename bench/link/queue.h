/* Packets in the order they came, with their count and bytes: a list through struct packet's
 * `next`.
 *
 * It owns what is in it. Its ceilings are its owner's; queue_has_room() says whether one more
 * keeps to them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/link/packet.h"

struct queue {
	struct packet *head, *tail; /* NULL: empty */
	uint64_t packets, bytes;    /* bytes of IP */
};

void queue_push(struct queue *q, struct packet *p);
struct packet *queue_pop(struct queue *q); /* NULL: empty */
void queue_clear(struct queue *q);         /* frees what is in it */

/* UINT64_MAX: no limit of this kind. */
struct queue_limit {
	uint64_t packets, bytes;
	uint64_t line_bytes; /* what they take of the line: overhead_bytes more for each */
	uint32_t overhead_bytes;
};

/* Whether a packet of `bytes` may join those in `q`: a limit may be reached, not exceeded. */
bool queue_has_room(const struct queue *q, const struct queue_limit *limit, uint16_t bytes);
