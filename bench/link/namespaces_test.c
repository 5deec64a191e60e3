/* Live, where this process may make namespaces; else skipped. */
#include "bench/link/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/link/netlink.h"
#include "tests/cases.h"
#include "transport/base/err.h"

static struct name_case {
	const char *name, *text;
	bool valid;
} name_cases[] = {
	{ "a letter", "a", true },
	{ "letters, digits, dashes", "lab-2", true },
	{ "digits first", "2lab", true },
	{ "32 characters", "abcdefghijklmnopqrstuvwxyz012345", true },
	{ "33 characters", "abcdefghijklmnopqrstuvwxyz0123456", false },
	{ "nothing", "", false },
	{ "a dash first", "-lab", false },
	{ "a slash", "a/b", false },
	{ "two dots", "..", false },
	{ "a capital", "Lab", false },
	{ "a blank", "a b", false },
};

static void name_is_judged(void **state)
{
	const struct name_case *c = *state;
	char path[NAMESPACES_PATH_BYTES];
	struct err err = {};

	assert_int_equal(namespaces_name_is_valid(c->text), c->valid);
	assert_int_equal(namespaces_path(c->text, "control", path, &err), c->valid ? 0 : -EINVAL);
	if (c->valid)
		assert_string_equal(strrchr(path, '/'), "/control");
}

static const struct scenario plain = { .name = "plain", .mtu = 1500 };

/* A name of this process, so that tests may run side by side. */
static const char *link_name(void)
{
	static char name[NAMESPACES_NAME_MAX + 1];

	snprintf(name, sizeof(name), "test-%d", (int)getpid());
	return name;
}

static struct namespaces *open_or_skip(const char *name)
{
	struct namespaces *n = NULL;
	struct err err = {};
	char sentence[300];

	if (namespaces_open(name, &plain, &n, &err) == 0)
		return n;
	print_message("skipped: %s\n", err_sentence(&err, sentence, sizeof(sentence)));
	skip();
	return NULL;
}

static bool bound(const char *name, const char *side)
{
	char path[128];

	snprintf(path, sizeof(path), "/run/netns/link-%s-%s", name, side);
	return access(path, F_OK) == 0;
}

static void a_name_is_taken_once(void **state)
{
	const char *name = link_name();
	struct namespaces *n = open_or_skip(name), *second = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(namespaces_living(name, &err), 1);
	assert_int_equal(namespaces_open(name, &plain, &second, &err), -EEXIST);
	assert_null(second);
	assert_true(bound(name, "client") && bound(name, "server"));
	namespaces_close(n);
	assert_int_equal(namespaces_living(name, &err), 0);
	assert_false(bound(name, "client") || bound(name, "server"));
}

static void devices_are_there_and_quiet(void **state)
{
	struct namespaces *n = open_or_skip(link_name());
	struct netlink_drops drops = { 1, 1 };
	struct err err = {};
	char packet[64];

	(void)state;
	usleep(300000);
	for (enum link_side side = 0; side < LINK_SIDES; side++) {
		assert_int_equal(read(namespaces_tun(n, side), packet, sizeof(packet)), -1);
		assert_int_equal(errno, EAGAIN);
	}
	assert_int_equal(namespaces_drops(n, &drops, &err), 0);
	assert_int_equal(drops.sent, 0);
	assert_int_equal(drops.received, 0);
	namespaces_close(n);
}

/* A child that lives so: back when it has written `says` bytes to fd, which also closes when it runs
 * another program. */
static pid_t child_that(void (*lives)(const char *name, int fd), const char *name, ssize_t says)
{
	int ends[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		lives(name, ends[1]);
		_exit(1);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), says);
	close(ends[0]);
	return child;
}

static void owns_a_link(const char *name, int fd)
{
	struct namespaces *n = NULL;

	if (namespaces_open(name, &plain, &n, NULL) < 0)
		return;
	(void)!write(fd, "", 1);
	pause();
}

static void sleeps_in_it(const char *name, int fd)
{
	(void)fd;
	if (namespaces_enter(name, LINK_SERVER, NULL) == 0)
		execlp("sleep", "sleep", "1000", NULL);
}

static pid_t leave_a_dead_link(const char *name)
{
	pid_t owner = child_that(owns_a_link, name, 1);
	pid_t inmate = child_that(sleeps_in_it, name, 0);

	kill(owner, SIGKILL);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	return inmate;
}

/* One that was killed still waits for us, but is in no namespace any more. */
static bool runs(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return stat(path, &st) == 0;
}

/* Without it nothing can be ended; valgrind 3.19 does not know it. */
static void need_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0) {
		print_message("namespaces: skipped, no pidfd_open(2): %s\n", strerror(errno));
		skip();
	}
	close(fd);
}

static void a_dead_link_is_swept_with_what_runs_in_it(void **state)
{
	const char *name = link_name();
	struct err err = {};
	pid_t inmate;

	(void)state;
	need_pidfd();
	namespaces_close(open_or_skip(name));
	inmate = leave_a_dead_link(name);
	assert_true(bound(name, "client") && bound(name, "server"));
	assert_int_equal(namespaces_living(name, &err), 0);
	assert_true(runs(inmate));
	assert_true(namespaces_sweep(&err) >= 1);
	assert_false(bound(name, "client") || bound(name, "server"));
	assert_false(runs(inmate));
	assert_int_equal(waitpid(inmate, NULL, 0), inmate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_taken_once),
		cmocka_unit_test(devices_are_there_and_quiet),
		cmocka_unit_test(a_dead_link_is_swept_with_what_runs_in_it),
	};
	int failed = CASES_RUN(name_is_judged, name_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
