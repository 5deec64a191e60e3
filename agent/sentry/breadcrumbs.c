#include "agent/sentry/breadcrumbs.h"

#include <stdatomic.h>

#include "agent/sentry/sentry_text.h"

const char *sentry_level_name(enum sentry_level level)
{
	switch (level) {
	case SENTRY_DEBUG:
		return "debug";
	case SENTRY_INFO:
		return "info";
	case SENTRY_WARNING:
		return "warning";
	case SENTRY_ERROR:
		return "error";
	case SENTRY_FATAL:
		return "fatal";
	}
	return "error";
}

void breadcrumbs_add(struct breadcrumbs *b, uint64_t utc_ns, enum sentry_level level,
                     const char *category, const char *message)
{
	struct breadcrumb *entry = &b->ring[b->added % BREADCRUMBS_MAX];

	entry->utc_ns = utc_ns;
	entry->level = (uint8_t)level;
	sentry_text_fit(category, entry->category, sizeof(entry->category));
	sentry_text_fit(message, entry->message, sizeof(entry->message));
	atomic_signal_fence(memory_order_release); /* a crash handler of this thread reads it */
	b->added++;
}

size_t breadcrumbs_count(const struct breadcrumbs *b)
{
	return b->added < BREADCRUMBS_MAX ? (size_t)b->added : BREADCRUMBS_MAX;
}

const struct breadcrumb *breadcrumbs_at(const struct breadcrumbs *b, size_t i)
{
	return &b->ring[(b->added - breadcrumbs_count(b) + i) % BREADCRUMBS_MAX];
}
