/* A file that is written whole or not at all. Only a file that may be written and not be replaced (mounted
 * by itself, somebody else's in a sticky directory) is written over.
 *
 *   whole_file_open(path, &file, &err);        before the work: what cannot be written fails now
 *   whole_file_write(file, data, n, &err);     as often as there is something
 *   whole_file_commit(file, &err);             now it is there, under its name and on the disk
 *   whole_file_close(file);                    without a commit nothing is left behind
 */
#pragma once

#include <stddef.h>

struct err;
struct whole_file;

/* A path that is a device or a pipe is written to, not replaced; a link is followed.
 *   -EACCES, -EROFS, -ENOSPC, -ENOENT, -EISDIR, … as the file system says */
int whole_file_open(const char *path, struct whole_file **ret, struct err *err);

/* Likewise, for the owner alone (mode 0600, whatever the mode was); what root writes belongs to
 * whom it belonged, a new file to the owner of its directory. Its temporary name is PATH.new, and what is
 * left there of a writer that was killed is removed: the caller sees to it that there is one writer at a time. */
int whole_file_open_private(const char *path, struct whole_file **ret, struct err *err);

int whole_file_write(struct whole_file *f, const void *data, size_t bytes, struct err *err);

/* For what takes such a call: `self` is the file, or NULL for standard output. */
int whole_file_or_stdout_write(void *self, const void *data, size_t bytes, struct err *err);

int whole_file_commit(struct whole_file *f, struct err *err);

/* Of what is there, links followed. */
const char *whole_file_path(const struct whole_file *f);

/* In which files are made and renamed until it is there; NULL: in none. */
const char *whole_file_directory(const struct whole_file *f);

/* Accepts NULL; always returns NULL. */
struct whole_file *whole_file_close(struct whole_file *f);
