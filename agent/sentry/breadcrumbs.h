/* What the program did last: a ring of fixed size, so that a crash handler can write it as it stands. Pure.
 *
 * Texts are cut to fit, on a character's boundary. They are kept as given: whoever adds one has scrubbed it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum sentry_level { SENTRY_DEBUG, SENTRY_INFO, SENTRY_WARNING, SENTRY_ERROR, SENTRY_FATAL };

/* "debug", …, "fatal"; "error" for what is none. */
const char *sentry_level_name(enum sentry_level level);

#define BREADCRUMBS_MAX           50
#define BREADCRUMB_CATEGORY_BYTES 15
#define BREADCRUMB_MESSAGE_BYTES  104

struct breadcrumb {
	uint64_t utc_ns;
	uint8_t level; /* enum sentry_level */
	char category[BREADCRUMB_CATEGORY_BYTES];
	char message[BREADCRUMB_MESSAGE_BYTES];
};
_Static_assert(sizeof(struct breadcrumb) == 128, "a record on the disk: no holes");

/* All zero: none. */
struct breadcrumbs {
	uint64_t added; /* ever; the ring has the last of them */
	struct breadcrumb ring[BREADCRUMBS_MAX];
};

void breadcrumbs_add(struct breadcrumbs *b, uint64_t utc_ns, enum sentry_level level,
                     const char *category, const char *message);

size_t breadcrumbs_count(const struct breadcrumbs *b);

/* From the oldest (0) to the newest. In a ring that came from a disk the texts may lack their ends. */
const struct breadcrumb *breadcrumbs_at(const struct breadcrumbs *b, size_t i);
