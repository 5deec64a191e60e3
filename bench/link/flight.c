#include "bench/link/flight.h"

#include <stdlib.h>

#include "bench/link/packet.h"
#include "transport/base/clock.h"

#define CAPACITY_MIN 1024

static bool is_before(const struct flight_entry *a, const struct flight_entry *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->rank < b->rank;
}

static bool grow(struct flight *f)
{
	size_t capacity = f->capacity ? 2 * f->capacity : CAPACITY_MIN;
	struct flight_entry *entries = realloc(f->entries, capacity * sizeof(*entries));

	if (!entries)
		return false;
	f->entries = entries;
	f->capacity = capacity;
	return true;
}

bool flight_push(struct flight *f, struct packet *p)
{
	struct flight_entry e = { p->due_ns, 2 * p->order + p->duplicate, p };
	size_t i = f->count;

	if (f->count == f->capacity && !grow(f))
		return false;
	f->count++;
	for (; i > 0 && is_before(&e, &f->entries[(i - 1) / 2]); i = (i - 1) / 2)
		f->entries[i] = f->entries[(i - 1) / 2];
	f->entries[i] = e;
	return true;
}

/* From the root down, into the gap there: the earlier child moves up until `e` is before both. */
static void sift_down(struct flight *f, struct flight_entry e)
{
	size_t i = 0;

	for (size_t child = 1; child < f->count; child = 2 * i + 1) {
		if (child + 1 < f->count && is_before(&f->entries[child + 1], &f->entries[child]))
			child++;
		if (is_before(&e, &f->entries[child]))
			break;
		f->entries[i] = f->entries[child];
		i = child;
	}
	f->entries[i] = e;
}

struct packet *flight_pop(struct flight *f)
{
	struct packet *p;

	if (f->count == 0)
		return NULL;
	p = f->entries[0].packet;
	f->count--;
	if (f->count > 0)
		sift_down(f, f->entries[f->count]);
	return p;
}

uint64_t flight_next_ns(const struct flight *f)
{
	return f->count > 0 ? f->entries[0].due_ns : CLOCK_NEVER_NS;
}

void flight_clear(struct flight *f)
{
	for (size_t i = 0; i < f->count; i++)
		packet_free(f->entries[i].packet);
	free(f->entries);
	*f = (struct flight){};
}
