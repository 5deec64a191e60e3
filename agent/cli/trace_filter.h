/* Which records of a trace are wanted: by flow, event and time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/trace.h"

struct err;

struct trace_filter {
	uint32_t flow; /* 0: all, or the one of the cookie */
	bool by_cookie;
	uint64_t cookie;
	uint32_t events;         /* a bit for each */
	uint64_t from_ns, to_ns; /* since the trace began */
	uint64_t began_ns;       /* when that was: the header's monotonic_ns */
};

/* What is NULL is no restriction. `flow`: its number, or its cookie of 16 hexadecimal digits; `events`:
 * words between commas.
 *   -EINVAL  in words that name the option */
int trace_filter_of(const char *flow, const char *events, uint64_t from_ns, uint64_t to_ns,
                    struct trace_filter *ret, struct err *err);

/* The header and the end pass. */
bool trace_filter_passes(const struct trace_filter *f, const struct trace_record *r);
