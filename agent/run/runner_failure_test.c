#include "agent/run/runner_failure.h"

#include <errno.h>
#include <string.h>

#include "agent/run/bounded_child.h"
#include "measure/result_read.h"
#include "tests/cases.h"

#define RESULT(errors) "{\"schema\":\"radar-pod/result/1\",\"errors\":[" errors "]}"
#define ERROR(code, domain)                                                                        \
	"{\"test\":\"download\",\"error\":\"x\",\"code\":" code ",\"domain\":\"" domain "\"}"

struct failure_case {
	const char *name;
	const char *result; /* NULL: none that can be read */
	struct bounded_child_end end;
	const char *want; /* NULL: nothing is reported */
	int want_error;
};

static struct failure_case failure_cases[] = {
	{ "its line is down", RESULT(ERROR("\"ENETUNREACH\"", "system")), { .code = 1 }, NULL, 0 },
	{ "nobody listens", RESULT(ERROR("\"ECONNREFUSED\"", "system")), { .code = 1 }, NULL, 0 },
	{ "all servers refuse", RESULT(ERROR("\"ECONNREFUSED\"", "http")), { .code = 1 }, NULL, 0 },
	{ "the interface is gone", RESULT(ERROR("\"ENODEV\"", "system")), { .code = 1 }, NULL, 0 },
	{ "a name is not known", RESULT(ERROR("\"ENOENT\"", "dns")), { .code = 1 }, NULL, 0 },
	{ "locate has no room",
	  RESULT("{\"code\":\"EAGAIN\",\"domain\":\"http\",\"retry_after_s\":60}"),
	  { .code = 1 },
	  NULL,
	  0 },
	{ "a certificate that is not theirs",
	  RESULT(ERROR("\"EPROTO\"", "tls")),
	  { .code = 1 },
	  "TEST_FAILED",
	  -EPROTO },
	{ "the first that is not quiet counts",
	  RESULT(ERROR("\"ETIMEDOUT\"", "system") "," ERROR("\"ECONNRESET\"", "websocket")),
	  { .code = 3 },
	  "TEST_FAILED",
	  -ECONNRESET },
	{ "no errno, or none that is one",
	  RESULT(ERROR("null", "http") "," ERROR("\"ENONSENSE\"", "http")),
	  { .code = 1 },
	  "TEST_FAILED",
	  0 },
	{ "interrupted",
	  "{\"schema\":\"radar-pod/result/1\",\"interrupted\":true}",
	  { .code = 1 },
	  NULL,
	  0 },
	{ "well, and nothing for the service", RESULT(""), { .code = 0 }, "RESULT_UNREADABLE", 0 },
	{ "stopped", NULL, { .code = -1, .stopped = true, .signal = 15 }, NULL, 0 },
	{ "late", NULL, { .code = -1, .late = true, .signal = 9 }, "TEST_LATE", 0 },
	{ "late, whatever it says",
	  RESULT(ERROR("\"ETIMEDOUT\"", "system")),
	  { .code = 1, .late = true },
	  "TEST_LATE",
	  0 },
	{ "it writes without end", NULL, { .signal = 9, .too_much = true }, "TEST_TOO_MUCH", 0 },
	{ "a crash, which has a record", NULL, { .code = -1, .signal = 11 }, NULL, 0 },
	{ "a program that fails", NULL, { .code = 2 }, "TEST_FAILED", 0 },
	{ "nothing", NULL, { .code = 0 }, "RESULT_UNREADABLE", 0 },
};

static void failures_have_names(void **state)
{
	const struct failure_case *c = *state;
	struct told_result told;
	const char *name;
	int error = 1;

	if (c->result)
		assert_int_equal(result_read(c->result, strlen(c->result), &told, NULL), 0);
	name = runner_failure_name(runner_failure_of(&c->end, c->result ? &told : NULL, &error));
	if (c->want)
		assert_string_equal(name, c->want);
	else
		assert_null(name);
	assert_int_equal(error, c->want_error);
}

static void what_went_well_has_none(void **state)
{
	(void)state;
	assert_null(runner_failure_name(RUNNER_WELL));
	assert_null(runner_failure_name(RUNNER_QUIET));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_went_well_has_none) };
	int failed = CASES_RUN(failures_have_names, failure_cases);

	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
