/* What kept the emulator's thread from being on time: each late packet has one cause.
 *
 * Three clocks tell causes apart: CLOCK_MONOTONIC, the thread's own CPU time, and how long it was ready
 * and waited for a CPU (the second figure of /proc/PID/schedstat). Where the thread was on its CPU by the
 * kernel's account and its CPU time stood still, the hypervisor had that CPU; the kernel knows that where
 * it counts steal time (CONFIG_PARAVIRT_TIME_ACCOUNTING). stall_judge() is pure.
 */
#pragma once

#include <stdint.h>

#define STALL_NS 100000 /* what is shorter makes no packet late: TRUTH_LATE_NS */

enum stall_cause {
	STALL_STOLEN,    /* the hypervisor had our CPU */
	STALL_WAITED,    /* another thread had it */
	STALL_OVERSLEPT, /* a nap's end came late, though nobody had it */
	STALL_BUSY,      /* we ran: work in the kernel, or more packets than can be dealt with */
	STALL_CAUSES,
};

struct stall_sum {
	uint64_t times, sum_ns, max_ns;
	uint64_t late_packets; /* by more than TRUTH_LATE_NS, both directions */
};

struct stall_clocks {
	uint64_t at_ns;
	uint64_t ran_ns;    /* on a CPU, of which nobody had robbed us */
	uint64_t waited_ns; /* ready, without a CPU */
};

/* Why `stall_ns` went by between the two; `slept_ns`: of which so much by our own will. */
enum stall_cause stall_judge(const struct stall_clocks *before, const struct stall_clocks *after,
                             uint64_t stall_ns, uint64_t slept_ns);

/* Of the thread that calls these. */
struct stall {
	struct stall_sum of[STALL_CAUSES];
	struct stall_clocks seen; /* when we last looked at all three */
	uint64_t there_ns;        /* when the thread was last there */
	uint64_t from_ns, to_ns;  /* the last stall */
	enum stall_cause cause;
	int waited_fd;
};

void stall_begin(struct stall *s, uint64_t now_ns);
void stall_end(struct stall *s);

/* The thread is back; since it was last there a stall went by. stall_there() asks whether one did. */
void stall_look(struct stall *s, uint64_t now_ns);

/* To be called in each turn. */
static inline void stall_there(struct stall *s, uint64_t now_ns)
{
	if (__builtin_expect(now_ns - s->there_ns > STALL_NS, 0))
		stall_look(s, now_ns);
	s->there_ns = now_ns;
}

/* The thread is back from a sleep of `asked_ns`, which began when it was last there. */
void stall_woken(struct stall *s, uint64_t now_ns, uint64_t asked_ns);

/* A packet that was due then is written now, late by more than TRUTH_LATE_NS. */
void stall_late_packet(struct stall *s, uint64_t due_ns, uint64_t now_ns);
