/* A file of the truth, as it grows: without a name, or under a temporary one of its folder, until it is
 * whole.
 *
 * What is no regular file (a pipe, /dev/stdout) has no other name, and is written as it comes.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct err;

struct truth_file {
	FILE *to; /* write here, then ask truth_file_check() */
	char *path;
	char *temporary; /* NULL: written as it comes */
	bool nameless;   /* it has not even that name yet */
	int error;       /* the first of to's, negative errno */
};

/*   -ENOENT, -EACCES, -EISDIR, -ENOSPC, …  as open(2) says;  -ENXIO  a pipe that nobody reads */
int truth_file_open(struct truth_file *f, const char *path, struct err *err);

/* Whether all writes so far were taken, at least by the buffer. The first error stays. */
int truth_file_check(struct truth_file *f, struct err *err);

/* Hands the buffer to the kernel. */
int truth_file_flush(struct truth_file *f, struct err *err);

/* Contents are on the disk when this answers 0; the name is not there yet. */
int truth_file_sync(struct truth_file *f, struct err *err);

/* Gives it its name, that of an older file too. */
int truth_file_publish(struct truth_file *f, struct err *err);

/* Removes what was not published. Accepts what was never opened, if all zero. */
void truth_file_close(struct truth_file *f);
