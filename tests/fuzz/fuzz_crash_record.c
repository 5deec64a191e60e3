/* Any bytes as the record of a crash, sealed where they are as long as one: what is taken can be written as a
 * report, and the report passes the scrubber. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sentry/crash_record.h"
#include "agent/sentry/sentry_event.h"
#include "agent/sentry/sentry_scrub.h"
#include "transport/base/err.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static const struct sentry_identity identity = { .program = "radar-pod", .version = "0.1.0" };

static void check_report(const struct crash_record *r)
{
	struct sentry_event e = { .id = "0123456789ab4def8123456789abcdef",
		                  .utc_ns = r->utc_ns,
		                  .level = SENTRY_FATAL,
		                  .component = r->role,
		                  .crash = r };
	char *text, *clean;
	size_t n, clean_n;

	CHECK(sentry_event_write(&identity, &e, &text, &n, NULL) == 0);
	if (sentry_scrub(text, n, NULL, &clean, &clean_n, NULL) == 0)
		free(clean);
	else
		CHECK(n > SENTRY_EVENT_BYTES_MAX / 2);
	free(text);
}

/* Mostly few, so that a run is short; sometimes more than there is room for. */
static uint32_t few(uint8_t byte)
{
	return byte < 250 ? byte % 4 : byte;
}

/* The whole record follows from few bytes: the fuzzer need not find 12 kB. */
static void fill(struct crash_record *r, const uint8_t *data, size_t n)
{
	for (size_t i = 0; n > 0 && i < sizeof(*r); i++)
		((uint8_t *)r)[i] = data[i % n];
	r->arch = CRASH_ARCH;
	if (n > 8) {
		r->signal = data[0] % 32;
		r->images_count = few(data[1]);
		r->frames_count = few(data[2]);
		r->registers_count = few(data[3]);
		r->crumbs.added = few(data[5]);
		r->images[0].build_id_bytes = data[4];
	}
	for (size_t i = 1; i < CRASH_IMAGES_MAX; i++)
		r->images[i].build_id_bytes = 20;
	crash_record_seal(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct crash_record sealed, r;
	struct err err = {};
	int outcome = crash_record_read(data, n, &r, &err);

	CHECK(outcome == CRASH_FOUND || outcome == CRASH_NONE || (outcome < 0 && err.text[0]));
	if (outcome == CRASH_FOUND)
		check_report(&r);
	fill(&sealed, data, n);
	if (crash_record_read(&sealed, sizeof(sealed), &r, &err) == CRASH_FOUND)
		check_report(&r);
	return 0;
}
