#include "bench/link/coverage.h"

#include <stdlib.h>
#include <string.h>

#include "bench/link/truth.h"

#define RANGES_MAX (TRUTH_HOLES_MAX + 1)

static inline struct coverage_range *ranges_of(struct coverage *c)
{
	return c->capacity > COVERAGE_RANGES_INLINE ? c->many : c->few;
}

void coverage_begin(struct coverage *c, uint32_t seq, bool known)
{
	/* One turn above 0, so that positions below the first are positive too. */
	uint64_t at = (1ULL << 32) + seq;

	*c = (struct coverage){
		.floor = known ? at : 0,
		.count = 1,
		.capacity = COVERAGE_RANGES_INLINE,
		.few = { { at, at } },
		.exact = true,
	};
}

uint64_t coverage_position(const struct coverage *c, uint32_t seq)
{
	uint64_t highest = ranges_of((struct coverage *)c)[c->count - 1].to;

	return highest + (uint64_t)(int64_t)(int32_t)(seq - (uint32_t)highest);
}

/* --- memory ------------------------------------------------------------------------------------- */

static void shrink(struct coverage *c, struct coverage_memory *memory)
{
	struct coverage_range *many = c->many;

	memcpy(c->few, many, c->count * sizeof(*many));
	memory->ranges -= c->capacity;
	c->capacity = COVERAGE_RANGES_INLINE;
	c->many = NULL;
	free(many);
}

/* Room for twice as many; false: a ceiling, or no memory. */
static bool grow(struct coverage *c, struct coverage_memory *memory)
{
	uint32_t held = c->many ? c->capacity : 0;
	uint32_t capacity = held ? 2 * held : 4 * COVERAGE_RANGES_INLINE;
	struct coverage_range *many;

	if (capacity > RANGES_MAX)
		capacity = RANGES_MAX;
	if (capacity <= held || memory->ranges - held > COVERAGE_RANGES_TOTAL_MAX - capacity)
		return false;
	many = realloc(c->many, capacity * sizeof(*many));
	if (!many)
		return false;
	if (!c->many)
		memcpy(many, c->few, c->count * sizeof(*many));
	c->many = many;
	c->capacity = capacity;
	memory->ranges += capacity - held;
	return true;
}

/* --- adding ------------------------------------------------------------------------------------- */

/* The first range that ends at or behind `from`. */
static uint32_t first_touching(const struct coverage_range *r, uint32_t count, uint64_t from)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (r[middle].to < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void remove_ranges(struct coverage *c, uint32_t at, uint32_t n)
{
	struct coverage_range *r = ranges_of(c);

	memmove(r + at, r + at + n, (c->count - at - n) * sizeof(*r));
	c->count -= n;
}

static void forget_lowest_hole(struct coverage *c)
{
	struct coverage_range *r = ranges_of(c);

	r[0].to = r[1].to;
	remove_ranges(c, 1, 1);
	c->exact = false;
}

static void insert_range(struct coverage *c, uint32_t at, uint64_t from, uint64_t to)
{
	struct coverage_range *r = ranges_of(c);

	memmove(r + at + 1, r + at, (c->count - at) * sizeof(*r));
	r[at] = (struct coverage_range){ from, to };
	c->count++;
}

/* Ranges at … last - 1 touch [from, to) and become one with it; answers what they had of it. */
static uint64_t merge_ranges(struct coverage *c, uint32_t at, uint32_t last, uint64_t from,
                             uint64_t to)
{
	struct coverage_range *r = ranges_of(c);
	uint64_t had = 0;

	for (uint32_t i = at; i < last; i++)
		had += (r[i].to < to ? r[i].to : to) - (r[i].from > from ? r[i].from : from);
	if (from < r[at].from)
		r[at].from = from;
	r[at].to = r[last - 1].to > to ? r[last - 1].to : to;
	remove_ranges(c, at + 1, last - at - 1);
	return had;
}

static uint32_t add_anywhere(struct coverage *c, struct coverage_memory *memory, uint64_t from,
                             uint64_t to)
{
	for (;;) {
		const struct coverage_range *r = ranges_of(c);
		uint32_t at = first_touching(r, c->count, from), last = at;
		uint64_t had;

		while (last < c->count && r[last].from <= to)
			last++;
		if (last > at) {
			had = merge_ranges(c, at, last, from, to);
			if (c->many && c->count <= COVERAGE_RANGES_INLINE)
				shrink(c, memory);
			return (uint32_t)(to - from - had);
		}
		if (c->count < c->capacity || grow(c, memory)) {
			insert_range(c, at, from, to);
			return (uint32_t)(to - from);
		}
		forget_lowest_hole(c); /* which may touch [from, to): look again */
	}
}

uint32_t coverage_add(struct coverage *c, struct coverage_memory *memory, uint64_t from,
                      uint32_t bytes)
{
	struct coverage_range *highest = &ranges_of(c)[c->count - 1];
	uint64_t to = from + bytes;

	if (from < c->floor)
		from = c->floor;
	if (from >= to)
		return 0;
	if (from == highest->to) {
		highest->to = to;
		return (uint32_t)(to - from);
	}
	return add_anywhere(c, memory, from, to);
}

void coverage_end(struct coverage *c, struct coverage_memory *memory)
{
	if (c->many)
		memory->ranges -= c->capacity;
	free(c->many);
	*c = (struct coverage){};
}
