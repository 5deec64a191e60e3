/* A shared library that is loaded when it is first needed, into a table of its functions: who does not need it does
 * not pay for it (docs/decisions/0002). The types of the table are those of the library's own header.
 *
 *   struct libx {
 *           __typeof__(x_open) *open;
 *           __typeof__(x_close) *close;
 *   };
 *   static const struct late_symbol symbols[] = { { "x_open", offsetof(struct libx, open) }, … };
 *   late_library_load(soname, "libx1", symbols, n, &table, &err);
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

struct err;

struct late_symbol {
	const char *name; /* in the library */
	size_t at;        /* of its pointer in the table */
};

/* Loads `soname`, for good, and fills in `table`; on failure the table may be filled in part. `package` is Debian's.
 *   -ENOPKG  not installed, or one that lacks a function */
int late_library_load(const char *soname, const char *package, const struct late_symbol *symbols,
                      size_t n, void *table, struct err *err);

/* Has `load` run once in the process, and answers each time what came of that: it leaves its failure in `why_not`. */
int late_library_once(pthread_once_t *once, void (*load)(void), const struct err *why_not,
                      struct err *err);

/* Who wants to know that more code is mapped than before (a crash's record lists it); one for the process. */
void late_library_watch(void (*loaded)(void));
void late_library_tell(void); /* by whoever calls dlopen(3) without the above */
