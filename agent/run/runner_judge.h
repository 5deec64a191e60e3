/* What a test's process has left, as a result for the store. It reads the network, so that what it says is any bytes
 * until it has been looked at. How it ended is told. Of a test of our own it proves nothing: what is whole counts, as each
 * part is written whole or not at all. Of Ookla's program a result counts with exit code 0 alone. Pure, but for an id of our
 * own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/config/config.h"
#include "agent/run/runner_failure.h"
#include "agent/store/store.h"

struct bounded_child_end;

#define RUNNER_WARNING_BYTES 200
#define RUNNER_WHY_BYTES     600 /* a complaint, a reason, and words of ours */

struct runner_verdict {
	bool measured;          /* there is a result */
	bool upload;            /* and the service can take it */
	uint64_t hold_local_ns; /* a test of our own is not wanted before; 0: at any time */
	enum runner_failure failure;
	int error;                  /* of it, a negative errno; 0: not known */
	char why[RUNNER_WHY_BYTES]; /* why not, a sentence; "" */
	/* Points into the process's output, and to `memory`. Its bytes_used are used where nothing is measured, too. */
	struct store_result result;
	void *memory;
};

/* `about` has what we know by ourselves: cause, interface, radio, and when it began; `warning` what the process was not
 * told, "": nothing. Ended by runner_verdict_end(). */
void runner_judge(enum config_runner kind, const struct store_result *about, const char *warning,
                  const struct bounded_child_end *end, struct runner_verdict *ret);

/* Accepts one that was ended. */
void runner_verdict_end(struct runner_verdict *v);
