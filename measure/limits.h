/* What a transfer's rate was limited by, as shares of its time.
 *
 * The kernel of the side that sends keeps three clocks (tcp_chrono, v4.10, "tcp: instrument tcp sender
 * limits chronographs"): time with data outstanding, and of it the time that the peer's window or its own
 * send buffer held it back. What is left of the busy time the network decided, unless the sender had
 * nothing more to send; time with nothing outstanding is the sending program's. Where this process was on a
 * CPU, or waited for one, nine tenths of a stretch, that stretch is the CPU's whatever the kernel says: a slow
 * reader looks like a small window, a slow writer like an idle one.
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

/* One look at the counters, all of them since some start of their own. */
struct limits_look {
	uint64_t at_us; /* the clock of the side that sends */
	uint64_t busy_us, rwnd_limited_us, sndbuf_limited_us;
	uint64_t cpu_us; /* this process: on a CPU or waiting for one */
	bool app_limited;
};

struct limits {
	bool begun;
	struct limits_look last;
	uint64_t us[LIMITS];
};

void limits_start(struct limits *l);

/* In the order of time; one whose counters run backwards is not taken. */
void limits_add(struct limits *l, const struct limits_look *look);

/* Shares in percent, 100 in all. false: nothing is known. */
bool limits_percent(const struct limits *l, double ret[LIMITS]);

/* The largest share; the first of equal ones. Only after limits_percent() said true. */
enum limit limits_most(const struct limits *l);
