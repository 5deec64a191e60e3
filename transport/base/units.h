/* Numbers with units, as people write and read them.
 *
 * Rates are bits per second, 1 Mbit/s = 10^6 bit/s, MB = 10^6 and MiB = 2^20 bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define MB  1000000ULL

/* A byte count over a time, in Mbit/s. 0 for a time of 0: a rate that cannot be known is not
 * printed, so callers ask for the time first. */
static inline double units_mbps(uint64_t bytes, uint64_t elapsed_ns)
{
	return elapsed_ns ? (double)bytes * 8e3 / (double)elapsed_ns : 0;
}

/* "250ms", "10s", "6h", "30d", "0": a decimal number and one of ns us ms s m h d; the unit may be
 * left out for 0 only.
 *   -EINVAL  no such number or unit;  -ERANGE  more than 292 years (2^63 ns) */
int units_parse_duration(const char *text, uint64_t *ret_ns, struct err *err);

/* "1000", "250MB", "256MiB": a whole number and one of B kB KiB MB MiB GB GiB, or none for bytes.
 *   -EINVAL  no such number or unit;  -ERANGE  more than a uint64_t holds */
int units_parse_size(const char *text, uint64_t *ret_bytes, struct err *err);

/* "300Mbit/s", "1.5Gbit/s": a decimal number and one of bit/s kbit/s Mbit/s Gbit/s, rounded to the
 * bit per second.
 *   -EINVAL  no such number or unit;  -ERANGE  2^63 bit/s or more */
int units_parse_rate(const char *text, uint64_t *ret_bps, struct err *err);

/* A whole decimal number in [min, max], nothing before or after it.
 *   -EINVAL  not a number;  -ERANGE  outside */
int units_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct err *err);
