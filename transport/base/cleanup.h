/* A resource is born in a variable that knows how to end it.
 *
 *   CLEANUP(fd_closep) int fd = open(...);
 *   ...
 *   *ret = TAKE(fd, -1);   the caller owns it now, the variable holds nothing
 *
 * So every path, early or late, is one return. The functions named here accept what an empty or
 * half-built variable holds.
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* The value of `var`, which is left holding `empty`. */
#define TAKE(var, empty)                                                                           \
	({                                                                                         \
		__auto_type take_value_ = (var);                                                   \
		(var) = (empty);                                                                   \
		take_value_;                                                                       \
	})

/* Defines `name`, the cleanup function of a pointer that `end` releases (and which accepts NULL). */
#define CLEANUP_DEFINE(name, type, end)                                                            \
	static inline void name(type *p)                                                           \
	{                                                                                          \
		if (*p)                                                                            \
			end(*p);                                                                   \
	}

static inline void fd_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void freep(void *p)
{
	free(*(void **)p);
}
