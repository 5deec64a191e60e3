/* Where a result goes: standard output, or a file that is written whole or not at all. Only a file
 * that may be written and not be replaced (mounted by itself, somebody else's in a sticky directory)
 * is written over.
 *
 *   output_file_open(path, whole, &out, &err);     before the test: what cannot be written fails now
 *   fprintf(out->to, …);
 *   output_file_commit(out, &err);                 now it is there
 *   output_file_close(out);                        without a commit nothing is left behind
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct err;
struct whole_file;

struct output_file {
	FILE *to; /* write here; errors collect in ferror() */
	/* the rest is output_file.c's */
	struct whole_file *file; /* NULL: standard output */
	char *text; /* what was written so far, where it is held back; of open_memstream(3) */
	size_t text_bytes;
};

/* `path` is NULL for standard output; `whole`: there too, all at once or nothing. A path that is a
 * device or a pipe is written to, not replaced; a link is followed.
 *   -EACCES, -EROFS, -ENOSPC, -ENOENT, -EISDIR, … as the file system says;
 *   -EBADF  standard output is closed */
int output_file_open(const char *path, bool whole, struct output_file **ret, struct err *err);

/* Contents and name are on the disk when this answers 0; what could not be written is on standard
 * output, and *err says so. Where nothing was written to `to`, a file stays as it is. What became of
 * standard output is asked, and said, at the program's end. */
int output_file_commit(struct output_file *f, struct err *err);

/* As whole_file_directory(); NULL for standard output, and of NULL. */
const char *output_file_directory(const struct output_file *f);

/* Accepts NULL; always returns NULL. */
struct output_file *output_file_close(struct output_file *f);
