/* What the configuration tells of the last test that was uploaded: last_tested and its speeds, as the first agent has
 * it, and as the screen of its watchdog reads it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct raw_figures;

struct upload_last {
	uint64_t utc_ns; /* 0: none */
	double download_mbps, upload_mbps;
	bool saved;
};

/* It has arrived. The latest by the time of the test is it, in whatever order they arrive. */
void upload_last_note(struct upload_last *l, uint64_t started_utc_ns, const struct raw_figures *f);

/* Writes it into the configuration, once. What cannot be written is logged, and of no further consequence. */
void upload_last_save(struct upload_last *l, const char *config_path);
