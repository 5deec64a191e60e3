/* What must not leave in an error report, found in text: addresses, names of people, keys. Pure.
 *
 * It rather takes away too much: a path of 40 characters goes as a token, a version of four numbers as an
 * address.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SENTRY_KNOWN_MAX       8
#define SENTRY_KNOWN_BYTES_MIN 4 /* what is shorter would be found in every other word */
#define SENTRY_FILTERED        "[Filtered]"

/* Texts that we know to be secret or personal, each with the word that takes its place. */
struct sentry_known {
	const char *text;
	const char *placeholder; /* "[secret]" */
};

struct sentry_known_list {
	size_t count;
	struct sentry_known at[SENTRY_KNOWN_MAX];
};

/* Copies `text` into out without what must not leave, terminated; a placeholder says what was there.
 *   -ENOSPC  it does not fit, and out is "" */
int sentry_patterns_scrub(const char *text, const struct sentry_known_list *known, char *out,
                          size_t out_bytes);

/* Whether what stands under that name is secret whatever it is: "X-Api-Key", "password", "wifi.psk". */
bool sentry_patterns_secret_name(const char *name, size_t n);
