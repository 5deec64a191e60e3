#include "measure/thin.h"

#include <string.h>

void thin_grid_start(struct thin_grid *g, uint64_t origin_ns)
{
	*g = (struct thin_grid){ .origin_ns = origin_ns };
}

uint64_t thin_grid_width_ns(const struct thin_grid *g)
{
	return THIN_WIDTH_NS << g->shift;
}

bool thin_grid_holds(const struct thin_grid *g, uint64_t at_ns)
{
	return (at_ns - g->origin_ns) / THIN_WIDTH_NS >> g->shift < THIN_BINS;
}

uint32_t thin_grid_bin(const struct thin_grid *g, uint64_t at_ns)
{
	return (uint32_t)((at_ns - g->origin_ns) / THIN_WIDTH_NS >> g->shift);
}

void thin_grid_halve(struct thin_grid *g)
{
	g->shift++;
}

/* --- gauges -------------------------------------------------------------------------------------- */

void thin_gauge_add(struct thin_gauge *t, uint32_t bin, uint32_t value)
{
	struct thin_bin *b = &t->bins[bin];

	if (b->samples == 0)
		*b = (struct thin_bin){ .min = value, .max = value };
	if (value < b->min)
		b->min = value;
	if (value > b->max)
		b->max = value;
	b->last = value;
	if (b->samples < UINT32_MAX)
		b->samples++;
}

static struct thin_bin join(const struct thin_bin *a, const struct thin_bin *b)
{
	if (a->samples == 0)
		return *b;
	if (b->samples == 0)
		return *a;
	return (struct thin_bin){
		.samples =
			b->samples < UINT32_MAX - a->samples ? a->samples + b->samples : UINT32_MAX,
		.min = a->min < b->min ? a->min : b->min,
		.max = a->max > b->max ? a->max : b->max,
		.last = b->last,
	};
}

void thin_gauge_halve(struct thin_gauge *t)
{
	for (uint32_t i = 0; i < THIN_BINS / 2; i++)
		t->bins[i] = join(&t->bins[2 * i], &t->bins[2 * i + 1]);
	memset(t->bins + THIN_BINS / 2, 0, sizeof(t->bins) / 2);
}

/* --- amounts ---------------------------------------------------------------------------------------- */

void thin_sum_add(struct thin_sum *t, const struct thin_grid *g, uint64_t from_ns, uint64_t to_ns,
                  double amount)
{
	uint32_t bin = thin_grid_bin(g, from_ns), last = thin_grid_bin(g, to_ns);
	double per_ns = to_ns > from_ns ? amount / (double)(to_ns - from_ns) : 0;
	uint64_t edge_ns = g->origin_ns + bin * thin_grid_width_ns(g), at_ns = from_ns;

	if (amount == 0)
		return; /* which saves going through what may be a long time */
	for (; bin < last; bin++) {
		edge_ns += thin_grid_width_ns(g);
		t->bins[bin] += per_ns * (double)(edge_ns - at_ns);
		at_ns = edge_ns;
	}
	t->bins[last] += at_ns == from_ns ? amount : per_ns * (double)(to_ns - at_ns);
}

void thin_sum_halve(struct thin_sum *t)
{
	for (uint32_t i = 0; i < THIN_BINS / 2; i++)
		t->bins[i] = t->bins[2 * i] + t->bins[2 * i + 1];
	memset(t->bins + THIN_BINS / 2, 0, sizeof(t->bins) / 2);
}
