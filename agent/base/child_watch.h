/* Who wants to hear how children of ours end: one that crashes leaves a record of it, in a descriptor that it was
 * given. */
#pragma once

struct child_watch {
	void *owner;

	/* A place for the record of the child that is about to be started; -1: none. */
	int (*record)(void *owner);

	/* It has ended, with waitpid(2)'s status; takes the descriptor over. */
	void (*ended)(void *owner, const char *role, int wait_status, int record_fd);
};
