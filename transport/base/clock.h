/* Time. Durations and instants are nanoseconds of CLOCK_MONOTONIC in a uint64_t called …_ns;
 * wall time appears only at the edge and is called utc_…. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

/* An instant that never comes. */
#define CLOCK_NEVER_NS UINT64_MAX

uint64_t clock_now_ns(void); /* CLOCK_MONOTONIC */
uint64_t clock_utc_ns(void); /* CLOCK_REALTIME, since 1970 */

/* CPU time of this process, user and system, of all its threads. */
uint64_t clock_cpu_ns(void);

/* What tells how long this process's first thread was ready to run and had no CPU (/proc/self/schedstat): a
 * descriptor, which is asked again and again, since opening it costs more than all else of a look. -1: the
 * kernel does not say. */
int clock_cpu_delay_open(void);

/* 0 of -1. */
uint64_t clock_cpu_delay_ns(int fd);

#define CLOCK_UTC_TEXT_BYTES sizeof("2026-01-01T00:00:00.000000000Z")

/* RFC 3339 in UTC with `decimals` (0 to 9) digits of the second; always terminated. Answers out. */
char *clock_utc_text(uint64_t utc_ns, int decimals, char out[CLOCK_UTC_TEXT_BYTES]);

/* An instant of RFC 3339, with any offset; what is finer than a second is dropped.
 *   -EINVAL  it is none, or before 1970 */
int clock_utc_read(const char *text, uint64_t *ret_utc_ns);
