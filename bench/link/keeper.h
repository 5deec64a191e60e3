/* What a process does for as long as its link is up: writes the truth as it grows, hears signals, and
 * hears those who ask the link to come down. */
#pragma once

#include <stdbool.h>
#include <sys/signalfd.h>

#include "bench/link/control.h"
#include "transport/loop/loop.h"

struct err;
struct session;

struct keeper {
	/* Set by the caller. */
	struct session *session;
	void *owner;
	void (*signalled)(void *owner,
	                  const struct signalfd_siginfo *s); /* SIGINT, SIGTERM, SIGHUP */
	void (*asked)(void *owner);                          /* to come down */
	void (*unwritable)(void *owner);                     /* the truth, once */

	struct loop *loop; /* the caller may add to it */
	/* its own */
	struct control control;
	struct loop_io *signals;
	struct loop_timer drain;
	bool told_unwritable;
};

/* Signals are blocked from keeper_block_signals() on, so that none is lost before keeper_open(); one that
 * was ignored when this process was born stays ignored. */
void keeper_block_signals(void);

int keeper_open(struct keeper *k, struct err *err);

/* Accepts one that is not open. Nobody who asked is told by it: control_answer() does that. */
void keeper_close(struct keeper *k);
