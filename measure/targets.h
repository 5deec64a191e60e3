/* Which of the servers that were located is tried next: the one that served the other direction, then the
 * others in the order given: never shuffled, each once in a direction. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/ndt7.h"

struct locate_answer;
struct locate_target;

struct targets {
	struct locate_answer *located; /* ours; NULL: none yet */
	uint64_t asked_ns;             /* when it was: its tokens are no older */
	size_t served_by; /* index + 1 of the target that was tried last; 0: none was */
	uint32_t tried;   /* of the direction under way, a bit for each target */
};

/* Takes the answer to a request of asked_ns; a list that was there before is freed. */
void targets_take(struct targets *t, struct locate_answer *answer, uint64_t asked_ns);

/* A token lives a minute: whether there is a list, and it is older. */
bool targets_are_stale(const struct targets *t, uint64_t now_ns);

void targets_begin_direction(struct targets *t);

/* NULL: none is left that offers this scheme. Else it counts as tried, and *ret_url is its URL. */
const struct locate_target *targets_next(struct targets *t, enum ndt7_test test, bool wss,
                                         const char **ret_url);

int targets_tried(const struct targets *t); /* how many, in this direction */

void targets_end(struct targets *t);
