/* The keys of a .link file: a table of what each is called, what it takes, and how it is read. */
#pragma once

#include <stddef.h>

#include "bench/link/scenario.h"
#include "bench/link/words.h"

enum scenario_key_id {
	KEY_MTU,
	KEY_FAMILY,
	KEY_SEED,
	KEY_RATE,
	KEY_OVERHEAD,
	KEY_DELAY,
	KEY_JITTER,
	KEY_QUEUE,
	KEY_AQM,
	KEY_LOSS,
	KEY_DUPLICATE,
	KEY_REORDER,
	KEY_POLICER,
	KEY_AGGREGATE,
	KEY_BLACK_HOLE,
	KEY_AT,
	KEY_TRACE,
	KEYS,
};

struct scenario_key {
	const char *name;
	const char *valid; /* ends the message about a value that cannot be */
	bool repeats;      /* may stand in a section several times; each adds to those before */

	/* One of the two: whether it is the link's or a direction's. Writes every field that is the key's.
	 *   -EINVAL, -ERANGE  the value cannot be, w->refused says why;  -E2BIG, -ENOMEM */
	int (*read_link)(struct words *w, struct scenario *s);
	int (*read_direction)(struct words *w, struct scenario_direction *d);
};

extern const struct scenario_key scenario_keys[KEYS];

/* The key of a name, NULL where there is none; and the one that was perhaps meant, or NULL. */
const struct scenario_key *scenario_key_find(const char *name);
const struct scenario_key *scenario_key_guess(const char *name);

/* What an empty file says. */
void scenario_set_defaults(struct scenario *s);

/* Two keys, each of which can be and which cannot be together. NULL: all is well. */
struct scenario_conflict {
	enum scenario_key_id keys[2]; /* the same twice where it is one */
	bool (*holds)(const struct scenario *s, const struct scenario_direction *d);
	const char *text;
};
const struct scenario_conflict *scenario_conflict_find(const struct scenario *s,
                                                       const struct scenario_direction *d);
