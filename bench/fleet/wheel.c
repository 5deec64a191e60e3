#include "bench/fleet/wheel.h"

#include <err.h>
#include <stdlib.h>

#define SLOTS     (1U << 20) /* a virtual quarter of an hour */
#define NONE      UINT32_MAX
#define GROW_FROM (1U << 20)

struct entry {
	struct wheel_event event;
	uint32_t next;
};

struct wheel {
	uint64_t now_ms;
	struct entry *entries;
	uint32_t room, unused; /* entries; the first of those that are free */
	uint32_t first[SLOTS];
};

/* All from `from` on are free, in order. */
static void link_unused(struct wheel *w, uint32_t from)
{
	for (uint32_t i = from; i < w->room; i++)
		w->entries[i].next = i + 1 < w->room ? i + 1 : NONE;
	w->unused = from;
}

static void grow(struct wheel *w, uint32_t room)
{
	uint32_t before = w->room;

	w->entries = realloc(w->entries, room * sizeof(*w->entries));
	if (!w->entries)
		err(2, "get memory for %u events", room);
	w->room = room;
	link_unused(w, before);
}

struct wheel *wheel_new(void)
{
	struct wheel *w = calloc(1, sizeof(*w));

	if (!w)
		err(2, "get memory for the wheel");
	for (uint32_t i = 0; i < SLOTS; i++)
		w->first[i] = NONE;
	grow(w, GROW_FROM);
	return w;
}

uint64_t wheel_now_ms(const struct wheel *w)
{
	return w->now_ms;
}

void wheel_push(struct wheel *w, uint64_t at_ms, struct wheel_event event)
{
	uint64_t farthest_ms = w->now_ms + SLOTS - 1;
	uint32_t *slot, place;

	if (at_ms <= w->now_ms)
		at_ms = w->now_ms + 1;
	if (w->unused == NONE)
		grow(w, 2 * w->room);
	place = w->unused;
	w->unused = w->entries[place].next;
	event.at_ms = at_ms;
	slot = &w->first[(at_ms < farthest_ms ? at_ms : farthest_ms) % SLOTS];
	w->entries[place] = (struct entry){ event, *slot };
	*slot = place;
}

bool wheel_pop(struct wheel *w, uint64_t end_ms, struct wheel_event *ret)
{
	while (w->now_ms < end_ms) {
		uint32_t *slot = &w->first[w->now_ms % SLOTS], place = *slot;

		if (place == NONE) {
			w->now_ms++;
			continue;
		}
		*ret = w->entries[place].event;
		*slot = w->entries[place].next;
		w->entries[place].next = w->unused;
		w->unused = place;
		if (ret->at_ms <= w->now_ms)
			return true;
		wheel_push(w, ret->at_ms, *ret);
	}
	return false;
}
