/* Any bytes as a text message: what was taken is written as something that is taken again, and from
 * then on nothing changes any more. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "measure/measurement.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* Texts may grow sixfold by their escapes. */
#define OUT_BYTES (6 * MEASUREMENT_JSON_MAX)

static int write_again(const char *json, size_t n, char *out)
{
	struct measurement m;
	int written;

	CHECK(measurement_parse(json, n, &m, NULL) == 0);
	written = measurement_write(&m, out, OUT_BYTES);
	CHECK(written >= 2 && out[written] == '\0' && strlen(out) == (size_t)written);
	return written;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char first[OUT_BYTES], second[OUT_BYTES], third[OUT_BYTES];
	struct measurement m;
	int bytes;

	if (measurement_parse((const char *)data, n, &m, NULL) < 0)
		return 0;
	bytes = write_again((const char *)data, n, first);
	bytes = write_again(first, (size_t)bytes, second); /* here bytes that are not UTF-8 go */
	CHECK(write_again(second, (size_t)bytes, third) == bytes);
	CHECK(memcmp(second, third, (size_t)bytes) == 0);
	return 0;
}
