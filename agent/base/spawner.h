/* A process that starts the daemon's children for it, so that the daemon itself need keep neither execve(2) nor what a
 * child may do and it may not (docs/decisions/0028).
 *
 *   spawner_begin(&options, &err);                 once, before anything hostile is read: forks
 *   spawner_start(&order, &pid, &err);             the child is the daemon's own: it waits for it, and its end ends it
 *   spawner_end();
 *
 * The spawner knows what it may start, hears one message of a fixed size for each, and nothing else. Where there is none
 * (a test program, another command) whoever starts a child forks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

#define SPAWNER_WORDS_MAX  40
#define SPAWNER_TEXT_BYTES (16 * 1024)
#define SPAWNER_FDS        5 /* that a child gets, from 0 on */

struct spawner_order {
	const char *program;     /* SPAWNER_OURS: this executable */
	const char *const *argv; /* until a NULL */
	const int *
		fds; /* SPAWNER_FDS of them; -1: it gets none, or, of 0 to 2 of ours, the spawner's */
};

#define SPAWNER_OURS "/proc/self/exe"

struct spawner_options {
	/* In the spawner: whether such a child may be started. */
	bool (*may)(void *owner, const char *program, char *const *argv);
	void *owner;

	/* Its environment; `has_record`: descriptor 4 is one. NULL-terminated, valid until the next call. */
	char *const *(*environment)(void *owner, char *const *argv, bool has_record);

	/* In the spawner, at its beginning: forget what it need not know. */
	void (*forget)(void *owner);
};

int spawner_begin(const struct spawner_options *options, struct err *err);
bool spawner_is_there(void);

/* A descriptor, from then on the caller's, at which POLLHUP says that the spawner is gone: nothing can be started any more.
 * -1 at a second time. */
int spawner_watch(void);
void spawner_end(void);

/*   -EPERM  the spawner may not;  -E2BIG  more words than there is room for;  -ECHILD  it is gone, or
 *           has not answered within 5 s; what it starts all the same is ended at the next call
 *   others  of clone(2) */
int spawner_start(const struct spawner_order *order, pid_t *ret, struct err *err);

/* What a child is made of the process that was forked for it, between fork and exec: a group of its own, dead when `parent`
 * is, no core, no signal ignored or blocked, and of what is open fds[] as 0, 1, … alone. Async-signal-safe. */
_Noreturn void spawner_become(const char *program, char *const *argv, char *const *environment,
                              const int fds[SPAWNER_FDS], pid_t parent);
