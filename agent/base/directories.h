/* Directories that a file of ours needs. */
#pragma once

#include <sys/types.h>

/* Makes every directory that is missing above `path` (0755), and `path` itself with `mode`, or, where mode is 0,
 * only those above it. 0 or a negative errno. */
int directories_make(const char *path, mode_t mode);

/* fsync(2) of a directory, so that the names in it are on the disk. */
int directory_sync(const char *path);
