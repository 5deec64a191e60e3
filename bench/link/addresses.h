/* What a command in a link learns of it: LINK_NAME, LINK_SERVER, LINK_CLIENT, and LINK_SERVER6 and
 * LINK_CLIENT6 where the link has v6. LINK_SERVER and LINK_CLIENT are v4 unless the link is v6 only. */
#pragma once

#include <stdbool.h>

#include "bench/link/scenario.h"

#define ADDRESSES_MAX 5

struct addresses {
	struct {
		const char *name, *value;
	} of[ADDRESSES_MAX];
	int count;
};

/* `link_name` stays the caller's and must stay. */
struct addresses addresses_of(const char *link_name, enum scenario_family family);

/* Into the environment of this process. */
void addresses_export(const struct addresses *a);

/* A copy of `word` in which $NAME and ${NAME} stand replaced by what those names are; what has another
 * name stays as it is. The caller's to free; NULL: no memory. */
char *addresses_expand(const struct addresses *a, const char *word);

/* Whether any word of a command has one of the names or addresses in it. */
bool addresses_are_named(const struct addresses *a, char *const *argv);

/* Expands every word of a command in place; those replaced are never freed.   -ENOMEM */
int addresses_expand_all(const struct addresses *a, char **argv);
