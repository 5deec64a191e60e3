/* What the BPF programs tell of sockets, as samples: bpf/tcpstat.h's records, read from the ring.
 *
 * Works on descriptors that were handed out (bpf/loader.h), by bpf(2) and mmap(2) alone; no
 * capability is needed (with kernel.unprivileged_bpf_disabled set: from Linux 5.19). Nobody is woken
 * by a record: the caller drains on its timer, in time before the ring is full, which
 * sockstat_counters() tells of afterwards.
 *
 *   r = sockstat_open(&maps, &s, &err);
 *   r = sockstat_tag(s, fd, &err);         before connect(2), to see the handshake too
 *   …
 *   sockstat_drain(s, &sink);              on a timer
 *   r = sockstat_flow(s, fd, &flow, &err); the aggregates up to now
 *   close(fd);
 *   sockstat_finish(s, &sink);             the rest, and what was lost
 *   s = sockstat_close(s);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/tcpstat.h"
#include "measure/sample.h"

struct err;
struct sockstat;
struct wholes;

#define SOCKSTAT_CPUS_MAX 8192U

struct sockstat_maps {
	int flows_fd; /* sockstat_open() keeps the numbers: the caller closes them after it */
	int records_fd;
	int counters_fd;
	int probe_fd; /* the program that looks at each segment; -1: none is */
	uint32_t ring_bytes;
	uint32_t cpus; /* as many values has an entry of a per-CPU map */
};

struct sockstat_sink {
	struct sample_sink samples;

	/* May be NULL. A socket is no more: its totals and aggregates. `self` is the samples'. */
	void (*end)(void *self, const struct tcpstat_flow *flow);
};

int sockstat_open(const struct sockstat_maps *maps, struct sockstat **ret, struct err *err);

/* Accepts NULL; always returns NULL. */
struct sockstat *sockstat_close(struct sockstat *s);

/* From now on there are records of this socket of ours. Tagging again begins anew.
 *   -EPERM   a kernel below 5.19 with kernel.unprivileged_bpf_disabled
 *   -ENOMEM  net.core.optmem_max leaves no room for 11 KB */
int sockstat_tag(struct sockstat *s, int socket_fd, struct err *err);

/*   -ENOENT  it is not tagged */
int sockstat_flow(struct sockstat *s, int socket_fd, struct tcpstat_flow *ret, struct err *err);

/* Hands on what is in the ring, in the order in which it happened on each socket; what comes
 * meanwhile waits for the next call. Answers how many records there were. */
size_t sockstat_drain(struct sockstat *s, const struct sockstat_sink *sink);

/* The same, until there were so many samples, or a few hundred more. True: more may wait. */
bool sockstat_drain_some(struct sockstat *s, const struct sockstat_sink *sink, uint64_t samples);

/* Since the programs were loaded, over all CPUs and flows. */
int sockstat_counters(struct sockstat *s, struct tcpstat_counters *ret, struct err *err);

/* The same by CPU, as the last call of sockstat_counters() or sockstat_finish() read them. */
const struct tcpstat_counters *sockstat_cpu_counters(const struct sockstat *s, uint32_t *ret_cpus);

/* Segments that came in an interrupt while the program ran on that CPU, since it was loaded: the kernel does not enter it
 * again there (from Linux 6.1), and counts them (recursion_misses of struct bpf_prog_info). Not known without the program, and
 * below Linux 5.12. */
struct tcp_missed sockstat_missed(const struct sockstat *s);

/* Drains, and tells sink->samples.lose() of what no flow's end told it. */
int sockstat_finish(struct sockstat *s, const struct sockstat_sink *sink, struct err *err);

/* One record, as it stands in the ring; `wholes` has those before it that a receipt may go on from. False, and
 * nothing is handed on, where it is none. */
bool sockstat_record(const void *data, size_t bytes, struct wholes *wholes,
                     const struct sockstat_sink *sink);
