/* Locks that the kernel lets go of when their holder ends, however it ends: flock(2). */
#pragma once

/* Opens the file, with these flags of open(2) besides, and locks it; the lock is the descriptor's.
 * -EWOULDBLOCK, where `operation` has LOCK_NB and somebody holds it; errors of open(2). */
int lock_file(const char *path, int flags, int operation, int *ret_fd);
