/* The one gate that a finished report passes before it is kept or sent. Fails closed: what it cannot read
 * through to the end, it does not let pass. Pure; fuzzed.
 *
 * Each text goes through sentry_patterns_scrub(), and so does each name. What stands under a secret's name is
 * [Filtered] whatever it is. Let through as they are, where they have their strict form: event_id, release,
 * user.id, and the build-ids of debug_meta.
 */
#pragma once

#include <stddef.h>

#include "agent/sentry/sentry_patterns.h"

struct err;

#define SENTRY_EVENT_BYTES_MAX (64 * 1024) /* before and after */
#define SENTRY_EVENT_DEPTH_MAX 12
#define SENTRY_TEXT_BYTES_MAX  8192

/* *ret is the caller's to free(3), terminated.
 *   -EBADMSG  not JSON, too deep, too long, or a text that is none;  -ENOMEM */
int sentry_scrub(const char *json, size_t n, const struct sentry_known_list *known, char **ret,
                 size_t *ret_n, struct err *err);
