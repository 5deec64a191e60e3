/* A state directory for tests of the store, and results to put into it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/store/store.h"

/* The directory, in memory where the machine has such a place: sweeps open a store thousands of times.
 * Answers a static path; made by each call, and removed with all in it. */
const char *store_rig_make(void);
void store_rig_remove(void);
void store_rig_empty(void);

/* The file of that name in it. */
const char *store_rig_path(const char *name, char out[512]);

/* Result `number`: its id, and texts that tell it. */
const char *store_rig_id(unsigned int number, char out[STORE_ID_BYTES]);
struct store_result store_rig_result(unsigned int number, size_t raw_bytes);
int store_rig_put(struct store *s, unsigned int number, bool upload);

/* Whether what was read is what store_rig_result() made. */
bool store_rig_is(const struct store_result *r, unsigned int number);
