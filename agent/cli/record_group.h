/* A control group of its own for what is recorded: below the one that this process is in, so that the
 * limits set there go on to hold.
 *
 * It does not outlive its recording. A keeper, a small process that waits for this one to end, however
 * that happens, moves what still runs in the group to the one above and removes it. Where the keeper was
 * killed as well, the next recording in the same group above does so: the name tells whose it was, by
 * process id and start, and its owner holds a lock on it.
 *
 *   record_group_open(&group, &err);
 *   pid = fork();                                in the child: record_group_join(group)
 *   …
 *   group = record_group_close(group, &left);    processes that still ran in it run above
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct record_group;

#define RECORD_GROUP_PREFIX "radar-pod-record."

/*   -ENOENT                 version 2 is not mounted here
 *   -EACCES, -EPERM, -EROFS  these privileges do not do
 *   -EAGAIN                 cgroup.max.descendants or cgroup.max.depth is reached, or a process limit */
int record_group_open(struct record_group **ret, struct err *err);

/* Its directory. */
int record_group_fd(const struct record_group *g);

/* Moves the calling process into it. Answers 0 or a negative errno; async-signal-safe. */
int record_group_join(const struct record_group *g);

/* No process is in it, nor in a group below. */
bool record_group_is_empty(const struct record_group *g);

struct record_group_left {
	size_t moved; /* processes that run above now */
	bool stays; /* the group could not be removed: somebody is in a group that was made in it */
};

/* Groups that were made in it go with it, where nobody is in them. Accepts NULL; always returns NULL. */
struct record_group *record_group_close(struct record_group *g, struct record_group_left *ret);
