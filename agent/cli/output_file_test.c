/* A file is written whole or not at all. */
#include "agent/cli/output_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/err.h"

static char directory[] = "/tmp/radar-pod-output-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int entries(void)
{
	DIR *d = opendir(".");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "result", "link", "real", "pipe" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(names[i]);
	return rmdir(directory);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void assert_holds(const char *path, const char *want)
{
	char text[64] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	(void)!fgets(text, sizeof(text), f);
	fclose(f);
	assert_string_equal(text, want);
}

/* Opens, writes, and commits where `commit`; answers the first failure. */
static int write_to(const char *path, bool commit, struct err *err)
{
	struct output_file *f = NULL;
	int r = output_file_open(path, true, &f, err);

	if (r < 0)
		return r;
	fputs("new", f->to);
	if (commit)
		r = output_file_commit(f, err);
	output_file_close(f);
	return r;
}

static void a_new_file(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(write_to("result", true, &err), 0);
	assert_holds("result", "new");
	assert_int_equal(entries(), 1);
}

static void replaces_and_keeps_the_mode(void **state)
{
	struct stat st;
	struct err err;

	(void)state;
	put("result", "old");
	chmod("result", 0640);
	assert_int_equal(write_to("result", true, &err), 0);
	assert_holds("result", "new");
	assert_int_equal(stat("result", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(entries(), 1);
}

static void without_a_commit_nothing_changes(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(write_to("result", false, &err), 0);
	assert_int_equal(entries(), 0);
	put("result", "old");
	assert_int_equal(write_to("result", false, &err), 0);
	assert_holds("result", "old");
	assert_int_equal(entries(), 1);
}

static void a_link_is_followed(void **state)
{
	struct stat st;
	struct err err;

	(void)state;
	put("real", "old");
	assert_int_equal(symlink("real", "link"), 0);
	assert_int_equal(write_to("link", true, &err), 0);
	assert_holds("real", "new");
	assert_int_equal(lstat("link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void a_device_is_written_not_replaced(void **state)
{
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(write_to("/dev/null", true, &err), 0);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(write_to("/dev/full", true, &err), -ENOSPC);
	assert_string_equal(err.text, "write /dev/full (the result is on standard output)");
}

static void a_pipe_without_a_reader_is_no_wait(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(write_to("pipe", true, &err), -ENXIO);
}

static void what_says_nothing_leaves_the_old(void **state)
{
	struct output_file *f = NULL;
	struct err err;

	(void)state;
	put("result", "old");
	assert_int_equal(output_file_open("result", false, &f, &err), 0);
	assert_int_equal(output_file_commit(f, &err), 0);
	output_file_close(f);
	assert_holds("result", "old");
}

/* A directory that goes while the test runs. */
static void what_has_no_file_is_on_standard_output(void **state)
{
	int saved_fd = dup(STDOUT_FILENO);
	struct output_file *f = NULL;
	struct err err;
	int r;

	(void)state;
	assert_int_equal(mkdir("gone", 0700), 0);
	assert_int_equal(output_file_open("gone/result", false, &f, &err), 0);
	fputs("new", f->to);
	assert_int_equal(rmdir("gone"), 0);
	fflush(stdout);
	assert_non_null(freopen("real", "w", stdout));
	r = output_file_commit(f, &err);
	fflush(stdout);
	dup2(saved_fd, STDOUT_FILENO);
	close(saved_fd);
	output_file_close(f);
	assert_int_equal(r, -ENOENT);
	assert_non_null(strstr(err.text, "standard output"));
	assert_holds("real", "new");
}

/* Mounts of the test's own, or no test. */
static void enter_namespace(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", "", MS_REC | MS_PRIVATE, NULL) < 0)
		skip();
}

static void a_file_that_is_a_mount_is_written_over(void **state)
{
	struct err err;
	int r;

	(void)state;
	enter_namespace();
	put("result", "under the mount");
	put("real", "an old result, and a longer one");
	if (mount("real", "result", "", MS_BIND, NULL) < 0)
		skip();
	r = write_to("result", true, &err);
	umount("result");
	assert_int_equal(r, 0);
	assert_holds("real", "new");
	assert_holds("result", "under the mount");
	assert_int_equal(entries(), 2);
}

static void somebody_elses_file_in_a_sticky_directory_is_written_over(void **state)
{
	struct err err;
	int r;

	(void)state;
	if (geteuid() != 0)
		skip();
	put("result", "old");
	chmod("result", 0666);
	chmod(".", 01777);
	assert_int_equal(setresuid(65534, 65534, 0), 0);
	r = write_to("result", true, &err);
	assert_int_equal(setresuid(0, 0, 0), 0);
	assert_int_equal(r, 0);
	assert_holds("result", "new");
	assert_int_equal(entries(), 1);
}

static void without_proc_a_file_gets_its_name(void **state)
{
	struct err err;
	int r;

	(void)state;
	enter_namespace();
	if (mount("none", "/proc", "tmpfs", 0, NULL) < 0)
		skip();
	r = write_to("result", true, &err);
	umount("/proc");
	assert_int_equal(r, 0);
	assert_holds("result", "new");
	assert_int_equal(entries(), 1);
}

struct refused_case {
	const char *name;
	const char *path;
	int want;
};

static struct refused_case refused_cases[] = {
	{ "a directory", "/tmp", -EISDIR },
	{ "a missing directory", "/nonexistent/result", -ENOENT },
	{ "a file in the way", "/dev/null/result", -ENOTDIR },
	{ "a directory that is to be made", "/tmp/radar-pod-is-not-there/", -EISDIR },
	{ "no name at all", "", -ENOENT },
	{ "a file system without files", "/proc/result", -ENOENT },
};

static void refused_before_the_test(void **state)
{
	const struct refused_case *c = *state;
	struct err err = {};

	assert_int_equal(write_to(c->path, false, &err), c->want);
	assert_non_null(strstr(err.text, c->path));
}

int main(void)
{
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(a_new_file),
		IN_DIRECTORY(replaces_and_keeps_the_mode),
		IN_DIRECTORY(without_a_commit_nothing_changes),
		IN_DIRECTORY(a_link_is_followed),
		IN_DIRECTORY(a_device_is_written_not_replaced),
		IN_DIRECTORY(a_pipe_without_a_reader_is_no_wait),
		IN_DIRECTORY(what_says_nothing_leaves_the_old),
		IN_DIRECTORY(what_has_no_file_is_on_standard_output),
		IN_DIRECTORY(a_file_that_is_a_mount_is_written_over),
		IN_DIRECTORY(somebody_elses_file_in_a_sticky_directory_is_written_over),
		IN_DIRECTORY(without_proc_a_file_gets_its_name),
	};
	int failed = CASES_RUN(refused_before_the_test, refused_cases);

	return (failed + cmocka_run_group_tests(tests, NULL, NULL)) != 0;
}
