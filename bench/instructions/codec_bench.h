/* Fixed amounts of the work that is done for every message of a test, for bench/instructions/run to
 * count. What belongs to the work stands in work(), what only leads to it in prepare(). */
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct codec_case {
	const char *name;
	const char *per; /* what is counted */
	size_t count;    /* how many of those a run does */
	void (*prepare)(void);
	void (*work)(size_t count);
};

extern const struct codec_case ws_cases[], json_cases[], ndt7_cases[], tls_cases[],
	trace_cases[]; /* to .name NULL */

/* A figure of work that went wrong is worse than none. */
#define CODEC_CHECK(condition)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)
