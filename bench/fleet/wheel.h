/* What happens when, in virtual milliseconds: a wheel with a slot for each. What lies farther ahead than the wheel is
 * round goes round again. Events of one millisecond come in any order.
 *
 *   wheel_push(w, now_ms + 20, &event);
 *   while (wheel_pop(w, &event))  …  w->now_ms
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_NEVER_MS UINT64_MAX

struct wheel_event {
	uint64_t at_ms; /* the wheel's own */
	uint32_t pod;
	uint16_t kind;
	uint16_t life; /* of what it belongs to: it may be over by then */
};

struct wheel;

struct wheel *wheel_new(void); /* ends the program where there is no memory */
uint64_t wheel_now_ms(const struct wheel *w);

/* Not before the next millisecond. */
void wheel_push(struct wheel *w, uint64_t at_ms, struct wheel_event event);

/* The next one before `end_ms`; false: there is none, and it is `end_ms`. */
bool wheel_pop(struct wheel *w, uint64_t end_ms, struct wheel_event *ret);
