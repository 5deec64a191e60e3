/* Control groups of recordings, in the kernel: below this process's own. */
#include "agent/cli/record_group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bpf/cgroup.h"
#include "tests/cases.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"

/* Skips where there is none to be had, and says why. */
static struct record_group *open_one(void)
{
	struct record_group *g = NULL;
	struct err err = {};
	int r = record_group_open(&g, &err);

	if (r == -ENOENT || r == -EACCES || r == -EPERM || r == -EROFS) {
		print_message("skip: could not %s\n", err.text);
		skip();
	}
	assert_int_equal(r, 0);
	return g;
}

static struct record_group *close_one(struct record_group *g, size_t want_moved)
{
	struct record_group_left left = { .moved = 99, .stays = true };

	g = record_group_close(g, &left);
	assert_int_equal(left.moved, want_moved);
	assert_false(left.stays);
	return g;
}

/* How many groups of that process there are beside or below this process's own. */
static int groups_of(pid_t pid)
{
	char path[CGROUP_PATH_BYTES], prefix[64];
	int above_fd = cgroup_open_own(path, NULL), count = 0;
	DIR *groups = fdopendir(above_fd);
	struct dirent *entry;

	assert_non_null(groups);
	snprintf(prefix, sizeof(prefix), RECORD_GROUP_PREFIX "%d.", pid);
	while ((entry = readdir(groups)))
		count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	closedir(groups);
	return count;
}

/* As a program that was run: without the group's descriptors, by one of which its keeper knows that its
 * owner lives. */
_Noreturn static void rest(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	for (;;)
		pause();
}

/* A process in the group, until it is ended. */
static pid_t inmate_of(const struct record_group *g)
{
	int ends[2];
	pid_t pid;
	char joined;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		joined = record_group_join(g) == 0;
		(void)!write(ends[1], &joined, 1);
		rest();
	}
	assert_int_equal(read(ends[0], &joined, 1), 1);
	assert_true(joined);
	close(ends[0]);
	close(ends[1]);
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_group_comes_and_goes(void **state)
{
	struct record_group *g = open_one();

	(void)state;
	assert_int_equal(groups_of(getpid()), 1);
	assert_true(record_group_is_empty(g));
	assert_true(record_group_fd(g) >= 0);
	assert_null(close_one(g, 0));
	assert_int_equal(groups_of(getpid()), 0);
	assert_null(close_one(NULL, 0));
}

static void who_joins_is_in_it(void **state)
{
	struct record_group *g = open_one();
	pid_t pid = inmate_of(g);

	(void)state;
	assert_false(record_group_is_empty(g));
	end(pid);
	assert_true(record_group_is_empty(g));
	close_one(g, 0);
}

static void who_is_still_in_it_runs_on_above(void **state)
{
	struct record_group *g = open_one();
	pid_t a = inmate_of(g), b = inmate_of(g);

	(void)state;
	close_one(g, 2);
	assert_int_equal(groups_of(getpid()), 0);
	assert_int_equal(kill(a, 0), 0);
	assert_int_equal(kill(b, 0), 0);
	end(a);
	end(b);
}

/* A program may make groups, too. */
static void groups_within_it_count(void **state)
{
	struct record_group *g = open_one();
	int within;
	pid_t pid;

	(void)state;
	assert_int_equal(mkdirat(record_group_fd(g), "within", 0755), 0);
	within = openat(record_group_fd(g), "within/cgroup.procs", O_WRONLY | O_CLOEXEC);
	assert_true(within >= 0);
	pid = inmate_of(g);
	assert_true(dprintf(within, "%d", pid) > 0);
	close(within);
	assert_false(record_group_is_empty(g));
	end(pid);
	assert_true(record_group_is_empty(g));
	assert_int_equal(mkdirat(record_group_fd(g), "within/deeper", 0755), 0);
	close_one(g, 0); /* and they go with it */
	assert_int_equal(groups_of(getpid()), 0);
}

/* Nobody is moved out of a group that the program made: what it is for is not known. */
static void a_group_within_it_that_is_in_use_keeps_it(void **state)
{
	struct record_group *g = open_one();
	struct record_group_left left;
	int within;
	pid_t pid;

	(void)state;
	assert_int_equal(mkdirat(record_group_fd(g), "within", 0755), 0);
	within = openat(record_group_fd(g), "within/cgroup.procs", O_WRONLY | O_CLOEXEC);
	pid = inmate_of(g);
	assert_true(dprintf(within, "%d", pid) > 0);
	close(within);
	assert_null(record_group_close(g, &left));
	assert_true(left.stays);
	assert_int_equal(left.moved, 0);
	assert_int_equal(groups_of(getpid()), 1);
	end(pid);
	close_one(open_one(), 0); /* of the same name, as it is the same process */
	assert_int_equal(groups_of(getpid()), 0);
}

/* --- when its owner is killed ----------------------------------------------------------------------- */

/* A process that has a group, and waits. */
static pid_t owner(void)
{
	int ends[2];
	pid_t pid;
	char opened;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct record_group *g = NULL;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		opened = record_group_open(&g, NULL) == 0;
		(void)!write(ends[1], &opened, 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ends[0], &opened, 1), 1);
	assert_true(opened);
	close(ends[0]);
	close(ends[1]);
	return pid;
}

static void await_no_group_of(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	uint64_t until_ns = clock_now_ns() + 10 * NS_PER_S;

	while (groups_of(pid) > 0 && clock_now_ns() < until_ns)
		nanosleep(&pause, NULL);
	assert_int_equal(groups_of(pid), 0);
}

static void the_keeper_removes_what_the_killed_leave(void **state)
{
	pid_t pid;

	(void)state;
	close_one(open_one(), 0); /* or skips */
	pid = owner();
	assert_int_equal(groups_of(pid), 1);
	end(pid);
	await_no_group_of(pid);
}

/* As after a kill of both: the next one that is opened finds it. */
static void the_next_one_removes_what_is_left(void **state)
{
	char path[CGROUP_PATH_BYTES], name[64];
	int above_fd;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0); /* nobody has this number now, or not since 1 tick after boot */
	close_one(open_one(), 0);
	above_fd = cgroup_open_own(path, NULL);
	snprintf(name, sizeof(name), RECORD_GROUP_PREFIX "%d.1", pid);
	assert_int_equal(mkdirat(above_fd, name, 0755), 0);
	assert_int_equal(groups_of(pid), 1);
	close_one(open_one(), 0);
	assert_int_equal(groups_of(pid), 0);
	close(above_fd);
}

/* A process number is used again: whose it was is told by when it began, too. */
static void a_number_that_is_another_process_now(void **state)
{
	char path[CGROUP_PATH_BYTES], name[64];
	int above_fd;
	pid_t pid = owner();

	(void)state;
	close_one(open_one(), 0);
	above_fd = cgroup_open_own(path, NULL);
	snprintf(name, sizeof(name), RECORD_GROUP_PREFIX "%d.1", pid);
	assert_int_equal(mkdirat(above_fd, name, 0755), 0);
	assert_int_equal(groups_of(pid), 2);
	close_one(open_one(), 0);
	assert_int_equal(groups_of(pid), 1);
	close(above_fd);
	end(pid);
	await_no_group_of(pid);
}

/* In another namespace of processes its number says nothing here. */
static void one_that_is_locked_stays(void **state)
{
	char path[CGROUP_PATH_BYTES], name[64];
	int above_fd, lock;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	close_one(open_one(), 0);
	above_fd = cgroup_open_own(path, NULL);
	snprintf(name, sizeof(name), RECORD_GROUP_PREFIX "%d.1", pid);
	assert_int_equal(mkdirat(above_fd, name, 0755), 0);
	lock = openat(above_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	close_one(open_one(), 0);
	assert_int_equal(groups_of(pid), 1);
	close(lock);
	close_one(open_one(), 0);
	assert_int_equal(groups_of(pid), 0);
	close(above_fd);
}

static void those_of_the_living_stay(void **state)
{
	pid_t pid;

	(void)state;
	close_one(open_one(), 0);
	pid = owner();
	close_one(open_one(), 0);
	assert_int_equal(groups_of(pid), 1);
	end(pid);
	await_no_group_of(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_comes_and_goes),
		cmocka_unit_test(who_joins_is_in_it),
		cmocka_unit_test(who_is_still_in_it_runs_on_above),
		cmocka_unit_test(groups_within_it_count),
		cmocka_unit_test(a_group_within_it_that_is_in_use_keeps_it),
		cmocka_unit_test(the_keeper_removes_what_the_killed_leave),
		cmocka_unit_test(the_next_one_removes_what_is_left),
		cmocka_unit_test(a_number_that_is_another_process_now),
		cmocka_unit_test(one_that_is_locked_stays),
		cmocka_unit_test(those_of_the_living_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
