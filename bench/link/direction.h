/* One direction of a link, as pure state in virtual time: packets in, and out when they are due.
 *
 *   policer → queue (drop tail or CoDel) → line (rate, trace, aggregation) → loss → copies → delay
 *
 * The line works in its own time: a packet begins when the one before it has ended, however late
 * the caller is, so that lateness never adds up and the rate is exact. Fractions of a nanosecond
 * are carried. A packet lost on the line has used it, as a frame with a broken checksum has.
 *
 * What is on the line has left the queue: the limits are of what waits, and a packet that meets a
 * free line passes whatever they are. A limit in time is one in bytes of the line, by its present
 * rate. With aggregation, those that wait when the line is free, up to so many, take it together,
 * leave it together, and the gap follows. What happens at one instant: departures, then what waits
 * takes the line, then arrivals.
 *
 * Random numbers: splitmix64 (transport/base/draw.h), a stream of its own for each model, seeded
 * by the scenario's seed, the direction and the model; loss, copies and reordering draw once for
 * each packet in the order they leave the line, whether or not the model is in force, so that the
 * same seed and packets give the same fates. The instants of those that pass are the same with
 * losses as without.
 *
 * Accounts: at any moment  offered + copies = popped + dropped (all reasons) + held,  in packets
 * and in bytes, exactly.
 */
#pragma once

#include <stdint.h>

#include "bench/link/packet.h"
#include "bench/link/scenario.h"

struct err;
struct direction;

enum drop_reason {
	DROP_QUEUE, /* the queue was full */
	DROP_AQM,   /* CoDel */
	DROP_LOSS,  /* lost on the line */
	DROP_POLICER,
	DROP_BLACK_HOLE, /* larger than the path takes */
	DROP_CEILING, /* no memory, or more held than DIRECTION_HELD_MAX_BYTES: the run is void */
	DROP_DEVICE,  /* the far TUN device refused it (counted by the emulator, not in here) */
	DROP_REASONS,
};

/* Of memory: what a packet is kept in counts as well as its bytes. */
#define DIRECTION_HELD_MAX_BYTES (512ULL * 1024 * 1024)

struct direction_amount {
	uint64_t packets, bytes; /* bytes of IP */
};

struct direction_counts {
	struct direction_amount offered; /* pushed */
	struct direction_amount copies;  /* that the link made */
	struct direction_amount popped;  /* given to the caller for delivery */
	struct direction_amount dropped[DROP_REASONS];
	struct direction_amount queued;    /* in the queue now, the one on the line included */
	struct direction_amount in_flight; /* past the line, not yet due or not yet popped */
	uint64_t ce_marked;                /* packets */
};

/* A packet is gone; it is freed when this returns. Must not call the direction. A copy that could
 * not be made is told as its original, by DROP_CEILING. */
typedef void (*direction_dropped)(void *owner, const struct packet *p, enum drop_reason reason,
                                  uint64_t now_ns);

/* `s` stays the caller's and must stay. start_ns is the instant the schedule and the trace count
 * from.
 *   -ENOMEM;  -EINVAL  a trace that ends at 0 or lets no bytes pass */
int direction_open(const struct scenario_direction *s, enum link_direction which, uint64_t seed,
                   uint64_t start_ns, direction_dropped dropped, void *owner,
                   struct direction **ret, struct err *err);

/* Frees what it holds without a word. Accepts NULL; always NULL. */
struct direction *direction_close(struct direction *d);

/* A packet arrives: p->arrived_ns, not before that of the one pushed before. Takes it, and sets its
 * order. */
void direction_push(struct direction *d, struct packet *p);

/* Lets everything happen that is due until now_ns: departures from the queue, losses, drops. */
void direction_advance(struct direction *d, uint64_t now_ns);

/* The next packet due at or before now_ns, in the order of due_ns; the caller's now. NULL: none.
 * Advances to now_ns. */
struct packet *direction_pop(struct direction *d, uint64_t now_ns);

/* When direction_advance() or direction_pop() next has something to do; CLOCK_NEVER_NS: not before
 * a push. */
uint64_t direction_next_ns(const struct direction *d);

const struct direction_counts *direction_counts(const struct direction *d);

/* What the line could have carried from from_ns to to_ns (instants as start_ns is one), in bytes
 * of IP and overhead, by its rate or trace and its schedule; the gaps of aggregation are not taken
 * off. Sums over adjoining intervals are those of the whole, to a byte for each change of rate
 * between. UINT64_MAX: no limit. */
uint64_t direction_capacity_bytes(const struct direction *d, uint64_t from_ns, uint64_t to_ns);
