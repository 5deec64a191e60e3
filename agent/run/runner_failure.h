/* What kind of failure a test's is, for an error report: those of which somebody may have to do something have a name, in
 * which nothing varies. Pure. */
#pragma once

struct bounded_child_end;
struct told_result;

enum runner_failure {
	RUNNER_WELL = 0,
	RUNNER_QUIET, /* stopped; no server was to be had (contract 6); a crash, which is told apart */
	RUNNER_FAILED,     /* it says why */
	RUNNER_LATE,       /* the deadline had come */
	RUNNER_TOO_MUCH,   /* it wrote more than a result can be */
	RUNNER_UNREADABLE, /* what it has left is no result, or none for the service */
};

/* "TEST_FAILED"; NULL where nothing is to be reported. */
const char *runner_failure_name(enum runner_failure f);

/* Of a test that has left nothing for the service. `told` is its result, NULL where that cannot be read.
 * *ret_error: what it says, a negative errno; 0: nothing. */
enum runner_failure runner_failure_of(const struct bounded_child_end *end,
                                      const struct told_result *told, int *ret_error);
