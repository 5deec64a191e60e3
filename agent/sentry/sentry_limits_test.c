/* Every shape of a limit (contract sentry.md 6, check 4), and what each status means (2.1, check 5). */
#include "agent/sentry/sentry_limits.h"

#include "tests/cases.h"
#include "transport/base/clock.h"

#define NOW_NS (1000 * NS_PER_S)

struct limit_case {
	const char *name;
	struct sentry_reply reply;
	double want_error_s, want_attachment_s, want_internal_s; /* left, just after */
};

#define LIMITS(status, text)                                                                       \
	{                                                                                          \
		(status), (text), NULL, NULL                                                       \
	}
#define RETRY(status, after, date)                                                                 \
	{                                                                                          \
		(status), NULL, (after), (date)                                                    \
	}
#define TEN_O_CLOCK "Mon, 05 Jan 2026 10:00:00 GMT"

static struct limit_case limit_cases[] = {
	{ "no limit", LIMITS(200, NULL), 0, 0, 0 },
	{ "one category", LIMITS(429, "60:error:key"), 60, 0, 0 },
	{ "with a 200", LIMITS(200, "60:error:key"), 60, 0, 0 },
	{ "with a 500", LIMITS(500, "60:error:key"), 60, 0, 0 },
	{ "default limits an event", LIMITS(429, "60:default:key"), 60, 0, 0 },
	{ "as seen live",
	  LIMITS(429, "60:default;error;security;attachment:organization:error_usage_exceeded"), 60,
	  60, 0 },
	{ "as seen live: all", LIMITS(429, "60::organization:suspended"), 60, 60, 60 },
	{ "all, shortest", LIMITS(429, "60:"), 60, 60, 60 },
	{ "all, only seconds", LIMITS(429, "60"), 60, 60, 60 },
	{ "two limits", LIMITS(429, "60:error:key, 2700:attachment:organization"), 60, 2700, 0 },
	{ "a fraction", LIMITS(429, "2.5:error:key,7:attachment"), 2.5, 7, 0 },
	{ "a long fraction", LIMITS(429, "1.00000000000000000001:error"), 1, 0, 0 },
	{ "spaces", LIMITS(429, "  60 : error ; attachment : key ,\t5 : session "), 60, 60, 0 },
	{ "capitals", LIMITS(429, "60:Error"), 60, 0, 0 },
	{ "only unknown is not all", LIMITS(429, "60:span;metric:key"), 0, 0, 0 },
	{ "known among unknown", LIMITS(429, "60:span;error;x:key"), 60, 0, 0 },
	{ "nothing we send", LIMITS(429, "60:transaction:key"), 0, 0, 0 },
	{ "internal is limited by all only", LIMITS(429, "60:internal"), 0, 0, 0 },
	{ "fields of later", LIMITS(429, "60:error:key:reason:namespace:more"), 60, 0, 0 },
	{ "the later of two", LIMITS(429, "60:error,30:error"), 60, 0, 0 },
	{ "nothing between commas", LIMITS(429, ",,60:error,,"), 60, 0, 0 },
	{ "no number is a minute", LIMITS(429, "soon:error"), 60, 0, 0 },
	{ "a negative is a minute", LIMITS(429, "-5:error"), 60, 0, 0 },
	{ "half a fraction is a minute", LIMITS(429, "5.:error"), 60, 0, 0 },
	{ "zero", LIMITS(429, "0:error"), 0, 0, 0 },
	{ "a day at most", LIMITS(429, "99999999999999999999999:error"), 86400, 0, 0 },
	{ "an empty header is one", LIMITS(429, ""), 0, 0, 0 },
	{ "the header comes before Retry-After", { 429, "5:error", "60", NULL }, 5, 0, 0 },
	{ "429, bare", RETRY(429, NULL, NULL), 60, 60, 60 },
	{ "429, seconds", RETRY(429, "120", NULL), 120, 120, 120 },
	{ "429, seconds with spaces", RETRY(429, " 120 ", NULL), 120, 120, 120 },
	{ "429, no number", RETRY(429, "later", NULL), 60, 60, 60 },
	{ "429, a date against the reply's",
	  RETRY(429, "Mon, 05 Jan 2026 10:02:00 GMT", TEN_O_CLOCK), 120, 120, 120 },
	{ "429, a date in RFC 850's form",
	  RETRY(429, "Monday, 05-Jan-26 10:02:00 GMT", TEN_O_CLOCK), 120, 120, 120 },
	{ "429, a date in asctime's form", RETRY(429, "Mon Jan  5 10:02:00 2026", TEN_O_CLOCK), 120,
	  120, 120 },
	{ "429, a date that has passed", RETRY(429, "Mon, 05 Jan 2026 09:00:00 GMT", TEN_O_CLOCK),
	  0, 0, 0 },
	{ "429, a date in years", RETRY(429, "Mon, 05 Jan 2036 10:00:00 GMT", TEN_O_CLOCK), 86400,
	  86400, 86400 },
	{ "429, a date without the reply's", RETRY(429, "Mon, 05 Jan 2026 10:02:00 GMT", NULL), 60,
	  60, 60 },
	{ "429, a reply's date that is none", RETRY(429, "Mon, 05 Jan 2026 10:02:00 GMT", "now"),
	  60, 60, 60 },
	{ "Retry-After of a 200", RETRY(200, "120", NULL), 0, 0, 0 },
	{ "Retry-After of a 503", RETRY(503, "120", NULL), 0, 0, 0 },
};

static void assert_left(const struct sentry_limits *l, enum sentry_category category, double want_s)
{
	assert_int_equal(sentry_limits_left_ns(l, category, NOW_NS), (uint64_t)(want_s * 1e9));
}

static void limits_apply(void **state)
{
	const struct limit_case *c = *state;
	struct sentry_limits l = {};

	sentry_limits_apply(&l, &c->reply, NOW_NS);
	assert_left(&l, SENTRY_CATEGORY_ERROR, c->want_error_s);
	assert_left(&l, SENTRY_CATEGORY_ATTACHMENT, c->want_attachment_s);
	assert_left(&l, SENTRY_CATEGORY_INTERNAL, c->want_internal_s);
}

struct outcome_case {
	const char *name;
	int status;
	enum sentry_outcome want;
};

static struct outcome_case outcome_cases[] = {
	{ "no answer", 0, SENTRY_UNSENT }, { "200", 200, SENTRY_ACCEPTED },
	{ "204", 204, SENTRY_ACCEPTED },   { "301 is not followed", 301, SENTRY_DROPPED },
	{ "400", 400, SENTRY_DROPPED },    { "401", 401, SENTRY_REFUSED },
	{ "403", 403, SENTRY_REFUSED },    { "404", 404, SENTRY_REFUSED },
	{ "408", 408, SENTRY_DROPPED },    { "413", 413, SENTRY_DROPPED },
	{ "429", 429, SENTRY_LIMITED },    { "500 is not tried again", 500, SENTRY_DROPPED },
	{ "503", 503, SENTRY_DROPPED },    { "a status that is none", 1000, SENTRY_DROPPED },
};

static void outcomes(void **state)
{
	const struct outcome_case *c = *state;

	assert_int_equal(sentry_outcome(c->status), c->want);
}

static void apply_text(struct sentry_limits *l, const char *text, uint64_t now_ns)
{
	sentry_limits_apply(l, &(struct sentry_reply){ .status = 429, .rate_limits = text },
	                    now_ns);
}

static void later_is_longer(void **state)
{
	struct sentry_limits l = {};

	(void)state;
	apply_text(&l, "60:error", NOW_NS);
	apply_text(&l, "10:error", NOW_NS + 20 * NS_PER_S);
	assert_int_equal(sentry_limits_left_ns(&l, SENTRY_CATEGORY_ERROR, NOW_NS + 20 * NS_PER_S),
	                 40 * NS_PER_S);
	apply_text(&l, "60:error", NOW_NS + 20 * NS_PER_S);
	assert_int_equal(sentry_limits_left_ns(&l, SENTRY_CATEGORY_ERROR, NOW_NS + 20 * NS_PER_S),
	                 60 * NS_PER_S);
}

static void ends_by_itself(void **state)
{
	struct sentry_limits l = {};

	(void)state;
	apply_text(&l, "60:error", NOW_NS);
	assert_int_equal(
		sentry_limits_left_ns(&l, SENTRY_CATEGORY_ERROR, NOW_NS + 60 * NS_PER_S - 1), 1);
	assert_int_equal(sentry_limits_left_ns(&l, SENTRY_CATEGORY_ERROR, NOW_NS + 60 * NS_PER_S),
	                 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later_is_longer),
		cmocka_unit_test(ends_by_itself),
	};
	int failed = CASES_RUN(limits_apply, limit_cases);

	failed += CASES_RUN(outcomes, outcome_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
