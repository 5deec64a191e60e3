/* How often we tell of what is alike, so that neither one pod in a loop nor ten thousand that lose the same server
 * flood anybody. Pure: the time is an argument, in seconds since 1970, since the counts outlive a restart; where that
 * clock has gone back, what was before counts as long ago.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENTRY_QUOTA_KINDS                                                                         \
	64 /* kinds that are remembered; beyond, the one told longest ago is forgotten */
#define SENTRY_QUOTA_HOUR      20   /* reports of any kind in an hour */
#define SENTRY_QUOTA_CRASHES   3    /* in SENTRY_QUOTA_CRASHES_S */
#define SENTRY_QUOTA_ALIKE_S   3600 /* one at once, then one each */
#define SENTRY_QUOTA_CRASHES_S 600

struct sentry_quota_kind {
	uint64_t hash;
	uint64_t told_s;
	uint32_t suppressed; /* since */
};

/* All zero: nothing was told yet. */
struct sentry_quota {
	size_t kinds;
	struct sentry_quota_kind kind[SENTRY_QUOTA_KINDS];
	uint64_t told_s[SENTRY_QUOTA_HOUR]; /* 0: none; likewise below */
	uint64_t crashed_s[SENTRY_QUOTA_CRASHES];
};

enum sentry_quota_outcome {
	SENTRY_QUOTA_TELL = 0,
	SENTRY_QUOTA_ALIKE, /* one of its kind was told within the hour: it is counted, and told with the next */
	SENTRY_QUOTA_CAPPED, /* too many of all kinds */
};

/* Whether to tell of one of that fingerprint. *ret_suppressed is how many alike were not told before it. */
enum sentry_quota_outcome sentry_quota_take(struct sentry_quota *q, const char *fingerprint,
                                            uint64_t utc_s, uint32_t *ret_suppressed);

/* The same of a crash: not in a loop. */
enum sentry_quota_outcome sentry_quota_take_crash(struct sentry_quota *q, uint64_t utc_s);

#define SENTRY_QUOTA_TEXT_BYTES 4096

/* As a text that outlives the process; what is read is checked, and what is none is left out. */
void sentry_quota_write(const struct sentry_quota *q, char out[SENTRY_QUOTA_TEXT_BYTES]);
void sentry_quota_read(struct sentry_quota *ret, const char *text);
