/* A program run as a child that may do what it likes: it hangs, crashes, writes without end or any bytes at all, and
 * leaves children of its own behind, and we go on. On the loop.
 *
 *   bounded_child_start(loop, &options, done, owner, &child, &err);     done() is called once, from the loop
 *   bounded_child_end(child);                                           ask it to end now; done() follows
 *   bounded_child_kill(child);                                          before done(): nothing is heard any more
 *
 * It gets a group of processes of its own, its standard input is empty, its standard output is `out`, its
 * descriptor 3 is `more`, and 4 what it may leave a record in; of all else that we have open it gets nothing. It dies
 * when we do.
 *
 * SIGTERM after `deadline_ns`, to the whole group; SIGKILL when a stream is beyond its ceiling, `grace_ns` after the
 * SIGTERM, and, for what is left of the group, when the program itself has ended.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bounded_child;
struct err;
struct loop;

#define BOUNDED_CHILD_MORE_FD         3
#define BOUNDED_CHILD_RECORD_FD       4
#define BOUNDED_CHILD_COMPLAINT_BYTES 256

/* Past a SIGKILL: a process that the kernel does not let go, as of a dead file server, is left alone then. */
#define BOUNDED_CHILD_STUCK_NS 10000000000ULL

struct bounded_child_options {
	const char *program; /* its path */
	char *const *argv, *const *environment;
	uint64_t deadline_ns, grace_ns;
	size_t out_bytes_max, more_bytes_max; /* more is the end of it; 0 of `more`: it gets none */
	int record_fd;                        /* stays the caller's; 0 or below: it gets none */
};

/* How it ended; valid during done() only. */
struct bounded_child_end {
	int code;               /* its exit code; -1: none */
	int signal;             /* that ended it; 0: none */
	bool late;              /* the deadline had come */
	bool too_much;          /* a stream was beyond its ceiling: it is cut there */
	bool stopped;           /* bounded_child_end() */
	const char *out, *more; /* any bytes; not terminated; "" where there are none */
	size_t out_bytes, more_bytes;
	char complaint
		[BOUNDED_CHILD_COMPLAINT_BYTES]; /* its last line on standard error, printable */
};

typedef void (*bounded_child_done)(void *owner, const struct bounded_child_end *end);

/* Where there is a spawner (agent/base/spawner.h), that starts it, in an environment of its own knowledge.
 *   -EAGAIN, -ENOMEM, -EMFILE  no process, no memory, no descriptors;  -EPERM, -ECHILD  of the spawner
 * That there is no such program, or it cannot be executed, is told by done(), with code 127 or 126. */
int bounded_child_start(struct loop *loop, const struct bounded_child_options *options,
                        bounded_child_done done, void *owner, struct bounded_child **ret,
                        struct err *err);

void bounded_child_end(struct bounded_child *c);

/* Accepts NULL; always returns NULL. */
struct bounded_child *bounded_child_kill(struct bounded_child *c);

int bounded_child_pid(const struct bounded_child *c);
