#include "transport/loop/loop_timers.h"

#include <errno.h>
#include <stdlib.h>

#include "transport/base/clock.h"
#include "transport/loop/loop.h"

int loop_timers_init(struct loop_timers *t)
{
	t->heap = calloc(LOOP_TIMERS_MAX + 1, sizeof(*t->heap));
	return t->heap ? 0 : -ENOMEM;
}

void loop_timers_deinit(struct loop_timers *t)
{
	for (size_t i = 1; i <= t->count; i++)
		t->heap[i]->position = 0;
	free(t->heap);
	*t = (struct loop_timers){};
}

static void put(struct loop_timers *t, size_t position, struct loop_timer *timer)
{
	t->heap[position] = timer;
	timer->position = position;
}

/* `timer` takes the free place `at`, or one above it. */
static void sift_up(struct loop_timers *t, size_t at, struct loop_timer *timer)
{
	while (at > 1 && timer->at_ns < t->heap[at / 2]->at_ns) {
		put(t, at, t->heap[at / 2]);
		at /= 2;
	}
	put(t, at, timer);
}

/* `timer` takes the free place `at`, or one below it. */
static void sift_down(struct loop_timers *t, size_t at, struct loop_timer *timer)
{
	for (;;) {
		size_t child = 2 * at;

		if (child < t->count && t->heap[child + 1]->at_ns < t->heap[child]->at_ns)
			child++;
		if (child > t->count || timer->at_ns <= t->heap[child]->at_ns)
			break;
		put(t, at, t->heap[child]);
		at = child;
	}
	put(t, at, timer);
}

void loop_timers_cancel(struct loop_timers *t, struct loop_timer *timer)
{
	size_t hole = timer->position;
	struct loop_timer *last;

	if (hole == 0)
		return;
	timer->position = 0;
	last = t->heap[t->count--];
	if (last == timer)
		return;
	if (hole > 1 && last->at_ns < t->heap[hole / 2]->at_ns)
		sift_up(t, hole, last);
	else
		sift_down(t, hole, last);
}

void loop_timers_set(struct loop_timers *t, struct loop_timer *timer, uint64_t at_ns)
{
	loop_timers_cancel(t, timer);
	if (at_ns == CLOCK_NEVER_NS)
		return;
	if (t->count == LOOP_TIMERS_MAX)
		abort(); /* a mistake of ours: no peer can make us set one */
	timer->at_ns = at_ns;
	sift_up(t, ++t->count, timer);
}

uint64_t loop_timers_first_ns(const struct loop_timers *t)
{
	return t->count ? t->heap[1]->at_ns : CLOCK_NEVER_NS;
}

struct loop_timer *loop_timers_take_due(struct loop_timers *t, uint64_t now_ns)
{
	struct loop_timer *first;

	if (loop_timers_first_ns(t) > now_ns || t->count == 0)
		return NULL;
	first = t->heap[1];
	loop_timers_cancel(t, first);
	return first;
}
