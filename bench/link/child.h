/* A command on one side of a link.
 *
 * Its process is made before the link is, and waits for the word to go. fork(2) shares all descriptors with
 * the child until it runs its command: the lock that says that the link lives would be held by a child that
 * waits, though the link was killed. And it shares all memory until one of the two writes to it: the
 * emulator's thread would pay for that with a page fault for each page it touches.
 */
#pragma once

#include <stdbool.h>

#include "bench/link/addresses.h"
#include "bench/link/namespaces.h"

struct err;

struct child {
	int pid; /* 0: none */
	int pid_fd;
	int go_fd;     /* written to: go; closed: end */
	int report_fd; /* what it could not do; its end when it runs */
};

#define CHILD_NULL                                                                                 \
	{                                                                                          \
		.pid_fd = -1, .go_fd = -1, .report_fd = -1                                         \
	}

struct child_options {
	const char *link_name;
	enum link_side side;
	const struct addresses *addresses; /* for its environment, and in its words */
	char **argv;
	bool own_group; /* what a terminal sends to us is not for it */
};

/* The process, waiting; the link need not be there yet. */
int child_prepare(const struct child_options *o, struct child *ret, struct err *err);

/* Lets it enter the link and run; answers when it does.
 *   -ENOENT  there is no such command;  others of execve(2) and of entering the namespace */
int child_go(struct child *c, struct err *err);

/* Kills one that has not ended, and waits for it. Accepts CHILD_NULL. */
void child_end(struct child *c);

/* Of one that has ended (its pid_fd is readable): its exit status, 128 and the signal where it was
 * killed. */
int child_status(struct child *c);
