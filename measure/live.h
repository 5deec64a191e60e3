/* What a display shows of a direction under way: bytes so far, the mean rate and that of the last second.
 * Pure. */
#pragma once

#include <stdint.h>

#include "measure/ndt7.h"
#include "measure/result.h"

#define LIVE_PERIOD_NS (100 * 1000000ULL) /* so often */
#define LIVE_SLOTS     10                 /* the current rate is over the last second */

struct live {
	uint64_t bytes[LIVE_SLOTS];
	uint64_t at_ns[LIVE_SLOTS];
	uint64_t seen;
};

struct live_figures {
	uint64_t elapsed_ns;        /* since t = 0 */
	struct figure mean_mbps;    /* since t = 0 */
	struct figure current_mbps; /* over the last second */
	struct figure rtt_ms;       /* latest, of the side that sends */
};

void live_start(struct live *l);

/* One look at a direction, LIVE_PERIOD_NS after the last. */
struct live_figures live_look(struct live *l, const struct direction_result *d,
                              const struct ndt7_report *report, uint64_t now_ns);
