/* What one request carries: a line of header, then items, each with its exact length before it. Pure.
 *
 * The time of sending is the caller's, new for each attempt: from it the server learns how wrong our clock is.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/sentry/sentry_identity.h"

struct err;
struct sentry_losses;

#define SENTRY_ENVELOPE_TYPE      "application/x-sentry-envelope"
#define SENTRY_ENVELOPE_BYTES_MAX (256 * 1024)

/* `event` is a finished report, or NULL; `losses` NULL where none are to be told. One of both is there.
 * *ret is the caller's to free(3), terminated.
 *   -EBADMSG  the report has no id;  -EMSGSIZE  beyond the ceiling;  -ENOMEM */
int sentry_envelope_write(const struct sentry_identity *identity, const char *event,
                          size_t event_bytes, const struct sentry_losses *losses, uint64_t utc_ns,
                          char **ret, size_t *ret_n, struct err *err);
