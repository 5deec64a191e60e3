#include "bench/link/queue.h"

#include <stddef.h>

void queue_push(struct queue *q, struct packet *p)
{
	p->next = NULL;
	if (q->tail)
		q->tail->next = p;
	else
		q->head = p;
	q->tail = p;
	q->packets++;
	q->bytes += p->bytes;
}

struct packet *queue_pop(struct queue *q)
{
	struct packet *p = q->head;

	if (!p)
		return NULL;
	q->head = p->next;
	if (!q->head)
		q->tail = NULL;
	p->next = NULL;
	q->packets--;
	q->bytes -= p->bytes;
	return p;
}

void queue_clear(struct queue *q)
{
	for (struct packet *p = queue_pop(q); p; p = queue_pop(q))
		packet_free(p);
}

bool queue_has_room(const struct queue *q, const struct queue_limit *limit, uint16_t bytes)
{
	uint64_t packets = q->packets + 1, all_bytes = q->bytes + bytes;

	return packets <= limit->packets && all_bytes <= limit->bytes &&
	       all_bytes + packets * limit->overhead_bytes <= limit->line_bytes;
}
