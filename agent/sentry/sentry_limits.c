/* X-Sentry-Rate-Limits, as the server writes it:
 *
 *   limit *("," limit)      limit = seconds ":" [category *(";" category)] *(":" field of later)
 *
 * Spaces mean nothing, an empty list of categories means all of them. */
#include "agent/sentry/sentry_limits.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "transport/base/clock.h"

/* What counts where the server does not say how long, or says it in no known way. */
#define STANDARD_NS (60 * NS_PER_S)

#define HTTP_TOO_MANY_REQUESTS 429

static const char *const category_names[SENTRY_CATEGORIES] = {
	[SENTRY_CATEGORY_DEFAULT] = "default",
	[SENTRY_CATEGORY_ERROR] = "error",
	[SENTRY_CATEGORY_TRANSACTION] = "transaction",
	[SENTRY_CATEGORY_SECURITY] = "security",
	[SENTRY_CATEGORY_ATTACHMENT] = "attachment",
	[SENTRY_CATEGORY_SESSION] = "session",
	[SENTRY_CATEGORY_PROFILE] = "profile",
	[SENTRY_CATEGORY_REPLAY] = "replay",
	[SENTRY_CATEGORY_MONITOR] = "monitor",
	[SENTRY_CATEGORY_FEEDBACK] = "feedback",
	[SENTRY_CATEGORY_METRIC_BUCKET] = "metric_bucket",
	[SENTRY_CATEGORY_LOG_ITEM] = "log_item",
	[SENTRY_CATEGORY_INTERNAL] = "internal",
};

struct span {
	const char *at;
	size_t n;
};

/* What stands before the first `until`, without the spaces around it; `rest` begins behind. */
static struct span cut(struct span *rest, char until)
{
	const char *end = memchr(rest->at, until, rest->n);
	size_t n = end ? (size_t)(end - rest->at) : rest->n;
	struct span s = { rest->at, n };

	rest->at += n + (end != NULL);
	rest->n -= n + (end != NULL);
	while (s.n > 0 && (*s.at == ' ' || *s.at == '\t')) {
		s.at++;
		s.n--;
	}
	while (s.n > 0 && (s.at[s.n - 1] == ' ' || s.at[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static size_t count_digits(const char *at, size_t n)
{
	size_t digits = 0;

	while (digits < n && isdigit((unsigned char)at[digits]))
		digits++;
	return digits;
}

static uint64_t whole_seconds_ns(const char *digits, size_t n)
{
	uint64_t seconds = 0;

	for (size_t i = 0; i < n && seconds * NS_PER_S < SENTRY_LIMIT_NS_MAX; i++)
		seconds = seconds * 10 + (uint64_t)(digits[i] - '0');
	return seconds * NS_PER_S < SENTRY_LIMIT_NS_MAX ? seconds * NS_PER_S : SENTRY_LIMIT_NS_MAX;
}

static uint64_t fraction_ns(const char *digits, size_t n)
{
	uint64_t ns = 0, place = NS_PER_S / 10;

	for (size_t i = 0; i < n; i++, place /= 10)
		ns += (uint64_t)(digits[i] - '0') * place;
	return ns;
}

/* 1*DIGIT ["." 1*DIGIT], at most the ceiling. */
static bool read_seconds(struct span s, uint64_t *ret_ns)
{
	size_t whole = count_digits(s.at, s.n), fraction = 0;
	uint64_t ns;

	if (whole == 0)
		return false;
	if (whole < s.n) {
		fraction = count_digits(s.at + whole + 1, s.n - whole - 1);
		if (s.at[whole] != '.' || fraction == 0 || whole + 1 + fraction != s.n)
			return false;
	}
	ns = whole_seconds_ns(s.at, whole);
	if (fraction > 0)
		ns += fraction_ns(s.at + whole + 1, fraction);
	*ret_ns = ns < SENTRY_LIMIT_NS_MAX ? ns : SENTRY_LIMIT_NS_MAX;
	return true;
}

static void hold_until(uint64_t *until_ns, uint64_t new_ns)
{
	if (new_ns > *until_ns)
		*until_ns = new_ns;
}

/* An unknown one is passed over, so that a list of only unknown ones limits nothing. */
static void hold_category(struct sentry_limits *l, struct span name, uint64_t until_ns)
{
	for (int i = 0; i < SENTRY_CATEGORIES; i++)
		if (strlen(category_names[i]) == name.n &&
		    strncasecmp(category_names[i], name.at, name.n) == 0)
			hold_until(&l->until_ns[i], until_ns);
}

static void apply_limit(struct sentry_limits *l, struct span limit, uint64_t now_ns)
{
	struct span seconds = cut(&limit, ':');
	struct span categories = cut(&limit, ':');
	uint64_t ns;

	if (seconds.n == 0)
		return; /* nothing between two commas */
	if (!read_seconds(seconds, &ns))
		ns = STANDARD_NS;
	if (categories.n == 0)
		hold_until(&l->all_until_ns, now_ns + ns);
	while (categories.n > 0)
		hold_category(l, cut(&categories, ';'), now_ns + ns);
}

/* RFC 9110 5.6.7: the one form that is written, and the two that are still read. */
static bool read_date(const char *text, int64_t *ret_s)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT",
		"%a %b %e %H:%M:%S %Y",
	};

	if (!text)
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct tm tm = {};
		const char *end = strptime(text, forms[i], &tm);

		if (end && end[strspn(end, " ")] == '\0') {
			*ret_s = timegm(&tm);
			return true;
		}
	}
	return false;
}

static uint64_t retry_after_ns(const struct sentry_reply *reply)
{
	struct span text = { reply->retry_after ? reply->retry_after : "", 0 };
	int64_t then_s, now_s;
	uint64_t ns;

	text.n = strlen(text.at);
	if (read_seconds(cut(&text, '\0'), &ns))
		return ns;
	if (!read_date(reply->retry_after, &then_s) || !read_date(reply->date, &now_s))
		return STANDARD_NS;
	if (then_s <= now_s)
		return 0;
	ns = (uint64_t)(then_s - now_s);
	return ns < SENTRY_LIMIT_NS_MAX / NS_PER_S ? ns * NS_PER_S : SENTRY_LIMIT_NS_MAX;
}

void sentry_limits_apply(struct sentry_limits *l, const struct sentry_reply *reply, uint64_t now_ns)
{
	struct span rest;

	if (reply->rate_limits) {
		rest = (struct span){ reply->rate_limits, strlen(reply->rate_limits) };
		while (rest.n > 0)
			apply_limit(l, cut(&rest, ','), now_ns);
	} else if (reply->status == HTTP_TOO_MANY_REQUESTS) {
		hold_until(&l->all_until_ns, now_ns + retry_after_ns(reply));
	}
}

uint64_t sentry_limits_left_ns(const struct sentry_limits *l, enum sentry_category category,
                               uint64_t now_ns)
{
	uint64_t until_ns = l->all_until_ns;

	if (category != SENTRY_CATEGORY_INTERNAL)
		hold_until(&until_ns, l->until_ns[category]);
	if (category == SENTRY_CATEGORY_ERROR)
		hold_until(&until_ns, l->until_ns[SENTRY_CATEGORY_DEFAULT]);
	return until_ns > now_ns ? until_ns - now_ns : 0;
}

enum sentry_outcome sentry_outcome(int status)
{
	switch (status) {
	case 0:
		return SENTRY_UNSENT;
	case 200 ... 299:
		return SENTRY_ACCEPTED;
	case 401:
	case 403:
	case 404:
		return SENTRY_REFUSED;
	case HTTP_TOO_MANY_REQUESTS:
		return SENTRY_LIMITED;
	default:
		return SENTRY_DROPPED;
	}
}
