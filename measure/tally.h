/* What becomes of the samples of one direction's socket: its summary, the byte timeline, the time in which
 * something limited us. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/result.h"
#include "measure/sample.h"
#include "measure/steady.h"

/* Of an ACK a look is taken once in so much, as fine as any figure needs; of one in between only the number. So they are the
 * same with a trace of each ACK and without. */
#define TALLY_INTERVAL_NS 1000000ULL

struct tally {
	struct direction_result *result; /* local, steady, limits are filled */
	struct steady steady;
	bool begun;
	bool has_limits;
	struct limits_look limits; /* of an upload: the latest sample's that tells of them */
	uint64_t at_ns;            /* of the latest */
	uint64_t due_ns;           /* no ACK's before */
	uint64_t app_limited_ns;
	uint64_t acked_before; /* bytes acknowledged before the first sample: TLS, the upgrade */
	uint64_t acked_bytes;  /* bytes_acked as it last grew, and when */
	uint64_t acked_at_ns;
};

/* The direction that `result` is of. */
void tally_start(struct tally *t, struct direction_result *result);

/* The first sample is t = 0. */
struct sample_sink tally_sink(struct tally *t);

/* A stretch has ended: its samples were taken, and this process has had so much of a CPU, or waited for
 * it, since some start. */
void tally_settle(struct tally *t, uint64_t cpu_us);

/* until_ns is the end of the transfer itself. */
void tally_finish(struct tally *t, uint64_t until_ns, const struct steady_path *path);
