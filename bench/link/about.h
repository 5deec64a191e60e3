/* What a link says of itself to other processes: the file `about` in its folder. */
#pragma once

#include <limits.h>

#include "bench/link/scenario.h"
#include "transport/base/clock.h"

struct err;

struct about {
	int pid; /* of the process that keeps it */
	enum scenario_family family;
	char started_at[CLOCK_UTC_TEXT_BYTES];
	char scenario[PATH_MAX]; /* as it was named */
	char truth[PATH_MAX];    /* from the root; "": none */
};

/* `scenario` and `truth` (NULL: none) as they were named; the rest is known here. */
int about_write(const char *link_name, enum scenario_family family, const char *scenario,
                const char *truth, struct err *err);

int about_read(const char *link_name, struct about *ret, struct err *err);
