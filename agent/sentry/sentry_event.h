/* One error report as JSON, in the shape that Sentry takes. Not scrubbed: sentry_scrub() is the gate behind.
 * Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/sentry/breadcrumbs.h"
#include "agent/sentry/sentry_identity.h"

struct crash_record;
struct err;
struct json_writer;

#define SENTRY_MESSAGE_BYTES   2049 /* a longer one is cut */
#define SENTRY_COMPONENT_BYTES 33
#define SENTRY_CLASS_BYTES     49
#define SENTRY_FRAMES_MAX      50 /* of more, the middle is left out */

struct sentry_event {
	char id[SENTRY_ID_BYTES];
	uint64_t utc_ns;
	enum sentry_level level;
	const char *component; /* "store" */
	const char *class;     /* "WRITE_FAILED": nothing in it varies */
	const char *message;   /* for a person */
	int error;             /* errno; 0: none */
	const char *operation; /* "test.ndt7": what was going on; NULL: nothing to tell */
	uint32_t suppressed;   /* alike since the last one that was told */
	const struct breadcrumbs *crumbs; /* NULL: none */
	const struct crash_record *crash; /* NULL: nothing crashed */
};

/* *ret is the caller's to free(3), terminated.  -ENOMEM */
int sentry_event_write(const struct sentry_identity *identity, const struct sentry_event *e,
                       char **ret, size_t *ret_n, struct err *err);

/* The report of a report that could not be scrubbed: type, release and level. */
int sentry_event_write_minimal(const struct sentry_identity *identity, const struct sentry_event *e,
                               char **ret, size_t *ret_n, struct err *err);

#define SENTRY_FINGERPRINT_BYTES 160

/* What makes two reports alike, on one line: component, class, errno. */
void sentry_event_fingerprint(const struct sentry_event *e, char ret[SENTRY_FINGERPRINT_BYTES]);

/* --- sentry_event_crash.c ---------------------------------------------------------------------------- */

/* "type", "value", "mechanism", "stacktrace" and "thread_id" of a crash, and its images and threads. */
void sentry_crash_put_exception(struct json_writer *w, const struct crash_record *crash);
void sentry_crash_put_rest(struct json_writer *w, const struct crash_record *crash);

#define SENTRY_DEBUG_ID_BYTES 37

/* A build-id as the server looks it up: its first 16 bytes as an UUID whose first three fields are little-endian
 * (they are in the order of a Windows GUID). */
void sentry_debug_id(const uint8_t *build_id, size_t n, char ret[SENTRY_DEBUG_ID_BYTES]);
