/* Plays on a loop, each as a row for either body: it gets an open loop, and leaves nothing behind.
 *
 *   static const struct play_case play_cases[] = {
 *           ON_BOTH("a reset is heard", reset_is_heard),
 *   };
 *   int failed = CASES_RUN(plays, play_cases);
 */
#pragma once

#include "tests/cases.h"
#include "tests/process.h"
#include "transport/loop/loop.h"

struct play_case {
	const char *name;
	enum loop_body body;
	void (*play)(struct loop *l);
};

#define ON_BOTH(text, play)                                                                        \
	{ "io_uring: " text, LOOP_BODY_IO_URING, play },                                           \
	{                                                                                          \
		"epoll: " text, LOOP_BODY_EPOLL, play                                              \
	}

static inline void plays(void **state)
{
	const struct play_case *c = *state;
	int before = process_descriptors(NULL);
	struct loop *l = process_loop(c->body);

	c->play(l);
	assert_null(loop_close(l));
	assert_int_equal(process_descriptors(NULL), before);
}
