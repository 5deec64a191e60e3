/* A series of any length in constant memory, thinned so that no peak is lost.
 *
 * Time is cut into bins; where a sample falls behind the last one, pairs of neighbours become one and bins are
 * twice as wide. A bin of a gauge (RTT, a window, a rate) keeps the least, the greatest and the last of
 * its samples; a bin of an amount (bytes, time) what came to pass in it. Series that share a grid have their bins
 * at the same instants.
 *
 *   thin_grid_start(&grid, first_ns);
 *   while (!thin_grid_holds(&grid, at_ns))
 *           thin_gauge_halve(&gauge), thin_sum_halve(&sum), thin_grid_halve(&grid);
 *   thin_gauge_add(&gauge, thin_grid_bin(&grid, at_ns), value);
 *   thin_sum_add(&sum, &grid, last_ns, at_ns, bytes);
 *
 * Pure. All 0 is an empty gauge, and an empty sum.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Of which at least half are used by a series longer than 4 ms. */
#define THIN_BINS 4096

/* The width that the first bins have. */
#define THIN_WIDTH_NS 1000ULL

struct thin_grid {
	uint64_t origin_ns; /* where bin 0 begins */
	unsigned int shift; /* bins are THIN_WIDTH_NS << shift wide */
};

void thin_grid_start(struct thin_grid *g, uint64_t origin_ns);
uint64_t thin_grid_width_ns(const struct thin_grid *g);

/* Whether an instant, not before the origin, has a bin. */
bool thin_grid_holds(const struct thin_grid *g, uint64_t at_ns);

/* Of an instant that the grid holds. */
uint32_t thin_grid_bin(const struct thin_grid *g, uint64_t at_ns);

/* Its bins are twice as wide; what stands on it is halved by the caller. */
void thin_grid_halve(struct thin_grid *g);

struct thin_bin {
	uint32_t samples; /* 0: there is none, and nothing else is set */
	uint32_t min, max, last;
};

struct thin_gauge {
	struct thin_bin bins[THIN_BINS];
};

void thin_gauge_add(struct thin_gauge *t, uint32_t bin, uint32_t value);
void thin_gauge_halve(struct thin_gauge *t);

struct thin_sum {
	double bins[THIN_BINS];
};

/* What came to pass between two instants is spread over the bins between them by time; between equal ones it
 * falls in one bin. The grid holds both, from_ns is not the later one. */
void thin_sum_add(struct thin_sum *t, const struct thin_grid *g, uint64_t from_ns, uint64_t to_ns,
                  double amount);
void thin_sum_halve(struct thin_sum *t);
