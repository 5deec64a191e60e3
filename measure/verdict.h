/* What a direction that has ended is worth: whose count becomes its goodput, and whether it is whole, a
 * part, or nothing. Pure. */
#pragma once

#include <stdint.h>

#include "measure/result.h"

/* What our own kernel has counted. */
struct verdict_counts {
	uint64_t last_segment_ns; /* download: when the count had ended; 0: not known */

	/* upload */
	uint64_t acked_bytes; /* since t = 0 … */
	uint64_t acked_at_ns; /* … when that last grew; 0: it has not */
	int64_t unsent_bytes; /* what waits in the socket; -1: not known */
};

/* From the report and the server's measurements: source, bytes, elapsed_ns, state, and the err of what is
 * nothing. `peer` is host:port, as it is told. */
void verdict_pass(struct direction_result *d, const struct verdict_counts *ours, const char *peer);
