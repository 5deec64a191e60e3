/* The loop's timers, by instant: a binary heap of timers that live in their owners. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop_timer;

struct loop_timers {
	struct loop_timer **heap; /* [1] is the earliest; [0] is not used */
	size_t count;
};

int loop_timers_init(struct loop_timers *t); /* -ENOMEM */
void loop_timers_deinit(struct loop_timers *t);

void loop_timers_set(struct loop_timers *t, struct loop_timer *timer, uint64_t at_ns);
void loop_timers_cancel(struct loop_timers *t, struct loop_timer *timer);

/* CLOCK_NEVER_NS where none is set. */
uint64_t loop_timers_first_ns(const struct loop_timers *t);

/* Takes the earliest timer that is due; NULL where none is. */
struct loop_timer *loop_timers_take_due(struct loop_timers *t, uint64_t now_ns);
