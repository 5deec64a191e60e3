/* What a test's process has left, as a result for the store. It reads the network, so that what it says is any bytes
 * until it has been looked at; its exit code and its end are told, and prove nothing. Pure, but for an id of our own. */
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
	struct store_result result; /* points into the process's output, and to `memory` */
	void *memory;
};

/* `about` has what we know by ourselves: cause, interface, radio, and when it began; `warning` what the process was not
 * told, "": nothing. Ended by runner_verdict_end(). */
void runner_judge(enum config_runner kind, const struct store_result *about, const char *warning,
                  const struct bounded_child_end *end, struct runner_verdict *ret);

/* Accepts one that was ended. */
void runner_verdict_end(struct runner_verdict *v);
