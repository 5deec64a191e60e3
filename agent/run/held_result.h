/* Results that have no place in the store yet, each in memory of its own, the oldest first.
 *
 *   struct held_results held = {};
 *   held_results_add(&held, &result, upload, lost);       once it could not be stored
 *   while (held.count > 0 && held_results_put_oldest(&held, store, &err) >= 0)
 *           ;                                             and again, later
 *   held_results_end(&held);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/schedule/schedule.h"
#include "agent/store/store.h"

struct err;
struct held_result;

/* What one request can be answered with: each of two runners on each interface that it may name. */
#define HELD_RESULTS_MAX ((size_t)(2 * SCHEDULE_INTERFACES_MAX))

/* Of their texts. The largest that there can be is 9 MiB and fits; those that are usual are 20 to 200 KiB, so that the count
 * is what bounds them. */
#define HELD_BYTES_MAX ((size_t)(16 * 1024 * 1024))

struct held_results {
	struct held_result *oldest, *newest;
	size_t count, bytes;
};

/* A copy with all that it points to, behind the others; beyond the bounds above the oldest are dropped, each told to
 * lost() before. False: there is no memory, and nothing was changed. */
bool held_results_add(struct held_results *h, const struct store_result *result, bool upload,
                      void (*lost)(const char *id));

const char *held_results_oldest_id(const struct held_results *h);

/* Into the store: as store_put(). From 0 on it is not held any more, also where the store had it already. */
int held_results_put_oldest(struct held_results *h, struct store *s, struct err *err);

void held_results_drop_oldest(struct held_results *h);

void held_results_end(struct held_results *h);
