/* Any bytes as a report: what is refused says why; what passes is JSON without the secret, and passes again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sentry/sentry_scrub.h"
#include "transport/base/err.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define CANARY "CANARY"

static const struct sentry_known_list known = { 1, { { CANARY, "[x]" } } };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *once = NULL, *twice = NULL;
	size_t once_n, twice_n;
	struct err err = {};

	if (sentry_scrub((const char *)data, n, &known, &once, &once_n, &err) < 0) {
		CHECK(err.code < 0 && err.text[0] && !once);
		return 0;
	}
	CHECK(once_n <= 2 * SENTRY_EVENT_BYTES_MAX && strlen(once) == once_n);
	CHECK(!strcasestr(once, CANARY));
	if (once_n <= SENTRY_EVENT_BYTES_MAX / 2)
		CHECK(sentry_scrub(once, once_n, &known, &twice, &twice_n, &err) == 0);
	free(once);
	free(twice);
	return 0;
}
