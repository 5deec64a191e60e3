/* A program of the user's, run as a child: it gets the descriptors, the environment and the signals as
 * this process got them, and the signals that this process is sent while it runs.
 *
 *   child_program_start(&child, argv, enter, self, &err);
 *   while (!child.over)
 *           …  poll(child.signals_fd)  …  child_program_tend(&child)
 *   child_program_end(&child);
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct err;

/* As env(1) and the shells have them. */
#define CHILD_PROGRAM_CANNOT_INVOKE 126
#define CHILD_PROGRAM_NOT_FOUND     127
#define CHILD_PROGRAM_SIGNALLED     128 /* and the signal's number */

struct child_program {
	pid_t pid;
	int signals_fd; /* readable: there is something to tend */
	bool over;
	int code;      /* then: its exit code, as a shell tells it */
	bool told_end; /* a signal that means an end came when it was over */
};

enum child_program_outcome {
	CHILD_PROGRAM_RUNS = 0,
	CHILD_PROGRAM_NOT_RUN, /* there is no such program, or it cannot be executed: `code` says so */
};

/* `enter` runs in the child before the program and answers 0 or a negative errno. From here to
 * child_program_end() this process heeds no signal but by child_program_tend(). */
int child_program_start(struct child_program *p, char **argv, int (*enter)(void *self), void *self,
                        struct err *err);

/* Passes on what came, and notes the program's end. */
void child_program_tend(struct child_program *p);

/* Accepts one that was not started, or ended before. */
void child_program_end(struct child_program *p);
