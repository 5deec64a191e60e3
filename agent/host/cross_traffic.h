/* Whether something else uses the line, looked at before a test: an interface's byte counters over a second, again
 * and again until a second was quiet, or patience is at its end. Pure: counters and time are arguments.
 *
 *   struct cross_traffic look = { .limits = CROSS_TRAFFIC_LIMITS };
 *   do {
 *           counted = interface_counters_read(name, &now, NULL) == 0;
 *           verdict = cross_traffic_take(&look, counted ? &now : NULL, now_ns);
 *   } while (verdict == CROSS_TRAFFIC_LOOK_AGAIN);     at look.again_ns
 *
 * Only what goes over this machine's interface is seen, not what others send through the same router.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/host/interface_counters.h"

struct cross_traffic_limits {
	uint64_t quiet_bps;   /* at most so much, each way, is quiet */
	uint64_t look_ns;     /* how long a look takes */
	uint64_t patience_ns; /* after that the test runs, and is marked */
};

/* A hundredth of 25 Mbit/s: what moves the figure of a modest line by no more than 1 %. */
#define CROSS_TRAFFIC_LIMITS                                                                       \
	{                                                                                          \
		.quiet_bps = 250000, .look_ns = 1000000000ULL, .patience_ns = 60 * 1000000000ULL   \
	}

enum cross_traffic_verdict {
	CROSS_TRAFFIC_LOOK_AGAIN, /* call again at again_ns, or later */
	CROSS_TRAFFIC_QUIET,
	CROSS_TRAFFIC_BUSY,    /* to the end of patience: busy_bps of it in the last look */
	CROSS_TRAFFIC_UNKNOWN, /* the counters cannot be read, or do not count upwards */
};

struct cross_traffic {
	struct cross_traffic_limits limits;
	/* its own; all zero before the first look */
	bool begun;
	uint64_t began_ns, looked_ns;
	struct interface_counters at_look;
	/* to be read */
	uint64_t again_ns;
	uint64_t busy_bps; /* of the busier way in the last whole look */
};

/* `counters` as they are now; NULL: they cannot be read. */
enum cross_traffic_verdict cross_traffic_take(struct cross_traffic *c,
                                              const struct interface_counters *counters,
                                              uint64_t now_ns);
