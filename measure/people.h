/* Figures as people read them: three or four digits and a unit that fits. */
#pragma once

#include <stdint.h>

#include "measure/result.h"

#define PEOPLE_BYTES 40

/* Half of a rate's 95 % interval in percent of the rate, above which there is no talk of a steady one. */
#define PEOPLE_STEADY_PERCENT_MAX 25.0

/* That half, towards the farther end: what is shown as rate ± half has the interval in it. Unknown where one of them is,
 * or where the rate is none. */
struct figure people_half_percent(struct figure rate, struct figure low, struct figure high);

/* "187.4 Mbit/s", "2.31 Gbit/s", "312.0 kbit/s", "16.6 bit/s"; "-" where it is not known. Each answers out. */
const char *people_rate(struct figure mbps, char out[PEOPLE_BYTES]);

/* "0.004 ms", "0.03 ms", "11.8 ms", "340 ms" */
const char *people_ms(struct figure ms, char out[PEOPLE_BYTES]);

/* "10.0 s", "0.25 s", "2.00 ms" */
const char *people_seconds(struct figure seconds, char out[PEOPLE_BYTES]);

/* "26.3 MB", "1.2 GB" */
const char *people_bytes(uint64_t bytes, char out[PEOPLE_BYTES]);

/* "0 samples", "1 process", "3 processes": `one` is the word for a single one, at most 16 letters. */
const char *people_count(uint64_t count, const char *one, char out[PEOPLE_BYTES]);

/* Behind how many segments: why they may not have been looked at (struct tcp_missed). */
#define PEOPLE_MISSED                                                                              \
	"so many, of all connections of the machine, came while another one was looked at"

/* "0 %", "0.02 %", "3.5 %" */
const char *people_percent(struct figure percent, char out[PEOPLE_BYTES]);
