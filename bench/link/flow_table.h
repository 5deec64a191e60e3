/* The TCP flows of a run: found by addresses, ports and direction, with the bytes of each.
 *
 * A flow is never forgotten, so that there is no removal: an index of fixed size under a key drawn
 * for the run, and memory that grows by small steps while packets pass.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/link/coverage.h"
#include "bench/link/packet.h"
#include "bench/link/truth.h"

struct err;
struct flow_table;

struct flow {
	struct truth_flow told; /* what the truth says of it */
	struct coverage offered, delivered;
	struct flow *previous; /* the connection that had these ports before */
	uint64_t appeared_ns;  /* when its first packet arrived */
	uint32_t index;        /* flow_table_at()'s */
	uint32_t syn_seq;      /* where a SYN was seen: its own */
	bool syn_seen;
	uint32_t bin, bin_slot; /* truth.c's: where its bytes of the open bin are counted */
};

/*   -ENOMEM  */
int flow_table_open(struct flow_table **ret, struct err *err);
struct flow_table *flow_table_close(struct flow_table *t); /* accepts NULL; always NULL */

/* A packet with ports has come to the link: counts it, and makes the flow it begins. NULL: there are
 * TRUTH_FLOWS_MAX, or no memory; it was not counted. */
struct flow *flow_table_offered(struct flow_table *t, enum link_direction d,
                                const struct packet *p);

/* The flow that a packet, offered before, belongs to; of several connections that had these ports
 * the one that was there when it arrived. NULL: it has none. */
struct flow *flow_table_find(const struct flow_table *t, enum link_direction d,
                             const struct packet *p);

/* `p` of `f` has been delivered, since_ns after the run's start; answers how many of its payload bytes
 * are new there. */
uint32_t flow_delivered(struct flow_table *t, struct flow *f, const struct packet *p,
                        uint64_t since_ns);

size_t flow_table_count(const struct flow_table *t);
const struct flow *flow_table_at(const struct flow_table *t, size_t i); /* in order of appearance */
