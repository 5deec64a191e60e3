/* The steady rate of a transfer, with the interval that it is known to: what an average over the
 * whole test hides behind the start, and behind the sender's probes for its minimum RTT.
 *
 *  1. The byte timeline is the kernel's. It is cut into bins of STEADY_BIN_NS (bytes at a bin's edge are
 *     interpolated between the two samples around it).
 *  2. Bins that a probe has touched are taken out (steady_probe.h); what is left is joined.
 *  3. The start is cut by MSER-5 (White, Cobb and Spratt 2000): batches of five bins; of all cuts in the first
 *     half the one that makes the marginal standard error of what remains smallest.
 *  4. The rate is what remains, bytes by time. Its 95 % interval is that of batch means: bytes in neighbouring
 *     bins depend on each other (a round trip, a BBR cycle, a sawtooth), so bins are joined to fewer
 *     and longer batches until neighbours look independent (lag-1 correlation not above 1.28 / sqrt(batches)),
 *     not fewer than ten; what correlation remains, freed of its bias, widens the interval by
 *     sqrt((1 + r) / (1 - r)). Student's t for as many batches. It is never narrower than one segment at either end.
 *  5. The rate is what the sender sent, the interval is of what the path carries: those are the same while a queue
 *     stands. A sender that runs BBR over more than 50 ms lets it run dry and stays up to 1 % below, so the upper end
 *     is divided by 0.99: of a figure that is known only to lie between two, the interval reaches from the lower end of
 *     the one's to the upper end of the other's (Horowitz and Manski 2000).
 *
 * Constant memory; pure. docs/measurement.md tells the method to the reader of a result.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/steady_probe.h"

#define STEADY_BIN_NS   (10 * 1000000ULL)
#define STEADY_BINS_MAX 2000                /* 20 s; what comes later is not looked at */
#define STEADY_MIN_NS   (1000 * 1000000ULL) /* of what remains; less is no steady rate */

struct steady {
	uint64_t start_ns; /* of the first bin */
	uint64_t last_ns, last_bytes, first_bytes;
	uint32_t bins; /* whole ones */
	bool begun;
	double edge_bytes[STEADY_BINS_MAX + 1]; /* since the start, at each bin's edge */
};

struct steady_rate {
	bool known;       /* false: too short, or nothing but start: then nothing below is set */
	uint64_t from_ns; /* since the first sample */
	uint64_t until_ns;
	uint64_t probed_ns; /* in between, and taken out */
	double bps;
	double ci95_low_bps, ci95_high_bps;
	uint32_t batches;   /* that the interval comes from */
	double correlation; /* of neighbouring batches, lag 1 */
};

void steady_start(struct steady *s);

/* The flow's bytes so far, at an instant; a counter or clock that runs backwards is not taken. */
void steady_add(struct steady *s, uint64_t at_ns, uint64_t bytes);

/* Of what came before until_ns; what follows the transfer itself is not looked at. A full segment is the
 * grain of the timeline. */
void steady_estimate(const struct steady *s, uint64_t until_ns, const struct steady_path *path,
                     struct steady_rate *ret);
