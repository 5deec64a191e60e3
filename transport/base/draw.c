#include "transport/base/draw.h"

#include <stdbool.h>

uint64_t draw_u64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

double draw_uniform(uint64_t *state)
{
	return (double)(draw_u64(state) >> 11) * 0x1p-53;
}

/* A run of falling uniforms that begins with x has an odd length with probability exp(-x): then x is
 * the fraction; every refusal stands for one whole unit more, of probability 1/e. */
double draw_exponential(uint64_t *state)
{
	for (double whole = 0;; whole++) {
		double first = draw_uniform(state), last = first;
		bool odd = true;

		for (;;) {
			double next = draw_uniform(state);

			if (next >= last)
				break;
			last = next;
			odd = !odd;
		}
		if (odd)
			return whole + first;
	}
}

double draw_normal(uint64_t *state)
{
	double x;

	do
		x = draw_exponential(state);
	while (draw_exponential(state) < (x - 1) * (x - 1) / 2);
	return draw_u64(state) >> 63 ? x : -x;
}
