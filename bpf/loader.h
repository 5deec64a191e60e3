/* The only privileged code: loads the BPF programs, attaches them, hands their descriptors out, and is
 * gone.
 *
 * It runs as a child, the same executable in another role, or, for who has not the privilege to start one
 * that could do it, as a service that systemd starts for each connection to LOADER_SOCKET. What it attaches
 * lives by the descriptors it hands out and by nothing else: nothing is pinned, so that whoever dies, however,
 * leaves nothing.
 * The process that measures needs no capability from there on; it works on the maps by bpf(2) with
 * descriptors alone (with kernel.unprivileged_bpf_disabled set: from Linux 5.19).
 *
 *   struct loader_wish wish = LOADER_WISH;
 *   struct loader_grant grant;
 *
 *   r = loader_start(&wish, &grant, &err);      the best tier of those wished for, and why no better
 *   …
 *   loader_release(&grant);                     detaches
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/tier.h"

struct err;

#define LOADER_ROLE      "bpf-loader" /* the child's argv[1] */
#define LOADER_FD        3            /* its socket */
#define LOADER_LINKS_MAX 8

#define LOADER_SOCKET      "/run/radar-pod-bpf.sock" /* as agent/system/radar-pod-bpf.socket has it */
#define LOADER_SOCKET_NAME "RADAR_POD_BPF_SOCKET"    /* in the environment: another one, "": none */
#define LOADER_DEADLINE_S                                                                          \
	5 /* it takes 0.02 s; where libbpf reads all of the kernel's types, 0.06 s */

/* A ring's size is a power of two, of pages. It is resident in full in who drains it. */
#define LOADER_RING_BYTES_MIN     32768U /* one flow's end takes 11 KB */
#define LOADER_RING_BYTES_MAX     (64U << 20)
#define LOADER_RING_BYTES_THINNED (128U << 10) /* a flow, each ms: 0.8 s until it is full */
#define LOADER_RING_BYTES_EACH    (4U << 20)   /* 200,000 records a second: 130 ms */

struct loader_wish {
	uint64_t interval_ns; /* at most one ACK's record per flow and interval; 0: each */
	uint32_t ring_bytes;
	unsigned tiers;    /* TIER_BIT()s of those that will do */
	int cgroup_fd;     /* for programs on a cgroup; -1: the caller's own */
	bool whole_cgroup; /* every connection that begins in it, not only tagged ones */
	bool whole_btf;    /* libbpf reads all of the kernel's types, as it must where ours fails */
};

#define LOADER_WISH                                                                                \
	{                                                                                          \
		.interval_ns = 1000000, .ring_bytes = LOADER_RING_BYTES_THINNED,                   \
		.tiers = TIER_ANY, .cgroup_fd = -1                                                 \
	}

struct loader_grant {
	enum tier tier; /* TIER_TCP_INFO: no descriptors */
	bool whole_btf; /* libbpf did read all of the kernel's types: five times the CPU time */
	uint32_t ring_bytes;
	uint32_t cpus;                         /* as many values has an entry of a per-CPU map */
	int flows_fd, records_fd, counters_fd; /* maps of bpf/tcpstat.h; -1: none */
	int probe_fd; /* TIER_EBPF's program at tcp_probe, whose info counts what it missed; -1: none */
	size_t links;
	int link_fds[LOADER_LINKS_MAX];              /* attached as long as they are open */
	struct tier_refusal refusals[TIER_TCP_INFO]; /* of each tier above the one granted */
};

struct loader_child {
	pid_t pid; /* 0: none, or systemd's */
	int fd;
};

/* True where this process cannot load, and there is a service that may: then it is who is asked below. */
bool loader_is_served(void);

/* Starts the child, so that it works while the caller does something else, and takes its answer.
 * A tier that is not to be had is no error: the grant says which it is, and why not a better one.
 * loader_finish() waits for LOADER_DEADLINE_S at most; *child is none then, however it ends.
 *   -EINVAL     ring_bytes is not a power of two in its range
 *   -ETIMEDOUT  it did not answer, and was killed
 *   -ECANCELED  stop_fd (-1: none) became readable, and it was killed
 *   -ECHILD     it ended without an answer */
int loader_begin(const struct loader_wish *wish, struct loader_child *ret, struct err *err);
int loader_finish(struct loader_child *child, int stop_fd, struct loader_grant *ret,
                  struct err *err);

/* Both in turn. */
int loader_start(const struct loader_wish *wish, struct loader_grant *ret, struct err *err);

/* Detaches what nobody else holds. Accepts what was released before. */
void loader_release(struct loader_grant *grant);

/* The loader's whole life. What libbpf holds ends with the process. With a user's name it is systemd's
 * (sd_listen_fds(3)), and answers that user and root only; NULL: it is its parent's child. */
_Noreturn void loader_role(const char *user);
