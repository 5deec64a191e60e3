#include "bench/fleet/arrivals.h"

#include <err.h>
#include <stdlib.h>

struct arrivals {
	uint64_t bins;
	uint32_t (*counts)[ARRIVAL_KINDS];
};

const char *arrival_name(enum arrival kind)
{
	static const char *const names[] = {
		[ARRIVAL_CONNECT] = "connects",   [ARRIVAL_SUBSCRIBE] = "subscribes",
		[ARRIVAL_SYNC] = "syncs",         [ARRIVAL_PONG] = "pongs",
		[ARRIVAL_BEAT] = "beats",         [ARRIVAL_UPLOAD] = "uploads",
		[ARRIVAL_DOWNLOAD] = "downloads",
	};

	return names[kind];
}

struct arrivals *arrivals_new(uint64_t end_ms)
{
	struct arrivals *a = calloc(1, sizeof(*a));

	if (a) {
		a->bins = end_ms / ARRIVALS_BIN_MS + 1;
		a->counts = calloc(a->bins, sizeof(*a->counts));
	}
	if (!a || !a->counts)
		err(2, "get memory for what arrives");
	return a;
}

void arrivals_count(struct arrivals *a, uint64_t at_ms, enum arrival kind)
{
	if (at_ms / ARRIVALS_BIN_MS < a->bins)
		a->counts[at_ms / ARRIVALS_BIN_MS][kind]++;
}

static uint64_t of_bin(const struct arrivals *a, enum arrival kind, uint64_t bin)
{
	uint64_t n = 0;

	if (kind < ARRIVAL_KINDS)
		return a->counts[bin][kind];
	for (int k = 0; k < ARRIVAL_KINDS; k++)
		n += a->counts[bin][k];
	return n;
}

uint64_t arrivals_between(const struct arrivals *a, enum arrival kind, uint64_t from_ms,
                          uint64_t to_ms)
{
	uint64_t n = 0;

	for (uint64_t bin = from_ms / ARRIVALS_BIN_MS; bin < to_ms / ARRIVALS_BIN_MS; bin++)
		n += of_bin(a, kind, bin);
	return n;
}

uint64_t arrivals_worst(const struct arrivals *a, enum arrival kind, uint64_t from_ms,
                        uint64_t to_ms, uint64_t *ret_at_ms)
{
	const uint64_t window = ARRIVALS_WINDOW_MS / ARRIVALS_BIN_MS;
	uint64_t from = from_ms / ARRIVALS_BIN_MS, now, most;

	now = most = arrivals_between(a, kind, from_ms, from_ms + ARRIVALS_WINDOW_MS);
	*ret_at_ms = from_ms;
	for (uint64_t bin = from; bin + window < to_ms / ARRIVALS_BIN_MS; bin++) {
		now += of_bin(a, kind, bin + window) - of_bin(a, kind, bin);
		if (now > most) {
			most = now;
			*ret_at_ms = (bin + 1) * ARRIVALS_BIN_MS;
		}
	}
	return most;
}
