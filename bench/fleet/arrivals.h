/* What arrives at the service, counted by tenths of a second. */
#pragma once

#include <stdint.h>

enum arrival {
	ARRIVAL_CONNECT, /* of the socket; what follows on it is counted by itself */
	ARRIVAL_SUBSCRIBE,
	ARRIVAL_SYNC,
	ARRIVAL_PONG,
	ARRIVAL_BEAT, /* the heartbeat over HTTP */
	ARRIVAL_UPLOAD,
	ARRIVAL_DOWNLOAD, /* of a new version */
	ARRIVAL_KINDS,
};
const char *arrival_name(enum arrival kind); /* "connects" */

#define ARRIVALS_BIN_MS    100
#define ARRIVALS_WINDOW_MS 10000

struct arrivals;

/* From 0 to `end_ms`. */
struct arrivals *arrivals_new(uint64_t end_ms);

void arrivals_count(struct arrivals *a, uint64_t at_ms, enum arrival kind);

/* Of one kind, or of all for ARRIVAL_KINDS; from `from_ms` to before `to_ms`. */
uint64_t arrivals_between(const struct arrivals *a, enum arrival kind, uint64_t from_ms,
                          uint64_t to_ms);

/* The most of a window of ten seconds that lies between the two, and when it begins. */
uint64_t arrivals_worst(const struct arrivals *a, enum arrival kind, uint64_t from_ms,
                        uint64_t to_ms, uint64_t *ret_at_ms);
