/* The line as a clock: when may the next packets begin, and when has their last bit left?
 *
 *   at = line_ready_ns(l, now)         now, or when what is before them has left, or an outage ends
 *   left = line_send(l, at, bytes)
 *
 * It has a rate that a schedule may change at any instant, in the middle of a packet too; or a
 * trace of instants each of which lets some bytes pass (a packet leaves with the last it needs;
 * what of an instant is not used at that instant is lost). A rate of 0 is an outage, for a trace
 * as well.
 *
 * Work is counted in bits × 10^9, of which a rate of R bit/s does R in a nanosecond. What the last
 * nanosecond of one packet could have done more is done for the next if that follows at once, so a
 * rate is kept exactly however long.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bench/link/scenario.h"

struct err;

/* More in one line_send() count as this. */
#define LINE_SEND_MAX_BYTES (2ULL * 1000 * 1000 * 1000)

/* A time of one rate, until the next begins. */
struct line_stretch {
	uint64_t from_ns;
	uint64_t rate_bps;   /* 0: outage; UINT64_MAX: no limit */
	uint64_t buffer_bps; /* what a queue given as a time is reckoned by */
};

struct line {
	const struct scenario_direction *s;
	struct line_stretch *stretches; /* in order of time; the first holds before its time too */
	size_t count;
	uint64_t free_ns; /* what was sent has left, and the gap after it is over */
	uint64_t surplus; /* of the nanosecond before free_ns: work that nobody has used */

	/* The opportunity of a trace that is next to be used. */
	uint64_t start_ns;
	uint64_t round; /* how often the trace was gone through before it */
	size_t index;
	uint64_t left_bytes;
};

/* `s` must stay. start_ns is the instant the schedule and the trace count from.
 *   -ENOMEM;  -EINVAL  a trace that ends at 0 or lets no bytes pass */
int line_open(struct line *l, const struct scenario_direction *s, uint64_t start_ns,
              struct err *err);
void line_close(struct line *l); /* accepts one that is all zero */

/* The first instant from at_ns on at which packets may begin; CLOCK_NEVER_NS. at_ns does not go
 * back. */
uint64_t line_ready_ns(struct line *l, uint64_t at_ns);

/* Sends `bytes` (overhead included) from begin_ns on, which line_ready_ns() has answered: when they
 * have left, CLOCK_NEVER_NS where an outage never ends. */
uint64_t line_send(struct line *l, uint64_t begin_ns, uint64_t bytes);

/* The rate that turns a queue's limit in time into one in bytes: the present rate; in an outage
 * the one before it; of a trace its mean. */
uint64_t line_buffer_bps(const struct line *l, uint64_t at_ns);

/* Bits that a rate lets pass in a time, rounded down; at most UINT64_MAX. */
uint64_t line_bits(uint64_t rate_bps, uint64_t duration_ns);

/* As direction_capacity_bytes(). */
uint64_t line_capacity_bytes(const struct line *l, uint64_t from_ns, uint64_t to_ns);
