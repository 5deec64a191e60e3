/* The process's one busy thread: reads packets from two TUN devices, lets each pass its direction,
 * writes it to the other device when it is due.
 *
 * It waits by ppoll(2) while the next deadline is far and by looking at the clock when it is near,
 * because a sleeping thread is woken some 50 µs late; that takes most of a core while packets pass, and
 * none when nothing moves. It asks for SCHED_FIFO, a timer slack of 1 ns and locked memory, and says in the
 * truth what it got.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/link/scenario.h"
#include "bench/link/truth.h"

struct err;
struct emulator;

struct emulator_options {
	const struct scenario *scenario; /* stays the caller's and must stay */
	int client_fd, server_fd;        /* TUN devices, non-blocking; stay the caller's */
	int cpu;                         /* where it runs; negative: where the kernel likes */
	bool awake;                      /* also where nothing has moved for a while */
	bool doze;                       /* … or not even where something has */
};

int emulator_start(const struct emulator_options *o, struct emulator **ret, struct err *err);

/* For truth_take_bin(), while it runs. */
struct truth *emulator_truth(struct emulator *e);

/* Ends the thread; what is held then is `queued` and `in_flight` of the end's counts. *ret lacks
 * device_drops, receiver_drops and interrupted, which its caller knows. */
int emulator_stop(struct emulator *e, struct truth_end *ret, struct err *err);

/* Stops it where it runs. Accepts NULL; always NULL. */
struct emulator *emulator_free(struct emulator *e);
