/* What the server tells of a test in its texts: which of it is believed, and what becomes of it. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "measure/measurement.h"
#include "measure/result.h"

struct server_side {
	struct direction_result *result; /* server, server_rtt, limits, …_texts are filled */
	uint64_t app_limited_us;         /* of its kernel's time */
};

/* The most that a server can truly say now: what was not sent cannot have arrived. */
struct server_side_bounds {
	uint64_t bytes;
	uint64_t us; /* our clock, and a constant */
};

enum server_side_outcome {
	SERVER_SIDE_TAKEN = 0,
	SERVER_SIDE_UNREADABLE, /* no measurement: counted */
	SERVER_SIDE_UNBELIEVED, /* counted */
};

void server_side_start(struct server_side *s, struct direction_result *result);

/* cpu_us: what this process has had of a CPU, or waited for it, since some start. */
enum server_side_outcome server_side_take(struct server_side *s, const char *text, size_t n,
                                          const struct server_side_bounds *most, uint64_t cpu_us,
                                          struct measurement *ret);
