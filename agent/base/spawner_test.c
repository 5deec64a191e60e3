/* Children that another process starts: they are ours to wait for, and only such as may be. */
#include "agent/base/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/err.h"

#define SHELL "/bin/sh"

/* What the spawner goes by, and forgets nothing. */
static bool may(void *owner, const char *program, char *const *argv)
{
	(void)owner;
	return strcmp(program, SHELL) == 0 && argv[0] && strcmp(argv[0], "sh") == 0;
}

static char *const *environment_of(void *owner, char *const *argv, bool has_record)
{
	static char *const two[] = { (char *)"FROM=spawner", (char *)"RECORD=yes", NULL };
	static char *const one[] = { (char *)"FROM=spawner", NULL };

	(void)owner;
	(void)argv;
	return has_record ? two : one;
}

static void forget(void *owner)
{
	(void)owner;
}

static int begin(void **state)
{
	static const struct spawner_options o = { may, NULL, environment_of, forget };

	(void)state;
	return spawner_begin(&o, NULL);
}

static int end(void **state)
{
	(void)state;
	spawner_end();
	return spawner_is_there() ? -1 : 0;
}

struct shell {
	pid_t pid;
	int out;
};

static int start(const char *script, int record_fd, struct shell *ret)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	int ends[2], fds[SPAWNER_FDS] = { -1, -1, -1, -1, record_fd };
	struct spawner_order order = { .program = SHELL, .argv = argv, .fds = fds };
	int r;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fds[1] = ends[1];
	r = spawner_start(&order, &ret->pid, NULL);
	close(ends[1]);
	ret->out = ends[0];
	return r;
}

/* Answers how it ended, as waitpid(2) has it. */
static int hear(struct shell *s, char out[256])
{
	size_t n = 0;
	ssize_t got;
	int how = -1;

	while ((got = read(s->out, out + n, 255 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	close(s->out);
	assert_int_equal(waitpid(s->pid, &how, 0), s->pid);
	return how;
}

struct script_case {
	const char *name, *script;
	bool has_record;
	int how;
	const char *says;
};

static const struct script_case script_cases[] = {
	{ "its code is ours to hear", "exit 7", false, W_EXITCODE(7, 0), "" },
	{ "and its signal", "kill -9 $$", false, W_EXITCODE(0, 9), "" },
	{ "the environment is the spawner's", "echo $FROM $HOME", false, 0, "spawner\n" },
	{ "which knows of a record", "echo $RECORD; echo x >&4", true, 0, "yes\n" },
	{ "it has what it was given and nothing else", "ls /proc/self/fd | head -c 6 | tr -d '\\n'",
	  false, 0, "012" },
	{ "no signal is ignored", "trap", false, 0, "" },
};

static void child_is_ours(void **state)
{
	const struct script_case *c = *state;
	int record = c->has_record ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
	struct shell s;
	char out[256];

	assert_int_equal(start(c->script, record, &s), 0);
	assert_int_equal(hear(&s, out), c->how);
	if (strncmp(c->says, "012", 3) == 0)
		assert_memory_equal(out, "012", 3);
	else
		assert_string_equal(out, c->says);
	if (record >= 0)
		close(record);
}

static void its_parent_is_this_process(void **state)
{
	char out[256], wanted[32];
	struct shell s;

	(void)state;
	assert_int_equal(start("echo $PPID", -1, &s), 0);
	assert_int_equal(hear(&s, out), 0);
	snprintf(wanted, sizeof(wanted), "%d\n", getpid());
	assert_string_equal(out, wanted);
}

/* Not told by the child's code, but before there is a child. */
static void refuses_what_it_may_not(void **state)
{
	static const char *const stranger[] = { "id", NULL }, *const nameless[] = { "bash", NULL };
	const int fds[SPAWNER_FDS] = { -1, -1, -1, -1, -1 };
	pid_t pid;

	(void)state;
	assert_int_equal(
		spawner_start(&(struct spawner_order){ "/usr/bin/id", stranger, fds }, &pid, NULL),
		-EPERM);
	assert_int_equal(spawner_start(&(struct spawner_order){ SHELL, nameless, fds }, &pid, NULL),
	                 -EPERM);
}

static void takes_as_many_words_as_there_is_room_for(void **state)
{
	static char long_word[SPAWNER_TEXT_BYTES];
	const char *many[SPAWNER_WORDS_MAX + 2] = {};
	const char *const one[] = { "sh", long_word, NULL };
	const int fds[SPAWNER_FDS] = { -1, -1, -1, -1, -1 };
	pid_t pid;

	(void)state;
	for (int i = 0; i <= SPAWNER_WORDS_MAX; i++)
		many[i] = "sh";
	memset(long_word, 'x', sizeof(long_word) - 1);
	assert_int_equal(spawner_start(&(struct spawner_order){ SHELL, many, fds }, &pid, NULL),
	                 -E2BIG);
	assert_int_equal(spawner_start(&(struct spawner_order){ SHELL, one, fds }, &pid, NULL),
	                 -E2BIG);
}

static void on_alarm(int number)
{
	(void)number;
}

/* A signal at any instant, and none is begun again. */
static void each_answer_is_its_orders(void **state)
{
	const struct itimerval storm = { .it_interval.tv_usec = 100, .it_value.tv_usec = 100 };
	struct sigaction action = { .sa_handler = on_alarm };
	struct shell shells[60];
	char out[256];

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &storm, NULL), 0);
	for (int i = 0; i < 60; i++) {
		char script[32];

		snprintf(script, sizeof(script), "echo %d", i);
		assert_int_equal(start(script, -1, &shells[i]), 0);
	}
	assert_int_equal(setitimer(ITIMER_REAL, &(struct itimerval){}, NULL), 0);
	for (int i = 0; i < 60; i++) {
		assert_int_equal(hear(&shells[i], out), 0);
		assert_int_equal(atoi(out), i);
	}
}

/* And its like go on. */
static void child_that_is_no_program_has_a_code(void **state)
{
	char out[256];
	struct shell s;

	(void)state;
	assert_int_equal(start("exec /nowhere/at/all", -1, &s), 0);
	assert_int_equal(hear(&s, out), W_EXITCODE(127, 0));
	assert_int_equal(start("echo on", -1, &s), 0);
	assert_int_equal(hear(&s, out), 0);
	assert_string_equal(out, "on\n");
}

static void without_one_it_says_so(void **state)
{
	(void)state;
	assert_false(spawner_is_there());
}

int main(void)
{
	static const struct CMUnitTest before[] = { cmocka_unit_test(without_one_it_says_so) };
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_parent_is_this_process),
		cmocka_unit_test(refuses_what_it_may_not),
		cmocka_unit_test(takes_as_many_words_as_there_is_room_for),
		cmocka_unit_test(each_answer_is_its_orders),
		cmocka_unit_test(child_that_is_no_program_has_a_code),
	};
	int failed = cmocka_run_group_tests(before, NULL, NULL);

	begin(NULL);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	failed += CASES_RUN(child_is_ours, script_cases);
	return failed + (end(NULL) < 0);
}
