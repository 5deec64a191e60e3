#include "agent/sentry/sentry_quota.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/bytes.h"

#define HOUR_S 3600

/* FNV-1a: which kind it is; two that share one are told less often, and nothing else. */
static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return hash;
}

static bool is_recent(uint64_t then_s, uint64_t utc_s, uint64_t within_s)
{
	return then_s > 0 && then_s <= utc_s && utc_s - then_s < within_s;
}

/* Puts utc_s in the place of one that is not recent.  false: all are. */
static bool take_place(uint64_t *times, size_t n, uint64_t utc_s, uint64_t within_s)
{
	for (size_t i = 0; i < n; i++) {
		if (is_recent(times[i], utc_s, within_s))
			continue;
		times[i] = utc_s > 0 ? utc_s : 1;
		return true;
	}
	return false;
}

static struct sentry_quota_kind *find_kind(struct sentry_quota *q, uint64_t hash)
{
	for (size_t i = 0; i < q->kinds; i++)
		if (q->kind[i].hash == hash)
			return &q->kind[i];
	return NULL;
}

/* A place for a new one: a free one, or that of the kind which was told longest ago. */
static struct sentry_quota_kind *make_kind(struct sentry_quota *q, uint64_t hash)
{
	struct sentry_quota_kind *kind = &q->kind[0];

	if (q->kinds < SENTRY_QUOTA_KINDS)
		kind = &q->kind[q->kinds++];
	else
		for (size_t i = 1; i < q->kinds; i++)
			if (q->kind[i].told_s < kind->told_s)
				kind = &q->kind[i];
	*kind = (struct sentry_quota_kind){ .hash = hash };
	return kind;
}

enum sentry_quota_outcome sentry_quota_take(struct sentry_quota *q, const char *fingerprint,
                                            uint64_t utc_s, uint32_t *ret_suppressed)
{
	uint64_t hash = hash_of(fingerprint);
	struct sentry_quota_kind *kind = find_kind(q, hash);

	*ret_suppressed = 0;
	if (kind && is_recent(kind->told_s, utc_s, SENTRY_QUOTA_ALIKE_S)) {
		kind->suppressed += kind->suppressed < UINT32_MAX;
		return SENTRY_QUOTA_ALIKE;
	}
	if (!take_place(q->told_s, SENTRY_QUOTA_HOUR, utc_s, HOUR_S))
		return SENTRY_QUOTA_CAPPED;
	if (!kind)
		kind = make_kind(q, hash);
	*ret_suppressed = kind->suppressed;
	kind->suppressed = 0;
	kind->told_s = utc_s > 0 ? utc_s : 1;
	return SENTRY_QUOTA_TELL;
}

enum sentry_quota_outcome sentry_quota_take_crash(struct sentry_quota *q, uint64_t utc_s)
{
	return take_place(q->crashed_s, SENTRY_QUOTA_CRASHES, utc_s, SENTRY_QUOTA_CRASHES_S)
	               ? SENTRY_QUOTA_TELL
	               : SENTRY_QUOTA_CAPPED;
}

/* A line each: "kind HASH TOLD SUPPRESSED", "told TIME", "crash TIME". With any time of the next 30,000 years all of
 * them have room. */
void sentry_quota_write(const struct sentry_quota *q, char out[SENTRY_QUOTA_TEXT_BYTES])
{
	struct text t = text_on(out, SENTRY_QUOTA_TEXT_BYTES);

	for (size_t i = 0; i < SENTRY_QUOTA_CRASHES; i++)
		if (q->crashed_s[i])
			text_append(&t, "crash %" PRIu64 "\n", q->crashed_s[i]);
	for (size_t i = 0; i < SENTRY_QUOTA_HOUR; i++)
		if (q->told_s[i])
			text_append(&t, "told %" PRIu64 "\n", q->told_s[i]);
	for (size_t i = 0; i < q->kinds; i++)
		text_append(&t, "kind %016" PRIx64 " %" PRIu64 " %" PRIu32 "\n", q->kind[i].hash,
		            q->kind[i].told_s, q->kind[i].suppressed);
}

static void read_time(uint64_t *times, size_t n, uint64_t utc_s)
{
	for (size_t i = 0; i < n; i++) {
		if (times[i])
			continue;
		times[i] = utc_s;
		return;
	}
}

static void read_line(struct sentry_quota *q, const char *line)
{
	struct sentry_quota_kind kind = {};
	uint64_t utc_s;

	if (sscanf(line, "crash %20" SCNu64, &utc_s) == 1)
		read_time(q->crashed_s, SENTRY_QUOTA_CRASHES, utc_s);
	else if (sscanf(line, "told %20" SCNu64, &utc_s) == 1)
		read_time(q->told_s, SENTRY_QUOTA_HOUR, utc_s);
	else if (q->kinds < SENTRY_QUOTA_KINDS &&
	         sscanf(line, "kind %16" SCNx64 " %20" SCNu64 " %10" SCNu32, &kind.hash,
	                &kind.told_s, &kind.suppressed) == 3)
		q->kind[q->kinds++] = kind;
}

void sentry_quota_read(struct sentry_quota *ret, const char *text)
{
	*ret = (struct sentry_quota){};
	while (*text) {
		read_line(ret, text);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
}
