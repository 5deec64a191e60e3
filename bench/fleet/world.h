/* A fleet and its service in virtual time. Each pod runs the daemon's own timers: the socket's life, the heartbeat
 * over HTTP, the schedule of tests. Between it and the service there is a path with its own delay; the service
 * answers at once, whatever comes, and pings each connection every 3 s, all of a worker's in the same moment. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bench/fleet/arrivals.h"

enum manner {
	SERVES,
	REFUSES,     /* each connection, by RST: its processes are down */
	UNAVAILABLE, /* each request, by 503: what stands before it is up */
	SILENT,      /* what is sent to it is lost: the region is cut off */
	SOCKETLESS,  /* it takes heartbeats and knows no socket (404) */
};

struct world;

struct world_options {
	uint32_t pods;
	uint64_t spread_ns; /* the configuration's fleet_spread */
	uint64_t seed;
	uint64_t end_ms;   /* of all that is counted */
	uint64_t start_ms; /* pods start from 0 to it, evenly */
};

struct world *world_new(const struct world_options *options);
const struct arrivals *world_arrivals(const struct world *w);
uint64_t world_now_ms(const struct world *w);
void world_run(struct world *w, uint64_t until_ms);

/* From now on. Leaving SERVES by anything but SILENT cuts all sockets. */
void world_set_manner(struct world *w, enum manner manner);

/* All pods at once: those on the socket by a broadcast, the others by the answer to their next heartbeat. */
void world_order_tests(struct world *w);

/* Likewise by a broadcast, of a version that each of them fetches and starts. */
void world_order_update(struct world *w);

/* Of the pods that the service has lost sight of: how long it took, from then or from when it was there again, until
 * it heard of each. Sorted, in ms; those it has not heard of are not among them. */
size_t world_unseen(struct world *w, uint32_t **ret_ms);
