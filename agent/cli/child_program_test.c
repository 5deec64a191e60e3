/* Programs that are run, and the signals that reach them. */
#include "agent/cli/child_program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/inherited.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

static int nothing(void *self)
{
	(void)self;
	return 0;
}

static void await_end(struct child_program *p)
{
	uint64_t until_ns = clock_now_ns() + 10 * NS_PER_S;

	while (!p->over && clock_now_ns() < until_ns) {
		struct pollfd fd = { .fd = p->signals_fd, .events = POLLIN };

		poll(&fd, 1, 100);
		child_program_tend(p);
	}
	assert_true(p->over);
}

/* --- how it ends ----------------------------------------------------------------------------------- */

static const struct end_case {
	const char *name;
	const char *words[4];
	int outcome, code;
	const char *says; /* of what could not be done */
} end_cases[] = {
	{ "done", { "true" }, CHILD_PROGRAM_RUNS, 0, NULL },
	{ "its own code", { "sh", "-c", "exit 7" }, CHILD_PROGRAM_RUNS, 7, NULL },
	{ "the code of a shell that found nothing",
	  { "sh", "-c", "exit 127" },
	  CHILD_PROGRAM_RUNS,
	  127,
	  NULL },
	{ "killed", { "sh", "-c", "kill -KILL $$" }, CHILD_PROGRAM_RUNS, 137, NULL },
	{ "a fault", { "sh", "-c", "kill -SEGV $$" }, CHILD_PROGRAM_RUNS, 139, NULL },
	{ "a signal that we ignore ourselves",
	  { "sh", "-c", "kill -PIPE $$" },
	  CHILD_PROGRAM_RUNS,
	  141,
	  NULL },
	{ "a signal that we have blocked",
	  { "sh", "-c", "kill -USR1 $$" },
	  CHILD_PROGRAM_RUNS,
	  138,
	  NULL },
	{ "no such program",
	  { "/no/such/program" },
	  CHILD_PROGRAM_NOT_RUN,
	  127,
	  "/no/such/program" },
	{ "no such program on the path",
	  { "no-such-program-anywhere" },
	  CHILD_PROGRAM_NOT_RUN,
	  127,
	  "no-such-program-anywhere" },
	{ "a directory", { "/" }, CHILD_PROGRAM_NOT_RUN, 126, "run /" },
	{ "a file that is no program",
	  { "/etc/passwd" },
	  CHILD_PROGRAM_NOT_RUN,
	  126,
	  "/etc/passwd" },
};

static void end_is_told(void **state)
{
	const struct end_case *c = *state;
	struct child_program p;
	struct err err = {};

	assert_int_equal(child_program_start(&p, (char **)c->words, nothing, NULL, &err),
	                 c->outcome);
	if (c->outcome == CHILD_PROGRAM_RUNS)
		await_end(&p);
	else
		assert_non_null(strstr(err.text, c->says));
	assert_int_equal(p.code, c->code);
	child_program_end(&p);
	child_program_end(&p);
	assert_int_equal(p.signals_fd, -1);
}

/* --- before it runs -------------------------------------------------------------------------------- */

static int tell(void *self)
{
	return write(*(int *)self, "x", 1) == 1 ? 0 : -errno;
}

static int refuse(void *self)
{
	(void)self;
	return -EBUSY;
}

static void what_comes_first_runs_in_it(void **state)
{
	char *words[] = { (char *)"true", NULL };
	struct child_program p;
	int ends[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(child_program_start(&p, words, tell, &ends[1], NULL), CHILD_PROGRAM_RUNS);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	await_end(&p);
	child_program_end(&p);
	close(ends[0]);
	close(ends[1]);
}

static void where_that_fails_it_is_not_run(void **state)
{
	char *words[] = { (char *)"sh", (char *)"-c", (char *)"kill -KILL $PPID", NULL };
	struct child_program p;
	struct err err = {};

	(void)state;
	assert_int_equal(child_program_start(&p, words, refuse, NULL, &err), -EBUSY);
	assert_non_null(strstr(err.text, "control group"));
	assert_true(p.over);
	child_program_end(&p);
}

/* --- signals --------------------------------------------------------------------------------------- */

static const struct signal_case {
	const char *name;
	int number;
	bool ends; /* it means an end, when the program has ended */
} signal_cases[] = {
	{ "SIGTERM", SIGTERM, true },  { "SIGINT", SIGINT, true },
	{ "SIGHUP", SIGHUP, true },    { "SIGQUIT", SIGQUIT, true },
	{ "SIGUSR1", SIGUSR1, false }, { "SIGUSR2", SIGUSR2, false },
	{ "SIGALRM", SIGALRM, false }, { "SIGWINCH", SIGWINCH, false },
};

/* The program says when it is ready, and ends with 42 when the signal has come. */
static void signal_is_passed_on(void **state)
{
	const struct signal_case *c = *state;
	char script[160];
	char *words[] = { (char *)"sh", (char *)"-c", script, NULL };
	struct child_program p;
	int ends[2];
	char byte;

	assert_int_equal(pipe(ends), 0);
	snprintf(script, sizeof(script), /* >&N has one digit in some shells */
	         "trap 'exit 42' %d; echo >/dev/fd/%d; while :; do sleep 0.01; done", c->number,
	         ends[1]);
	assert_int_equal(child_program_start(&p, words, nothing, NULL, NULL), CHILD_PROGRAM_RUNS);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(kill(getpid(), c->number), 0);
	await_end(&p);
	assert_int_equal(p.code, 42);
	assert_false(p.told_end);
	assert_int_equal(kill(getpid(), c->number), 0);
	child_program_tend(&p);
	assert_int_equal(p.told_end, c->ends);
	child_program_end(&p);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_first_runs_in_it),
		cmocka_unit_test(where_that_fails_it_is_not_run),
	};
	int failed;

	inherited_signals_note();
	signal(SIGPIPE, SIG_IGN);
	failed = CASES_RUN(end_is_told, end_cases);
	failed += CASES_RUN(signal_is_passed_on, signal_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
