/* Who may do what to a store: the file `lock` in its directory, under open file description locks. Its first
 * byte is the daemon's, or of a guest that mends where there is none; its second is shared by all who write, and
 * taken alone by whoever mends. */
#pragma once

#include <stdbool.h>

struct err;

struct store_lock {
	int fd; /* -1: not open */
};

/* -ELOOP, -EACCES, -EROFS, …  as the file system says;  -EBADMSG  what stands there is no file */
int store_lock_open(const char *directory, struct store_lock *ret, struct err *err);
void store_lock_close(struct store_lock *l); /* gives all back; may be called twice */

/* The first byte.  -EWOULDBLOCK  somebody has had it for `patience_ms`: err->text has the process id */
int store_lock_own(struct store_lock *l, unsigned int patience_ms, struct err *err);
void store_lock_disown(struct store_lock *l);

/* The second byte, shared, or alone.  -EBUSY  others have had it for 5 s */
int store_lock_use(struct store_lock *l, bool alone, struct err *err);
