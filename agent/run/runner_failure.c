#include "agent/run/runner_failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "agent/run/bounded_child.h"
#include "measure/result_read.h"

#define ERRNO_MAX 4095

const char *runner_failure_name(enum runner_failure f)
{
	static const char *const names[] = {
		[RUNNER_FAILED] = "TEST_FAILED",
		[RUNNER_LATE] = "TEST_LATE",
		[RUNNER_TOO_MUCH] = "TEST_TOO_MUCH",
		[RUNNER_UNREADABLE] = "RESULT_UNREADABLE",
	};

	return (size_t)f < sizeof(names) / sizeof(*names) ? names[f] : NULL;
}

static bool is(const struct told_text *t, const char *text)
{
	return t->at && strlen(text) == t->n && memcmp(t->at, text, t->n) == 0;
}

/* A line that is down, a name that is not known, servers that refuse, a locate service without room: no fault of
 * anybody's here. */
static bool is_quiet(const struct told_failure *f)
{
	static const char *const codes[] = { "ENETUNREACH", "EHOSTUNREACH", "ENETDOWN",
		                             "EHOSTDOWN",   "ENODEV",       "EADDRNOTAVAIL",
		                             "ETIMEDOUT",   "ECONNREFUSED" };

	if (is(&f->domain, "dns") || f->retry_after_s.known)
		return true;
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (is(&f->code, codes[i]))
			return true;
	return false;
}

static int errno_named(const struct told_text *name)
{
	for (int number = 1; number < ERRNO_MAX; number++) {
		const char *known = strerrorname_np(number);

		if (known && is(name, known))
			return -number;
	}
	return 0;
}

/* By what the result tells of itself: the first failure that is not quiet. */
static enum runner_failure of_result(const struct told_result *told, int *ret_error)
{
	if (told->interrupted)
		return RUNNER_QUIET;
	for (size_t i = 0; i < told->errors_count; i++) {
		if (is_quiet(&told->errors[i]))
			continue;
		*ret_error = errno_named(&told->errors[i].code);
		return RUNNER_FAILED;
	}
	return told->errors_count > 0 ? RUNNER_QUIET : RUNNER_UNREADABLE;
}

enum runner_failure runner_failure_of(const struct bounded_child_end *end,
                                      const struct told_result *told, int *ret_error)
{
	*ret_error = 0;
	if (end->stopped)
		return RUNNER_QUIET;
	if (end->late)
		return RUNNER_LATE;
	if (end->too_much)
		return RUNNER_TOO_MUCH;
	if (end->signal)
		return RUNNER_QUIET;
	if (told)
		return of_result(told, ret_error);
	return end->code == 0 ? RUNNER_UNREADABLE : RUNNER_FAILED;
}
