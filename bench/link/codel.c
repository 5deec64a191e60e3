#include "bench/link/codel.h"

#include <stddef.h>

#define ECN_CE 3

/* A control that has ended less than this many intervals ago is taken up where it was (RFC 8289
 * 5.4). */
#define REUSE_INTERVALS 16

/* Newton's method from above, which falls until it is there; to the last bit or the one before. In
 * doubles: IEEE 754 gives the same everywhere, and no mathematics library is wanted. */
static double square_root(double x)
{
	double root = x, last;

	do {
		last = root;
		root = (last + x / last) / 2;
	} while (root < last);
	return last;
}

uint64_t codel_spacing_ns(uint64_t interval_ns, uint64_t count)
{
	return (uint64_t)((double)interval_ns / square_root((double)count));
}

/* Takes the head, and says whether its wait and that of those before it allow to drop it. */
static struct packet *take(struct codel *c, struct queue *q, uint64_t now_ns, bool *ret_may_drop)
{
	struct packet *p = queue_pop(q);

	*ret_may_drop = false;
	if (!p) {
		c->first_above_ns = 0;
		return NULL;
	}
	if (p->bytes > c->packet_max_bytes)
		c->packet_max_bytes = p->bytes;
	if (now_ns - p->arrived_ns < c->target_ns || q->bytes <= c->packet_max_bytes)
		c->first_above_ns = 0;
	else if (c->first_above_ns == 0)
		c->first_above_ns = now_ns + c->interval_ns;
	else
		*ret_may_drop = now_ns >= c->first_above_ns;
	return p;
}

static bool mark(struct codel *c, struct packet *p)
{
	if (!c->ecn || !packet_mark_ce(p->data, p->bytes))
		return false;
	p->info.ecn = ECN_CE;
	c->ce_marked++;
	return true;
}

static void schedule_drop(struct codel *c, uint64_t from_ns)
{
	c->drop_next_ns = from_ns + codel_spacing_ns(c->interval_ns, c->count);
}

/* In the dropping state, with `p` allowed to be dropped: as many as are due by now. */
static struct packet *keep_dropping(struct codel *c, struct queue *q, struct packet *p,
                                    uint64_t now_ns)
{
	while (c->dropping && now_ns >= c->drop_next_ns) {
		c->count++;
		if (mark(c, p)) {
			schedule_drop(c, c->drop_next_ns);
			return p;
		}
		c->dropped(c->owner, p, now_ns);
		p = take(c, q, now_ns, &c->dropping);
		if (c->dropping)
			schedule_drop(c, c->drop_next_ns);
	}
	return p;
}

static struct packet *begin_dropping(struct codel *c, struct queue *q, struct packet *p,
                                     uint64_t now_ns)
{
	uint64_t delta = c->count - c->last_count;
	bool may_drop;

	if (!mark(c, p)) {
		c->dropped(c->owner, p, now_ns);
		p = take(c, q, now_ns, &may_drop);
	}
	c->dropping = true;
	c->count = 1;
	if (delta > 1 && now_ns < c->drop_next_ns + REUSE_INTERVALS * c->interval_ns)
		c->count = delta;
	c->last_count = c->count;
	schedule_drop(c, now_ns);
	return p;
}

struct packet *codel_dequeue(struct codel *c, struct queue *q, uint64_t now_ns)
{
	bool may_drop;
	struct packet *p = take(c, q, now_ns, &may_drop);

	if (!may_drop) {
		c->dropping = false;
		return p;
	}
	return c->dropping ? keep_dropping(c, q, p, now_ns) : begin_dropping(c, q, p, now_ns);
}
