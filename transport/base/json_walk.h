/* A whole JSON text, value by value, each by its path: over json.h, as pure, and likewise without
 * allocation. For what is read once; the messages within a test have tables of their own. */
#pragma once

#include "transport/base/json.h"

#define JSON_WALK_PATH_BYTES 128
#define JSON_WALK_DEPTH_MAX  16

/* Every value by its path, "download.rtt_ms.p50", "warnings.0", "" for the top, in the order of the text;
 * of objects and arrays their beginning. What stands under a name that is too long, empty, or has a dot in
 * it is passed over. Ends early with what visit() answers below 0.
 *   -EINVAL  not JSON, or deeper than JSON_WALK_DEPTH_MAX; much may have been visited before */
int json_walk(const char *text, size_t n,
              int (*visit)(void *self, const char *path, const struct json_token *value,
                           struct err *err),
              void *self, struct err *err);
