/* Where a recording's samples come from: the BPF programs on its control group, drained into a trace. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bpf/loader.h"
#include "measure/sockstat.h"

struct err;

struct record_source {
	struct loader_grant grant;
	struct sockstat *stat; /* NULL: not open */
	struct sockstat_sink sink;
	struct sample_sink to;
};

/* What a recording lacks. */
struct record_losses {
	char where
		[160]; /* samples that the ring could not take, by CPU: "12 on CPU 0, 3 on CPU 1"; "": none */
	uint64_t untraced; /* connections that the kernel had no room to look at */
	struct tcp_missed missed;
};

#define RECORD_SOURCE_NONE                                                                         \
	{                                                                                          \
		.grant = {.flows_fd = -1, .records_fd = -1, .counters_fd = -1, .probe_fd = -1 }    \
	}

/* Every connection that begins in the group goes to `to`. A tier that is not to be had is no error:
 * s->grant says which it is, TIER_TCP_INFO where none of `tiers`, and why. */
int record_source_open(struct record_source *s, int group_fd, uint64_t interval_ns, unsigned tiers,
                       const struct sample_sink *to, struct err *err);

/* Accepts one that was not opened, or closed before. */
void record_source_close(struct record_source *s);

/* In time before the ring is full: every few milliseconds. Answers how many records there were. */
size_t record_source_drain(struct record_source *s);

/* The rest. What is lacking is told to `to` as well, where a connection that nobody looked at counts as one sample. */
int record_source_finish(struct record_source *s, struct record_losses *ret, struct err *err);
