/* What a transfer's rate was limited by, as shares of its time, in all and along it.
 *
 * The kernel of the side that sends keeps three clocks (tcp_chrono, v4.10, "tcp: instrument tcp sender
 * limits chronographs"): time with data outstanding, and of it the time that the peer's window or its own
 * send buffer held it back. What is left of the busy time the network decided, unless the sender had
 * nothing more to send; time with nothing outstanding is the sending program's. Where this process was on a
 * CPU, or waited for one, nine tenths of a stretch, that stretch is the CPU's whatever the kernel says: a slow
 * reader looks like a small window, a slow writer like an idle one. Of a stretch by another machine's clock, whose
 * looks came to us nearer together or farther apart than they were made, it must be nine tenths by both.
 *
 * The kernel's clocks tick in jiffies (1 to 10 ms), so that a stretch between two looks may seem busier
 * than it was long: what is shared out is the sum of many stretches.
 *
 * Constant memory; pure. docs/measurement.md tells the method to the reader of a result.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum limit {
	LIMIT_NETWORK,     /* congestion window, pacing: the path */
	LIMIT_RECEIVER,    /* its window */
	LIMIT_SENDER,      /* its send buffer */
	LIMIT_APPLICATION, /* of the sender: it had nothing to send */
	LIMIT_CPU,         /* of this machine */
	LIMITS,
};

const char *limit_name(enum limit l); /* "network", "receiver", … */

/* Of a stretch's time, from which share on it is the CPU's. */
#define LIMITS_CPU_SHARE 0.9

#define LIMITS_BIN_US   500000ULL
#define LIMITS_BINS_MAX 32 /* 16 s; what comes later is in the whole only */

/* One look at the counters, all of them since some start of their own. */
struct limits_look {
	uint64_t at_us; /* the clock of the side that sends */
	uint64_t busy_us, rwnd_limited_us, sndbuf_limited_us;
	uint64_t app_limited_us; /* time in which the kernel said so */
	uint64_t cpu_us;         /* this process: on a CPU or waiting for one */
	uint64_t ours_us;        /* our clock as cpu_us was read; 0: at_us is of it */
};

/* Sums over stretches: of those that are the CPU's their time, of the others what the clocks said. */
struct limits_sums {
	uint64_t cpu_us;
	uint64_t all_us, busy_us, rwnd_limited_us, sndbuf_limited_us, app_limited_us;
};

struct limits {
	bool begun, anchored;
	uint64_t first_us; /* where the first bin begins */
	struct limits_look last;
	struct limits_sums whole;
	uint32_t bins; /* of LIMITS_BIN_US; a stretch has its part in each that it touches */
	struct limits_sums along[LIMITS_BINS_MAX];
};

void limits_start(struct limits *l);

/* Before the first look: the bins begin there, else with that look. */
void limits_anchor(struct limits *l, uint64_t at_us);

/* In the order of time; one whose counters run backwards is not taken. */
void limits_add(struct limits *l, const struct limits_look *look);

/* Shares in percent, 100 in all. false: nothing is known. */
bool limits_percent(const struct limits *l, double ret[LIMITS]);

/* Likewise of one bin. */
bool limits_percent_along(const struct limits *l, uint32_t bin, double ret[LIMITS]);

/* The largest share; the first of equal ones. Only after limits_percent() said true. */
enum limit limits_most(const struct limits *l);
