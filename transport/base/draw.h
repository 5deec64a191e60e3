/* Draws from distributions: a seeded generator, exact and without the mathematics library.
 *
 * For schedules, not for secrets: those come from bytes_random().
 */
#pragma once

#include <stdint.h>

/* 64 uniform bits of splitmix64 (Steele, Lea, Flood 2014): any seed is a good one. */
uint64_t draw_u64(uint64_t *state);

/* Uniform in [0, 1), of 53 bits. */
double draw_uniform(uint64_t *state);

/* Exponential of mean 1: the gap between events without memory. von Neumann 1951, "Various techniques
 * used in connection with random digits": runs of falling uniforms, so that no logarithm is needed. */
double draw_exponential(uint64_t *state);

/* Normal of mean 0 and deviation 1, by rejection from the exponential (Devroye 1986, IV.2). */
double draw_normal(uint64_t *state);
