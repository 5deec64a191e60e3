/* Loader and reader as a test uses them, and a log of what came. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/loader.h"
#include "measure/sockstat.h"

#define RIG_SAMPLES_MAX 400000

struct rig {
	struct loader_grant grant;
	struct sockstat *s;
	struct sockstat_sink sink;
	size_t samples; /* all that came; the first RIG_SAMPLES_MAX are kept */
	struct tcp_sample *sample;
	size_t flows, ends;
	struct tcp_flow flow;    /* the last that was met */
	struct tcpstat_flow end; /* the last */
	uint64_t lost;
};

/* Skips the test where the tier is not to be had, and says why. */
void rig_open(struct rig *r, const struct loader_wish *wish);
void rig_close(struct rig *r);
void rig_drain(struct rig *r);

/* Drains until the socket's end came, 5 s at most. */
void rig_await_end(struct rig *r);

size_t rig_count(const struct rig *r, enum tcp_sample_event event);

/* fd[0] connects and is tagged by r (NULL: by nobody) before it does; fd[1] is the accepted end. */
void rig_pair(struct rig *r, int family, int fd[2]);

/* `bytes` from one end to the other, which reads them all; drains r meanwhile. */
void rig_pass(struct rig *r, int from, int to, size_t bytes);

/* Nothing is in flight and no ACK is owed. */
void rig_settle(struct rig *r, int fd);

/* Aborts: what was known of the connection at this moment is its end. */
void rig_abort(int fd);
