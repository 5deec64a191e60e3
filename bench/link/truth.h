/* What really went over a link: per 10 ms and direction, per TCP flow, and each packet's delay.
 *
 * truth_…() of the first part is called by the emulator's thread for every packet and makes records
 * in memory; the second part writes them. docs/links.md names the fields of the file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/link/direction.h"
#include "bench/link/histogram.h"
#include "bench/link/packet.h"
#include "bench/link/scenario.h"
#include "bench/link/stall.h"

struct err;
struct truth;

#define TRUTH_BIN_NS        (10 * 1000000ULL)
#define TRUTH_BINS_HELD     32768 /* finished, not yet taken: some 160 s of both directions */
#define TRUTH_LATE_NS       (100 * 1000ULL) /* a packet later than this breaks the emulator's promise */
#define TRUTH_FLOWS_MAX     65536 /* more are counted, not told apart; the end record says so */
#define TRUTH_HOLES_MAX     1024 /* ranges of a flow's bytes still missing; then `exact` is false */
#define TRUTH_FLOW_BINS_MAX 16   /* the busiest flows of a bin; the rest is summed */

/* What one flow had in one bin, delivered. */
struct truth_flow_bin {
	uint32_t flow; /* truth_flow()'s index */
	uint32_t unique_payload_bytes;
	uint32_t payload_bytes; /* copies and retransmissions included */
};

/* What one direction did in one bin; amounts are of the bin, not running totals. */
struct truth_bin {
	uint64_t at_ns;     /* its start, since the run's */
	uint64_t length_ns; /* TRUTH_BIN_NS; the run's last is shorter */
	enum link_direction direction;
	struct direction_amount offered;
	struct direction_amount delivered; /* written to the far device */
	uint64_t tcp_payload_bytes;        /* delivered, copies and retransmissions included */
	struct direction_amount dropped[DROP_REASONS];
	struct direction_amount queued; /* at the bin's end */
	uint64_t queued_max_bytes;      /* within the bin */
	uint64_t capacity_bytes;        /* that the line could have carried, overhead included;
	                                   UINT64_MAX: no limit */

	/* Of the packets delivered in it. */
	uint64_t delay_min_ns, delay_max_ns, delay_sum_ns;
	uint64_t late_packets; /* by more than TRUTH_LATE_NS */
	uint64_t
		overdue_bytes; /* likewise, and due in an earlier bin: the rate misses them there */

	/* The busiest, most payload first. */
	uint32_t flow_bin_count;
	uint32_t other_flows; /* that had traffic and are not among them */
	struct truth_flow_bin flow_bin[TRUTH_FLOW_BINS_MAX];
	struct truth_flow_bin other; /* their sum; `flow` says nothing */
};

/* One way of one TCP connection. A SYN of another sequence number begins another connection, and so
 * another flow, though the ports are the same. */
struct truth_flow {
	struct packet_tuple tuple;
	enum link_direction direction;
	uint64_t offered_payload_bytes;   /* came to the link, retransmissions included */
	uint64_t delivered_payload_bytes; /* likewise at the far end */
	uint64_t unique_payload_bytes;    /* delivered, each byte of the stream once */
	uint64_t delivered_ip_bytes;      /* headers included */
	uint64_t packets;                 /* delivered, of any payload */
	uint64_t retransmitted_segments;  /* came to the link with payload it had seen before */
	uint64_t dropped_segments;        /* with payload, by any cause */
	uint64_t first_ns, last_ns;     /* of delivery, since the run's start; 0, 0: nothing was */
	uint16_t largest_payload_bytes; /* of a segment delivered … */
	uint16_t largest_ip_bytes;      /* … and the packet that carried it */
	bool exact; /* false: more holes than TRUTH_HOLES_MAX at a time, or fragments:
	               unique_payload_bytes is a lower bound, retransmitted_segments an upper one */
};

/* Whether the emulator kept its promises, and the accounts. */
struct truth_end {
	uint64_t start_ns; /* CLOCK_MONOTONIC */
	uint64_t duration_ns;
	struct direction_counts counts[LINK_DIRECTIONS];
	struct direction_amount delivered[LINK_DIRECTIONS];
	uint64_t late_packets[LINK_DIRECTIONS]; /* by more than TRUTH_LATE_NS */
	uint64_t late_max_ns[LINK_DIRECTIONS];
	uint64_t rate_missed_bins[LINK_DIRECTIONS];     /* more than 1 % of their bytes overdue */
	uint64_t rate_missed_first_ns[LINK_DIRECTIONS]; /* the first one's at_ns */
	uint64_t device_drops;   /* by the kernel before we could read: unseen packets */
	uint64_t receiver_drops; /* by the kernel when we had written them */
	uint64_t not_ip_packets;
	uint64_t flows_not_told_apart; /* segments beyond TRUTH_FLOWS_MAX */
	uint64_t bins_lost;            /* the reader of the bins was too slow */
	bool awake;                    /* the emulator never slept for want of packets */
	bool dozes;                    /* it slept whenever nothing was due */
	bool realtime;                 /* its thread was SCHED_FIFO */
	bool memory_locked;
	int cpu;                               /* the emulator's own; negative: it has none */
	struct stall_sum stalls[STALL_CAUSES]; /* why packets were late */
	bool interrupted;
	char void_reason[200]; /* "" where the run stands */
};

/* --- while packets pass: one thread ---------------------------------------------------------- */

/* start_ns: the run's. `directions` are asked for their queues and capacity; they stay the caller's
 * and must stay until truth_finish().   -ENOMEM */
int truth_open(uint64_t start_ns, const struct direction *const directions[LINK_DIRECTIONS],
               struct truth **ret, struct err *err);
struct truth *truth_close(struct truth *t); /* accepts NULL; always NULL */

/* p->arrived_ns is now; called before direction_push(). Copies that the link makes are not offered. */
void truth_offered(struct truth *t, enum link_direction d, const struct packet *p);
void truth_dropped(struct truth *t, enum link_direction d, const struct packet *p,
                   enum drop_reason why);

/* `p` has been written at now_ns; its real delay is now_ns - p->arrived_ns. */
void truth_delivered(struct truth *t, enum link_direction d, const struct packet *p,
                     uint64_t now_ns);

/* The emulator has advanced both directions to now_ns: looks at the queues, and ends the bins that are
 * over. Cheap where none is. To be called at least once a bin; where it was not, the bins in between are
 * written all the same. */
void truth_tick(struct truth *t, uint64_t now_ns);

/* The last tick: ends the bin that is open, however short. Fills in what is known here, all but
 * device_drops, receiver_drops, awake, dozes, realtime, memory_locked, cpu, stalls, interrupted and void_reason, which are
 * left alone. */
void truth_finish(struct truth *t, uint64_t now_ns, struct truth_end *ret);

/* --- from any other thread ------------------------------------------------------------------- */

/* The next finished bin, in order. false: none yet. One reader. */
bool truth_take_bin(struct truth *t, struct truth_bin *ret);

/* --- after truth_finish() ----------------------------------------------------------------------- */

/* More packets late than one and this share, or one by a whole bin, and the run is void. */
#define TRUTH_LATE_SHARE_MAX 0.01

/* Says in void_reason, unless a reason stands there, why the run is void: promises broken, accounts
 * that do not balance, packets unseen. Pure; when all else of `end` is set. */
void truth_judge(struct truth_end *end);

size_t truth_flow_count(const struct truth *t);
const struct truth_flow *truth_flow(const struct truth *t, size_t i); /* in order of appearance */
const struct histogram *truth_delay(const struct truth *t, enum link_direction d); /* real delays */
const struct histogram *truth_lateness(const struct truth *t,
                                       enum link_direction d); /* past due_ns */

/* --- the file -------------------------------------------------------------------------------- */

struct truth_writer;

/* `.csv` writes CSV: bins, between the other records as comments (`# ` and JSON); beside it flows in
 * NAME.flows.csv and flow bins in NAME.flow_bins.csv. Anything else is JSONL, one record a line:
 * header, bin and flow_bin …, flow …, delay …, end. A file is written under a temporary name and gets
 * its own when it is whole, so half a truth is never taken for one; what is no regular file (a pipe,
 * a device) is written as it comes.
 *   -ENOENT, -EACCES, -EISDIR, …  as open(2) says */
int truth_writer_open(const char *path, const struct scenario *s, const char *scenario_path,
                      struct truth_writer **ret, struct err *err);

/*   -ENOSPC and other errors of write(2): the run is void, the caller says so and ends. After one,
 *   every further call answers the same. */
int truth_writer_bin(struct truth_writer *w, const struct truth_bin *bin, struct err *err);
int truth_writer_end(struct truth_writer *w, const struct truth *t, const struct truth_end *end,
                     struct err *err);

/* Removes an unfinished file. Accepts NULL; always NULL. */
struct truth_writer *truth_writer_close(struct truth_writer *w);
