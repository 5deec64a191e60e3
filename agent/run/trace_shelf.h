/* Traces that the daemon keeps: `traces` in the state directory, a file for each test, named by when it began.
 *
 *   trace_shelf_place(state_dir, utc_ns, path, &err);      before a test: where its trace goes
 *   trace_shelf_prune(state_dir, quota_bytes, now, &err);  before it and after it
 *
 * What has another name is somebody else's: not counted, and not removed.
 */
#pragma once

#include <stdint.h>

#include "agent/config/config.h"

struct err;

/* A trace takes no room that results need. */
#define TRACE_SHELF_FREE_BYTES (16 * 1024 * 1024)

/* Makes the directory, mode 0700.
 *   -ENOSPC  less than TRACE_SHELF_FREE_BYTES are free;  -EEXIST  there is one of that moment
 *   -EACCES, -EROFS, … */
int trace_shelf_place(const char *state_dir, uint64_t utc_ns, char ret[CONFIG_PATH_BYTES],
                      struct err *err);

/* Removes the oldest until what is left takes no more than `quota_bytes`; of these first what is named by a time after
 * utc_ns, now. */
int trace_shelf_prune(const char *state_dir, uint64_t quota_bytes, uint64_t utc_ns,
                      struct err *err);
