/* What the configuration tells of the last test that was uploaded: last_tested and its speeds, as the first agent has
 * it, and as the screen of its watchdog reads it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct raw_figures;
struct store_entry;

struct upload_last {
	int64_t seq;     /* its place in the store; 0: none */
	uint64_t utc_ns; /* when its test began */
	double download_mbps, upload_mbps;
	bool saved;
};

/* It has arrived. The one that was stored last is it, in whatever order they arrive and whatever the wall clock said when. */
void upload_last_note(struct upload_last *l, const struct store_entry *entry,
                      const struct raw_figures *f);

/* Writes it into the configuration, once. What cannot be written is logged, and of no further consequence. */
void upload_last_save(struct upload_last *l, const char *config_path);
