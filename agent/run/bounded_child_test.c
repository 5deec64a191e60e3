#include "agent/run/bounded_child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cases.h"
#include "tests/process.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

#define CEILING (256 * 1024)

struct heard {
	struct loop *loop;
	int times;
	struct bounded_child_end end;
	char out[200], more[200];
};

static void copy(char to[200], const char *from, size_t n)
{
	n = n < 199 ? n : 199;
	memcpy(to, from, n);
	to[n] = '\0';
}

static void on_done(void *owner, const struct bounded_child_end *end)
{
	struct heard *h = owner;

	h->times++;
	h->end = *end;
	copy(h->out, end->out, end->out_bytes);
	copy(h->more, end->more, end->more_bytes);
	loop_stop(h->loop);
}

static struct bounded_child *begin(struct heard *h, const char *program, const char *script,
                                   uint64_t deadline_ns)
{
	const char *const argv[] = { program, "-c", script, NULL };
	const char *const environment[] = { "PATH=/usr/bin:/bin", "ONLY=this", NULL };
	struct bounded_child_options o = {
		.program = program,
		.argv = (char *const *)argv,
		.environment = (char *const *)environment,
		.deadline_ns = deadline_ns,
		.grace_ns = 200 * NS_PER_MS,
		.out_bytes_max = CEILING,
		.more_bytes_max = CEILING,
	};
	struct bounded_child *c = NULL;
	struct err err = {};

	if (!h->loop)
		assert_int_equal(loop_open(LOOP_BODY_AUTO, &h->loop, &err), 0);
	if (bounded_child_start(h->loop, &o, on_done, h, &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

static void run(struct heard *h, const char *program, const char *script, uint64_t deadline_ns)
{
	begin(h, program, script, deadline_ns);
	assert_int_equal(loop_run(h->loop, loop_now_ns(h->loop) + 30 * NS_PER_S, NULL),
	                 LOOP_STOPPED);
	loop_close(h->loop);
	assert_int_equal(h->times, 1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
	assert_int_equal(errno, ECHILD);
}

/* --- ends --------------------------------------------------------------------------------------------- */

struct end_case {
	const char *name, *script;
	int code, signal;
	const char *out, *more, *complaint;
	bool late, too_much;
};

static struct end_case end_cases[] = {
	{ "both streams and a complaint", "echo a; echo b >&3; echo c >&2; echo d >&2", 0, 0, "a\n",
	  "b\n", "d" },
	{ "a code", "exit 3", 3, 0, "", "", "" },
	{ "nothing at all", ":", 0, 0, "", "", "" },
	{ "P5 a crash", "echo half; kill -SEGV $$", -1, SIGSEGV, "half\n", "", "" },
	{ "P5 any bytes", "printf '\\0\\377\\001x' >&3; printf '\\033[2J\\0z' >&2; exit 1", 1, 0,
	  "", "", "?[2J" },
	{ "streams closed at once", "exec >&- 2>&- 3>&-; exit 4", 4, 0, "", "", "" },
	{ "standard input is empty", "cat; echo end", 0, 0, "end\n", "", "" },
	{ "only the given environment", "echo $ONLY$HOME$USER", 0, 0, "this\n", "", "" },
	{ "no descriptor of ours", "ls /proc/self/fd | wc -l", 0, 0, "5\n", "", "" },
	{ "a group of its own", "test $(ps -o pgid= -p $$) = $$ && echo yes", 0, 0, "yes\n", "",
	  "" },
	{ "it hangs", "echo a; sleep 60", -1, SIGTERM, "a\n", "", "", .late = true },
	{ "it hangs, and takes no SIGTERM", "trap '' TERM; echo a; while :; do sleep 1; done", -1,
	  SIGKILL, "a\n", "", "", .late = true },
	{ "it ends by itself when asked", "trap 'echo b; exit 7' TERM; echo a; sleep 60 & wait", 7,
	  0, "a\nb\n", "", "", .late = true },
	{ "a child that it leaves", "sleep 60 & echo a", 0, 0, "a\n", "", "" },
	{ "a child that it leaves holds the streams, outside the group", "setsid sleep 2 & echo a",
	  0, 0, "a\n", "", "" },
	{ "output without end", "yes", -1, SIGKILL, NULL, "", "", .too_much = true },
	{ "more without end", "yes >&3", -1, SIGKILL, "", NULL, "", .too_much = true },
	{ "complaints without end", "yes x | head -c 3000000 >&2; echo y >&2", 0, 0, "", "", "y" },
};

static void it_ends(void **state)
{
	const struct end_case *c = *state;
	struct heard h = {};
	uint64_t deadline_ns = c->late ? 3 * NS_PER_S : 20 * NS_PER_S;

	run(&h, "/bin/sh", c->script, deadline_ns);
	assert_int_equal(h.end.code, c->code);
	assert_int_equal(h.end.signal, c->signal);
	assert_int_equal(h.end.late, c->late);
	assert_int_equal(h.end.too_much, c->too_much);
	if (strcmp(c->name, "P5 any bytes") == 0)
		assert_int_equal(h.end.more_bytes, 4);
	else if (c->more)
		assert_string_equal(h.more, c->more);
	if (c->out)
		assert_string_equal(h.out, c->out);
	if (c->too_much)
		assert_int_equal(h.end.out_bytes + h.end.more_bytes, CEILING);
	assert_string_equal(h.end.complaint, c->complaint);
}

/* It is init's child by then, which waits for it in its own time: Z is over, too. */
static bool is_over(const char *pid)
{
	char path[64], state = 'Z';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", atoi(pid));
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d %*s %c", &state) != 1)
		state = 'Z';
	if (f)
		fclose(f);
	return state == 'Z' || state == 'X';
}

/* Those of its group end with it, whether it ends by itself or is ended. */
static void R42_its_children_end_with_it(void **state)
{
	static const char *const scripts[] = { "sleep 60 >&- 2>&- 3>&- & echo $!",
		                               "trap '' TERM; sleep 60 & echo $!; wait" };

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		struct heard h = {};
		int waited = 0;

		run(&h, "/bin/sh", scripts[i], NS_PER_S);
		assert_true(atoi(h.out) > 1);
		while (!is_over(h.out) && waited++ < 500)
			usleep(10000);
		assert_true(is_over(h.out));
	}
}

static void as_much_as_the_ceiling_is_whole(void **state)
{
	struct heard h = {};

	(void)state;
	run(&h, "/bin/sh", "head -c 262144 /dev/zero; head -c 262144 /dev/zero >&3", 20 * NS_PER_S);
	assert_false(h.end.too_much);
	assert_int_equal(h.end.out_bytes, CEILING);
	assert_int_equal(h.end.more_bytes, CEILING);
}

static void what_cannot_be_run_is_told(void **state)
{
	struct heard none = {}, barred = {};

	(void)state;
	run(&none, "/nowhere/program", "", NS_PER_S);
	assert_int_equal(none.end.code, 127);
	assert_non_null(strstr(none.end.complaint, "/nowhere/program"));
	run(&barred, "/etc/passwd", "", NS_PER_S);
	assert_int_equal(barred.end.code, 126);
}

/* --- from outside -------------------------------------------------------------------------------------- */

static void it_is_asked_to_end(void **state)
{
	struct heard h = {};
	struct bounded_child *c = begin(&h, "/bin/sh", "sleep 60", 20 * NS_PER_S);

	(void)state;
	bounded_child_end(c);
	assert_int_equal(loop_run(h.loop, loop_now_ns(h.loop) + 10 * NS_PER_S, NULL), LOOP_STOPPED);
	assert_true(h.end.stopped && !h.end.late);
	loop_close(h.loop);
}

static void a_killed_one_is_not_heard_of(void **state)
{
	struct heard h = {};
	struct bounded_child *c = begin(&h, "/bin/sh", "echo a; sleep 60", 20 * NS_PER_S);
	int pid = bounded_child_pid(c);

	(void)state;
	bounded_child_kill(c);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(loop_run(h.loop, loop_now_ns(h.loop) + 50 * NS_PER_MS, NULL),
	                 LOOP_DEADLINE);
	assert_int_equal(h.times, 0);
	loop_close(h.loop);
}

static size_t open_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 1024; fd++) {
		char path[32], to[256];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		count += readlink(path, to, sizeof(to)) > 0;
	}
	return count;
}

/* A tenth of bar M1 in each direction that it can go wrong. */
static void M1_descriptors_are_flat(void **state)
{
	size_t before = open_descriptors();

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct heard h = {};

		run(&h, i % 2 ? "/bin/true" : "/nowhere", "", NS_PER_S);
	}
	assert_int_equal(open_descriptors(), before);
}

/* It is the process that forks which dies: the child of a child here. */
static void it_dies_with_us(void **state)
{
	int tell[2];
	pid_t pid, child = 0;

	(void)state;
	assert_int_equal(pipe(tell), 0);
	pid = fork();
	if (pid == 0) {
		struct heard h = {};
		int its = bounded_child_pid(begin(&h, "/bin/sh", "sleep 60; :", 20 * NS_PER_S));

		_exit(write(tell[1], &its, sizeof(its)) == sizeof(its) ? pause() : 1);
	}
	assert_int_equal(read(tell[0], &child, sizeof(child)), sizeof(child));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 200 && kill(child, 0) == 0; i++)
		usleep(10000);
	assert_int_equal(kill(child, 0), -1);
	close(tell[0]);
	close(tell[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(R42_its_children_end_with_it),
		cmocka_unit_test(as_much_as_the_ceiling_is_whole),
		cmocka_unit_test(what_cannot_be_run_is_told),
		cmocka_unit_test(it_is_asked_to_end),
		cmocka_unit_test(a_killed_one_is_not_heard_of),
		cmocka_unit_test(M1_descriptors_are_flat),
		cmocka_unit_test(it_dies_with_us),
	};
	int failed;

	process_needs_pidfd();
	failed = CASES_RUN(it_ends, end_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
