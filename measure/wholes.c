#include "measure/wholes.h"

#include <stdlib.h>

#define ROOM_FIRST 8

void wholes_free(struct wholes *w)
{
	free(w->at);
	free(w->index);
	*w = (struct wholes){};
}

static uint32_t mask_of(const struct wholes *w)
{
	return 2 * w->room - 1;
}

/* Where the index would have it first. */
static uint32_t home_of(const struct wholes *w, uint64_t cookie)
{
	return (uint32_t)(cookie * 0x9e3779b97f4a7c15ULL >> 32) & mask_of(w);
}

/* Where the index has it, or would have it. */
static uint32_t place_of(const struct wholes *w, uint64_t cookie)
{
	uint32_t i = home_of(w, cookie);

	while (w->index[i] && w->at[w->index[i] - 1].sample.cookie != cookie)
		i = (i + 1) & mask_of(w);
	return i;
}

static bool grow(struct wholes *w)
{
	uint32_t room = w->room ? 2 * w->room : ROOM_FIRST;
	struct whole *at = room <= WHOLES_MAX ? realloc(w->at, room * sizeof(*at)) : NULL;
	uint32_t *index = at ? calloc(2 * (size_t)room, sizeof(*index)) : NULL;

	if (at)
		w->at = at;
	w->last = NULL;
	if (!index)
		return false;
	free(w->index);
	w->index = index;
	w->room = room;
	for (uint32_t i = 0; i < w->used; i++)
		w->index[place_of(w, w->at[i].sample.cookie)] = i + 1;
	return true;
}

struct whole *wholes_find(struct wholes *w, uint64_t cookie)
{
	uint32_t number;

	if (w->last && w->last->sample.cookie == cookie)
		return w->last;
	number = w->room ? w->index[place_of(w, cookie)] : 0;
	if (number)
		w->last = &w->at[number - 1];
	return number ? w->last : NULL;
}

bool wholes_keep(struct wholes *w, const struct tcp_sample *sample)
{
	struct whole *found = wholes_find(w, sample->cookie);

	if (!found) {
		if (w->used == w->room && !grow(w))
			return false;
		w->index[place_of(w, sample->cookie)] = ++w->used;
		found = w->last = &w->at[w->used - 1];
	}
	*found = (struct whole){ .ns = sample->at_ns, .sample = *sample };
	return true;
}

/* What stood behind it, as its own place was taken, moves up: so no search ends too early. */
static void close_gap(struct wholes *w, uint32_t gap)
{
	uint32_t mask = mask_of(w);

	for (uint32_t i = (gap + 1) & mask; w->index[i]; i = (i + 1) & mask) {
		uint32_t home = home_of(w, w->at[w->index[i] - 1].sample.cookie);

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		w->index[gap] = w->index[i];
		gap = i;
	}
	w->index[gap] = 0;
}

/* The last one of them moves to its place. */
void wholes_drop(struct wholes *w, uint64_t cookie)
{
	uint32_t place = w->room ? place_of(w, cookie) : 0;
	uint32_t number = w->room ? w->index[place] : 0;

	if (!number)
		return;
	close_gap(w, place);
	w->last = NULL;
	if (number != w->used) {
		w->index[place_of(w, w->at[w->used - 1].sample.cookie)] = number;
		w->at[number - 1] = w->at[w->used - 1];
	}
	w->used--;
}
